"""Whether there is a socket at a place, and whether anybody listens."""

from __future__ import annotations

import os
from os import PathLike, fspath
from pathlib import Path
from typing import Final

import trio

from .._base.errors import ConfigError
from .._base.util import publish_names
from .addresses import address_of, is_abstract

__all__ = ["socket_exists", "socket_is_alive"]

# Where Linux has every Unix socket, with its state and its name.
_SOCKETS: Final = Path("/proc/net/unix")

# Of a socket that is one end of a connection; it has the name of its listener.
_CONNECTED: Final = b"03"


def socket_exists(path: str | PathLike[str]) -> bool:
    """Return whether something is at *path*; nobody needs to listen there.

    Args:
        path: A path, or an abstract name: ``@name``.
    """
    if is_abstract(path):
        return _is_taken(os.fsencode(fspath(path)))
    return Path(path).exists()


async def socket_is_alive(path: str | PathLike[str]) -> bool:
    """Return whether somebody listens on the socket at *path*.

    Args:
        path: A path, or an abstract name: ``@name``.

    Cancellation:
        Nothing has happened.
    """
    try:
        with address_of(path) as address:
            stream = await trio.open_unix_socket(address)
    except (OSError, ConfigError):
        await trio.lowlevel.checkpoint()
        return False
    await stream.aclose()
    return True


def _is_taken(name: bytes) -> bool:
    try:
        lines = _SOCKETS.read_bytes().split(b"\n")
    except FileNotFoundError:
        # A system that has no abstract names.
        return False
    rows = (line.split(None, 7) for line in lines)
    return any(row[7:] == [name] and row[5] != _CONNECTED for row in rows)


publish_names(globals(), __all__, "acton_trio.ipc")
