"""Who is at the other end of a connection, as the kernel tells it."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, Final, cast

import attrs
import trio

from .._base.util import publish_names

__all__ = ["PeerCredentials", "credentials_of", "is_through_abstract_name"]

# Linux: the process, its user and its group.
_UCRED: Final = struct.Struct("iII")

# macOS and FreeBSD: a version, the user, the groups' number and the groups, the
# process's own first.
_XUCRED: Final = struct.Struct("IIh2x16I")

# A user or group that there is not.
_NOBODY: Final = 0xFFFF_FFFF


@attrs.frozen
class PeerCredentials:
    """Who is at the other end of a connection; a value.

    What the kernel noted when that process connected: it may have given the
    connection to another one since, or its rights up.
    """

    pid: int | None = None
    """The process; ``None`` if the system does not tell."""

    uid: int | None = None
    """Its effective user; ``None`` for connections that are no Unix sockets."""

    gid: int | None = None
    """Its effective group, none of the others that it may be in; or ``None``."""

    def __str__(self) -> str:
        known = attrs.asdict(self).items()
        return " ".join(
            f"{name}={'unknown' if value is None else value}" for name, value in known
        )


def credentials_of(stream: trio.abc.Stream) -> PeerCredentials:
    """Return who is at the other end of *stream*; unknown is no failure."""
    unix = _unix_socket_of(stream)
    try:
        return PeerCredentials() if unix is None else _read(unix)
    except (OSError, struct.error):
        return PeerCredentials()


def is_through_abstract_name(stream: trio.abc.Stream) -> bool:
    """Return whether *stream* came in where no permissions are."""
    unix = _unix_socket_of(stream)
    if unix is None:
        return False
    try:
        name: object = unix.getsockname()
    except OSError:
        # Closed by now: nobody knows.
        return True
    # Paths are texts.
    return isinstance(name, bytes) and name.startswith(b"\0")


def _unix_socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    # Whoever speaks TLS over it holds the socket below.
    while isinstance(stream, trio.SSLStream):
        stream = cast("trio.SSLStream[trio.abc.Stream]", stream).transport_stream
    if isinstance(stream, trio.SocketStream):
        below = stream.socket
        return below if below.family == socket.AF_UNIX else None
    return None


def _read(unix: trio.socket.SocketType) -> PeerCredentials:
    if sys.platform == "linux":
        return of_ucred(
            unix.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        )
    option: Any = getattr(socket, "LOCAL_PEERCRED", 1)
    return of_xucred(unix.getsockopt(0, option, _XUCRED.size))


def of_ucred(data: bytes) -> PeerCredentials:
    """Return what Linux says."""
    pid, uid, gid = _UCRED.unpack(data)
    # A process that is not to be seen from here has number 0.
    return PeerCredentials(pid if pid > 0 else None, _known(uid), _known(gid))


def of_xucred(data: bytes) -> PeerCredentials:
    """Return what macOS and FreeBSD say, who do not tell the process here."""
    _, uid, count, *groups = _XUCRED.unpack(data[: _XUCRED.size])
    gid = groups[0] if count > 0 else _NOBODY
    return PeerCredentials(None, _known(uid), _known(gid))


def _known(number: int) -> int | None:
    return None if number == _NOBODY else number


publish_names(globals(), ["PeerCredentials"], "acton_trio.ipc")
