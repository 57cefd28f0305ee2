"""What a hundred thousand armed timers cost, each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from heapq import heappop, heappush
from itertools import count

import trio
from harness import Contender, Plan, Question, in_trio
from samples import Stopwatch

import acton_trio as acton


@acton.message
class Tick:
    """Is sent later."""


TICK = Tick()


@acton.actor
class Ticker:
    """Counts."""

    ticks: int = 0

    @acton.mutate_on
    def tick(self, _message: Tick) -> None:
        """Count."""
        self.ticks += 1


def times(timers: int) -> list[float]:
    """Return the same random times within an hour, whoever asks."""
    chance = random.Random(1)  # noqa: S311 - no secret
    return [chance.uniform(1000, 4600) for _ in range(timers)]


def heap(timers: int) -> float:
    """Push as many entries as there are, and pop them all: the floor."""
    entries: list[tuple[float, int, None]] = []
    tickets, due = count(), times(timers)
    with Stopwatch() as watch:
        for time in due:
            heappush(entries, (time, next(tickets), None))
        while entries:
            heappop(entries)
    return watch.seconds / timers


async def arm(timers: int) -> Mapping[str, float]:
    """Arm as many timers as there are; count the tasks that they take."""
    async with acton.open_runtime() as runtime:
        ticker = await runtime.start(Ticker)
        tasks, due = trio.lowlevel.current_statistics().tasks_living, times(timers)
        with Stopwatch() as watch:
            for time in due:
                ticker.send_after(time, TICK)
            # Time for whatever would be done in the background.
            await trio.lowlevel.checkpoint()
        tasks -= trio.lowlevel.current_statistics().tasks_living
    return {"each": watch.seconds / timers, "tasks": -tasks}


async def arm_and_cancel(timers: int) -> float:
    """Cancel all when all are armed, as deadlines that nobody misses are."""
    async with acton.open_runtime() as runtime:
        ticker, due = await runtime.start(Ticker), times(timers)
        with Stopwatch() as watch:
            armed = [ticker.send_after(time, TICK) for time in due]
            for each in armed:
                each.cancel()
    return watch.seconds / timers


async def arm_and_send(timers: int) -> float:
    """Arm as many as there are, in the past, and have all of them handled."""
    async with acton.open_runtime() as runtime:
        ticker, due = await runtime.start(Ticker), times(timers)
        with Stopwatch() as watch:
            now = trio.current_time()
            for time in due:
                ticker.send_at(now - time, TICK)
            await ticker.send_after(0, TICK).wait_for_deliveries(1)
    return watch.seconds / timers


def contenders(plan: Plan) -> list[Contender]:
    """Return the heap, and what timers are used for."""
    many = plan.count(100_000)
    return [
        Contender("heap", partial(heap, many)),
        Contender("arm", in_trio(arm, many)),
        Contender("arm and cancel", in_trio(arm_and_cancel, many)),
        Contender("arm, send and handle", in_trio(arm_and_send, many)),
    ]


QUESTION = Question("timers", "a hundred thousand, armed", "heap", contenders)

if __name__ == "__main__":
    QUESTION.main()
