"""A quick look at what a service has to offer, for those who cannot wait."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from .._base.errors import ActonError
from .._ipc.client import open_client
from .._ipc.discovery import Discovery
from .failures import UsageError
from .whereabouts import socket_of

__all__ = ["look"]


def look(socket: str | None, app: str | None, seconds: float) -> Discovery | None:
    """Return what the service has to offer; ``None`` if it does not tell in time.

    Args:
        socket: What ``--socket`` says.
        app: What ``--app`` says.
        seconds: How long to wait.
    """
    try:
        where = socket_of(socket and _expanded(socket), app)
        return trio.run(_discover, where, seconds)
    except (ActonError, OSError, RuntimeError, UsageError):
        return None


def _expanded(socket: str) -> str:
    # Shells hand over words as they were typed.
    return os.fspath(Path(socket).expanduser()) if socket.startswith("~") else socket


async def _discover(where: str, seconds: float) -> Discovery | None:
    with trio.move_on_after(seconds):
        async with open_client(where) as client:
            return await client.discover()
    return None
