"""`Inlet`: what a peer says, one thing after another, as long as it may take."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, final

import attrs
import trio

from .._kernel.surroundings import clock
from .._wire.connection import Connection
from .._wire.envelopes import Request
from .._wire.events import NEED_DATA, Event, NeedData, Received
from .._wire.malformed import Malformed
from .ears import CHUNK, Ear, Hear, Heard
from .turns import Share

__all__ = ["Inlet", "Next", "Told"]

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

    _ear: Ear
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
    _rest: int = attrs.field(default=0, init=False)
    """How many bytes have come and are not taken yet."""

    _has_ended: bool = attrs.field(default=False, init=False)
    _now: Callable[[], float] = attrs.field(factory=clock, init=False)
    _haste: float = attrs.field(default=math.inf, init=False)
    """How long it may take until anything comes, in seconds."""

    _has_begun: bool = attrs.field(default=False, init=False)
    """Whether part of the next frame has come."""

    _frame_due: float = attrs.field(default=math.inf, init=False)
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _looks_up_at: float = attrs.field(default=math.inf, init=False)
    """When it will be seen whether the time is up."""

    # --- events

    @property
    def has_more(self) -> bool:
        """Whether something has come that is not taken yet, or the end."""
        return self._rest > 0 or self._has_ended or bool(self._kept)

    @property
    def has_any(self) -> bool:
        """Whether something has come that is not taken yet."""
        return self._rest > 0 or bool(self._kept)

    def next_event(self) -> Next:
        """Take what the peer says next.

        Raises:
            BadHeaderError: If that is not of this protocol.
        """
        if not self._kept:
            return self.next_frame()[0]
        self._share.charge(1)
        event, size = self._kept.popleft()
        self._kept_size -= size
        return event

    def next_frame(self) -> tuple[Next, int]:
        """Take what comes next in the stream, whatever is kept; and tell its size.

        Raises:
            BadHeaderError: If that is not of this protocol.
        """
        event = self._connection.next_event()
        if event is NEED_DATA:
            return event, 0
        size = self._connection.size
        self._rest -= size
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
        return self._kept_size < CHUNK

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

    # --- time

    def expect_frame(self) -> None:
        """Give the peer time for its next frame: all of it, not each part."""
        self._has_begun = False
        self._frame_due = self._now() + (self._silence() or math.inf)

    def note_beginning(self) -> None:
        """Give the peer less time, if it may be silent for longer than amid a frame."""
        if self._rest and not self._has_begun:
            self._has_begun = True
            due = trio.current_time() + (self._frame_time or math.inf)
            self._frame_due = min(self._frame_due, due)
        # If it is later than it was, that is seen at the time that it was.
        if self._frame_due < self._looks_up_at:
            self._look_up_at(self._frame_due)

    def _look_up_at(self, due: float) -> None:
        self._looks_up_at = self._reading.deadline = due

    def excuse(self, seconds: float) -> None:
        """Give the peer more time: nobody has listened to it for *seconds*."""
        self._frame_due += seconds

    def hurry(self, seconds: float) -> None:
        """Take what has come, and wait *seconds* at most for anything more."""
        self._haste = seconds
        due = trio.current_time() + seconds
        self._look_up_at(min(self._looks_up_at, due))

    def leave(self) -> None:
        """Have no more be read."""
        self.is_leaving = True
        self._reading.cancel(reason="the listener is closing")

    def _is_time_up(self) -> bool:
        now = trio.current_time()
        if now < self._frame_due:
            return False
        if self._rest:
            return True
        # Who waits for an answer, or has just had one, need not say anything.
        since = min(self._waited_until(), now)
        self._frame_due = since + (self._silence() or math.inf)
        return self._frame_due <= now

    # --- bytes

    async def listen(self, hear: Hear) -> bool:
        """Have *hear* deal with what comes, until it has had enough.

        The end of the stream is something to be heard, too.

        Returns:
            Whether there is anything to be done: otherwise the time was up.

        Cancellation:
            No byte is lost.
        """
        self.note_beginning()
        while not self.is_leaving:
            due = min(self._frame_due, trio.current_time() + self._haste)
            self._looks_up_at = due
            with trio.CancelScope(deadline=due) as self._reading:
                await self._ear.listen(hear)
                return True
            if self._ear.is_behind:
                return True
            if self._haste < math.inf or self._is_time_up():
                break
        return False

    async def receive(self) -> None:
        """Read more, as long as it takes; the end of the stream counts.

        Cancellation:
            No byte is lost.
        """
        await self._ear.listen(self._hear_once)

    def _hear_once(self, data: bytes | None) -> Heard:
        assert data is not None
        self.take_in(data)
        return Heard.ENOUGH

    def take_in(self, data: bytes) -> None:
        """Have *data* be what has come; ``b""`` is the end."""
        self._has_ended = not data
        self._connection.receive_data(data)
        self._rest += len(data)
