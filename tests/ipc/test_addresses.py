"""Where a socket can be: behind a long path, or at an abstract name."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

import acton_trio as acton
from acton_trio._ipc import addresses, probing
from acton_trio._ipc.addresses import address_of, path_of
from acton_trio._ipc.paths import bind_socket

from .peers import GetValue, Service

IpcConfig, IpcSocket = acton.ipc.IpcConfig, acton.ipc.IpcSocket

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has these ways"
)

numbers = count(1)


def new_name() -> str:
    """Return an abstract name that nobody else has."""
    return f"@acton_trio/{os.getpid()}/{next(numbers)}"


def deep(folder: Path, name: str = "ipc.sock") -> Path:
    """Return a path that is far too long for a socket's address."""
    return folder.joinpath(*["a" * 40] * 8, name)


def descriptors() -> int:
    """Return how many files are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def call(where: Any) -> int:
    """Ask the service at *where*."""
    async with acton.ipc.open_client(where) as client:
        reply = await client.actor("service").ask(GetValue())
    return reply.value


def call_and_block(where: Any) -> int:
    """Ask the service at *where*, without trio."""
    with acton.ipc.BlockingClient(where) as client:
        return client.actor("service").ask(GetValue()).value


async def check_that_it_is_served(where: Any) -> None:
    """A service at *where* can be reached, is found, and goes away."""
    async with acton.open_runtime() as runtime:
        await runtime.start(lambda: Service(7), name="service", expose=True)
        before = descriptors()
        async with acton.ipc.open_listener(runtime, path=where) as listener:
            assert acton.ipc.socket_exists(where)
            assert await acton.ipc.socket_is_alive(where)
            assert await call(where) == 7
            assert await trio.to_thread.run_sync(call_and_block, where) == 7
            assert listener.socket_path == path_of(where)
            with pytest.raises(acton.LocalProtocolError, match="already running"):
                await acton.ipc.open_listener(runtime, path=where).__aenter__()
            assert await call(where) == 7
        assert descriptors() == before
    assert not acton.ipc.socket_exists(where)
    assert not await acton.ipc.socket_is_alive(where)
    with pytest.raises(OSError, match=r"No such file|refused"):
        await call(where)
    with pytest.raises(OSError, match=r"No such file|refused"):
        call_and_block(where)


# --- long paths


async def test_long_path_is_as_good_as_a_short_one(tmp_path: Path) -> None:
    """For servers, clients and whoever looks."""
    path = deep(tmp_path)
    await check_that_it_is_served(path)

    assert len(os.fsencode(path)) > 300
    assert list(path.parent.iterdir()) == []


def test_long_path_is_taken_as_a_short_one(tmp_path: Path) -> None:
    """With its lock, its mode, and what a crashed server left."""
    path = deep(tmp_path)
    with bind_socket(path, 0o660, 5):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert path.with_name("ipc.sock.lock").exists()
        # As a crashed server leaves it.
        os.link(path, path.with_name("left.sock"))
    with bind_socket(path.with_name("left.sock"), 0o660, 5):
        assert [each.name for each in sorted(path.parent.iterdir())] == [
            "left.sock",
            "left.sock.lock",
        ]


def test_path_that_just_fits_is_told_as_it_is(tmp_path: Path) -> None:
    """Whoever lists sockets sees the path, if the address has room for it."""
    room = 107 - len(os.fsencode(tmp_path)) - 1
    path = tmp_path / ("x" * room)
    with bind_socket(path, 0o600, 5) as listener:
        assert listener.getsockname() == str(path)


def test_length_is_counted_in_bytes(tmp_path: Path) -> None:
    """A letter may be more than one."""
    path = tmp_path / ("ä" * 40) / "s"
    with bind_socket(path, 0o600, 5) as listener:
        name = listener.getsockname()

    assert len(str(path)) <= 107 < len(os.fsencode(path))
    assert name.startswith("/proc/self/fd/")


def test_last_part_has_to_fit(tmp_path: Path) -> None:
    """The error says how long it may be, and no folder was made."""
    with (
        pytest.raises(acton.ConfigError, match="at most 85 bytes"),
        bind_socket(deep(tmp_path, "x" * 86), 0o600, 5),
    ):
        pass
    assert list(tmp_path.iterdir()) == []

    with bind_socket(deep(tmp_path, "x" * 85), 0o600, 5):
        pass


async def test_relative_path_may_be_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins where the program is."""
    monkeypatch.chdir(tmp_path)
    await check_that_it_is_served(deep(Path()))


@pytest.mark.parametrize("is_linux", [True, False])
async def test_long_path_without_a_way_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_linux: bool
) -> None:
    """As the limit of the system it is, wherever the path is used."""
    if is_linux:
        monkeypatch.setattr(addresses, "_DESCRIPTORS", tmp_path / "not mounted")
    else:
        monkeypatch.setattr(sys, "platform", "darwin")
    path = deep(tmp_path)

    with pytest.raises(acton.ConfigError, match="at most 107 bytes"):
        bind_socket(path, 0o600, 5).__enter__()
    with pytest.raises(acton.ConfigError, match="at most 107 bytes"):
        await call(path)
    with pytest.raises(acton.ConfigError, match="at most 107 bytes"):
        call_and_block(path)
    assert not await acton.ipc.socket_is_alive(path)
    assert list(tmp_path.iterdir()) == []


# --- abstract names


async def test_abstract_name_is_as_good_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For servers, clients and whoever looks, and there is no file."""
    monkeypatch.chdir(tmp_path)
    await check_that_it_is_served(new_name())

    assert list(tmp_path.iterdir()) == []


async def test_abstract_name_may_be_a_path_object() -> None:
    """What begins with the sign is a name, whatever its type."""
    await check_that_it_is_served(Path(new_name()))


def test_abstract_name_is_the_one_that_others_know() -> None:
    """As systemd and ss write it."""
    name = new_name()
    with (
        bind_socket(Path(name), 0o600, 5) as listener,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(f"\0{name[1:]}")

        assert listener.getsockname() == b"\0" + name[1:].encode()


def test_abstract_name_is_free_once_its_server_has_gone() -> None:
    """Even while one of its connections is open: that has the name, too."""
    name = new_name()
    with socket.socket(socket.AF_UNIX) as client:
        with bind_socket(Path(name), 0o600, 5) as listener:
            client.connect(f"\0{name[1:]}")
            accepted, _ = listener.accept()
        with accepted:
            assert not acton.ipc.socket_exists(name)
            with bind_socket(Path(name), 0o600, 5):
                assert acton.ipc.socket_exists(name)


def test_abstract_name_exists_if_nobody_listens_yet() -> None:
    """As a path does."""
    name = new_name()
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(f"\0{name[1:]}")

        assert acton.ipc.socket_exists(name)
    assert not acton.ipc.socket_exists(name)


def test_no_abstract_name_exists_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the system does not list them."""
    monkeypatch.setattr(probing, "_SOCKETS", tmp_path / "unix")

    assert not acton.ipc.socket_exists(new_name())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param("@", "1 to 107 bytes", id="nothing"),
        pytest.param("@" + "x" * 108, "1 to 107 bytes", id="too much"),
        pytest.param("@" + "ä" * 54, "1 to 107 bytes", id="too many bytes"),
        pytest.param("@a\0b", "NUL", id="NUL"),
    ],
)
async def test_abstract_name_that_cannot_be_is_a_clear_error(
    wrong: str, words: str
) -> None:
    """For servers and for clients; and nobody is there."""
    with pytest.raises(acton.ConfigError, match=words):
        bind_socket(Path(wrong), 0o600, 5).__enter__()
    with pytest.raises(acton.ConfigError, match=words):
        await call(wrong)
    with pytest.raises(acton.ConfigError, match=words):
        call_and_block(wrong)
    assert not await acton.ipc.socket_is_alive(wrong)
    assert not acton.ipc.socket_exists(wrong)


def test_longest_abstract_name_is_taken() -> None:
    """All of the address but its first byte."""
    name = new_name()
    with bind_socket(Path(name + "x" * (108 - len(name))), 0o600, 5) as listener:
        assert len(listener.getsockname()) == 108


def test_abstract_name_is_refused_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Elsewhere it would be a file with a strange name."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with (
        pytest.raises(acton.ConfigError, match="only Linux has abstract names"),
        address_of("@x"),
    ):
        pass


@pytest.mark.parametrize("name", ["@a//b", "@a/", "@a/./b"])
def test_abstract_name_that_a_path_would_change_is_refused(name: str) -> None:
    """A server would be at another name than its clients."""
    for take in (path_of, lambda name: IpcSocket(path=name)):
        take_it: Callable[[str], object] = take
        with pytest.raises(acton.ConfigError, match="without '//'"):
            take_it(name)


@pytest.mark.parametrize("text", ["./@x", ".//@x", "././@x"])
async def test_file_may_begin_with_the_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A path says that it is one by its first dot."""
    monkeypatch.chdir(tmp_path)
    async with acton.open_runtime() as runtime:
        await runtime.start(lambda: Service(7), name="service", expose=True)
        async with acton.ipc.open_listener(runtime, path=text):
            assert (tmp_path / "@x").is_socket()
            assert not acton.ipc.socket_exists("@x")
            assert await call(text) == 7
    assert IpcSocket(path=text).path == tmp_path / "@x"


@pytest.mark.parametrize("is_file", [True, False], ids=["file", "environment"])
async def test_abstract_name_may_be_configured(
    tmp_path: Path, *, is_file: bool
) -> None:
    """By `ipc.toml` as by the environment."""
    name = new_name()
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    if is_file:
        (tmp_path / "acton").mkdir()
        text = f"[socket]\npath = '{name}'\n"
        (tmp_path / "acton" / "ipc.toml").write_text(text)
    else:
        environ["ACTON_IPC_SOCKET_PATH"] = name
    config = IpcConfig.load(environ=environ)
    async with acton.open_runtime() as runtime:
        await runtime.start(lambda: Service(7), name="service", expose=True)
        async with acton.ipc.open_listener(runtime, config) as listener:
            assert await call(name) == 7
            assert listener.socket_path == Path(name)
            assert name in repr(listener)
