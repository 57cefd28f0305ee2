"""`Commons`: one task for all actors that need none of their own."""

from __future__ import annotations

from collections import deque
from typing import Final, final

import trio

from .._kernel import pace
from .._kernel.cell import Cell

__all__ = ["Commons"]

# How many messages one actor may have handled before it is the next one's turn.
_AT_A_TIME: Final = 8


@final
class Commons:
    """Has actors handle messages that need no task of their own; lives as long as they.

    A task costs an actor as much as five thousand bytes, and a message that wakes one
    up as much as ten others.  A plain function cannot wait, so nobody can tell in which
    task it runs.  An actor that has anything else to do goes its own way.
    """

    def __init__(self) -> None:
        self._ready: deque[Cell] = deque()
        self._parked: trio.lowlevel.Task | None = None

    def add(self, cell: Cell) -> None:
        """Have *cell* take a step as soon as it is its turn."""
        self._ready.append(cell)
        parked, self._parked = self._parked, None
        if parked is not None:
            trio.lowlevel.reschedule(parked)

    async def run(self) -> None:
        """Have those that are ready take their steps until cancelled."""
        budget = pace.new_budget()
        while True:
            if not self._ready:
                await self._wait()
                budget.restart()
            cell = self._ready.popleft()
            if cell.step(_AT_A_TIME):
                self._ready.append(cell)
            if budget.is_spent():
                await trio.lowlevel.checkpoint()
                budget.restart()

    async def _wait(self) -> None:
        self._parked = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED
