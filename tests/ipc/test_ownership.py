"""Whose a path is: races, crashes, leftovers and permissions, on a real system."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import acton_trio as acton

from .modes import mode_of, modes_seen, umask
from .peers import GetValue, Service, Value

IpcConfig, IpcSocket = acton.ipc.IpcConfig, acton.ipc.IpcSocket

# A server that says when it listens, and lives until it is killed.
SERVER = """
import sys, trio, acton_trio as acton
async def main():
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, path=sys.argv[1]):
            print("listening", flush=True)
            await trio.sleep_forever()
trio.run(main)
"""

# Its lock file is unlinked, as by the last holder, between opening and locking.
LATECOMER = """
import fcntl, os, sys, trio, acton_trio as acton
lock = sys.argv[1] + ".lock"
seen = []
def unlink_once(event, arguments):
    if event == "fcntl.flock" and not seen:
        seen.append(event)
        os.unlink(lock)
sys.addaudithook(unlink_once)
async def main():
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, path=sys.argv[1]):
            with open(lock) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("locked" if seen else "not tried", flush=True)
trio.run(main)
"""


async def listen_once(path: Path, config: acton.ipc.IpcConfig | None = None) -> None:
    """Serve at *path*, be asked once, and leave."""
    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with (
            acton.ipc.open_listener(runtime, config, path=path),
            acton.ipc.open_client(path) as client,
        ):
            assert await client.actor("service").ask(GetValue()) == Value(0)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o620])
@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
async def test_socket_has_its_mode_whatever_the_umask(
    tmp_path: Path, mode: int, mask: int
) -> None:
    """The folder that we make is ours alone, and so is the lock file."""
    path = tmp_path / "new" / "s"
    config = IpcConfig(socket=IpcSocket(mode=mode))
    with umask(mask):
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, config, path=path),
        ):
            assert mode_of(path) == mode
            assert mode_of(path.parent) == 0o700
            assert mode_of(path.with_name("s.lock")) & 0o022 == 0
        # What was the process's own is so again.
        assert os.umask(mask) == mask


async def test_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """Only what we make do we shape."""
    tmp_path.chmod(0o755)
    await listen_once(tmp_path / "s")

    assert mode_of(tmp_path) == 0o755


async def test_socket_is_never_wider_than_its_mode(tmp_path: Path) -> None:
    """Not for an instant: somebody looks all the while."""
    path = tmp_path / "s"
    with modes_seen(path) as seen, umask(0):
        for _ in range(100):
            async with (
                acton.open_runtime() as runtime,
                acton.ipc.open_listener(runtime, path=path),
            ):
                await trio.lowlevel.checkpoint()

    assert all(each & ~0o600 == 0 for each in seen), [oct(each) for each in seen]


@pytest.mark.parametrize("is_stale", [True, False])
def test_of_servers_that_start_at_once_one_wins(
    tmp_path: Path, *, is_stale: bool
) -> None:
    """The others are refused, and the one that won is reached."""
    path = tmp_path / "s"
    count = 8
    for _ in range(5):
        if is_stale:
            with socket.socket(socket.AF_UNIX) as crashed:
                crashed.bind(str(path))
        start, tried = threading.Barrier(count), threading.Barrier(count)
        outcomes: list[str] = []

        async def compete(start: threading.Barrier, tried: threading.Barrier) -> str:
            async with acton.open_runtime() as runtime:
                await trio.to_thread.run_sync(start.wait)
                try:
                    async with acton.ipc.open_listener(runtime, path=path):
                        await trio.to_thread.run_sync(tried.wait)
                        return "won" if path.is_socket() else "robbed"
                except acton.ProtocolError:
                    await trio.to_thread.run_sync(tried.wait)
                    return "refused"

        def run(
            start: threading.Barrier = start,
            tried: threading.Barrier = tried,
            outcomes: list[str] = outcomes,
        ) -> None:
            try:
                outcomes.append(trio.run(compete, start, tried))
            except BaseException:
                tried.abort()  # or the others would wait for this one
                raise

        threads = [threading.Thread(target=run) for _ in range(count)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert sorted(outcomes) == ["refused"] * (count - 1) + ["won"]
        assert list(tmp_path.iterdir()) == []


async def test_path_whose_lock_is_held_is_refused(tmp_path: Path) -> None:
    """Even where nobody listens yet: its holder may be about to."""
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    before = path.stat().st_ino
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(acton.ProtocolError, match="already running"):
            await listen_once(path)

        assert path.stat().st_ino == before
        assert os.path.samestat(lock.stat(), os.fstat(file.fileno()))


def test_lock_that_vanishes_while_it_is_taken_is_taken_anew(tmp_path: Path) -> None:
    """A lock on a file that is not there any more locks nothing."""
    path = tmp_path / "s"
    done = subprocess.run(
        [sys.executable, "-c", LATECOMER, str(path)], capture_output=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, b"locked\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


async def test_killed_server_leaves_nothing_that_matters(tmp_path: Path) -> None:
    """The lock dies with its holder, and the socket is replaced."""
    path = tmp_path / "s"
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
        [sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"listening\n"
        alive = await acton.ipc.socket_is_alive(path)
        with pytest.raises(acton.ProtocolError, match="already running"):
            await listen_once(path)
        still_alive = await acton.ipc.socket_is_alive(path)
        server.send_signal(signal.SIGKILL)
    left = path.is_socket()
    dead = not await acton.ipc.socket_is_alive(path)
    await listen_once(path)

    assert (alive, still_alive, left, dead) == (True, True, True, True)
    assert list(tmp_path.iterdir()) == []


def folder(path: Path) -> None:
    """Make a folder with something in it."""
    path.mkdir()
    (path / "precious").touch()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.write_text("precious"), id="file"),
        pytest.param(Path.touch, id="empty file"),
        pytest.param(folder, id="folder"),
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="dangling link"),
    ],
)
async def test_what_is_no_socket_is_left_alone(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Nothing of anybody's is deleted for a socket."""
    path = tmp_path / "s"
    make(path)
    before = path.lstat()
    with pytest.raises(acton.ConfigError):
        await listen_once(path)

    assert path.lstat().st_ino == before.st_ino
    assert path.lstat().st_mode == before.st_mode


async def test_living_socket_with_a_full_queue_is_refused(tmp_path: Path) -> None:
    """Who has no time to accept is alive all the same."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting: list[socket.socket] = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].settimeout(0)
                waiting[-1].connect(str(path))
        except BlockingIOError:
            pass
        inode = path.stat().st_ino
        with pytest.raises(acton.ProtocolError):
            await listen_once(path)
        for each in waiting:
            each.close()

        assert path.stat().st_ino == inode


async def test_socket_that_took_our_place_is_not_removed(tmp_path: Path) -> None:
    """At the end only what is still ours is unlinked."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as theirs:
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, path=path),
        ):
            path.unlink()
            theirs.bind(str(path))
            inode = path.stat().st_ino

        assert path.stat().st_ino == inode


async def test_lock_that_took_the_place_of_ours_is_not_removed(tmp_path: Path) -> None:
    """Whoever has it now would lock nothing any more."""
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=path),
    ):
        lock.unlink()
        lock.touch()
        inode = lock.stat().st_ino

    assert lock.stat().st_ino == inode
    assert not path.exists()


async def test_path_that_was_removed_is_no_error(tmp_path: Path) -> None:
    """Somebody tidied up: leaving is quiet."""
    path = tmp_path / "s"
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=path),
    ):
        for each in tmp_path.iterdir():
            each.unlink()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["stop", "drain", "cancel"])
async def test_path_is_free_when_the_listener_has_ended(
    tmp_path: Path, how: str
) -> None:
    """However it ends, the next one can begin at once."""
    path = tmp_path / "s"
    async with acton.open_runtime() as runtime:
        for _ in range(2):
            with trio.CancelScope() as scope:
                async with acton.ipc.open_listener(runtime, path=path) as listener:
                    if how == "stop":
                        await listener.stop()
                        assert not path.exists()
                    elif how == "drain":
                        await listener.shutdown_gracefully()
                        assert not path.exists()
                    else:
                        scope.cancel()
                        await trio.lowlevel.checkpoint()

            assert list(tmp_path.iterdir()) == []


async def test_two_listeners_of_one_process_do_not_share_a_path(
    tmp_path: Path,
) -> None:
    """A lock of one's own process is a lock, and another path is free."""
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=tmp_path / "s"),
    ):
        with pytest.raises(acton.ProtocolError, match="already running"):
            await runtime.start_ipc_listener(
                IpcConfig(socket=IpcSocket(path=tmp_path / "s"))
            )
        async with acton.ipc.open_listener(runtime, path=tmp_path / "other"):
            assert await acton.ipc.socket_is_alive(tmp_path / "s")
            assert await acton.ipc.socket_is_alive(tmp_path / "other")


async def test_probing_tells_existing_from_living(tmp_path: Path) -> None:
    """What lies there need not listen."""
    file, none, stale = tmp_path / "file", tmp_path / "none", tmp_path / "stale"
    file.touch()
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(stale))

    assert acton.ipc.socket_exists(stale)
    assert not acton.ipc.socket_exists(none)
    for each in (file, none, stale):
        assert not await acton.ipc.socket_is_alive(each)


async def test_lock_that_cannot_be_is_a_config_error(tmp_path: Path) -> None:
    """Neither a folder nor a link to another file is locked."""
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    lock.mkdir()
    with pytest.raises(acton.ConfigError, match="a place where a socket can be"):
        await listen_once(path)
    lock.rmdir()
    lock.symlink_to("elsewhere")
    with pytest.raises(acton.ConfigError, match="a place where a socket can be"):
        await listen_once(path)

    assert [each.name for each in tmp_path.iterdir()] == ["s.lock"]


async def test_folder_that_cannot_be_is_a_config_error(tmp_path: Path) -> None:
    """The fault is named as one of the path, and nothing is left behind."""
    (tmp_path / "file").touch()
    with pytest.raises(acton.ConfigError):
        await listen_once(tmp_path / "file" / "s")

    assert [each.name for each in tmp_path.iterdir()] == ["file"]


async def test_path_given_by_name_beats_the_configured_one(tmp_path: Path) -> None:
    """What is written at the call counts."""
    config = IpcConfig(socket=IpcSocket(path=tmp_path / "configured"))
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, config, path=str(tmp_path / "named")) as door,
    ):
        assert door.socket_path == tmp_path / "named"
        assert not (tmp_path / "configured").exists()
