"""`DirectSocket`: the plain socket that a stream is, read and written at once.

What a stream does for its reader and its writer costs more than what it does:
it looks for others, it lets others run, it translates.  Where the stream is but
a socket, a client asks the kernel itself, and waits only where there is
something to wait for.
"""

from __future__ import annotations

import os
import sys
from typing import Final, final

import trio

__all__ = ["DirectSocket", "direct"]

_CLOSED: Final = -1


@final
class DirectSocket:
    """The socket of a stream; lives as long as that, and does not own it."""

    __slots__ = ("_socket",)

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket: Final = stream.socket

    def write(self, data: bytes | memoryview) -> int:
        """Write what there is room for now; return how many bytes that was.

        Raises:
            trio.BrokenResourceError: If nobody reads it any more.
            trio.ClosedResourceError: If the stream was closed.
        """
        try:
            return os.write(self._number(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes) -> None:
        """Write *data*, waiting for room.

        Raises:
            trio.BrokenResourceError: If nobody reads it any more.
            trio.ClosedResourceError: If the stream was closed.

        Cancellation:
            Some of it may have been written.
        """
        rest = memoryview(data)[self.write(data) :]
        while rest:
            await trio.lowlevel.wait_writable(self._number())
            rest = rest[self.write(rest) :]

    async def receive_some(self, max_bytes: int) -> bytes:
        """Return what comes next, waiting for it; ``b""`` at the end.

        Raises:
            trio.BrokenResourceError: If the connection broke.
            trio.ClosedResourceError: If the stream was closed.

        Cancellation:
            Nothing is lost.
        """
        while True:
            await trio.lowlevel.wait_readable(self._number())
            try:
                return os.read(self._number(), max_bytes)
            except BlockingIOError:
                # Woken in vain, as may happen.
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error

    def _number(self) -> int:
        # That of a closed socket may be another file's by now.
        number = self._socket.fileno()
        if number == _CLOSED:
            msg = "the stream was closed"
            raise trio.ClosedResourceError(msg)
        return number


def direct(stream: trio.abc.Stream) -> DirectSocket | None:
    """Return the plain socket that *stream* is; nothing if it is anything else."""
    # On Windows a socket's number is no file's.
    if sys.platform == "win32" or type(stream) is not trio.SocketStream:
        return None
    return DirectSocket(stream)
