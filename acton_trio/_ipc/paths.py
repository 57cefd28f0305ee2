"""Taking a place for a Unix socket, and giving it back.

Two servers that start at once must not both win, a crashed one must not block
the next, and nobody's file may be deleted.  So whoever wants a path first
locks ``<path>.lock``; what lies at the path is replaced only if it is a socket
of our own that refuses connections.

An abstract name needs none of that: the kernel gives it to one socket, and
takes it back.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import stat
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .._base.errors import LocalProtocolError
from .addresses import address_of, is_abstract, unusable
from .folders import make_folder

__all__ = ["bind_socket"]

_log = logging.getLogger("acton_trio.ipc")


@contextmanager
def bind_socket(
    path: Path, mode: int, backlog: int
) -> Generator[socket.socket, None, None]:
    """Hold *path* with a listening socket; the path is free again afterwards.

    Args:
        path: Where; missing folders are made, for us alone (0700).
        mode: Its permissions, if it is no abstract name: those have none.
        backlog: How many connections may wait to be accepted.

    Raises:
        LocalProtocolError: If another server listens there.
        ConfigError: If something else is in the way, the folder is not safe
            to put a socket in, or the system does not let us.
    """
    with ExitStack() as held:
        try:
            if is_abstract(path):
                listener = held.enter_context(_named(path, backlog))
            else:
                listener = held.enter_context(_filed(path.absolute(), mode, backlog))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _in_use(path) from error
            expected = f"a place where a socket can be: {error}"
            raise unusable(path, expected) from error
        yield listener


def _in_use(path: Path) -> LocalProtocolError:
    # The reference's words.
    msg = f"Another IPC listener is already running at this socket: {path}"
    return LocalProtocolError(msg)


@contextmanager
def _named(name: Path, backlog: int) -> Generator[socket.socket, None, None]:
    with (
        address_of(name) as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        listener.bind(address)
        listener.listen(backlog)
        yield listener


@contextmanager
def _filed(path: Path, mode: int, backlog: int) -> Generator[socket.socket, None, None]:
    """Hold *path*, which is absolute: the program may go elsewhere meanwhile."""
    _check_name(path)
    make_folder(path.parent)
    with _locked(path):
        _remove_stale(path)
        with _listening(path, mode, backlog) as listener:
            yield listener


def _check_name(path: Path) -> None:
    """Refuse a path that no socket can have, before a folder is made for it."""
    with suppress(FileNotFoundError), address_of(path):
        pass
    if not path.name:
        raise unusable(path, "the path of a file")


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
            _check_lock(lock_path, os.fstat(descriptor))
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _in_use(path) from error
            # If not, its last holder unlinked it between our opening and our
            # locking.
            if _is_same_file(lock_path, os.fstat(descriptor)):
                undo.pop_all()
                return descriptor


def _check_lock(lock_path: Path, status: os.stat_result) -> None:
    """Refuse to lock what may be somebody's, for a lock is deleted at the end."""
    is_file = stat.S_ISREG(status.st_mode)
    if not is_file or status.st_size or status.st_uid != os.geteuid():
        raise unusable(
            lock_path,
            "nothing there, or an empty file of our own, as a lock; what was found "
            "was left alone",
        )


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise unusable(
            path,
            "nothing there, or a socket of our own, but found something else; it "
            "was left alone",
        )
    match _try(path):
        case errno.ECONNREFUSED:
            _log.info("removing the socket that a crashed server left: %s", path)
            _unlink_if(path, status)
        case 0 | errno.EAGAIN:
            raise _in_use(path)
        case errno.ENOENT:
            pass
        case fault:
            # A datagram socket in use, for example: only a refusal is one.
            raise unusable(
                path,
                "nothing there, or a socket that refuses connections, but found one "
                f"that does not: {os.strerror(fault)}; it was left alone",
            )


def _try(path: Path) -> int:
    """Return the error that connecting to *path* ends with, or 0."""
    with (
        address_of(path) as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
    ):
        # A listener whose backlog is full must not keep us waiting.
        probe.settimeout(0)
        return probe.connect_ex(address)


@contextmanager
def _listening(
    path: Path, mode: int, backlog: int
) -> Generator[socket.socket, None, None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # Linux takes a socket's own mode, less the mask, for that of its file.
        # To set the mask would be to set it for every thread.
        with suppress(OSError):
            os.fchmod(listener.fileno(), mode)
        with address_of(path) as address:
            listener.bind(address)
        with _pinned(path) as ours:
            try:
                # What the mask took away.  Where the mode was too wide till now,
                # in other systems, nobody got in: there is no listening yet.
                path.chmod(mode)
                listener.listen(backlog)
                yield listener
            finally:
                _unlink_if(path, ours)


@contextmanager
def _pinned(path: Path) -> Generator[os.stat_result, None, None]:
    """Have what lies at *path*, and no other file take its number meanwhile.

    A socket that is unlinked and closed gives it to the next file at once.
    """
    if sys.platform != "linux":
        yield path.lstat()
        return
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _unlink_if(path: Path, ours: os.stat_result) -> None:
    if _is_same_file(path, ours):
        path.unlink(missing_ok=True)


def _is_same_file(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), status)
    except FileNotFoundError:
        return False
