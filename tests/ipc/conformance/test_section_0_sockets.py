"""Section 0, rows 14 to 16: sockets of the operating system, and who is behind them."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import acton_trio as acton

from ..modes import mode_of, modes_seen, umask
from ..peers import END, ERROR, JSON, Peer, Service, frame
from .rows import row

IpcAccess, IpcConfig = acton.ipc.IpcAccess, acton.ipc.IpcConfig
IpcSocket = acton.ipc.IpcSocket

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

STRANGER = 12345

# Tells what is unlinked, and whether the lock is held by then.
LEAVER = """
import fcntl, os, sys, trio, acton_trio as acton
path = sys.argv[1]
def watch(event, arguments):
    if event != "os.remove" or not os.path.lexists(arguments[0]):
        return
    with open(path + ".lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("locked", os.path.basename(arguments[0]), flush=True)
async def main():
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, path=path):
            sys.addaudithook(watch)
trio.run(main)
"""

# Its lock file is unlinked, as by the last holder, between opening and locking.
LATECOMER = """
import fcntl, os, sys, trio, acton_trio as acton
path = sys.argv[1]
seen = []
def unlink_once(event, arguments):
    if event == "fcntl.flock" and not seen:
        seen.append(event)
        os.unlink(path + ".lock")
sys.addaudithook(unlink_once)
async def main():
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, path=path):
            with open(path + ".lock") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("locked" if seen else "not tried")
trio.run(main)
"""


@asynccontextmanager
async def listen(
    path: Path, config: acton.ipc.IpcConfig | None = None, **options: Any
) -> AsyncGenerator[Any, None]:
    """Serve at *path* as long as the block lasts."""
    open_listener: Any = acton.ipc.open_listener
    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with open_listener(runtime, config, path=path, **options) as listener:
            yield listener


async def serve_once(path: Path, config: acton.ipc.IpcConfig | None = None) -> None:
    """Serve at *path*, be asked once, and leave."""
    async with listen(path, config), connect(path) as peer:
        answer = await peer.ask("GetValue")

        assert answer["success"] is True


@asynccontextmanager
async def connect(path: Path) -> AsyncGenerator[Peer, None]:
    """Be a peer of the server at *path* as long as the block lasts."""
    async with await trio.open_unix_socket(path) as stream:
        yield Peer(stream)


def leave_socket(path: Path) -> None:
    """Leave a socket at *path* on which nobody listens."""
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))


# 14. A stale socket.


@row("0.14")
async def test_row_14_stale_socket_is_replaced(tmp_path: Path) -> None:
    """A socket of ours that refuses is no obstacle."""
    path = tmp_path / "s"
    leave_socket(path)
    await serve_once(path)

    assert list(tmp_path.iterdir()) == []


@row("0.14")
@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda path: path.write_text("precious"), id="file"),
        pytest.param(Path.touch, id="empty file"),
        pytest.param(Path.mkdir, id="folder"),
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="link"),
    ],
)
async def test_row_14_what_is_no_stale_socket_is_left_alone(
    tmp_path: Path, leave: Callable[[Path], object]
) -> None:
    """Nothing else is deleted, whatever connecting says."""
    path = tmp_path / "s"
    leave(path)
    before = path.lstat()
    with pytest.raises(acton.ActonError):
        await serve_once(path)
    after = path.lstat()

    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


@row("0.14")
@needs_root
async def test_row_14_socket_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Stale or not."""
    path = tmp_path / "s"
    leave_socket(path)
    os.chown(path, STRANGER, STRANGER)
    before = path.lstat()
    with pytest.raises(acton.ActonError):
        await serve_once(path)

    assert path.lstat().st_ino == before.st_ino


@row("0.14")
async def test_row_14_living_socket_is_left_alone(tmp_path: Path) -> None:
    """A second server does not start, and the first is not robbed."""
    path = tmp_path / "s"
    async with listen(path):
        with pytest.raises(acton.ProtocolError, match="already running"):
            await serve_once(path)
        async with connect(path) as peer:
            answer = await peer.ask("GetValue")

    assert answer["success"] is True


@row("0.14")
async def test_row_14_living_socket_of_another_kind_is_left_alone(
    tmp_path: Path,
) -> None:
    """It does not refuse the connection: there can be none."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        before = path.stat().st_ino
        with pytest.raises(acton.ActonError):
            await serve_once(path)

        assert path.stat().st_ino == before


@row("0.14")
async def test_row_14_path_whose_lock_is_held_is_left_alone(tmp_path: Path) -> None:
    """Its holder may be about to bind."""
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    leave_socket(path)
    before = path.stat().st_ino
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(acton.ProtocolError):
            await serve_once(path)

        assert path.stat().st_ino == before
        assert os.path.samestat(lock.stat(), os.fstat(file.fileno()))


@row("0.14")
async def test_row_14_lock_is_held_while_the_server_is_there(tmp_path: Path) -> None:
    """It is an advisory lock on a file beside the socket."""
    path = tmp_path / "s"
    async with listen(path):
        with (tmp_path / "s.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    assert list(tmp_path.iterdir()) == []


@row("0.14")
@pytest.mark.parametrize("is_stale", [True, False])
def test_row_14_of_servers_that_start_at_once_one_wins(
    tmp_path: Path, *, is_stale: bool
) -> None:
    """The others are refused."""
    path, count = tmp_path / "s", 4
    if is_stale:
        leave_socket(path)
    start, tried = threading.Barrier(count), threading.Barrier(count)
    outcomes: list[str] = []

    async def compete() -> None:
        await trio.to_thread.run_sync(start.wait)
        try:
            async with listen(path):
                outcomes.append("won")
                await trio.to_thread.run_sync(tried.wait)
        except acton.ProtocolError:
            outcomes.append("refused")
            await trio.to_thread.run_sync(tried.wait)

    threads = [
        threading.Thread(target=trio.run, args=(compete,), daemon=True)
        for _ in range(count)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(outcomes) == ["refused"] * (count - 1) + ["won"]
    assert list(tmp_path.iterdir()) == []


@row("0.14")
def test_row_14_lock_that_vanished_is_taken_anew(tmp_path: Path) -> None:
    """A lock on a file that is not there any more locks nothing."""
    done = subprocess.run(
        [sys.executable, "-c", LATECOMER, str(tmp_path / "s")],
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, b"locked\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


@row("0.14")
def test_row_14_socket_goes_first_and_the_lock_last(tmp_path: Path) -> None:
    """Who waits for the lock finds neither file when he gets it."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVER, str(tmp_path / "s")],
        capture_output=True,
        check=False,
    )

    assert done.stdout == b"locked s\nlocked s.lock\n", done.stderr
    assert list(tmp_path.iterdir()) == []


@row("0.14")
async def test_row_14_path_that_is_not_ours_any_more_is_left_alone(
    tmp_path: Path,
) -> None:
    """At the end only our own socket is unlinked."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as theirs:
        async with listen(path):
            path.unlink()
            theirs.bind(str(path))
            before = path.stat().st_ino

        assert path.stat().st_ino == before


# 15. Permissions.


@row("0.15")
@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
@pytest.mark.parametrize("mode", [None, 0o600, 0o660, 0o666])
async def test_row_15_socket_has_its_mode_whatever_the_umask(
    tmp_path: Path, mode: int | None, mask: int
) -> None:
    """By default it is its owner's only, and the folders we make are always."""
    path = tmp_path / "new" / "er" / "s"
    settings = IpcSocket() if mode is None else IpcSocket(mode=mode)
    with umask(mask):
        async with listen(path, IpcConfig(socket=settings)):
            assert mode_of(path) == (0o600 if mode is None else mode)
            assert mode_of(path.parent) == 0o700
            assert mode_of(path.parent.parent) == 0o700


@row("0.15")
async def test_row_15_socket_is_not_wider_for_an_instant(tmp_path: Path) -> None:
    """Somebody looks all the while, and nothing narrows what is created."""
    path = tmp_path / "s"
    with modes_seen(path) as seen, umask(0):
        for _ in range(30):
            async with listen(path):
                await trio.lowlevel.checkpoint()

    assert all(each & ~0o600 == 0 for each in seen), [oct(each) for each in seen]


@row("0.15")
@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775])
async def test_row_15_open_folder_of_somebody_else_is_refused(
    tmp_path: Path, mode: int
) -> None:
    """The error names the folder; they could put another socket there."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(acton.ConfigError, match="theirs"):
        await serve_once(folder / "s")

    assert list(folder.iterdir()) == []


@row("0.15")
@needs_root
@pytest.mark.parametrize("mode", [0o1777, 0o755])
async def test_row_15_folder_in_which_ours_is_safe_is_accepted(
    tmp_path: Path, mode: int
) -> None:
    """A sticky one, as ``/tmp`` is, or one that others do not write to."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, STRANGER, STRANGER)
    await serve_once(folder / "s")

    assert mode_of(folder) == mode


# 16. Who a peer is.

ME, MINE = os.geteuid(), os.getegid()


@row("0.16")
async def test_row_16_peer_is_recorded(tmp_path: Path) -> None:
    """Under the number of its connection, until that ends."""
    async with listen(tmp_path / "s") as listener:
        async with connect(tmp_path / "s") as first, connect(tmp_path / "s") as second:
            await first.ask("GetValue")
            await second.ask("GetValue")
            seen = [listener.peer_credentials(number) for number in (1, 2, 3)]
            pids = [listener.peer_pid(number) for number in (1, 2, 3)]
        await trio.testing.wait_all_tasks_blocked(0.01)
        after = listener.peer_credentials(1)

    assert [(each.pid, each.uid, each.gid) for each in seen[:2]] == [
        (os.getpid(), ME, MINE)
    ] * 2
    assert pids == [os.getpid(), os.getpid(), None]
    assert (seen[2], after) == (None, None)


@row("0.16")
@pytest.mark.parametrize(
    ("pid", "text"),
    [(7, "pid=7 uid=1000 gid=20"), (None, "pid=unknown uid=1000 gid=20")],
)
def test_row_16_peer_is_written_as_in_the_reference(pid: int | None, text: str) -> None:
    """Logs of both can be read by the same eyes."""
    ipc: Any = acton.ipc

    assert str(ipc.PeerCredentials(pid=pid, uid=1000, gid=20)) == text


@row("0.16")
@pytest.mark.parametrize(
    "access",
    [
        pytest.param(IpcAccess(), id="nothing is set"),
        pytest.param(IpcAccess(allow_uids=(STRANGER, ME)), id="the user"),
        pytest.param(IpcAccess(allow_gids=(STRANGER, MINE)), id="the group"),
        pytest.param(
            IpcAccess(allow_uids=(STRANGER,), allow_gids=(MINE,)), id="only the group"
        ),
    ],
)
async def test_row_16_peer_that_may_connect_is_served(
    tmp_path: Path, access: acton.ipc.IpcAccess
) -> None:
    """Its user or its group is among those that are allowed."""
    await serve_once(tmp_path / "s", IpcConfig(access=access))


async def check_that_it_is_refused(path: Path) -> None:
    """Check that a peer at *path* is told that it may not connect, and is closed."""
    async with connect(path) as peer:
        # Where peers are let in, there would be an end and no error.
        await peer.say_no_more()
        data = await peer.read_bytes()
        end = await peer.read_frame()
    body = json.loads(data[7:] or b"{}")

    assert data[4:7] == bytes([2, ERROR, JSON])
    assert list(body)[:4] == ["correlation_id", "success", "error", "error_code"]
    assert body["correlation_id"] == "__acton_connection_rejected__"
    assert body["success"] is False
    assert body["error_code"] == "ACCESS_DENIED"
    assert end == END


@row("0.16")
@pytest.mark.parametrize(
    "access",
    [
        pytest.param(IpcAccess(allow_uids=(STRANGER,)), id="another user"),
        pytest.param(IpcAccess(allow_gids=(STRANGER,)), id="another group"),
        pytest.param(
            IpcAccess(allow_uids=(STRANGER,), allow_gids=(STRANGER,)), id="both"
        ),
    ],
)
async def test_row_16_peer_that_may_not_connect_is_refused(
    tmp_path: Path, access: acton.ipc.IpcAccess
) -> None:
    """It hears so before it has said anything."""
    path = tmp_path / "s"
    async with listen(path, IpcConfig(access=access)):
        await check_that_it_is_refused(path)


@row("0.16")
@pytest.mark.parametrize("is_async", [False, True])
async def test_row_16_callable_decides_about_peers(
    tmp_path: Path, *, is_async: bool
) -> None:
    """It is asked with the peer's credentials, and may wait."""
    path = tmp_path / "s"
    verdicts = [True, False]
    asked: list[Any] = []

    def authorize(peer: object) -> bool:
        asked.append(peer)
        return verdicts.pop(0)

    async def authorize_slowly(peer: object) -> bool:
        await trio.lowlevel.checkpoint()
        return authorize(peer)

    chosen = authorize_slowly if is_async else authorize
    async with listen(path, authorize=chosen):
        async with connect(path) as peer:
            answer = await peer.ask("GetValue")
        await check_that_it_is_refused(path)

    assert answer["success"] is True
    assert [(each.pid, each.uid, each.gid) for each in asked] == [
        (os.getpid(), ME, MINE)
    ] * 2


@row("0.16")
async def test_row_16_client_that_may_not_connect_hears_why() -> None:
    """Whatever it asks, the reason is the refusal."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(
        frame(
            ERROR,
            b'{"correlation_id":"__acton_connection_rejected__","success":false,'
            b'"error":"not you","error_code":"ACCESS_DENIED"}',
        )
    )
    await theirs.send_eof()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
            await client.discover()

    assert (caught.value.reason, caught.value.detail) == ("ACCESS_DENIED", "not you")
