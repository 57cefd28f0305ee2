"""Sending messages when they are due, without a task for each.

One task and one heap serve all timers of a runtime.  An entry in the heap is
all that an armed timer costs while it waits; that of a timer which has an
outcome stays until it is at the top, unless such entries become many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, final

import attrs
import outcome
import trio

from .._policy.cadence import Beat
from . import pace
from .activity import NO_HEADERS
from .envelope import Envelope, Result
from .mailbox import Mailbox
from .scheduled import Outcome, ScheduledSend, Timer

__all__ = ["Timetable"]

# Below this many entries a heap is not worth tidying up.
_SMALL: Final = 64


@final
@attrs.define(eq=False)
class Timetable:
    """Sends messages when they are due; lives as long as its runtime."""

    on_armed: Callable[[Timer, Envelope], None] | None = attrs.field(
        default=None, init=False
    )
    """Hears of each timer while it is armed: a test wants to know by whom."""

    # Due time, who comes first of those with the same, and the timer.
    # Invariant: each timer without an outcome is here or in a mailbox's line.
    _heap: list[tuple[float, int, Timer]] = attrs.field(
        factory=list[tuple[float, int, Timer]], init=False
    )
    # Those without an outcome, by where they send to.
    _live: dict[Mailbox, set[Timer]] = attrs.field(
        factory=dict[Mailbox, "set[Timer]"], init=False
    )
    _size: int = attrs.field(default=0, init=False)
    _ticket: Iterator[int] = attrs.field(factory=count, init=False)
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _rings_at: float = attrs.field(default=math.inf, init=False)
    """When the alarm is due: to ask the scope itself takes longer."""

    def __len__(self) -> int:
        """Return how many timers have no outcome yet."""
        return self._size

    def live(self) -> list[Timer]:
        """Return the timers that have no outcome yet, the first to be due first."""
        timers = [timer for each in self._live.values() for timer in each]
        return sorted(timers, key=lambda timer: (timer.due, timer.ticket))

    def arm(
        self,
        mailbox: Mailbox,
        message: object,
        due: float,
        beat: Beat | None = None,
        *,
        sender: object = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> ScheduledSend:
        """Have *message* put in *mailbox* at *due*, and then as *beat* says.

        Raises:
            ActorStoppedError: If the mailbox is closed.
        """
        mailbox.check_open()
        # It is put in an envelope when it is due: the fewer things there are for each
        # of many timers, the less there is for the collector to look through.
        ticket = next(self._ticket)
        timer = Timer(self, mailbox, message, sender, headers, due, ticket, beat)
        siblings = self._live.get(mailbox)
        if siblings is None:
            siblings = self._live[mailbox] = set()
        siblings.add(timer)
        self._size += 1
        self._push(timer)
        if self.on_armed is not None:
            self.on_armed(timer, timer.next_envelope())
        return ScheduledSend(timer)

    def cancel(self, timer: Timer) -> None:
        """Send nothing more for *timer*, unless it is settled."""
        if timer.outcome is None:
            self._settle(timer, Outcome.CANCELLED)
            self._tidy_up()

    def abandon(self, mailbox: Mailbox) -> None:
        """Send nothing more to *mailbox*, which is closed."""
        for timer in [*self._live.get(mailbox, ())]:
            self._settle(timer, Outcome.ABANDONED)
        self._tidy_up()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            self._rings_at = due = self._next_due()
            with trio.CancelScope(deadline=due) as self._alarm:
                await trio.sleep_forever()
            self._send_due()

    def _push(self, timer: Timer) -> None:
        heappush(self._heap, (timer.due, timer.ticket, timer))
        # Moving the alarm costs more than all the rest.
        if timer.due < self._rings_at:
            self._wake_at(timer.due)

    def _wake_at(self, due: float) -> None:
        self._rings_at = self._alarm.deadline = due

    def _next_due(self) -> float:
        heap = self._heap
        while heap and heap[0][2].outcome is not None:
            heappop(heap)
        return heap[0][0] if heap else math.inf

    def _send_due(self) -> None:
        """Send what is due, and the rest after others have had their turn."""
        budget, now = pace.new_budget(), trio.current_time()
        # So many messages are put in a mailbox long before the time is up.
        while self._heap and self._heap[0][0] <= now and budget.left > 0:
            timer = heappop(self._heap)[2]
            if timer.outcome is None:
                self._send(timer)
                budget.left -= 1

    def _send(self, timer: Timer) -> None:
        mailbox = timer.mailbox
        is_bare = timer.sender is None and timer.headers is NO_HEADERS
        if is_bare and mailbox.put_bare(timer.message):
            self._delivered(timer)
            return
        envelope = timer.next_envelope()
        if mailbox.has_room:
            mailbox.line_up(envelope)
        else:
            mailbox.line_up(envelope, partial(self._admitted, timer))
            if envelope.place is mailbox:
                timer.in_line = envelope
                return
            # What a gate has is as good as in.
        self._delivered(timer)

    def _admitted(self, timer: Timer, result: Result) -> None:
        """Note how the wait for room has ended."""
        timer.in_line = None
        if isinstance(result, outcome.Error):
            self._settle(timer, Outcome.ABANDONED)
        else:
            self._delivered(timer)

    def _delivered(self, timer: Timer) -> None:
        timer.deliveries += 1
        if timer.beat is None:
            self._settle(timer, Outcome.DELIVERED)
        else:
            timer.due = timer.beat.after(trio.current_time())
            self._push(timer)
            timer.tell()

    def _settle(self, timer: Timer, result: Outcome) -> None:
        timer.outcome = result
        self._size -= 1
        siblings = self._live[timer.mailbox]
        siblings.discard(timer)
        if not siblings:
            del self._live[timer.mailbox]
        if timer.in_line is not None:
            timer.mailbox.withdraw(timer.in_line)
            timer.in_line = None
        if timer.news is not None:
            timer.tell()

    def _tidy_up(self) -> None:
        if len(self._heap) > 2 * self._size + _SMALL:
            self._heap = [entry for entry in self._heap if entry[2].outcome is None]
            heapify(self._heap)
        # An alarm for nothing would have a clock that jumps do so.
        due = self._next_due()
        if due > self._rings_at:
            self._wake_at(due)
