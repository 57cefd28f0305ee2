"""What a send costs inside one process, in a flood of them.

Each contender sends the same message again and again, and waits now and then until
all are handled.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any, Final

import trio
from adders import (
    ADD,
    CAPACITY,
    GET,
    Add,
    Adder,
    AsyncioAdder,
    ChannelAdder,
    open_thespian,
    open_xoscar,
    pykka_adder,
)
from harness import Contender, Plan, Question, in_asyncio, in_trio
from parking import leave
from samples import Stopwatch, bare

import acton_trio as acton

BURST: Final = 2_000
"""How many are sent before it is waited for their being handled."""

# How long others wait for an actor, in seconds.
_BUDGET: Final = 0.0005


async def bursts(
    send: Callable[[Add], Awaitable[object]],
    settle: Callable[[], Awaitable[object]],
    operations: int,
) -> list[float]:
    """Return what a send took in each burst; *settle* waits for all to be handled."""
    samples: list[float] = []
    for _ in range(max(operations // BURST, 2)):
        with Stopwatch() as watch:
            for _ in range(BURST):
                await send(ADD)
            await settle()
        samples.append(watch.seconds / BURST)
    return samples


def blocking_bursts(
    send: Callable[[Add], object], settle: Callable[[], object], operations: int
) -> list[float]:
    """Do the same where nothing is awaited."""
    samples: list[float] = []
    for _ in range(max(operations // BURST, 2)):
        with Stopwatch() as watch:
            for _ in range(BURST):
                send(ADD)
            settle()
        samples.append(watch.seconds / BURST)
    return samples


# --- the least


class Least:
    """What a send has to do here, and nothing else.

    It looks whether the sender is cancelled and whether there is room; whoever handles
    asks what kind of message it is, and looks at the clock after each one.
    """

    def __init__(self) -> None:
        self.adder = Adder()
        self.queue = deque[object]()
        self.parked: trio.lowlevel.Task | None = None
        self.sender: trio.lowlevel.Task | None = None

    async def send(self, message: object) -> None:
        """Queue a message; let it be handled if there is no room."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if len(self.queue) >= CAPACITY:
            await self.settle()
        self.queue.append(message)
        if self.parked is not None:
            trio.lowlevel.reschedule(self.parked)
            self.parked = None

    async def settle(self) -> None:
        """Wait until all is handled."""
        self.sender = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(leave)

    async def run(self) -> None:
        """Handle messages until cancelled."""
        functions: dict[type, Callable[[Adder, Any], None]] = {Add: Adder.add}
        queue = self.queue
        while True:
            until = perf_counter() + _BUDGET
            while queue and perf_counter() < until:
                message = queue.popleft()
                functions[type(message)](self.adder, message)
            if queue:
                await trio.lowlevel.checkpoint()
                continue
            if self.sender is not None:
                trio.lowlevel.reschedule(self.sender)
                self.sender = None
            self.parked = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(leave)


async def least(operations: int) -> list[float]:
    """Send to a task that does not more than it has to."""
    actor = Least()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        samples = await bursts(actor.send, actor.settle, operations)
        nursery.cancel_scope.cancel()
    return samples


# --- ours


async def sends(operations: int) -> list[float]:
    """Send, waiting for room."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        return await bursts(adder.send, partial(adder.ask, GET), operations)


async def sends_nowait(operations: int) -> list[float]:
    """Fill half of the mailbox, and wait for it to be empty, again and again."""
    burst = acton.Limits().actor_inbox_capacity // 2
    samples: list[float] = []
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        for _ in range(max(operations // burst, 2)):
            with Stopwatch() as watch:
                for _ in range(burst):
                    adder.send_nowait(ADD)
                await adder.ask(GET)
            samples.append(watch.seconds / burst)
    return samples


async def sends_to_many(actors: int, operations: int) -> list[float]:
    """Send to each of many in turn, so that every message wakes its actor."""
    models = [Adder() for _ in range(actors)]
    samples: list[float] = []
    async with acton.open_runtime() as runtime:
        handles = [await runtime.start(_same, each) for each in models]
        for wave in range(1, max(operations // actors, 2) + 1):
            with Stopwatch() as watch:
                for handle in handles:
                    await handle.send(ADD)
                while any(each.total < wave for each in models):  # noqa: ASYNC110 - a loop is cheaper
                    await trio.lowlevel.checkpoint()
            samples.append(watch.seconds / actors)
    return samples


def _same(model: Adder) -> Adder:
    return model


# --- the peers


async def asyncio_queue(operations: int) -> list[float]:
    """Put into the queue of a task."""
    adder = AsyncioAdder()
    task = asyncio.create_task(adder.run())
    samples = await bursts(adder.send, partial(adder.ask, GET), operations)
    task.cancel()
    return samples


async def channel(operations: int) -> list[float]:
    """Send into a memory channel."""
    adder = ChannelAdder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(adder.run)
        samples = await bursts(adder.send, partial(adder.ask, GET), operations)
        nursery.cancel_scope.cancel()
    return samples


def pykka(operations: int) -> list[float]:
    """Tell an actor with a thread."""
    ref = pykka_adder().start()
    samples = blocking_bursts(ref.tell, lambda: ref.ask(GET), operations)
    ref.stop()
    return samples


def thespian(operations: int) -> list[float]:
    """Tell an actor of the system that runs in this process."""
    with open_thespian() as (system, adder):
        address = system.createActor(adder)
        return blocking_bursts(
            partial(system.tell, address), partial(system.ask, address, GET), operations
        )


async def xoscar(operations: int) -> list[float]:
    """Tell an actor of the pool of this process."""
    async with open_xoscar() as create:
        ref, goals = await create(), count(BURST, BURST)

        async def settle() -> None:
            goal = next(goals)
            while await ref.get(GET) < goal:
                pass

        return await bursts(ref.add.tell, settle, operations)


def contenders(plan: Plan) -> list[Contender]:
    """Return ours, and the peers."""
    many, few = plan.count(40_000), plan.count(10_000)
    return [
        Contender("bare", partial(bare, many)),
        Contender("least", in_trio(least, many)),
        Contender("send", in_trio(sends, many)),
        Contender("send_nowait", in_trio(sends_nowait, many)),
        Contender("send to 1,000", in_trio(sends_to_many, 1_000, many)),
        Contender("asyncio.Queue", in_asyncio(asyncio_queue, many)),
        Contender("textbook trio", in_trio(channel, few)),
        Contender("pykka", partial(pykka, few), needs=["pykka"]),
        Contender("thespian", partial(thespian, few), needs=["thespian"]),
        Contender("xoscar", in_asyncio(xoscar, few), needs=["xoscar"]),
    ]


QUESTION = Question(
    "send", "what a send costs, in a flood", "bare", contenders, rounds=15
)

if __name__ == "__main__":
    QUESTION.main()
