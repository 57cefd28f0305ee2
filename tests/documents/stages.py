"""What the examples in docstrings need around them: those who play the other parts.

An example in a docstring names a client, an actor, a message, and shows what is done
with them.  Its stage has them, runs it, and looks at what came of it; one that is
async does so on a clock that jumps.
"""

from __future__ import annotations

import inspect
import io
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType
from typing import Any, Final, final

import attrs
import pytest
import trio
from trio.testing import memory_stream_one_way_pair

import acton_trio as acton
from acton_trio._wire.connection import Connection
from acton_trio._wire.events import NEED_DATA, ConnectionClosed
from acton_trio._wire.frames import FrameType, encode_frame
from acton_trio._wire.states import Role
from acton_trio.instruments import ActorLogFilter
from acton_trio.testing import explore, faults, open_ipc_pair

__all__ = ["STAGES", "Example", "Stage"]


# A docstring need not say where its own package's names come from.
PUBLIC: Final = {name: getattr(acton, name) for name in acton.__all__}


@final
@attrs.frozen
class Example:
    """The Python of a docstring; is run once."""

    code: list[CodeType]
    names: dict[str, Any] = attrs.field(factory=PUBLIC.copy, init=False)
    """What its code knows, and has made."""

    async def run(self, **names: object) -> None:
        """Run it with *names*."""
        self.names.update(names)
        for each in self.code:
            done = eval(each, self.names)
            if inspect.iscoroutine(done):
                await done

    async def run_for_a_minute(self, **names: object) -> None:
        """Run one that goes on until it is stopped."""
        with trio.move_on_after(60) as patience:
            await self.run(**names)
        assert patience.cancelled_caught

    def call(self, **names: object) -> None:
        """Run one that does not wait, or blocks."""
        self.names.update(names)
        for each in self.code:
            exec(each, self.names)


Stage = Callable[[Example], Awaitable[None] | None]


@acton.message(ipc=True)
class PriceChanged:
    """Is broadcast."""

    cents: int = 125


@acton.message(ipc=True)
class Tail(acton.StreamRequest[str]):
    """Asks for lines."""

    of: str = "log"


@acton.message
class Ping:
    """Is for an actor."""


@acton.actor
class Log:
    """Tells two lines, and takes all else as it comes."""

    @acton.act_on
    async def tail(self, _request: Tail) -> AsyncIterator[str]:
        """Tell the lines."""
        for line in "one", "two":
            yield line

    @acton.act_on
    def ping(self, _ping: Ping) -> None:
        """Take it."""


@acton.actor
class Worker:
    """Does nothing."""


async def tell_price(runtime: acton.Runtime) -> None:
    """Broadcast a price when those who want it have subscribed."""
    await trio.sleep(1)
    await runtime.broker.broadcast(PriceChanged())


async def subscription_of_a_client(example: Example) -> None:
    """Have a price broadcast by the peer."""
    async with acton.open_runtime() as runtime, open_ipc_pair(runtime) as (client, _):
        runtime.ipc_registry.register(PriceChanged)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell_price, runtime)
            await example.run_for_a_minute(client=client, PriceChanged=PriceChanged)

    assert example.names["event"] == PriceChanged()


async def stream_of_a_client(example: Example) -> None:
    """Have the log at the peer."""
    async with acton.open_runtime() as runtime, open_ipc_pair(runtime) as (client, _):
        await runtime.start(Log, name="log", expose=True)
        await example.run(client=client, Tail=Tail)

    assert example.names["line"] == "two"


async def stream_of_a_handle(example: Example) -> None:
    """Have the log in the same runtime."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Log)
        await example.run(handle=handle, Tail=Tail)

    assert example.names["line"] == "two"


def subscription_that_blocks(example: Example) -> None:
    """Have a price broadcast by a peer that leaves then."""

    def read(path: Path) -> None:
        with (
            acton.ipc.BlockingClient(path) as client,
            pytest.raises(acton.PeerLostError),
        ):
            example.call(client=client, PriceChanged=PriceChanged)

    async def main(path: Path) -> None:
        async with acton.open_runtime() as runtime:
            runtime.ipc_registry.register(PriceChanged)
            async with (
                trio.open_nursery() as nursery,
                acton.ipc.open_listener(runtime, path=path) as listener,
            ):
                nursery.start_soon(trio.to_thread.run_sync, read, path)
                while not listener.statistics().push_notifications_sent:
                    await runtime.broker.broadcast(PriceChanged())
                    await trio.sleep(0.01)

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder, "s"))

    assert example.names["event"] == PriceChanged()


def stream_that_blocks(example: Example) -> None:
    """Have the log in another thread."""

    def read(path: Path) -> None:
        with acton.ipc.BlockingClient(path) as client:
            example.call(client=client, Tail=Tail, math=math)

    async def main(path: Path) -> None:
        async with acton.open_runtime() as runtime:
            await runtime.start(Log, name="log", expose=True)
            async with acton.ipc.open_listener(runtime, path=path):
                await trio.to_thread.run_sync(read, path)

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder, "s"))

    assert example.names["line"] == "two"


async def dead_letters(example: Example) -> None:
    """Have a message that nobody handles."""
    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker)

        async def send() -> None:
            await trio.sleep(1)
            await handle.send(Ping())

        nursery.start_soon(send)
        await example.run_for_a_minute(runtime=runtime)

    assert example.names["letter"].message == Ping()


async def child_of_a_handler(example: Example) -> None:
    """Have a handler that wants a child and does not wait for it."""

    @acton.actor
    class Boss:
        @acton.mutate_on
        async def ping(self, _ping: Ping, ctx: acton.Context) -> None:
            await example.run(ctx=ctx, Worker=Worker)

    async with acton.open_runtime() as runtime:
        boss = await runtime.start(Boss, name="boss")
        await boss.send(Ping())
        await trio.sleep(1)
        assert [each.name for each in boss.children] == ["boss/Worker-0"]


def rejection(example: Example) -> None:
    """Build one."""
    example.call()

    assert example.names["OutOfStock"](left=3).left == 3


def log_of_actors(example: Example) -> None:
    """Have a record written by nobody."""
    example.call(logging=logging, ActorLogFilter=ActorLogFilter)
    example.names["handler"].setStream(screen := io.StringIO())
    example.names["handler"].handle(logging.makeLogRecord({"msg": "hello"}))

    assert screen.getvalue() == "- -: hello\n"


def exploration(example: Example) -> None:
    """Call the test as pytest would."""
    example.call(explore=explore)

    example.names["test_transfers_keep_the_sum"]()


async def fault(example: Example) -> None:
    """Have somebody who should get both messages."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Log)
        await example.run(faults=faults, Ping=Ping, handle=handle)


async def connection(example: Example) -> None:
    """Have a peer that sends half a frame, the other half, and leaves."""
    theirs, ours = memory_stream_one_way_pair()
    frame = encode_frame(FrameType.HEARTBEAT, b"{}")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            for half in frame[:3], frame[3:]:
                await theirs.send_all(half)
            await theirs.aclose()

        await example.run(
            connection=Connection(Role.SERVER),
            stream=ours,
            NEED_DATA=NEED_DATA,
            ConnectionClosed=ConnectionClosed,
        )

    assert isinstance(example.names["event"], ConnectionClosed)


STAGES: Final[Mapping[str, Stage]] = {
    "acton_trio._ipc.blocking:BlockingClient.subscribe": subscription_that_blocks,
    "acton_trio._ipc.blocking:BlockingActorHandle.stream": stream_that_blocks,
    "acton_trio._ipc.client:Client.subscribe": subscription_of_a_client,
    "acton_trio._ipc.remote_handle:RemoteActorHandle.stream": stream_of_a_client,
    "acton_trio._kernel.addressee:Addressee.stream": stream_of_a_handle,
    "acton_trio._kernel.context:Context.supervise": child_of_a_handler,
    "acton_trio._messages.declare:Rejection": rejection,
    "acton_trio._runtime.logs:ActorLogFilter": log_of_actors,
    "acton_trio._services.broker:Broker.subscribe": dead_letters,
    "acton_trio._testing.exploring:explore": exploration,
    "acton_trio._testing.faults": fault,
    "acton_trio._wire.connection": connection,
}
