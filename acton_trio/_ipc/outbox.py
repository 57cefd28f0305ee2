"""What is to be written to a stream, in order, by one task alone.

A cancelled ``send_all`` may have written half a frame, and two at once are an
error: so nobody writes but the outbox's own task, and all others only put
something in.

Where a stream can also be written to without waiting, that is done instead, as
long as it takes everything: then nobody else has to wake up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import attrs
import trio

__all__ = ["Outbox", "Shortcut"]

# As much as one write of a busy connection; with more than this unread, a peer
# that goes on asking has to wait.  In bytes.
_ENOUGH: Final = 65536

# As many frames, at most, may wait whose writer could wait as well; as many as
# the reference lets wait for its own writer.
_MANY: Final = 64

# How much the peer has to read in the write timeout, at least.  A stream does
# not tell how far it has come with what it was given: so it is given a piece
# at a time, small enough for a slow reader, large enough to be few.  In bytes.
_PIECE: Final = 32768


@final
@attrs.frozen(eq=False)
class Shortcut:
    """A way to write to the same stream without waiting."""

    send_nowait: Callable[[bytes], int]
    """Sends what can be sent at once, and returns how many bytes that was."""

    flush_soon: Callable[[Outbox], None]
    """Has an outbox flushed, and handed over if that was not enough."""

    write: Callable[[], None]
    """Has `Outbox.run` called, if it is not running."""


@final
@attrs.define(eq=False)
class Outbox:
    """Frames on their way to a stream; lives as long as the connection."""

    _stream: trio.abc.SendStream
    _write_timeout: float = math.inf
    """How long the peer may take to read a piece, in seconds."""

    _shortcut: Shortcut | None = None
    """If there is any, whoever has put something in has it flushed."""

    _frames: list[bytes] = attrs.field(factory=list[bytes], init=False)
    _written: list[Callable[[], None]] = attrs.field(
        factory=list["Callable[[], None]"], init=False
    )
    size: int = attrs.field(default=0, init=False)
    """How many bytes are put in, and not written yet."""

    _is_closing: bool = attrs.field(default=False, init=False)
    is_broken: bool = attrs.field(default=False, init=False)
    _waiting: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )
    _bell: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_handed_over: bool = attrs.field(init=False)
    """Whether the rest is for `run` to write."""

    def __attrs_post_init__(self) -> None:
        self._is_handed_over = self._shortcut is None

    def put(self, frame: bytes, written: Callable[[], None] | None = None) -> None:
        """Have *frame* written after those put in before.

        Args:
            frame: Its bytes.
            written: Called once the stream has taken them all, or never will.
        """
        if self.is_broken:
            if written is not None:
                written()
            return
        self._frames.append(frame)
        self.size += len(frame)
        if written is not None:
            self._written.append(written)
        if self._is_handed_over:
            self._bell.set()

    def flush(self) -> None:
        """Write at once what is put in, if the stream takes it; what is left, soon.

        If there is no way to do that, it was left to `run` before.
        """
        if self._is_handed_over or not self._frames:
            return
        assert self._shortcut is not None
        data = self._gathered()
        sent = self._shortcut.send_nowait(data)
        self.size -= sent
        if sent < len(data):
            self._frames.append(data[sent:])
            self.flush_soon()
        else:
            written, self._written = self._written, []
            for callback in written:
                callback()
        if self._waiting:
            self._waiting.unpark_all()

    def flush_soon(self) -> None:
        """Have what is put in written, together with what else will have been by then."""
        if not self._is_handed_over and self._frames:
            assert self._shortcut is not None
            self._shortcut.flush_soon(self)

    def hand_over(self) -> None:
        """Have what is left written by `run`: the stream does not take it at once."""
        if not self._is_handed_over and self._frames:
            assert self._shortcut is not None
            self._is_handed_over = True
            self._bell.set()
            self._shortcut.write()

    def withdraw(self, frame: bytes) -> bool:
        """Take *frame* back; return whether nothing of it was written."""
        for index in reversed(range(len(self._frames))):
            if self._frames[index] is frame:
                del self._frames[index]
                self.size -= len(frame)
                self._waiting.unpark_all()
                return True
        return False

    def close(self) -> None:
        """Have all that was put in be written, and then `run` return."""
        self._is_closing = True
        self.flush()
        self.hand_over()
        self._bell.set()

    def break_off(self) -> None:
        """Drop what was put in, and whatever will be: nobody reads it."""
        self.is_broken = True
        written, self._written = self._written, []
        self._frames.clear()
        self.size = 0
        for callback in written:
            callback()
        self._waiting.unpark_all()

    @property
    def has_room(self) -> bool:
        """Whether no more is put in than a peer can be expected to read soon."""
        return self.size <= _ENOUGH

    async def wait_room(self) -> None:
        """Wait while more is put in than the peer reads.

        Cancellation:
            Only the waiting ends.
        """
        while not self.has_room:
            await self._waiting.park()

    async def wait_calm(self) -> None:
        """Wait for room as those do who put in much, and leave some to the others.

        If nobody reads any more, it waits to be cancelled.

        Cancellation:
            Only the waiting ends.
        """
        while self.is_broken or self.size >= _PIECE or len(self._frames) >= _MANY:
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
            count = len(self._written)
            if self._frames:
                await self._write(self._gathered())
            written = self._written[:count]
            del self._written[:count]
            for callback in written:
                callback()
            if self._is_closing and not self._frames:
                return
            if self._frames:
                self._bell.set()
            else:
                self._is_handed_over = self._shortcut is None

    def _gathered(self) -> bytes:
        # Nobody else may hold it: the peer may take its time, and then be idle.
        frames, self._frames = self._frames, []
        return b"".join(frames)

    async def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = memoryview(data)[start : start + _PIECE]
            with trio.fail_after(self._write_timeout):
                await self._stream.send_all(piece)
            self.size -= len(piece)
            self._waiting.unpark_all()
