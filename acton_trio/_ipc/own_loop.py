"""Whether a call that blocks would wait for the very tasks that it keeps waiting.

No trio is imported for that: where none is loaded, there are no tasks.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["is_for_own_loop", "serving"]

# By the token of each run of trio that has them: how many listeners are open.
_serving: Final = Counter[object]()


@contextmanager
def serving(token: object) -> Generator[None, None, None]:
    """Note, until the block is left, that the run of trio of that token has a listener."""
    _serving[token] += 1
    try:
        yield
    finally:
        _serving[token] -= 1
        if not _serving[token]:
            del _serving[token]


def is_for_own_loop(connection: socket.socket) -> bool:
    """Return whether this is a trio task, and *connection* leads to its own run of trio.

    Where the system does not tell who listens, nobody knows, and it is ``False``.
    """
    trio = sys.modules.get("trio")
    if trio is None or not trio.lowlevel.in_trio_task():
        return False
    if trio.lowlevel.current_trio_token() not in _serving:
        return False
    return _listening_process(connection) == os.getpid()


def _listening_process(connection: socket.socket) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        option = socket.SO_PEERCRED
        found = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    except OSError:
        return None
    pid: int = struct.unpack("3i", found)[0]
    return pid
