"""What a hundred thousand armed timers cost, each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Final

import trio
from harness import Measure, compare

import acton_trio as acton

MANY: Final = 100_000


@acton.message
class Tick:
    """Is sent later."""


@acton.actor
class Ticker:
    """Counts."""

    ticks: int = 0

    @acton.mutate_on
    def tick(self, _message: Tick) -> None:
        """Count."""
        self.ticks += 1


def times(operations: int) -> Iterator[float]:
    """Yield the same random times within an hour, whoever asks."""
    chance = random.Random(1)  # noqa: S311 - no secret
    return (chance.uniform(1000, 4600) for _ in range(operations))


async def heap(operations: int) -> None:  # noqa: ASYNC124 - run as the others
    """Push as many entries as there are, and pop them all: the floor."""
    entries: list[tuple[float, int, None]] = []
    tickets = count()
    for time in times(operations):
        heappush(entries, (time, next(tickets), None))
    while entries:
        heappop(entries)


async def arm(operations: int) -> None:
    """Arm as many timers as there are, and leave: none of them is due."""
    async with acton.open_runtime() as runtime:
        ticker = await runtime.start(Ticker)
        for time in times(operations):
            ticker.send_after(time, Tick())


async def arm_and_cancel(operations: int) -> None:
    """Cancel each at once, as deadlines that nobody misses are."""
    async with acton.open_runtime() as runtime:
        ticker = await runtime.start(Ticker)
        for time in times(operations):
            ticker.send_after(time, Tick()).cancel()


async def arm_and_send(operations: int) -> None:
    """Arm as many as there are, in the past, and have all of them handled."""
    async with acton.open_runtime() as runtime:
        ticker = await runtime.start(Ticker)
        now = trio.current_time()
        for time in times(operations):
            sent = ticker.send_at(now - time, Tick())
            del sent
        await ticker.send_after(0, Tick()).wait_for_deliveries(1)


if __name__ == "__main__":
    compare(
        Measure("heap: push and pop", MANY, heap),
        [
            Measure("arm, and abandon at the end", MANY, arm),
            Measure("arm and cancel", MANY, arm_and_cancel),
            Measure("arm, send and handle", MANY, arm_and_send),
        ],
    )
