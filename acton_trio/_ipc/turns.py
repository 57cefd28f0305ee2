"""Whose turn it is to be listened to: of many peers, who has said least.

A peer alone is listened to as it comes.  When many have more to say than a few
frames, all that they say at once would be dealt with before anybody else has a
turn: the actors, and the peer that asks one thing.  So there is a little of it
at a time, and whoever has said least goes first (start-time fair queueing).
What somebody has said is counted, not timed: it is the same in every run.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, final

import trio

__all__ = ["Share", "Turns"]

# What is dealt with before all other tasks have their turn, in units: about a
# frame each, or 20 to 50 microseconds.
_UNITS_PER_PASS: Final = 32

# What one peer may say before it is the next one's turn, if others wait.
_UNITS_PER_TURN: Final = 4

# A size that makes one thing as much to deal with as two, in bytes.
_BYTES_PER_UNIT: Final = 2048


@final
class Turns:
    """The peers of a listener that have something to say; lives as long as that."""

    def __init__(self) -> None:
        self._left = _UNITS_PER_PASS
        self._now = 0
        """What had been said, by the one whose turn it is, when it was let in line."""

        self._numbers = count()
        self._line: list[tuple[int, int, trio.lowlevel.Task]] = []
        self._bell = trio.Event()

    async def run(self) -> None:
        """Give those that wait their turns until cancelled."""
        while True:
            await self._bell.wait()
            self._bell = trio.Event()
            while self._line:
                self._begin_pass()
                await trio.lowlevel.checkpoint()
            self._left = _UNITS_PER_PASS

    def _begin_pass(self) -> None:
        self._left = _UNITS_PER_PASS
        for _ in range(min(_UNITS_PER_PASS // _UNITS_PER_TURN, len(self._line))):
            tag, _, task = heappop(self._line)
            self._now = max(self._now, tag)
            trio.lowlevel.reschedule(task)

    @property
    def is_free(self) -> bool:
        """Whether nobody has to wait."""
        return self._left > 0 and not self._line

    @property
    def now(self) -> int:
        """How much somebody has said who has said neither much nor little."""
        return self._now

    def spend(self, cost: int) -> None:
        """Take note of what was dealt with in this pass."""
        self._left -= cost

    async def wait(self, tag: int) -> None:
        """Wait for the turn of somebody who had said as much as *tag*.

        Cancellation:
            Only the waiting ends.
        """
        entry = (max(tag, self._now), next(self._numbers), trio.lowlevel.current_task())
        heappush(self._line, entry)
        self._bell.set()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._line.remove(entry)
            heapify(self._line)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)


@final
class Share:
    """What one peer has said, and may say now; lives as long as its connection."""

    __slots__ = ("_granted", "_said", "_turns")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._said = 0
        self._granted = 0

    async def wait(self) -> None:
        """Wait until the peer may say one thing more; as a rule it may at once.

        Cancellation:
            Only the waiting ends.
        """
        if self._granted <= 0 and not self._turns.is_free:
            await self._turns.wait(self._said)
            self._granted = _UNITS_PER_TURN

    def charge(self, things: int, size: int = 0) -> None:
        """Take note of so many things that the peer has said, or had said to it.

        Args:
            things: How many.
            size: How large they are together, in bytes.
        """
        cost = things + size // _BYTES_PER_UNIT
        self._granted -= cost
        self._said = max(self._said, self._turns.now) + cost
        self._turns.spend(cost)
