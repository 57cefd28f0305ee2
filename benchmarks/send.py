"""What a send costs inside one process, in a flood of them.

Each contender sends the same message again and again, and waits until all are
handled.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
from functools import partial

import trio
from adders import (
    ADD,
    GET,
    Adder,
    AsyncioAdder,
    ChannelAdder,
    open_thespian,
    open_xoscar,
    pykka_adder,
)
from harness import Contender, Plan, Question, Stopwatch, bare, in_asyncio, in_trio

import acton_trio as acton


async def sends(operations: int) -> float:
    """Send, and wait for the last one to be handled."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        with Stopwatch() as watch:
            for _ in range(operations):
                await adder.send(ADD)
            await adder.ask(GET)
    return watch.seconds / operations


async def sends_nowait(operations: int) -> float:
    """Fill the mailbox, and wait for it to be empty, again and again."""
    burst = acton.Limits().actor_inbox_capacity // 2
    bursts = max(operations // burst, 1)
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        with Stopwatch() as watch:
            for _ in range(bursts):
                for _ in range(burst):
                    adder.send_nowait(ADD)
                await adder.ask(GET)
    return watch.seconds / (bursts * burst)


async def sends_to_many(actors: int, operations: int) -> float:
    """Send to each of many in turn, so that every message wakes its actor."""
    waves = max(operations // actors, 1)
    models = [Adder() for _ in range(actors)]
    async with acton.open_runtime() as runtime:
        handles = [await runtime.start(_same, each) for each in models]
        with Stopwatch() as watch:
            for _ in range(waves):
                for handle in handles:
                    await handle.send(ADD)
            while any(each.total < waves for each in models):  # noqa: ASYNC110 - a loop is cheaper
                await trio.lowlevel.checkpoint()
    return watch.seconds / (waves * actors)


def _same(model: Adder) -> Adder:
    return model


# --- the peers


async def asyncio_queue(operations: int) -> float:
    """Put into the queue of a task."""
    adder = AsyncioAdder()
    task = asyncio.create_task(adder.run())
    with Stopwatch() as watch:
        for _ in range(operations):
            await adder.send(ADD)
        await adder.ask(GET)
    task.cancel()
    return watch.seconds / operations


async def channel(operations: int) -> float:
    """Send into a memory channel."""
    adder = ChannelAdder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(adder.run)
        with Stopwatch() as watch:
            for _ in range(operations):
                await adder.send(ADD)
            await adder.ask(GET)
        nursery.cancel_scope.cancel()
    return watch.seconds / operations


def pykka(operations: int) -> float:
    """Tell an actor with a thread."""
    ref = pykka_adder().start()
    with Stopwatch() as watch:
        for _ in range(operations):
            ref.tell(ADD)
        ref.ask(GET)
    ref.stop()
    return watch.seconds / operations


def thespian(operations: int) -> float:
    """Tell an actor of the system that runs in this process."""
    with open_thespian() as (system, adder):
        address = system.createActor(adder)
        with Stopwatch() as watch:
            for _ in range(operations):
                system.tell(address, ADD)
            system.ask(address, GET)
    return watch.seconds / operations


async def xoscar(operations: int) -> float:
    """Tell an actor of the pool of this process."""
    async with open_xoscar() as create:
        ref = await create()
        with Stopwatch() as watch:
            for _ in range(operations):
                await ref.add.tell(ADD)
            while await ref.get(GET) < operations:
                pass
    return watch.seconds / operations


def contenders(plan: Plan) -> list[Contender]:
    """Return ours, and the peers."""
    many, few = plan.count(40_000), plan.count(2_000)
    return [
        Contender("bare", partial(bare, many)),
        Contender("send", in_trio(sends, many)),
        Contender("send_nowait", in_trio(sends_nowait, many)),
        Contender("send to 1,000", in_trio(sends_to_many, 1_000, many)),
        Contender("asyncio.Queue", in_asyncio(asyncio_queue, many)),
        Contender("textbook trio", in_trio(channel, 2 * few)),
        Contender("pykka", partial(pykka, 2 * few), needs=["pykka"]),
        Contender("thespian", partial(thespian, 2 * few), needs=["thespian"]),
        Contender("xoscar", in_asyncio(xoscar, few), needs=["xoscar"]),
    ]


QUESTION = Question(
    "send", "what a send costs, in a flood", "bare", contenders, rounds=15
)

if __name__ == "__main__":
    QUESTION.main()
