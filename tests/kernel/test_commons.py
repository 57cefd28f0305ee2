"""The task that actors share, and whoever spares it a wake-up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from acton_trio._kernel.commons import Commons
from acton_trio._kernel.pace import Budget


@attrs.define(eq=False)
class Worker:
    """Takes steps, and notes in which task."""

    steps: int
    log: list[trio.lowlevel.Task] = attrs.field(factory=list[trio.lowlevel.Task])

    def step(self, budget: Budget) -> bool:
        """Take one step; go on until all are taken."""
        self.log.append(trio.lowlevel.current_task())
        self.steps -= 1
        budget.left -= 1
        return self.steps > 0


@asynccontextmanager
async def open_commons() -> AsyncGenerator[Commons]:
    """Run commons that wait for work."""
    commons = Commons()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commons.run)
        await wait_all_tasks_blocked()
        yield commons
        nursery.cancel_scope.cancel()


async def test_steps_are_taken_in_the_shared_task(autojump_clock: MockClock) -> None:
    """Whoever adds somebody goes on first."""
    worker = Worker(3)
    async with open_commons() as commons:
        commons.add(worker)
        assert worker.log == []
        await wait_all_tasks_blocked()

    assert len(worker.log) == 3
    assert trio.lowlevel.current_task() not in worker.log


async def test_steps_are_taken_by_who_has_held_them(autojump_clock: MockClock) -> None:
    """Not before it lets them go on, and then at once; no task wakes for that."""
    worker, here = Worker(3), trio.lowlevel.current_task()
    async with open_commons() as commons:
        commons.hold()
        commons.add(worker)
        await wait_all_tasks_blocked()
        assert worker.log == []

        commons.go_on()
        assert worker.log == [here] * 3


async def test_more_steps_than_one_turn_are_left_to_the_task(
    autojump_clock: MockClock,
) -> None:
    """Nobody else waits for longer than otherwise."""
    worker, here = Worker(1_000), trio.lowlevel.current_task()
    async with open_commons() as commons:
        commons.hold()
        commons.add(worker)
        commons.go_on()
        taken = len(worker.log)
        await wait_all_tasks_blocked()

    assert 0 < taken < 1_000
    assert len(worker.log) == 1_000
    assert worker.log.count(here) == taken


async def test_task_that_is_at_work_is_not_overtaken(autojump_clock: MockClock) -> None:
    """What it has been woken for is its own."""
    first, second = Worker(1), Worker(1)
    async with open_commons() as commons:
        commons.add(first)
        commons.hold()
        commons.add(second)
        commons.go_on()
        assert (first.log, second.log) == ([], [])
        await wait_all_tasks_blocked()

    assert len(first.log) == len(second.log) == 1


async def test_failure_of_a_step_is_of_the_actors_task(
    autojump_clock: MockClock,
) -> None:
    """Whoever has lent them its turn goes on; they do not, and nobody is forgotten."""

    class Broken:
        def step(self, budget: Budget) -> bool:
            raise KeyboardInterrupt

    commons = Commons()
    with pytest.RaisesGroup(KeyboardInterrupt):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commons.run)
            await wait_all_tasks_blocked()
            commons.hold()
            commons.add(Broken())
            commons.go_on()


async def test_work_that_follows_from_a_step_wakes_nobody(
    autojump_clock: MockClock,
) -> None:
    """It is done in the same turn."""
    here, second = trio.lowlevel.current_task(), Worker(1)

    class First:
        def step(self, budget: Budget) -> bool:
            commons.add(second)
            return False

    async with open_commons() as commons:
        commons.hold()
        commons.add(First())
        commons.go_on()
        assert second.log == [here]
        assert commons._parked is not None
