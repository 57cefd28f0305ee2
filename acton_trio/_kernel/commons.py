"""`Commons`: one task for all actors that need none of their own."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol, final

import trio

from . import pace

__all__ = ["Commons"]

# How many messages one actor may have handled before it is the next one's turn.
_AT_A_TIME: Final = 8


class Commoner(Protocol):
    """An actor that may do with a step now and then."""

    def step(self, most: int) -> bool:
        """Handle *most* messages, if that needs no task; return whether to go on."""
        ...


@final
class Commons:
    """Has actors handle messages that need no task of their own; lives as long as they.

    A task takes three kilobytes, and a message that has to wake one up costs three
    times as much as another.  A plain function cannot wait, so nobody can tell in which
    task it runs.  An actor that has anything else to do goes its own way.
    """

    def __init__(self) -> None:
        self._ready: deque[Commoner] = deque()
        self._parked: trio.lowlevel.Task | None = None

    def add(self, commoner: Commoner) -> None:
        """Have *commoner* take a step as soon as it is its turn."""
        self._ready.append(commoner)
        if self._parked is not None:
            parked, self._parked = self._parked, None
            trio.lowlevel.reschedule(parked)

    async def run(self) -> None:
        """Have those that are ready take their steps until cancelled."""
        ready, budget = self._ready, pace.new_budget()
        task = trio.lowlevel.current_task()
        while True:
            if not ready:
                self._parked = task
                await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
                budget.restart()
            commoner = ready.popleft()
            if commoner.step(_AT_A_TIME):
                ready.append(commoner)
            if budget.is_spent():
                await trio.lowlevel.checkpoint()
                budget.restart()

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED
