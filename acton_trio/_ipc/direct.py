"""`DirectSocket`: the plain socket that a stream is, read and written at once.

What a stream does for its reader and its writer costs more than what it does:
it looks for others, it lets others run, it translates.  Where the stream is but
a socket, a client asks the kernel itself, and waits only where there is
something to wait for.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Final, final

import trio

__all__ = ["DirectSocket", "direct"]

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

_CLOSED: Final = -1


@final
class DirectSocket:
    """The socket of a stream; lives as long as a connection, and does not own it.

    Two may wait for what comes: one task that does so all the time, in
    `wait_idle`, and hears of nothing while it is `hush`ed; and meanwhile another,
    in `wait`.
    """

    __slots__ = ("_bell", "_number", "_socket")

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket: Final = stream.socket
        self._number: Final = stream.socket.fileno()
        # A second way to wait for the same socket.  That it is stopped, and goes on,
        # wakes nobody: each would cost more than all else that a call does here.
        self._bell: Final = select.epoll()
        try:
            self._bell.register(self._number, select.EPOLLIN)
        except BaseException:
            self._bell.close()
            raise

    def close(self) -> None:
        """Give back what is beside the socket, which stays open."""
        trio.lowlevel.notify_closing(self._bell.fileno())
        self._bell.close()

    # --- writing

    def write(self, data: bytes | memoryview) -> int:
        """Write what there is room for now; return how many bytes that was.

        Raises:
            trio.BrokenResourceError: If nobody reads it any more.
            trio.ClosedResourceError: If the stream was closed.
        """
        self._check_open()
        try:
            return os.write(self._number, data)
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
            try:
                await trio.lowlevel.wait_writable(self._number)
            except trio.ClosedResourceError:
                # Or somebody else was called off.
                self._check_open()
            rest = rest[self.write(rest) :]

    # --- reading

    def read(self) -> bytes | None:
        """Return what has come, ``b""`` at the end; nothing if nothing has.

        Raises:
            trio.BrokenResourceError: If the connection broke.
            trio.ClosedResourceError: If the stream was closed.
        """
        self._check_open()
        try:
            return os.read(self._number, _CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def wait_idle(self) -> None:
        """Wait until something has come while not hushed.

        A stream that is closed on this side is not noticed, but where it is used.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.wait_readable(self._bell.fileno())

    def hush(self) -> None:
        """Have `wait_idle` hear of nothing."""
        if self._is_open:
            self._bell.modify(self._number, 0)

    def unhush(self) -> None:
        """Have it hear again."""
        if self._is_open and not self._bell.closed:
            self._bell.modify(self._number, select.EPOLLIN)

    async def wait(self) -> None:
        """Wait until something has come, or `call_off`.

        Raises:
            trio.ClosedResourceError: If the stream was closed before.

        Cancellation:
            Only the waiting ends.
        """
        self._check_open()
        try:
            await trio.lowlevel.wait_readable(self._number)
        except trio.ClosedResourceError:
            # Whether it is closed shows when it is read.
            return

    def call_off(self) -> None:
        """Wake who is in `wait`."""
        if self._is_open:
            trio.lowlevel.notify_closing(self._number)

    # --- the number of a closed socket may be another file's by now

    @property
    def _is_open(self) -> bool:
        return self._socket.fileno() != _CLOSED

    def _check_open(self) -> None:
        if self._socket.fileno() == _CLOSED:
            msg = "the stream was closed"
            raise trio.ClosedResourceError(msg)


def direct(stream: trio.abc.Stream) -> DirectSocket | None:
    """Return the plain socket that *stream* is; nothing if it is anything else.

    Nothing as well where there is no epoll: there the stream does the work.
    """
    if sys.platform != "linux" or type(stream) is not trio.SocketStream:
        return None
    try:
        return DirectSocket(stream)
    except (OSError, ValueError):
        # It was closed before, or is a test's that only looks like one.
        return None
