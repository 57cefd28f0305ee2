"""What a whole short life costs: start an actor, ask it once, stop it."""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import trio
from adders import (
    GET,
    PATIENCE,
    Adder,
    AsyncioAdder,
    ChannelAdder,
    open_thespian,
    open_xoscar,
    pykka_adder,
)
from harness import Contender, Plan, Question, in_asyncio, in_trio
from parking import leave
from samples import bare, sampled, sampled_blocking

import acton_trio as acton


async def lives(actors: int) -> list[float]:
    """Start, ask and stop actors of a runtime, one after the other."""
    async with acton.open_runtime() as runtime:

        async def life() -> None:
            adder = await runtime.start(Adder)
            await adder.ask(GET)
            await adder.stop()

        return await sampled(life, actors)


async def starts(actors: int) -> list[float]:
    """Start actors, and leave them: stopping them is not counted."""
    async with acton.open_runtime() as runtime:
        return await sampled(lambda: runtime.start(Adder), actors)


# --- the least


class Life:
    """A task that answers once, and ends when it is told to."""

    def __init__(self, caller: trio.lowlevel.Task) -> None:
        self.caller = caller

    async def run(self) -> None:
        """Answer who waits already, and then who has it end."""
        self.task = trio.lowlevel.current_task()
        trio.lowlevel.reschedule(self.caller)
        await trio.lowlevel.wait_task_rescheduled(leave)
        trio.lowlevel.reschedule(self.caller)


async def least(actors: int) -> list[float]:
    """Start a task, wait until it has answered, have it end, and wait for that."""
    async with trio.open_nursery() as nursery:

        async def life() -> None:
            one = Life(trio.lowlevel.current_task())
            nursery.start_soon(one.run)
            await trio.lowlevel.wait_task_rescheduled(leave)
            trio.lowlevel.reschedule(one.task)
            await trio.lowlevel.wait_task_rescheduled(leave)

        samples = await sampled(life, actors)
    return samples  # noqa: RET504 - not within the nursery


# --- the peers


async def asyncio_task(actors: int) -> list[float]:
    """Create a task with a queue, ask it, cancel it and wait."""

    async def life() -> None:
        adder = AsyncioAdder()
        task = asyncio.create_task(adder.run())
        await adder.ask(GET)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return await sampled(life, actors)


async def channels(actors: int) -> list[float]:
    """Open a nursery with a task and its channel, ask it, and cancel."""

    async def life() -> None:
        async with trio.open_nursery() as nursery:
            adder = ChannelAdder()
            nursery.start_soon(adder.run)
            await adder.ask(GET)
            nursery.cancel_scope.cancel()

    return await sampled(life, actors)


def pykka(actors: int) -> list[float]:
    """Start a thread for each."""
    adder = pykka_adder()

    def life() -> None:
        ref = adder.start()
        ref.ask(GET, timeout=PATIENCE)
        ref.stop()

    return sampled_blocking(life, actors)


def thespian(actors: int) -> list[float]:
    """Create, ask, and tell it to exit."""
    leave: Any = import_module("thespian.actors").ActorExitRequest()
    with open_thespian() as (system, adder):

        def life() -> None:
            address = system.createActor(adder)
            system.ask(address, GET, PATIENCE)
            system.tell(address, leave)

        return sampled_blocking(life, actors)


async def xoscar(actors: int) -> list[float]:
    """Create one in the pool of this process, ask, destroy."""
    xo: Any = import_module("xoscar")
    async with open_xoscar() as create:

        async def life() -> None:
            ref = await create()
            await ref.get(GET)
            await xo.destroy_actor(ref)

        return await sampled(life, actors)


def contenders(plan: Plan) -> list[Contender]:
    """Return ours, and the peers."""
    many = plan.count(500)
    return [
        Contender("bare", partial(bare, 100 * many)),
        Contender("least", in_trio(least, many)),
        Contender("start, ask, stop", in_trio(lives, many)),
        Contender("start", in_trio(starts, many)),
        Contender("asyncio.Queue", in_asyncio(asyncio_task, many)),
        Contender("textbook trio", in_trio(channels, many)),
        Contender("pykka", partial(pykka, many), needs=["pykka"]),
        Contender("thespian", partial(thespian, many), needs=["thespian"]),
        Contender("xoscar", in_asyncio(xoscar, many), needs=["xoscar"]),
    ]


QUESTION = Question("spawn", "start, one ask, stop", "bare", contenders, rounds=11)

if __name__ == "__main__":
    QUESTION.main()
