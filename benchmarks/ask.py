"""What an ask costs inside one process: one after the other, and many at once."""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
import typing
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio
from adders import (
    GET,
    PATIENCE,
    Adder,
    AsyncioAdder,
    ChannelAdder,
    GetSum,
    open_thespian,
    open_xoscar,
    pykka_adder,
)
from harness import Contender, Plan, Question, in_asyncio, in_trio
from parking import leave
from samples import Stopwatch, bare, sampled, sampled_blocking

import acton_trio as acton
from acton_trio._kernel.addressee import Addressee
from acton_trio._kernel.envelope import Ask

CALLERS: Final = 100


# --- trio itself


class Pair:
    """Two tasks, of which one wakes the other and is woken by it."""

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Wake whoever asks, until cancelled."""
        self.server = trio.lowlevel.current_task()
        task_status.started()
        while True:
            await trio.lowlevel.wait_task_rescheduled(leave)
            trio.lowlevel.reschedule(self.asker)

    async def ask(self) -> None:
        """Have the other run once: two switches of tasks."""
        self.asker = trio.lowlevel.current_task()
        trio.lowlevel.reschedule(self.server)
        await trio.lowlevel.wait_task_rescheduled(leave)


async def two_switches(asks: int) -> list[float]:
    """Switch to another task and back: the floor of any ask of another task."""
    pair = Pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(pair.serve)
        samples = await sampled(pair.ask, asks)
        nursery.cancel_scope.cancel()
    return samples


class Crowd:
    """Many tasks that one wakes, all that wait by then at a time."""

    def __init__(self) -> None:
        self.waiting: list[trio.lowlevel.Task] = []
        self.parked: trio.lowlevel.Task | None = None

    async def serve(self) -> None:
        """Wake whoever waits, until cancelled."""
        self.server = trio.lowlevel.current_task()
        while True:
            waiting, self.waiting = self.waiting, []
            for task in waiting:
                trio.lowlevel.reschedule(task)
            self.parked = self.server
            await trio.lowlevel.wait_task_rescheduled(leave)

    async def call(self, times: int) -> None:
        """Be woken so often."""
        task = trio.lowlevel.current_task()
        for _ in range(times):
            trio.current_effective_deadline()
            self.waiting.append(task)
            if self.parked is not None:
                trio.lowlevel.reschedule(self.parked)
                self.parked = None
            await trio.lowlevel.wait_task_rescheduled(leave)


async def switches_of_many(asks: int) -> float:
    """Have one task wake a hundred that tell their deadlines: the floor of their asks."""
    crowd = Crowd()
    # As deep as those who ask an actor.
    async with acton.open_runtime(), trio.open_nursery() as outer:
        outer.start_soon(crowd.serve)
        with Stopwatch() as watch:
            async with trio.open_nursery() as nursery:
                for _ in range(CALLERS):
                    nursery.start_soon(crowd.call, asks // CALLERS)
        outer.cancel_scope.cancel()
    return watch.seconds / (asks // CALLERS * CALLERS)


# --- ours


async def asks(asks: int) -> list[float]:
    """Ask one question after the other, with the deadline that an ask has."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        return await sampled(lambda: adder.ask(GET), asks)


async def asks_of_many(asks: int) -> float:
    """Have a hundred tasks ask one actor at the same time."""

    async def caller() -> None:
        for _ in range(asks // CALLERS):
            await adder.ask(GET)

    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        with Stopwatch() as watch:
            async with trio.open_nursery() as nursery:
                for _ in range(CALLERS):
                    nursery.start_soon(caller)
    return watch.seconds / (asks // CALLERS * CALLERS)


@acton.message
class Sample(acton.Request[list[float]]):
    """Has an actor ask so often, and tell how long each took."""

    asks: int


@acton.actor
class Asker:
    """Asks in its handler, so that it matters who waits for whom."""

    ask: Callable[[], Awaitable[int]]

    @acton.mutate_on
    async def sample(self, request: Sample) -> list[float]:
        """Ask, and tell."""
        return await sampled(self.ask, request.asks)


async def unguarded(adder: Addressee, request: GetSum) -> int:
    """Ask as `Addressee.ask` does, less the wait graph, deadline and withdrawal.

    It is made of the parts that an ask is made of, and has to follow them.
    """
    task, now = trio.lowlevel.current_task(), trio.current_time()
    ask = Ask(adder.name, type(request).__name__, task, now)
    envelope = adder._envelop(request, ask)  # noqa: SLF001 - as said
    adder._seat.mailbox.line_up(envelope)  # noqa: SLF001 - as said
    await trio.lowlevel.wait_task_rescheduled(leave)
    return typing.cast("int", ask.value)


async def handler_asks(
    ask: Callable[[acton.ActorHandle, GetSum], Awaitable[int]], asks: int
) -> list[float]:
    """Have the handler of one actor ask another, again and again."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        asker = await runtime.start(Asker, partial(ask, adder, GET))
        return await asker.ask(Sample(asks))


# --- the peers


async def asyncio_queue(asks: int) -> list[float]:
    """Ask through the queue of a task, with a future for the answer."""
    adder = AsyncioAdder()
    task = asyncio.create_task(adder.run())
    samples = await sampled(lambda: adder.ask(GET), asks)
    task.cancel()
    return samples


async def channels(asks: int) -> list[float]:
    """Ask through a memory channel, with another one for the answer."""
    adder = ChannelAdder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(adder.run)
        samples = await sampled(lambda: adder.ask(GET), asks)
        nursery.cancel_scope.cancel()
    return samples


def pykka(asks: int) -> list[float]:
    """Ask an actor with a thread."""
    ref = pykka_adder().start()
    samples = sampled_blocking(lambda: ref.ask(GET, timeout=PATIENCE), asks)
    ref.stop()
    return samples


def thespian(asks: int) -> list[float]:
    """Ask an actor of the system that runs in this process."""
    with open_thespian() as (system, adder):
        address = system.createActor(adder)
        return sampled_blocking(lambda: system.ask(address, GET, PATIENCE), asks)


async def xoscar(asks: int) -> list[float]:
    """Ask an actor of the pool of this process."""
    async with open_xoscar() as create:
        ref = await create()
        return await sampled(lambda: ref.get(GET), asks)


def contenders(plan: Plan) -> list[Contender]:
    """Return the floor, ours, and the peers."""
    many, few = plan.count(10_000), plan.count(3_000)
    from_handler = acton.ActorHandle.ask
    return [
        Contender("bare", partial(bare, 10 * many)),
        Contender("two switches", in_trio(two_switches, many)),
        Contender("ask", in_trio(asks, many)),
        Contender("ask in a handler", in_trio(handler_asks, from_handler, many)),
        Contender("the same, unguarded", in_trio(handler_asks, unguarded, many)),
        Contender("100 switches", in_trio(switches_of_many, max(many, CALLERS))),
        Contender("ask, 100 callers", in_trio(asks_of_many, max(many, CALLERS))),
        Contender("asyncio.Queue", in_asyncio(asyncio_queue, many)),
        Contender("textbook trio", in_trio(channels, few)),
        Contender("pykka", partial(pykka, few), needs=["pykka"]),
        Contender("thespian", partial(thespian, few), needs=["thespian"]),
        Contender("xoscar", in_asyncio(xoscar, few), needs=["xoscar"]),
    ]


QUESTION = Question("ask", "what an ask costs", "two switches", contenders)

if __name__ == "__main__":
    QUESTION.main()
