"""`Commons`: one task for all actors that need none of their own."""

from __future__ import annotations

from collections import deque
from typing import Protocol, final

import outcome
import trio

from . import pace

__all__ = ["Commons"]


class Commoner(Protocol):
    """An actor that may do with a step now and then."""

    def step(self, budget: pace.Budget) -> bool:
        """Handle messages, as far as that needs no task; return whether to go on."""
        ...


@final
class Commons:
    """Has actors handle messages that need no task of their own; lives as long as they.

    A task takes three kilobytes, and a message that has to wake one up costs three
    times as much as another.  A plain function cannot wait, so it may run in any task,
    this one or that of whoever has held them; only what belongs to a task, as a lock of
    trio's does, is not for it.  An actor that has anything else to do goes its own way.
    """

    def __init__(self) -> None:
        self._ready: deque[Commoner] = deque()
        self._budget = pace.new_budget()
        self._parked: trio.lowlevel.Task | None = None
        self._is_held = False

    def add(self, commoner: Commoner) -> None:
        """Have *commoner* take a step as soon as it is its turn."""
        self._ready.append(commoner)
        if self._parked is not None and not self._is_held:
            self._wake()

    def hold(self) -> None:
        """Let nobody begin before `go_on`: whoever calls this is busy until then."""
        self._is_held = True

    def go_on(self) -> None:
        """Have those that are ready take their steps now, up to what one turn may take.

        Then the task of the commons need not wake for them: a switch of tasks costs more
        than a step.
        """
        try:
            if self._parked is not None and self._ready:
                self._budget.restart()
                self._take_steps()
        except BaseException as error:  # noqa: BLE001, ASYNC103 - it is raised there
            # It is of the actors' task, not of the one that has lent them its turn.
            self._wake(outcome.Error(error))
        finally:
            self._is_held = False
        if self._ready:
            self._wake()

    async def run(self) -> None:
        """Have those that are ready take their steps until cancelled."""
        while True:
            if self._ready:
                await trio.lowlevel.checkpoint()
            else:
                await self._park()
            self._budget.restart()
            self._take_steps()

    def _take_steps(self) -> None:
        ready, budget = self._ready, self._budget
        while ready:
            commoner = ready.popleft()
            if commoner.step(budget):
                ready.append(commoner)
            # Whoever handles messages looks at the clock, and leaves none then.
            if budget.left <= 0:
                return

    def _wake(self, result: outcome.Outcome[None] | None = None) -> None:
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked, result or outcome.Value(None))
            self._parked = None

    async def _park(self) -> None:
        self._parked = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED
