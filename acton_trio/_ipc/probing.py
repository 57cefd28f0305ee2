"""Whether there is a socket at a path, and whether anybody listens."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import trio

from .._base.util import publish_names

__all__ = ["socket_exists", "socket_is_alive"]


def socket_exists(path: str | PathLike[str]) -> bool:
    """Return whether something lies at *path*; nobody needs to listen there."""
    return Path(path).exists()


async def socket_is_alive(path: str | PathLike[str]) -> bool:
    """Return whether somebody listens on the socket at *path*.

    Cancellation:
        Nothing has happened.
    """
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        return False
    await stream.aclose()
    return True


publish_names(globals(), __all__, "acton_trio.ipc")
