"""Whether a call that blocks would wait for the very tasks that it keeps waiting.

No trio is imported for that: where none is loaded, there are no tasks.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

__all__ = ["is_for_own_loop"]


def is_for_own_loop(connection: socket.socket) -> bool:
    """Return whether this is a trio task, and *connection* leads to its own process.

    Where the system does not tell who listens, nobody knows, and it is ``False``.
    """
    trio = sys.modules.get("trio")
    if trio is None or not trio.lowlevel.in_trio_task():
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
