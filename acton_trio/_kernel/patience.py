"""Ending asks whose time is up, without a cancel scope for each.

One task serves all asks of a runtime: a scope for each would cost more than all the
rest of it.  Those that have the usual time are due in the order in which they came,
and stand in a line; a heap is for the others.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count, takewhile
from typing import Final, final

import attrs
import trio

from .._base.errors import AskError
from .envelope import Ask, Envelope, whereabouts

__all__ = ["Patience"]

# Below this many entries a heap is not worth tidying up.
_SMALL: Final = 64


@final
class _Entry:
    """When one ask is due; it lets go of that when it is not watched any more."""

    __slots__ = ("due", "envelope", "seconds", "ticket")

    def __init__(
        self, due: float, ticket: int, seconds: float, envelope: Envelope
    ) -> None:
        self.due = due
        self.ticket = ticket
        self.seconds = seconds
        """How long that is in all."""

        self.envelope: Envelope | None = envelope

    def __lt__(self, other: _Entry) -> bool:
        return (self.due, self.ticket) < (other.due, other.ticket)


@final
@attrs.define(eq=False)
class Patience:
    """Ends asks when their time is up; lives as long as its runtime."""

    seconds: float
    """How long an ask without a deadline may wait, ``timeouts.ask``."""

    # Those that have the usual time, the first to be due first.
    _usual: dict[Envelope, None] = attrs.field(factory=dict[Envelope, None], init=False)
    _heap: list[_Entry] = attrs.field(factory=list["_Entry"], init=False)
    _watched: dict[Envelope, _Entry] = attrs.field(
        factory=dict[Envelope, "_Entry"], init=False
    )
    # Those whose reply address is kept, and that nobody need watch.
    _deferred: weakref.WeakSet[Ask] = attrs.field(
        factory=weakref.WeakSet[Ask], init=False
    )
    _ticket: Iterator[int] = attrs.field(factory=count, init=False)
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _rings_at: float = attrs.field(default=math.inf, init=False)
    """When the alarm is due: to ask the scope itself takes longer."""

    def __len__(self) -> int:
        """Return how many asks are watched."""
        return len(self._watched) + len(self._usual)

    def watch_usual(self, envelope: Envelope, now: float) -> None:
        """Time the ask of *envelope* out when it has waited for `seconds` from *now*."""
        envelope.deadline = due = now + self.seconds
        self._usual[envelope] = None
        if due < self._rings_at:
            self._wake_by(due)

    def watch(
        self,
        envelope: Envelope,
        seconds: float,
        now: float,
        after: float | None = None,
    ) -> float:
        """Time the ask of *envelope* out in *seconds*; return when that is.

        Args:
            envelope: What is watched.
            seconds: How long it may still wait.
            now: From when on, on trio's clock.
            after: How long that is in all, if it was asked before.
        """
        if seconds == self.seconds and after is None:
            self.watch_usual(envelope, now)
            return envelope.deadline
        due = now + seconds
        total = seconds if after is None else after
        entry = _Entry(due, next(self._ticket), total, envelope)
        self._watched[envelope] = entry
        heappush(self._heap, entry)
        # An alarm that is set for earlier is left alone: moving it costs more
        # than a wake-up in vain every now and then.
        if due < self._rings_at:
            self._wake_by(due)
        return due

    def _wake_by(self, due: float) -> None:
        self._rings_at = self._alarm.deadline = due

    def forget(self, envelope: Envelope) -> None:
        """End watching: the ask has its result, or its asker has gone."""
        if self._usual.pop(envelope, self) is None:
            return
        entry = self._watched.pop(envelope, None)
        if entry is not None:
            entry.envelope = None
        # Its entry stays until it is due, unless such entries become many.
        if len(self._heap) > 2 * len(self._watched) + _SMALL:
            self._heap = [each for each in self._heap if each.envelope is not None]
            heapify(self._heap)

    def end(self, envelope: Envelope) -> None:
        """Time the ask of *envelope* out as soon as trio has looked at the clock.

        Its deadline has passed.  If that is its asker's too, the asker is
        cancelled first, in trio's way; if it has moved its own since it asked,
        it is told here.
        """
        assert envelope.ask is not None
        if envelope not in self._watched and envelope not in self._usual:
            asked, now = envelope.ask.since, trio.current_time()
            self.watch(envelope, 0, now, after=now - asked)

    def defer(self, ask: Ask) -> None:
        """Note that the reply to *ask* may come when its handler is long gone."""
        self._deferred.add(ask)

    def close(self, why: Callable[[str], AskError]) -> None:
        """End all asks: nobody will answer them, or look at the clock, any more."""
        envelopes = [*self._usual, *self._watched]
        watched = [each.ask for each in envelopes if each.ask is not None]
        self._usual.clear()
        self._watched.clear()
        for ask in [*watched, *self._deferred]:
            ask.fail(why(ask.actor))

    async def run(self) -> None:
        """Time asks out until cancelled."""
        while True:
            self._rings_at = due = self._next_due()
            with trio.CancelScope(deadline=due) as self._alarm:
                await trio.sleep_forever()
            self._expire()

    def _next_due(self) -> float:
        while self._heap and self._heap[0].envelope is None:
            heappop(self._heap)
        others = self._heap[0].due if self._heap else math.inf
        return min(others, next(iter(self._usual)).deadline) if self._usual else others

    def _expire(self) -> None:
        due = dict(self._take_due())
        # All told where they are before the first is taken from there.
        for envelope, where in zip(due, whereabouts([*due]), strict=True):
            assert envelope.ask is not None
            envelope.ask.time_out_at(envelope, due[envelope], where)

    def _take_due(self) -> Iterator[tuple[Envelope, float]]:
        now = trio.current_time()
        # One walk: each from the beginning would pass all that is deleted there.
        due = takewhile(lambda each: each.deadline <= now, self._usual)
        for envelope in [*due]:
            del self._usual[envelope]
            yield envelope, self.seconds
        while self._heap and self._heap[0].due <= now:
            entry = heappop(self._heap)
            if entry.envelope is not None:
                del self._watched[entry.envelope]
                yield entry.envelope, entry.seconds
