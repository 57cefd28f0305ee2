"""Taking a path for a Unix socket, and giving it back.

Two servers that start at once must not both win, a crashed one must not block
the next, and nobody's file may be deleted.  So whoever wants a path first
locks ``<path>.lock``; what lies at the path is replaced only if it is a socket
of our own that nobody listens on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from .._base.errors import ConfigError, LocalProtocolError

__all__ = ["bind_socket", "is_alive"]

# What fits in a sockaddr_un beside the final NUL, in bytes.
_LONGEST_PATH: Final = 107


@contextmanager
def bind_socket(
    path: Path, mode: int, backlog: int
) -> Generator[socket.socket, None, None]:
    """Hold *path* with a listening socket; the path is free again afterwards.

    Args:
        path: Where; missing folders are made, for us alone (0700).
        mode: Its permissions.
        backlog: How many connections may wait to be accepted.

    Raises:
        LocalProtocolError: If another server listens there.
        ConfigError: If something else is in the way, the folder is not safe
            to put a socket in, or the system does not let us.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise _unusable(path, f"at most {_LONGEST_PATH} bytes, as sockets take no more")
    with ExitStack() as held:
        try:
            _make_folder(path.parent)
            held.enter_context(_locked(path))
            _remove_stale(path)
            listener = held.enter_context(_listening(path, mode, backlog))
        except OSError as error:
            raise _unusable(path, f"a place where a socket can be: {error}") from error
        yield listener


def is_alive(path: Path) -> bool:
    """Return whether somebody listens on the socket at *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener whose backlog is full must not keep us waiting.
        probe.settimeout(0)
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN)


def _unusable(path: Path, expected: str) -> ConfigError:
    return ConfigError(str(path), "socket.path", f"expected {expected}")


def _in_use(path: Path) -> LocalProtocolError:
    # The reference's words.
    msg = f"Another IPC listener is already running at this socket: {path}"
    return LocalProtocolError(msg)


def _make_folder(folder: Path) -> None:
    # One by one: `parents=True` would give only the last of them the mode.
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    others_may_write = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    if status.st_uid != os.geteuid() and others_may_write:
        raise _unusable(
            folder,
            "a folder in which only its owner can replace files, but it belongs "
            "to somebody else and others may write to it",
        )


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    lock_path = path.with_name(f"{path.name}.lock")
    descriptor = _lock(lock_path, path)
    try:
        yield
    finally:
        # In this order: as long as the lock is held nobody can take a new
        # file of that name for the lock.
        _unlink_if(lock_path, os.fstat(descriptor))
        os.close(descriptor)


def _lock(lock_path: Path, path: Path) -> int:
    while True:
        descriptor = os.open(
            lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with ExitStack() as undo:
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _in_use(path) from error
            # If not, its last holder unlinked it between our opening and our
            # locking.
            if _is_same_file(lock_path, os.fstat(descriptor)):
                undo.pop_all()
                return descriptor


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise _unusable(
            path,
            "nothing there, or a socket of our own, but found something else; it "
            "was left alone",
        )
    if is_alive(path):
        raise _in_use(path)
    path.unlink(missing_ok=True)


@contextmanager
def _listening(
    path: Path, mode: int, backlog: int
) -> Generator[socket.socket, None, None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # The mask is the only way to have the permissions from the start.
        mask = os.umask(0o777 & ~mode)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        ours = path.lstat()
        try:
            listener.listen(backlog)
            yield listener
        finally:
            _unlink_if(path, ours)


def _unlink_if(path: Path, ours: os.stat_result) -> None:
    if _is_same_file(path, ours):
        path.unlink(missing_ok=True)


def _is_same_file(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), status)
    except FileNotFoundError:
        return False
