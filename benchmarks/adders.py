"""The same actor for each framework: it adds, and tells the sum.

All handle the same two messages, `ADD` and `GET`, and tell them apart by their
type.  Peers are imported when they are made: who lacks one can run the others.
Whatever has a bound has the one that ours has by default.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a peer lives there
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any, Final

import attrs
import trio

import acton_trio as acton

__all__ = [
    "ADD",
    "CAPACITY",
    "GET",
    "PATIENCE",
    "Add",
    "Adder",
    "AsyncioAdder",
    "ChannelAdder",
    "GetSum",
    "open_thespian",
    "open_xoscar",
    "pykka_adder",
]

CAPACITY: Final = acton.Limits().actor_inbox_capacity
"""How many messages an actor queues by default."""

PATIENCE: Final = acton.Timeouts().ask
"""How long an answer may take, in seconds, where one can say so."""


@acton.message
class Add:
    """Adds to the sum."""

    number: int


@acton.message
class GetSum(acton.Request[int]):
    """Asks for the sum."""


ADD: Final = Add(1)
GET: Final = GetSum()
"""Made once: what is measured is not how long that takes."""


@acton.actor
class Adder:
    """Ours."""

    total: int = 0

    @acton.mutate_on
    def add(self, command: Add) -> None:
        """Add."""
        self.total += command.number

    @acton.act_on
    def get_sum(self, _request: GetSum) -> int:
        """Tell."""
        return self.total


@attrs.define
class AsyncioAdder:
    """A task that takes from an `asyncio.Queue`; a question brings its future."""

    queue: asyncio.Queue[tuple[object, asyncio.Future[int] | None]] = attrs.field(
        factory=lambda: asyncio.Queue(CAPACITY)
    )
    total: int = 0

    async def run(self) -> None:
        """Handle messages until cancelled."""
        while True:
            message, answer = await self.queue.get()
            match message:
                case Add(number):
                    self.total += number
                case _:
                    assert answer is not None
                    answer.set_result(self.total)

    async def send(self, message: object) -> None:
        """Wait for room, and put it there."""
        await self.queue.put((message, None))

    async def ask(self, message: object) -> int:
        """Wait for the answer, without a limit."""
        answer = asyncio.get_running_loop().create_future()
        await self.queue.put((message, answer))
        total: int = await answer
        return total


Channels = tuple[trio.MemorySendChannel[Any], trio.MemoryReceiveChannel[Any]]


@attrs.define
class ChannelAdder:
    """What a book on trio would do: a memory channel, and one for each answer."""

    channels: Channels = attrs.field(
        factory=lambda: trio.open_memory_channel[Any](CAPACITY)
    )
    total: int = 0

    async def run(self) -> None:
        """Handle messages until cancelled."""
        async for message, answer in self.channels[1]:
            match message:
                case Add(number):
                    self.total += number
                case _:
                    await answer.send(self.total)

    async def send(self, message: object) -> None:
        """Wait for room, and put it there."""
        await self.channels[0].send((message, None))

    async def ask(self, message: object) -> int:
        """Wait for the answer, up to the limit."""
        answer, result = trio.open_memory_channel[int](1)
        with trio.fail_after(PATIENCE):
            await self.channels[0].send((message, answer))
            return await result.receive()


# --- peers that may be missing


def pykka_adder() -> Any:
    """Return the class of actors with a thread each."""
    pykka = import_module("pykka")

    def on_receive(self: Any, message: object) -> object:
        match message:
            case Add(number):
                self.total += number
                return None
            case _:
                return self.total

    names = {"total": 0, "on_receive": on_receive}
    return type("Adder", (pykka.ThreadingActor,), names)


@contextmanager
def open_thespian() -> Generator[tuple[Any, Any]]:
    """Yield the actor system of this process, and the class of actors for it."""
    actors = import_module("thespian.actors")

    def receive(self: Any, message: object, sender: object) -> None:
        match message:
            case Add(number):
                self.total += number
            case GetSum():
                self.send(sender, self.total)
            case _:
                # It is about to be shut down.
                pass

    names = {"total": 0, "receiveMessage": receive}
    system = actors.ActorSystem("simpleSystemBase")
    try:
        yield system, type("Adder", (actors.Actor,), names)
    finally:
        system.shutdown()


@asynccontextmanager
async def open_xoscar() -> AsyncGenerator[Callable[[], Awaitable[Any]]]:
    """Yield what creates an actor in the pool of this process."""
    xoscar = import_module("xoscar")

    def add(self: Any, message: Add) -> None:
        self.total += message.number

    def get(self: Any, _message: GetSum) -> object:
        return self.total

    names = {"total": 0, "add": add, "get": get}
    adder = type("Adder", (xoscar.StatelessActor,), names)
    async with await xoscar.create_actor_pool("127.0.0.1", n_process=0) as pool:
        yield lambda: xoscar.create_actor(adder, address=pool.external_address)
