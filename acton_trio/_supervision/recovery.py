"""Children that come back together, and how far that has come.

All of them down, the last started first; then one wait; then all of them up
again, the first started first.  Nobody waits in here for a child: whoever
carries it out asks for the next step, takes it, and waits for news.  So more
children may join at any time, and any may be told to stop.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Iterable
from typing import final

import attrs
import trio

from .._kernel.activity import Activity
from .children import Child

__all__ = ["Recovery", "Step"]


class Step(enum.Enum):
    """What is to be done next."""

    TELL = "tell to leave"
    START = "start"
    WAIT = "wait for news"


@final
@attrs.define(eq=False)
class Recovery:
    """Children that come back together; lives until the last of them runs."""

    backoff: float = attrs.field(default=0.0, init=False)
    """The longest wait that was due to one of them, in seconds."""

    # How much of it is left to wait, once all are down.
    _left: float = attrs.field(default=0.0, init=False)

    # Invariant: in the order of their first start.
    _members: dict[Child, None] = attrs.field(factory=dict[Child, None], init=False)
    _awaited: Child | None = attrs.field(default=None, init=False)
    """Who was told to leave and is still there, or was started and runs not yet."""

    _due: float = attrs.field(default=math.inf, init=False)
    """When the first starts; infinite while one is still up."""

    _news: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    @property
    def is_over(self) -> bool:
        """Whether there is nobody left to be started, or waited for."""
        return not self._members and self._awaited is None

    def has(self, child: Child) -> bool:
        """Return whether *child* is to be started."""
        return child in self._members

    def join(self, children: Iterable[Child], backoff: float) -> None:
        """Have *children* come back with the others, after *backoff* seconds.

        If there is a wait already, the longer one counts.
        """
        left = self.time_left()
        self.backoff = max(self.backoff, backoff) if left else backoff
        self._left, self._due = max(left, backoff), math.inf
        members = {*children, *self._members}
        self._members = dict.fromkeys(sorted(members, key=lambda each: each.number))
        for child in self._members:
            self._hold(child)
        self._news.unpark_all()

    def time_left(self) -> float:
        """Return for how long nobody starts, from when all are down, in seconds."""
        if self._due < math.inf:
            return max(0.0, self._due - trio.current_time())
        return self._left

    def drop(self, child: Child) -> None:
        """Have *child* not come back, if it was to, and wait for it no more."""
        self._members.pop(child, None)
        if not child.is_present:
            child.seat.lift_hold()
        self.heard_of(child)

    def heard_of(self, child: Child) -> None:
        """Take note that *child* has ended, or runs."""
        if child is self._awaited:
            self._awaited = None
        if child in self._members:
            self._hold(child)
        self._news.unpark_all()

    def next_step(self) -> tuple[Step, Child | None]:
        """Return what is to be done next, and with whom.

        Who is told to leave, or started, is waited for until it was heard of.
        """
        awaited = self._awaited
        if awaited in self._members and not awaited.is_told:
            # It was about to start when another one failed.
            return Step.TELL, awaited
        if awaited is not None or not self._members:
            return Step.WAIT, None
        up = next((each for each in reversed(self._members) if each.is_present), None)
        if up is not None:
            self._awaited = up
            return Step.TELL, up
        now = trio.current_time()
        self._due = min(self._due, now + self._left)
        if now < self._due:
            return Step.WAIT, None
        first = self._awaited = next(iter(self._members))
        del self._members[first]
        first.seat.lift_hold()
        return Step.START, first

    # --- who holds things up

    def _hold(self, child: Child) -> None:
        """Let it be seen what the messages for *child* wait for, if it is down."""
        if not child.is_present:
            child.seat.hold(self)

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before those who are down can start."""
        present = [each for each in (*self._members, self._awaited) if each is not None]
        return [
            activity
            for child in present
            if child.is_present
            for activity in child.seat.blockers()
        ]

    # --- waiting

    async def wait_for_news(self) -> None:
        """Wait until there may be something to do.

        Cancellation:
            Only the waiting ends.
        """
        is_waiting = self._awaited is None and self._members
        with trio.move_on_at(self._due if is_waiting else math.inf):
            await self._news.park()
