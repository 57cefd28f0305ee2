"""`Outgoing`: what a client has to say, in order, each frame whole.

A cancelled ``send_all`` may have written half a frame, and two at once are an
error: so none waits while writing but one task, for all.  What a socket takes
at once needs no waiting, and no task.
"""

from __future__ import annotations

from typing import final

import attrs
import trio

from .direct import DirectSocket

__all__ = ["Outgoing"]


@final
@attrs.define(eq=False)
class Outgoing:
    """Frames on their way to a peer; lives as long as the connection."""

    _stream: trio.abc.SendStream | DirectSocket
    _frames: list[bytes] = attrs.field(factory=list[bytes], init=False)
    _is_writing: bool = attrs.field(default=False, init=False)
    _is_broken: bool = attrs.field(default=False, init=False)
    _resting: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def put(self, frame: bytes) -> None:
        """Have *frame* written after those put in before, with what else gathers."""
        if not self._is_broken:
            self._frames.append(frame)
            self._resting.unpark()

    def put_now(self, frame: bytes) -> None:
        """The same, but write it at once if there is nothing before it."""
        stream = self._stream
        if self._frames or self._is_writing or not isinstance(stream, DirectSocket):
            self.put(frame)
            return
        try:
            count = stream.write(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Whoever writes for all finds the same, and knows what to do.
            count = 0
        if count < len(frame):
            # The frame itself if nothing of it was written: it may be withdrawn.
            self.put(frame[count:] if count else frame)

    def withdraw(self, frame: bytes) -> bool:
        """Take *frame* back; return whether nothing of it was written."""
        for index in reversed(range(len(self._frames))):
            if self._frames[index] is frame:
                del self._frames[index]
                return True
        return False

    def break_off(self) -> None:
        """Drop what was put in, and whatever will be: nobody reads it."""
        self._is_broken = True
        self._frames.clear()

    async def run(self) -> None:
        """Write what is put in, for ever.

        All that has gathered meanwhile is written at once.

        Raises:
            trio.BrokenResourceError: If the connection broke.
            trio.ClosedResourceError: If the stream was closed.

        Cancellation:
            The peer may have got part of a frame: close the stream.
        """
        while True:
            while not self._frames:
                await self._resting.park()
            self._is_writing = True
            await self._stream.send_all(self._gathered())
            self._is_writing = False

    def _gathered(self) -> bytes:
        # Nobody else may hold it: the peer may take its time, and then be idle.
        frames, self._frames = self._frames, []
        return b"".join(frames)
