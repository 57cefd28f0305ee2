"""What is to be written to a stream, in order, by one task alone.

A cancelled ``send_all`` may have written half a frame, and two at once are an
error: so nobody writes but the outbox's own task, and all others only put
something in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import attrs
import trio

__all__ = ["Outbox"]

# As much as one write of a busy connection; with more than this unread, a peer
# that goes on asking has to wait.  In bytes.
_ENOUGH: Final = 65536

# How much the peer has to read in the write timeout, at least.  A stream does
# not tell how far it has come with what it was given: so it is given a piece
# at a time, small enough for a slow reader, large enough to be few.  In bytes.
_PIECE: Final = 32768


@final
@attrs.define(eq=False)
class Outbox:
    """Frames on their way to a stream; lives as long as the connection."""

    _stream: trio.abc.SendStream
    _write_timeout: float = math.inf
    """How long the peer may take to read a piece, in seconds."""

    _frames: list[bytes] = attrs.field(factory=list[bytes], init=False)
    _written: list[Callable[[], None]] = attrs.field(
        factory=list["Callable[[], None]"], init=False
    )
    _size: int = attrs.field(default=0, init=False)
    _is_closing: bool = attrs.field(default=False, init=False)
    _waiting: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )
    _bell: trio.Event = attrs.field(factory=trio.Event, init=False)

    def put(self, frame: bytes, written: Callable[[], None] | None = None) -> None:
        """Have *frame* written after those put in before.

        Args:
            frame: Its bytes.
            written: Called once the stream has taken them all; not at all if
                it never does.
        """
        self._frames.append(frame)
        self._size += len(frame)
        if written is not None:
            self._written.append(written)
        self._bell.set()

    def close(self) -> None:
        """Have `run` return once all that was put in is written."""
        self._is_closing = True
        self._bell.set()

    async def wait_room(self) -> None:
        """Wait while more is put in than the peer reads.

        Cancellation:
            Only the waiting ends.
        """
        while self._size > _ENOUGH:
            await self._waiting.park()

    async def run(self) -> None:
        """Write what is put in, until closed and empty.

        All that has gathered meanwhile is written at once.

        Raises:
            trio.TooSlowError: If the peer did not read for the write timeout;
                a slow one may take its time.
            trio.BrokenResourceError: If the connection broke.

        Cancellation:
            The peer may have got part of a frame: close the stream.
        """
        while True:
            await self._bell.wait()
            self._bell = trio.Event()
            frames, self._frames = self._frames, []
            written, self._written = self._written, []
            if frames:
                await self._write(b"".join(frames))
            for callback in written:
                callback()
            if self._is_closing and not self._frames:
                return
            if self._frames:
                self._bell.set()

    async def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = memoryview(data)[start : start + _PIECE]
            with trio.fail_after(self._write_timeout):
                await self._stream.send_all(piece)
            self._size -= len(piece)
            self._waiting.unpark_all()
