"""Taking a path for a socket, and giving it back: what is in the way, who is first."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import acton_trio as acton
from acton_trio._ipc.paths import bind_socket

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def leave_socket(path: Path, kind: int = socket.SOCK_STREAM) -> None:
    """Leave a socket at *path* that nobody listens on."""
    with socket.socket(socket.AF_UNIX, kind) as crashed:
        crashed.bind(str(path))


def check_that_it_is_left_alone(path: Path, error: type[Exception], words: str) -> None:
    """What is at *path* stays, and nothing is left beside it."""
    before = {each: each.lstat().st_ino for each in path.parent.iterdir()}
    with pytest.raises(error, match=words), bind_socket(path, 0o600, 5):
        pass

    assert {each: each.lstat().st_ino for each in path.parent.iterdir()} == before


# --- what is in the way


def test_stale_socket_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a crashed server left is no obstacle, and the log tells of it."""
    path = tmp_path / "s"
    leave_socket(path)
    (tmp_path / "s.lock").touch(0o600)
    caplog.set_level(logging.INFO, "acton_trio")
    with bind_socket(path, 0o600, 5):
        assert path.is_socket()

    assert list(tmp_path.iterdir()) == []
    (record,) = caplog.records
    assert record.getMessage().endswith(f"a crashed server left: {path}")


def test_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """Its lock went with it, whatever files it left."""
    path = tmp_path / "s"
    code = f"""
import os, pathlib, signal
from acton_trio._ipc.paths import bind_socket
with bind_socket(pathlib.Path({str(path)!r}), 0o600, 5):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    left = sorted(each.name for each in tmp_path.iterdir())
    with bind_socket(path, 0o600, 5):
        assert left == ["s", "s.lock"]

    assert list(tmp_path.iterdir()) == []


def test_living_socket_without_a_lock_is_left_alone(tmp_path: Path) -> None:
    """A server that knows no lock file is not robbed of its path either."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        check_that_it_is_left_alone(path, acton.LocalProtocolError, "already running")


def test_living_socket_that_is_too_busy_is_left_alone(tmp_path: Path) -> None:
    """A backlog that is full is no refusal, and nobody waits for it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other, ExitStack() as waiting:
        other.bind(str(path))
        other.listen(0)
        fault = 0
        while not fault:
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(0)
            fault = client.connect_ex(str(path))
        check_that_it_is_left_alone(path, acton.LocalProtocolError, "already running")


def test_living_socket_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    """It cannot be connected to, but it does not refuse that."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        check_that_it_is_left_alone(path, acton.ConfigError, "wrong type.*left alone")


def test_socket_that_vanishes_while_it_is_tried_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had it was just leaving."""
    path = tmp_path / "s"
    leave_socket(path)
    real = socket.socket.connect_ex

    def connect_late(self: socket.socket, address: str) -> int:
        path.unlink()
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect_ex", connect_late)
    with bind_socket(path, 0o600, 5):
        assert path.is_socket()


def test_socket_that_comes_after_a_stale_one_was_tried_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found to be stale is what is deleted, nothing else."""
    path = tmp_path / "s"
    leave_socket(path)
    real = socket.socket.connect_ex

    def try_and_lose(self: socket.socket, address: str) -> int:
        fault = real(self, address)
        path.rename(tmp_path / "stale")
        leave_socket(path)
        return fault

    monkeypatch.setattr(socket.socket, "connect_ex", try_and_lose)
    with pytest.raises(acton.LocalProtocolError), bind_socket(path, 0o600, 5):
        pass

    assert path.is_socket()


def test_socket_that_comes_while_ours_is_made_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that knows no lock may be faster: it has the path then."""
    path = tmp_path / "s"
    real = os.fchmod

    def be_slow(descriptor: int, mode: int) -> None:
        leave_socket(path)
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", be_slow)
    with pytest.raises(acton.LocalProtocolError), bind_socket(path, 0o600, 5):
        pass

    assert path.is_socket()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.write_text("precious"), id="a file"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
        pytest.param(os.mkfifo, id="a pipe"),
        pytest.param(lambda path: path.symlink_to("there"), id="a link to a socket"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="a link to nothing"),
    ],
)
def test_what_is_no_socket_is_left_alone(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Nobody's file is deleted for a socket."""
    leave_socket(tmp_path / "there")
    make(tmp_path / "s")
    check_that_it_is_left_alone(tmp_path / "s", acton.ConfigError, "left alone")


@only_root
def test_socket_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Whether they listen is none of our business."""
    leave_socket(tmp_path / "s")
    os.chown(tmp_path / "s", 12345, 12345)
    check_that_it_is_left_alone(tmp_path / "s", acton.ConfigError, "left alone")


@pytest.mark.parametrize("wrong", ["/", "a\0b"])
def test_path_that_no_socket_can_have_is_a_clear_error(wrong: str) -> None:
    """It is refused as any wrong setting is."""
    with pytest.raises(acton.ConfigError), bind_socket(Path(wrong), 0o600, 5):
        pass


# --- the lock


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.write_text("x"), "left alone", id="a file"),
        pytest.param(os.mkfifo, "left alone", id="a pipe"),
        pytest.param(lambda path: path.symlink_to("s"), "symbolic", id="a link"),
        pytest.param(lambda path: path.mkdir(), "directory", id="a folder"),
    ],
)
def test_what_is_no_lock_is_not_taken_for_one(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    """A lock is deleted at the end; ``poetry.lock`` must not be one."""
    make(tmp_path / "poetry.lock")
    check_that_it_is_left_alone(tmp_path / "poetry", acton.ConfigError, words)


@only_root
def test_lock_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    """It is theirs to delete."""
    (tmp_path / "s.lock").touch()
    os.chown(tmp_path / "s.lock", 12345, 12345)
    check_that_it_is_left_alone(tmp_path / "s", acton.ConfigError, "left alone")


def test_lock_that_was_deleted_before_it_was_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that is not there any more locks nothing."""
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    real, turns = fcntl.flock, [lock.unlink]

    def lock_late(descriptor: int, how: int) -> None:
        if turns:
            turns.pop()()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with bind_socket(path, 0o600, 5):
        assert not turns
        with pytest.raises(acton.LocalProtocolError), bind_socket(path, 0o600, 5):
            pass
        assert lock.exists()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [(), ("s",), ("s.lock",), ("s", "s.lock")])
def test_of_servers_that_start_at_once_one_wins(
    tmp_path: Path, left: tuple[str, ...]
) -> None:
    """Whatever a crashed one has left, and the others are told so."""
    path, count = tmp_path / "s", 6
    start, tried = threading.Barrier(count), threading.Barrier(count)

    def compete() -> bool:
        start.wait()
        try:
            with bind_socket(path, 0o600, 5) as listener:
                tried.wait()
                return is_reached(listener, path)
        except acton.LocalProtocolError:
            tried.wait()
            return False

    for _ in range(20):
        if "s" in left:
            leave_socket(path)
        if "s.lock" in left:
            (tmp_path / "s.lock").touch()
        with ThreadPoolExecutor(count) as pool:
            races = [pool.submit(compete) for _ in range(count)]
            outcomes = [each.result() for each in races]

        assert sorted(outcomes) == [False] * (count - 1) + [True]
        assert list(tmp_path.iterdir()) == []


def is_reached(listener: socket.socket, path: Path) -> bool:
    """Return whether who connects to *path* is heard by *listener*."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        listener.settimeout(0)
        accepted, _ = listener.accept()
        accepted.close()
        return True


# --- giving it back


def test_path_that_became_somebody_elses_is_not_removed(tmp_path: Path) -> None:
    """At the end only our own socket is unlinked."""
    path = tmp_path / "s"
    with bind_socket(path, 0o600, 5):
        path.unlink()
        path.write_text("theirs")

    assert path.read_text() == "theirs"


def test_socket_cannot_have_the_number_of_ours(tmp_path: Path) -> None:
    """Closed and unlinked, ours does not give its number to the next file."""
    path = tmp_path / "s"
    with bind_socket(path, 0o600, 5) as listener:
        path.unlink()
        listener.close()
        leave_socket(path)

    assert path.is_socket()


def test_lock_that_became_somebody_elses_is_not_removed(tmp_path: Path) -> None:
    """At the end only our own lock is unlinked."""
    lock = tmp_path / "s.lock"
    with bind_socket(tmp_path / "s", 0o600, 5):
        lock.unlink()
        lock.write_text("theirs")

    assert lock.read_text() == "theirs"


def test_program_may_go_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path begins where it began when the socket was made."""
    monkeypatch.chdir(tmp_path)
    with bind_socket(Path("s"), 0o600, 5):
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        Path("s").write_text("precious")

        assert sorted(each.name for each in tmp_path.glob("s*")) == ["s", "s.lock"]
    assert list(tmp_path.glob("s*")) == []
    assert Path("s").read_text() == "precious"


# --- permissions


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777, 0o000])
def test_socket_has_the_mode_that_was_asked_for(
    tmp_path: Path, mode: int, mask: int
) -> None:
    """Whatever the mask of the process, which takes away as a rule."""
    before = os.umask(mask)
    try:
        with bind_socket(tmp_path / "s", mode, 5):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == mode
    finally:
        os.umask(before)


@pytest.mark.skipif(sys.platform != "linux", reason="sockets have no mode elsewhere")
def test_socket_never_has_a_wider_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not between its making and the setting of its mode, even without a mask."""
    path = tmp_path / "s"
    seen: list[int] = []
    real = Path.chmod

    def chmod(self: Path, mode: int) -> None:
        seen.append(stat.S_IMODE(self.stat().st_mode))
        real(self, mode)

    monkeypatch.setattr(Path, "chmod", chmod)
    before = os.umask(0)
    try:
        with bind_socket(path, 0o640, 5):
            pass
    finally:
        os.umask(before)

    assert seen == [0o640]


def test_nobody_gets_in_before_the_mode_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a socket cannot have a mode at once, it does not listen at once."""
    faults: list[int] = []
    real = Path.chmod

    def chmod(self: Path, mode: int) -> None:
        with socket.socket(socket.AF_UNIX) as early:
            faults.append(early.connect_ex(str(self)))
        real(self, mode)

    def refuse(_descriptor: int, _mode: int) -> None:
        raise OSError(errno.EINVAL, "sockets have no mode here")

    monkeypatch.setattr(Path, "chmod", chmod)
    monkeypatch.setattr(os, "fchmod", refuse)
    with bind_socket(tmp_path / "s", 0o600, 5):
        mode = stat.S_IMODE((tmp_path / "s").stat().st_mode)

    assert faults == [errno.ECONNREFUSED]
    assert mode == 0o600


def test_mask_of_the_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of every thread, and of the files that they make meanwhile."""

    def refuse(_mask: int) -> int:
        pytest.fail("the mask was set")

    monkeypatch.setattr(os, "umask", refuse)
    with bind_socket(tmp_path / "deep" / "s", 0o600, 5):
        pass


def test_children_do_not_keep_the_path(tmp_path: Path) -> None:
    """A program that is run meanwhile has neither the lock nor the socket."""
    path = tmp_path / "s"
    with bind_socket(path, 0o600, 5) as listener:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
        assert not listener.get_inheritable()
    try:
        with bind_socket(path, 0o600, 5):
            pass
    finally:
        child.communicate(b"\n")
