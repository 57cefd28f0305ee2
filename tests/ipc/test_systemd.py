"""Sockets that systemd passes, and what it is told; no systemd is needed for it."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._ipc import systemd
from acton_trio._ipc.systemd import take_sockets
from acton_trio.ipc import IpcConfig, IpcSocket, notify_systemd

from .peers import GetValue, Service

VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="a name of Linux")


def by_systemd(path: Path) -> IpcConfig:
    """Return the configuration of a service of systemd."""
    return IpcConfig(socket=IpcSocket(path=path, systemd=True))


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever has started the tests.  What is set first is what is restored.
    for name in (*VARIABLES, "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@contextmanager
def passed(
    monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket | int, **more: str
) -> Generator[list[int], None, None]:
    """Pass *sockets* to this process, in a row, but not from the third one on."""
    first, numbers = (
        200,
        [each if isinstance(each, int) else each.fileno() for each in sockets],
    )
    copies = range(first, first + len(numbers))
    for number, copy in zip(numbers, copies, strict=True):
        os.dup2(number, copy, inheritable=True)
    monkeypatch.setattr(systemd, "_FIRST_DESCRIPTOR", first)
    said = {"LISTEN_FDS": f"{len(numbers)}", "LISTEN_PID": f"{os.getpid()}"} | more
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    try:
        yield list(copies)
    finally:
        for copy in copies:
            with suppress(OSError):
                os.close(copy)


def is_open(descriptor: int) -> bool:
    """Return whether *descriptor* is that of anything."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[socket.socket]:
    """Return a socket as a ``.socket`` unit opens one."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "unit"))
        listener.listen(7)
        yield listener


@pytest.fixture
def outlet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[bytes]]]:
    """Be told what systemd is; return what it was told so far."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inlet:
        inlet.bind(str(tmp_path / "notify"))
        inlet.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def told() -> list[bytes]:
            found: list[bytes] = []
            while True:
                try:
                    found.append(inlet.recv(4096))
                except BlockingIOError:
                    return found

        yield told


async def call(where: Path | str) -> int:
    """Ask the service at *where*."""
    async with acton.ipc.open_client(where) as client:
        reply = await client.actor("service").ask(GetValue())
    return reply.value


# --- what is passed


async def test_passed_socket_is_served(
    tmp_path: Path, bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of the path; and it is not ours to unlink."""
    config = by_systemd(tmp_path / "s")
    with passed(monkeypatch, bound) as (copy,):
        async with acton.open_runtime() as runtime:
            await runtime.start(lambda: Service(7), name="service", expose=True)
            async with acton.ipc.open_listener(runtime, config) as listener:
                assert listener.socket_path == tmp_path / "unit"
                assert await call(tmp_path / "unit") == 7
                assert listener.peer_pid(1) in {os.getpid(), None}
                assert not (tmp_path / "s").exists()
            assert not is_open(copy)
        assert not {*VARIABLES} & os.environ.keys()
        assert (tmp_path / "unit").is_socket()
        # The unit still holds it, and starts the service again for whoever calls.
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "unit"))


async def test_several_sockets_are_one_listener(
    tmp_path: Path, bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path is that of the first that has one."""
    tcp = socket.create_server(("127.0.0.1", 0))
    with tcp, passed(monkeypatch, tcp, bound, LISTEN_FDNAMES="web:unix"):
        async with acton.open_runtime() as runtime:
            await runtime.start(lambda: Service(7), name="service", expose=True)
            config = by_systemd(tmp_path / "s")
            async with acton.ipc.open_listener(runtime, config) as listener:
                assert await call(tmp_path / "unit") == 7
                stream = await trio.open_tcp_stream(*tcp.getsockname())
                async with acton.ipc.open_client(stream) as client:
                    await client.actor("service").ask(GetValue())
                    assert listener.peer_credentials(2) == (acton.ipc.PeerCredentials())
                assert listener.socket_path == tmp_path / "unit"


async def test_socket_without_a_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of TCP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        passed(monkeypatch, tcp),
    ):
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")) as listener,
        ):
            assert listener.socket_path is None


@only_linux
async def test_passed_abstract_name_is_for_our_own_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be if we had bound it."""
    name = f"acton_trio/unit/{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as unit:
        unit.bind(f"\0{name}")
        unit.listen()
        with passed(monkeypatch, unit):
            async with acton.open_runtime() as runtime:
                await runtime.start(lambda: Service(7), name="service", expose=True)
                async with acton.ipc.open_listener(
                    runtime, by_systemd(tmp_path / "s")
                ) as listener:
                    assert listener.socket_path == Path(f"@{name}")
                    assert await call(f"@{name}") == 7
                    # Somebody else, from now on.
                    stranger = os.geteuid() + 1
                    monkeypatch.setattr(os, "geteuid", lambda: stranger)
                    with pytest.raises(acton.ConnectionRefusedByPeerError):
                        await call(f"@{name}")


async def test_sockets_are_taken_once(
    tmp_path: Path, bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second listener is at its path."""
    with passed(monkeypatch, bound):
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")) as first,
            acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")) as second,
        ):
            assert first.socket_path == tmp_path / "unit"
            assert second.socket_path == tmp_path / "s"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"LISTEN_FDS": "1"}, id="no process"),
        pytest.param({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, id="another process"),
        pytest.param({"LISTEN_PID": "me", "LISTEN_FDS": "0"}, id="no socket"),
    ],
)
async def test_without_a_passed_socket_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    """Somebody else's sockets are left alone."""
    for name, value in said.items():
        monkeypatch.setenv(name, value.replace("me", f"{os.getpid()}"))
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")) as listener,
    ):
        assert listener.socket_path == tmp_path / "s"
        assert await acton.ipc.socket_is_alive(tmp_path / "s")
        assert not {*VARIABLES} & os.environ.keys()
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_taken_unless_it_is_set(
    tmp_path: Path, bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be for another part of the program."""
    with passed(monkeypatch, bound) as (copy,):
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, path=tmp_path / "s") as listener,
        ):
            assert listener.socket_path == tmp_path / "s"
        assert is_open(copy)
        assert "LISTEN_FDS" in os.environ


def test_taken_socket_is_ours_alone(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children do not have it, and waiting for it is trio's business."""
    with passed(monkeypatch, bound):
        (taken,) = take_sockets()
        with taken:
            flags = fcntl.fcntl(taken.fileno(), fcntl.F_GETFL)

            assert not taken.get_inheritable()
            assert flags & os.O_NONBLOCK
            assert taken.getsockname() == bound.getsockname()


def not_listening() -> socket.socket:
    """Return a socket to which nobody can connect."""
    return socket.socket(socket.AF_UNIX)


def not_a_stream() -> socket.socket:
    """Return a socket of datagrams."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def packets() -> socket.socket:
    """Return a socket that listens, for what is no stream."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("")
    listener.listen()
    return listener


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(not_listening, id="not listening"),
        pytest.param(not_a_stream, id="datagrams"),
        pytest.param(packets, id="packets", marks=only_linux),
    ],
)
def test_socket_that_cannot_be_served_is_a_clear_error(
    bound: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], socket.socket],
) -> None:
    """It says which one, by its number and by its name in the unit."""
    with (
        make() as wrong,
        passed(monkeypatch, bound, wrong, LISTEN_FDNAMES="a:odd") as copies,
    ):
        with pytest.raises(acton.ConfigError) as caught:
            take_sockets()

        assert str(caught.value) == (
            "the environment: LISTEN_FDS: expected listening stream sockets, got "
            "descriptor 201 (odd)"
        )
        assert not any(map(is_open, copies))


def test_descriptor_that_is_no_socket_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that is not open."""
    words = "open sockets, got descriptor 200"
    with (
        (tmp_path / "file").open("w") as file,
        passed(monkeypatch, file.fileno()),
        pytest.raises(acton.ConfigError, match=words),
    ):
        take_sockets()
    with (
        passed(monkeypatch, LISTEN_FDS="3"),
        pytest.raises(acton.ConfigError, match=words),
    ):
        take_sockets()


@pytest.mark.parametrize("number", ["", "-1", "two", "1.0", "²"])
def test_number_that_is_none_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """Whoever sets the variables should hear of it."""
    with (
        passed(monkeypatch, LISTEN_FDS=number),
        pytest.raises(acton.ConfigError, match="expected a number of sockets"),
    ):
        take_sockets()


async def test_socket_that_is_refused_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outlet: Callable[[], list[bytes]]
) -> None:
    """Neither at the path, nor for systemd."""
    with not_listening() as wrong, passed(monkeypatch, wrong):
        async with acton.open_runtime() as runtime:
            with pytest.raises(acton.ConfigError):
                await runtime.start_ipc_listener(by_systemd(tmp_path / "s"))
    assert not (tmp_path / "s").exists()
    assert outlet() == []


SERVICE: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[3]])
"""

SERVER: Final = """
import os, subprocess, sys, trio, acton_trio as acton
from acton_trio.ipc import IpcConfig, IpcSocket
config = IpcConfig(socket=IpcSocket(path=sys.argv[1], systemd=True))
async def main():
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, config) as listener:
            assert not [name for name in os.environ if name.startswith("LISTEN_")]
            look = "import os; print(os.path.exists('/proc/self/fd/3'))"
            assert subprocess.check_output([sys.executable, "-c", look]) == b"False\\n"
            print(listener.socket_path, flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)
trio.run(main)
"""


def test_service_is_started_as_systemd_does(
    tmp_path: Path, bound: socket.socket, outlet: Callable[[], list[bytes]]
) -> None:
    """The third descriptor, the process's own number, and a place to report to."""
    with ExitStack() as held:
        # Whoever calls first has caused the start, and need not wait for it.
        early = held.enter_context(socket.socket(socket.AF_UNIX))
        early.connect(bound.getsockname())
        early.sendall(b"\0\0\0\2\2\4\1{}")
        arguments = [f"{bound.fileno()}", SERVER, str(tmp_path / "s")]
        child = held.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", SERVICE, *arguments],
                env=os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "unit"},
                pass_fds=[bound.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        assert child.stdout
        where = child.stdout.readline()
        answer = early.recv(4096)
        told = outlet()
        _, words = child.communicate(b"")

    assert child.returncode == 0, words.decode()
    assert where.decode().strip() == bound.getsockname()
    assert answer == b"\0\0\0\2\2\4\1{}"
    assert told == [b"READY=1"]
    assert outlet() == [b"STOPPING=1"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["notify", "unit"]


# --- what is told


async def test_systemd_is_told_when_peers_can_come_in(
    tmp_path: Path, outlet: Callable[[], list[bytes]]
) -> None:
    """And when the end begins, which is before peers hear of it."""
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(
            runtime, by_systemd(tmp_path / "s")
        ) as listener:
            assert outlet() == [b"READY=1"]
            await listener.shutdown_gracefully()
            assert outlet() == [b"STOPPING=1"]
        assert outlet() == []


async def test_systemd_hears_of_the_end_before_it_is_there(
    tmp_path: Path, outlet: Callable[[], list[bytes]]
) -> None:
    """It knows then that answers are still being written."""
    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with (
            acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")) as listener,
            acton.ipc.open_client(tmp_path / "s") as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.request, "service", "Nap", {"seconds": 10**6})
            await wait_all_tasks_blocked(0.01)
            nursery.start_soon(listener.shutdown_gracefully)
            await wait_all_tasks_blocked(0.01)

            assert outlet() == [b"READY=1", b"STOPPING=1"]
            assert listener.statistics().in_flight_requests == 1
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["stopped", "left", "failed", "cancelled", "runtime"])
async def test_systemd_is_told_once_that_it_ends(
    tmp_path: Path, outlet: Callable[[], list[bytes]], how: str
) -> None:
    """However that comes about."""
    with trio.CancelScope() as scope:
        async with acton.open_runtime() as runtime:
            if how == "runtime":
                await runtime.start_ipc_listener(by_systemd(tmp_path / "s"))
            else:
                await live(runtime, tmp_path / "s", how, scope)

    assert outlet() == [b"READY=1", b"STOPPING=1"]


async def live(
    runtime: acton.Runtime, path: Path, how: str, scope: trio.CancelScope
) -> None:
    """Open a listener, and have it end."""
    with suppress(LookupError):
        async with acton.ipc.open_listener(runtime, by_systemd(path)) as listener:
            if how == "stopped":
                await listener.stop()
            elif how == "failed":
                raise LookupError
            elif how == "cancelled":
                scope.cancel()
                await trio.sleep_forever()


async def test_nobody_is_told_unless_it_is_set(
    tmp_path: Path, outlet: Callable[[], list[bytes]]
) -> None:
    """Who opens several listeners tells it when all are there."""
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=tmp_path / "a"),
        acton.ipc.open_listener(runtime, path=tmp_path / "b"),
    ):
        assert outlet() == []
        assert notify_systemd("READY=1\nSTATUS=Two doors, ä")
        assert outlet() == ["READY=1\nSTATUS=Two doors, ä".encode()]
    assert outlet() == []


@only_linux
def test_systemd_may_be_at_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in some containers."""
    name = f"acton_trio/notify/{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inlet:
        inlet.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        assert notify_systemd("WATCHDOG=1")
        assert inlet.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nobody_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That is no failure, and nothing for the log."""
    assert not notify_systemd("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "")
    assert not notify_systemd("READY=1")
    assert not caplog.records


@pytest.mark.parametrize(
    "where", ["/nowhere/at/all", "@nobody", "vsock:2:1234", "x" * 200]
)
async def test_failure_to_tell_is_only_logged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """The service goes on."""
    monkeypatch.setenv("NOTIFY_SOCKET", where)
    async with acton.open_runtime() as runtime:
        await runtime.start(lambda: Service(7), name="service", expose=True)
        async with acton.ipc.open_listener(runtime, by_systemd(tmp_path / "s")):
            assert await call(tmp_path / "s") == 7

    first, second = (each.getMessage() for each in caplog.records)
    assert first.startswith(f"systemd was not told 'READY=1' at {where}: ")
    assert second.startswith(f"systemd was not told 'STOPPING=1' at {where}: ")


def test_systemd_that_does_not_listen_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its queue may be full."""
    monkeypatch.setattr(systemd, "_PATIENCE_SECONDS", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inlet:
        inlet.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        while notify_systemd("WATCHDOG=1"):
            pass

    assert "timed out" in caplog.text
