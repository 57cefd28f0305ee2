"""Whose turn it is to be listened to: of many peers, who has said least.

A peer alone is listened to as it comes.  When many have more to say than a few
frames, all that they say at once would be dealt with before anybody else has a
turn: the actors, and the peer that asks one thing.  So there is a little of it
at a time, and whoever has said least goes first (start-time fair queueing).
What somebody has said is counted, not timed: it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Protocol, TypeAlias, final

import trio

__all__ = ["Share", "Turns"]

# What is dealt with before all other tasks have their turn, in units: about a
# frame each, or 20 to 50 microseconds.
_UNITS_PER_PASS: Final = 32

# What one peer may say before it is the next one's turn, if others wait.
_UNITS_PER_TURN: Final = 4

# A size that makes one thing as much to deal with as two, in bytes.
_BYTES_PER_UNIT: Final = 2048

Turn: TypeAlias = Callable[[], int]
"""Begins somebody's turn; returns how many units of it are still to be used."""


class Follower(Protocol):
    """Whoever has something to do that follows from what peers say."""

    def hold(self) -> None:
        """Do nothing of it before `go_on`."""
        ...

    def go_on(self) -> None:
        """Do it now, as far as it is no more than the others can wait for."""
        ...


@final
class Turns:
    """The peers of a listener that have something to say; lives as long as that.

    Args:
        followers: Who goes on at the end of each pass, one after the other: by then
            much has come together, and to wake a task for it would take longer.
    """

    def __init__(self, followers: Iterable[Follower] = ()) -> None:
        self._followers: Final = tuple(followers)
        self.left = _UNITS_PER_PASS
        """What may be dealt with in this pass, in units; less than none if it was more."""

        self.now = 0
        """How much somebody has said who has said neither much nor little."""

        self._numbers = count()
        self._line: list[tuple[int, int, Turn]] = []
        self._idle: trio.lowlevel.Task | None = None
        """Who gives the turns, as long as nobody waits for one."""

    async def run(self) -> None:
        """Give those that wait their turns until cancelled."""
        while True:
            while self._line:
                self.left = _UNITS_PER_PASS
                self._give_turns()
                await trio.lowlevel.checkpoint()
            self.left = _UNITS_PER_PASS
            await self._wait_line()

    async def _wait_line(self) -> None:
        self._idle = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._idle = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def begin_pass(self) -> None:
        """Give turns now: nothing was dealt with since all tasks had theirs.

        Those who would have to wait for another pass get it later.
        """
        if self._idle is not None:
            self.left = _UNITS_PER_PASS
            self._give_turns()
            if self._line:
                self.begin_passes()

    def begin_passes(self) -> None:
        """Give turns soon, in passes, as long as somebody waits for one."""
        if self._idle is not None:
            trio.lowlevel.reschedule(self._idle)
            self._idle = None

    def _give_turns(self) -> None:
        try:
            for each in self._followers:
                each.hold()
            self._give()
        finally:
            for each in self._followers:
                each.go_on()

    def _give(self) -> None:
        promised = 0
        while self._line and self.left > promised:
            tag, _, begin = heappop(self._line)
            self.now = max(self.now, tag)
            left = self.left
            promised += begin()
            # Whoever has said too little to count has taken time all the same.
            self.left = min(self.left, left - 1)

    @property
    def is_free(self) -> bool:
        """Whether nobody has to wait."""
        return self.left > 0 and not self._line

    def line_up(self, tag: int, turn: Turn) -> None:
        """Have *turn* called once it is that of somebody who had said *tag*.

        Whoever calls this has a pass begin, at once or soon.
        """
        heappush(self._line, (max(tag, self.now), next(self._numbers), turn))

    async def wait(self, tag: int) -> None:
        """Wait for the turn of somebody who had said as much as *tag*.

        Cancellation:
            Only the waiting ends.
        """
        task = trio.lowlevel.current_task()

        def begin() -> int:
            trio.lowlevel.reschedule(task)
            return _UNITS_PER_TURN

        entry = (max(tag, self.now), next(self._numbers), begin)
        heappush(self._line, entry)
        self.begin_passes()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._line.remove(entry)
            heapify(self._line)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)


@final
class Share:
    """What one peer has said, and may say now; lives as long as its connection."""

    __slots__ = ("_granted", "_said", "_turns", "turn")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._said = 0
        self._granted = 0
        self.turn: Callable[[], None] = _nothing
        """What is done in the peer's turn, if nobody waits for it."""

    @property
    def is_due(self) -> bool:
        """Whether the peer may say one thing more now."""
        return self._granted > 0 or self._turns.is_free

    async def wait(self) -> None:
        """Wait until the peer may say one thing more; as a rule it may at once.

        Cancellation:
            Only the waiting ends.
        """
        if not self.is_due:
            await self._turns.wait(self._said)
            self._granted = _UNITS_PER_TURN

    def line_up(self) -> None:
        """Have `turn` called when it is the peer's.

        Whoever calls this has a pass begin, at once or soon.
        """
        self._turns.line_up(self._said, self._begin)

    def _begin(self) -> int:
        self._granted = _UNITS_PER_TURN
        self.turn()
        return 0

    def charge(self, things: int, size: int = 0) -> None:
        """Take note of so many things that the peer has said, or had said to it.

        Args:
            things: How many.
            size: How large they are together, in bytes.
        """
        cost = things + size // _BYTES_PER_UNIT
        turns = self._turns
        turns.left -= cost
        self._granted -= cost
        self._said = max(self._said, turns.now) + cost


def _nothing() -> None:
    raise AssertionError("unreachable")  # noqa: EM101 - for coverage
