"""What an actor takes of memory: idle, after its first use, and among many.

Each contender is a process of its own, in which every allocation is counted.
They are the same each time, so there is one round only.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from functools import partial

import trio
from adders import GET, Adder, AsyncioAdder, ChannelAdder
from harness import Contender, Plan, Question

import acton_trio as acton


class Scales:
    """Tells how much more is allocated than when it was made, in bytes."""

    def __init__(self) -> None:
        gc.collect()
        tracemalloc.start()

    def tell(self, actors: int) -> None:
        """Print it for each actor, and end: the process is of no more use."""
        gc.collect()
        print(tracemalloc.get_traced_memory()[0] / actors, flush=True)
        # A hundred thousand actors would take their time to stop.
        os._exit(0)


async def weigh_ours(actors: int, *, is_used: bool) -> None:
    """Start that many actors, and perhaps ask each once."""
    async with acton.open_runtime() as runtime:
        # Whatever is made once is made now.
        await (await runtime.start(Adder)).ask(GET)
        scales = Scales()
        adders = [await runtime.start(Adder) for _ in range(actors)]
        for each in adders if is_used else ():
            await each.ask(GET)
        scales.tell(actors)


async def weigh_asyncio(actors: int, *, is_used: bool) -> None:
    """Start tasks, each with a queue."""
    scales = Scales()
    adders = [AsyncioAdder() for _ in range(actors)]
    tasks = [asyncio.create_task(each.run()) for each in adders]
    for each in adders if is_used else ():
        await each.ask(GET)
    await asyncio.sleep(0)
    scales.tell(len(tasks))


async def weigh_channels(actors: int, *, is_used: bool) -> None:
    """Start tasks of trio, each with a memory channel."""
    async with trio.open_nursery() as nursery:
        scales = Scales()
        adders = [ChannelAdder() for _ in range(actors)]
        for each in adders:
            nursery.start_soon(each.run)
        for each in adders if is_used else ():
            await each.ask(GET)
        await trio.lowlevel.checkpoint()
        scales.tell(actors)


def weigh(framework: str, actors: int, *, is_used: bool) -> None:
    """Do what a process of this file is started for."""
    match framework:
        case "ours":
            trio.run(partial(weigh_ours, actors, is_used=is_used))
        case "asyncio":
            asyncio.run(weigh_asyncio(actors, is_used=is_used))
        case _:
            trio.run(partial(weigh_channels, actors, is_used=is_used))


def weighed(framework: str, actors: int, state: str) -> Mapping[str, float]:
    """Run a process of this file, and return what it has told."""
    command = [sys.executable, __file__, framework, str(actors), state]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - no shell, and none of it is input
    return {"bytes": float(told.stdout)}


def contenders(plan: Plan) -> list[Contender]:
    """Return ours, and two that hold as much as they must."""
    many, few = plan.count(100_000), plan.count(1_000)
    return [
        Contender("idle", partial(weighed, "ours", few, "idle")),
        Contender("used", partial(weighed, "ours", few, "used")),
        Contender("100,000 idle", partial(weighed, "ours", many, "idle")),
        Contender("asyncio.Queue, used", partial(weighed, "asyncio", few, "used")),
        Contender("textbook trio, used", partial(weighed, "trio", few, "used")),
    ]


QUESTION = Question("memory", "bytes of each actor", "idle", contenders, rounds=1)

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours" | "asyncio" | "trio" as framework, actors, state]:
            weigh(framework, int(actors), is_used=state == "used")
        case _:
            QUESTION.main()
