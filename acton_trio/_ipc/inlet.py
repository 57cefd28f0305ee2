"""`Inlet`: what a peer says, one thing after another, as long as it may take."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, final

import attrs
import trio

from .._wire.connection import Connection
from .._wire.envelopes import Request
from .._wire.events import NEED_DATA, Event, NeedData, Received
from .._wire.malformed import Malformed
from .turns import Share

__all__ = ["Inlet", "Told"]

# As much as one wake-up may bring, and as much as is kept for later; in bytes.
_CHUNK: Final = 65536

# What a frame that is kept for later counts for at least: as an object it takes
# more than its bytes do; in bytes.
_LEAST_KEPT: Final = 256

Told: TypeAlias = Received | Malformed
"""What a peer says, and what it says badly."""

Next: TypeAlias = Event | Literal[NeedData.NEED_DATA]
"""What comes next, or that there is nothing yet."""


@final
@attrs.define(eq=False)
class Inlet:
    """What a peer says; lives as long as its connection."""

    _stream: trio.abc.ReceiveStream
    _connection: Connection
    _share: Share
    _silence: Callable[[], float]
    """Tells how long the peer may say nothing, in seconds; 0: for ever."""

    _frame_time: float
    """How long a frame may take that has begun, in seconds; 0: for ever."""

    _waited_until: Callable[[], float]
    """Tells when the peer had its last answer: what it waited for is not silence."""

    is_leaving: bool = attrs.field(default=False, init=False)
    """Whether nothing more is to be read."""

    _kept: deque[tuple[Told, int]] = attrs.field(factory=deque, init=False)
    """What was read before its time, in order."""

    _kept_size: int = attrs.field(default=0, init=False)
    _haste: float = attrs.field(default=math.inf, init=False)
    """How long it may take until anything comes, in seconds."""

    _has_begun: bool = attrs.field(default=False, init=False)
    """Whether part of the next frame has come."""

    _frame_due: float = attrs.field(default=math.inf, init=False)
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    # --- events

    async def next_event(self) -> Next:
        """Return what the peer says next, when it is its turn.

        Raises:
            BadHeaderError: If that is not of this protocol.

        Cancellation:
            Nothing is lost.
        """
        if not self._kept:
            return (await self.next_frame())[0]
        await self._share.wait()
        self._share.charge(1)
        event, size = self._kept.popleft()
        self._kept_size -= size
        return event

    async def next_frame(self) -> tuple[Next, int]:
        """Return what comes next in the stream, whatever is kept, and its size.

        Raises:
            BadHeaderError: If that is not of this protocol.

        Cancellation:
            Nothing is lost.
        """
        size = self._connection.buffered
        if size:
            await self._share.wait()
        event = self._connection.next_event()
        size -= self._connection.buffered
        if event is not NEED_DATA:
            self._share.charge(1, size)
        return event, size

    def put_back(self, event: Told) -> None:
        """Have *event* be the next one again."""
        self._kept.appendleft((event, 0))

    def keep(self, event: Told, size: int) -> bool:
        """Keep *event* for later; return whether more may be kept."""
        size = max(size, _LEAST_KEPT)
        self._kept.append((event, size))
        self._kept_size += size
        return self._kept_size < _CHUNK

    def withdraw(self, correlation_id: str) -> Received | None:
        """Take a request back that is kept; return it, if there is one of that id."""
        for entry in self._kept:
            event, size = entry
            body = None if isinstance(event, Malformed) else event.body
            if not isinstance(body, Request) or body.correlation_id != correlation_id:
                continue
            # What expects nothing back has nothing that could be given up.
            if body.is_asked:
                self._kept.remove(entry)
                self._kept_size -= size
                assert isinstance(event, Received)
                return event
        return None

    def forget(self) -> None:
        """Drop what is kept: nobody can be answered any more."""
        self._kept.clear()
        self._kept_size = 0

    # --- bytes

    def expect_frame(self) -> None:
        """Give the peer time for its next frame: all of it, not each part."""
        self._has_begun = False
        self._frame_due = trio.current_time() + (self._silence() or math.inf)

    def _note_beginning(self) -> None:
        """Give the peer less time, if it may be silent for longer than amid a frame."""
        if self._connection.buffered and not self._has_begun:
            self._has_begun = True
            due = trio.current_time() + (self._frame_time or math.inf)
            self._frame_due = min(self._frame_due, due)

    def excuse(self, seconds: float) -> None:
        """Give the peer more time: nobody has listened to it for *seconds*."""
        self._frame_due += seconds

    def hurry(self, seconds: float) -> None:
        """Take what has come, and wait *seconds* at most for anything more."""
        self._haste = seconds
        due = trio.current_time() + seconds
        self._reading.deadline = min(self._reading.deadline, due)

    def leave(self) -> None:
        """Have no more be read."""
        self.is_leaving = True
        self._reading.cancel(reason="the listener is closing")

    async def receive(self) -> bool:
        """Read more; return whether anything came before the time was up.

        The end of the stream is something, too.

        Cancellation:
            No byte is lost.
        """
        self._note_beginning()
        while not self.is_leaving:
            due = min(self._frame_due, trio.current_time() + self._haste)
            with trio.CancelScope(deadline=due) as self._reading:
                await self.receive_some()
                return True
            if self._haste < math.inf or self._connection.buffered:
                break
            # Who waits for an answer, or has just had one, need not say anything.
            since = min(self._waited_until(), trio.current_time())
            due = since + (self._silence() or math.inf)
            if due <= trio.current_time():
                break
            self._frame_due = due
        return False

    async def receive_some(self) -> None:
        """Read more, as long as it takes; the end of the stream counts.

        Cancellation:
            No byte is lost.
        """
        try:
            data = await self._stream.receive_some(_CHUNK)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._connection.receive_data(bytes(data))
