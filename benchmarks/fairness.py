"""How long another task has to wait for its turn while an actor is flooded."""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
import time
from collections.abc import Callable
from typing import Final

import attrs
import trio
from adders import ADD, Add, Adder, AsyncioAdder
from harness import Contender, Plan, Question, in_asyncio, in_trio

import acton_trio as acton

SLOW: Final = 1e-4
"""How long a slow handler is at work, in seconds of a clock on the wall."""


def work(seconds: float) -> None:
    """Keep the processor busy for as long."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@acton.actor
class Slow:
    """Takes its time."""

    @acton.mutate_on
    def add(self, _command: Add) -> None:
        """Work."""
        work(SLOW)


@attrs.define
class SlowQueue(AsyncioAdder):
    """The same, with a queue of asyncio."""

    async def run(self) -> None:
        """Handle messages until cancelled."""
        while True:
            await self.queue.get()
            work(SLOW)


async def turns(samples: int) -> list[float]:
    """Return how long each of as many turns of this task was in coming."""
    delays: list[float] = []
    clock = time.perf_counter
    for _ in range(samples):
        start = clock()
        await trio.lowlevel.checkpoint()
        delays.append(clock() - start)
    return delays


async def quiet(samples: int) -> list[float]:
    """Wait for turns that nobody else wants."""
    return await turns(samples)


async def flood(factory: Callable[[], object], samples: int) -> list[float]:
    """Wait for turns while two tasks send to an actor without a pause."""

    async def sender() -> None:
        while True:
            await actor.send(ADD)

    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        actor = await runtime.start(factory)
        nursery.start_soon(sender)
        nursery.start_soon(sender)
        delays = await turns(samples)
        nursery.cancel_scope.cancel()
    return delays


async def asyncio_flood(samples: int) -> list[float]:
    """Do the same to a task with a queue of asyncio."""

    async def sender() -> None:
        while True:
            await adder.send(ADD)

    adder = SlowQueue()
    tasks = [asyncio.create_task(each()) for each in (adder.run, sender, sender)]
    delays: list[float] = []
    for _ in range(samples):
        start = time.perf_counter()
        await asyncio.sleep(0)
        delays.append(time.perf_counter() - start)
    for each in tasks:
        each.cancel()
    return delays


def contenders(plan: Plan) -> list[Contender]:
    """Return ours with quick and slow handlers, and what holds nobody back."""
    turns = plan.count(1_000)
    few = plan.count(20)
    return [
        Contender("quiet", in_trio(quiet, turns)),
        Contender("flood", in_trio(flood, Adder, turns)),
        Contender("flood of 100 us each", in_trio(flood, Slow, turns)),
        Contender("asyncio.Queue, 100 us each", in_asyncio(asyncio_flood, few)),
    ]


QUESTION = Question(
    "fairness", "how long others wait under a flood", "quiet", contenders
)

if __name__ == "__main__":
    QUESTION.main()
