"""What operations take that can be counted: the same on a busy machine.

Times tell nothing of a change on a machine that others use as well.  How many
steps of tasks trio takes for an operation, how many functions are called, and
how many blocks of memory are held do.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import FrameType
from typing import Final

import attrs
import trio
import trio.testing
from adders import ADD, GET, Add, Adder, GetSum

import acton_trio as acton

__all__ = ["Counts", "count_all"]

Counts = Mapping[str, float]
"""How much of each of an operation takes, by what is counted."""

Work = Callable[[int], Awaitable[object]]
"""Does something as often as it is told."""

TIMES: Final = 512
"""As many as a mailbox holds."""


async def count_all(times: int = TIMES) -> dict[str, Counts]:
    """Count for each operation, and for what waits, of as many as *times*."""
    counts: dict[str, Counts] = {}
    for name, opened in OPERATIONS.items():
        counts[name] = await _counted(opened, times)
    for name, held in HELD.items():
        counts[name] = {"blocks": await held(times)}
    return counts


async def _counted(
    opened: Callable[[], AbstractAsyncContextManager[Work]], times: int
) -> Counts:
    async with opened() as work:
        # Whatever is made once is made now.
        await work(times)
        with _no_collection(), _counting_steps() as steps:
            await work(times)
        with _no_collection(), _counting_calls() as calls:
            await work(times)
    return {"steps": steps.count / times, "calls": calls.count / times}


# --- the counters


@attrs.define(eq=False)
class _Counter(trio.abc.Instrument):
    count: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self.count += 1

    def profile(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.count += event in {"call", "c_call"}


@contextmanager
def _no_collection() -> Generator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _counting_steps() -> Generator[_Counter]:
    counter = _Counter()
    trio.lowlevel.add_instrument(counter)
    try:
        yield counter
    finally:
        trio.lowlevel.remove_instrument(counter)


@contextmanager
def _counting_calls() -> Generator[_Counter]:
    counter = _Counter()
    sys.setprofile(counter.profile)
    try:
        yield counter
    finally:
        sys.setprofile(None)


# --- what is done


@asynccontextmanager
async def _sends() -> AsyncGenerator[Work]:
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)

        async def work(times: int) -> None:
            for _ in range(times):
                await adder.send(ADD)
            await adder.ask(GET)

        yield work


@asynccontextmanager
async def _asks() -> AsyncGenerator[Work]:
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)

        async def work(times: int) -> None:
            for _ in range(times):
                await adder.ask(GET)

        yield work


@asynccontextmanager
async def _lives() -> AsyncGenerator[Work]:
    async with acton.open_runtime() as runtime:

        async def work(times: int) -> None:
            for _ in range(times):
                adder = await runtime.start(Adder)
                await adder.ask(GET)
                await adder.stop()

        yield work


@acton.message(ipc=True)
class Echo(acton.Request[str]):
    """Asks for what it says."""

    text: str


@acton.actor
class Echoer:
    """Says it."""

    @acton.act_on
    def echo(self, request: Echo) -> str:
        """Answer."""
        return request.text


@asynccontextmanager
async def _requests() -> AsyncGenerator[Work]:
    config = acton.ipc.IpcConfig(rate_limit=acton.ipc.IpcRateLimit(enabled=False))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/ipc.sock"
        async with acton.open_runtime() as runtime:
            await runtime.start(Echoer, name="echoer", expose=True)
            async with (
                acton.ipc.open_listener(runtime, path=path, config=config),
                acton.ipc.open_client(path) as client,
            ):
                echoer, request = client.actor("echoer"), Echo("x" * 100)

                async def work(times: int) -> None:
                    for _ in range(times):
                        await echoer.ask(request)

                yield work


OPERATIONS: Final = {
    "send": _sends,
    "ask": _asks,
    "start, ask, stop": _lives,
    "request over a socket, both ends": _requests,
}


# --- what is held


@acton.actor
class Stuck:
    """Handles a message for as long as it is told."""

    gate: trio.Event = attrs.field(factory=trio.Event)

    @acton.mutate_on
    async def add(self, _command: Add) -> None:
        """Wait."""
        await self.gate.wait()

    @acton.mutate_on
    def get(self, _request: GetSum) -> int:
        """Answer, if it ever comes to that."""
        return 0


async def _idle_actors(actors: int) -> float:
    async with acton.open_runtime() as runtime:
        await (await runtime.start(Adder)).ask(GET)
        before = _blocks()
        for _ in range(actors):
            await runtime.start(Adder)
        return (_blocks() - before) / actors


async def _waiting_messages(messages: int) -> float:
    async with _stuck() as stuck:
        before = _blocks()
        for _ in range(messages):
            stuck.send_nowait(ADD)
        return (_blocks() - before) / messages


async def _waiting_asks(asks: int) -> float:
    async with _stuck() as stuck, trio.open_nursery() as nursery:
        before = _blocks()
        for _ in range(asks):
            nursery.start_soon(stuck.ask, GET)
        await trio.testing.wait_all_tasks_blocked()
        held = _blocks() - before
        nursery.cancel_scope.cancel()
    return held / asks


@asynccontextmanager
async def _stuck() -> AsyncGenerator[acton.ActorHandle]:
    model = Stuck()
    async with acton.open_runtime() as runtime:
        stuck = await runtime.start(lambda: model)
        stuck.send_nowait(ADD)
        await trio.testing.wait_all_tasks_blocked()
        yield stuck
        model.gate.set()


def _blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


HELD: Final = {
    "idle actor": _idle_actors,
    "waiting message": _waiting_messages,
    "task with a waiting ask": _waiting_asks,
}
