"""A service to talk to, and a way to type commands without a process for each."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import attrs
import trio

import acton_trio as acton
from acton_trio._cli.arguments import parse
from acton_trio._cli.output import Output
from acton_trio._cli.payloads import payload_of
from acton_trio._cli.running import perform
from acton_trio._ipc.ways import Where
from acton_trio.testing import MemoryListener

INTROSPECTIVE = acton.Config(introspection=True)


@acton.message(ipc=True)
class Sell(acton.Request[int]):
    """Puts money in."""

    cents: int


@acton.message(ipc=True)
class Refund(acton.Request[int]):
    """Takes money out."""

    cents: int


@acton.message(ipc=True)
class TooLittle(acton.Rejection):
    """There is less in it."""

    missing: int


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    up_to: int


@acton.message(ipc=True)
class Sold:
    """Is broadcast."""

    cents: int


@acton.message(ipc=True)
class Loose:
    """Nobody handles it."""


@acton.message(ipc=True)
class Sleep(acton.Request[None]):
    """Keeps the actor busy."""


@acton.message(ipc=True)
class Break(acton.Request[None]):
    """Makes the handler raise."""


@acton.message(ipc=True)
class Ignore(acton.Request[int]):
    """Is not answered."""


@acton.actor
class Till:
    """Answers in the ways there are."""

    cents: int = 0

    @acton.mutate_on
    def sell(self, order: Sell) -> int:
        """Answer."""
        self.cents += order.cents
        return self.cents

    @acton.mutate_on
    def refund(self, order: Refund) -> int:
        """Refuse."""
        raise TooLittle(order.cents - self.cents)

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Answer many times, and fail if it is to 99."""
        for number in range(request.up_to):
            if number == 10 and request.up_to == 99:
                raise ArithmeticError
            yield number

    @acton.mutate_on
    def note(self, sold: Sold) -> None:
        """Take note."""
        self.cents += sold.cents

    @acton.mutate_on
    async def sleep(self, _request: Sleep) -> None:
        """Answer never."""
        await trio.sleep_forever()

    @acton.act_on
    def break_(self, _request: Break) -> None:
        """Fail."""
        msg = "secret"
        raise LookupError(msg)

    @acton.act_on
    def ignore(self, _request: Ignore) -> int:
        """Say nothing."""
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@acton.actor
class Store:
    """Has a till of its own."""

    @acton.before_start
    async def open(self, ctx: acton.Context) -> None:
        """Start it."""
        await ctx.supervise(Till, name="till")


@final
@attrs.frozen
class Shop:
    """A service, and where it listens."""

    runtime: acton.Runtime
    till: acton.ActorHandle
    listener: acton.ipc.IpcListener
    where: Where

    async def type(self, *words: str, stdin: bytes = b"") -> Typed:
        """Type a command, about this service."""
        return await typed(self.where, *words, stdin=stdin)

    async def wait_subscribed(self) -> None:
        """Wait until somebody hears what is broadcast."""
        while not self.listener.statistics().subscriptions_added:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()


class Typed(NamedTuple):
    """What came of a command."""

    status: int
    out: str
    err: str


async def typed(where: Where, *words: str, stdin: bytes = b"") -> Typed:
    """Type a command, about what listens at *where*."""
    arguments = parse(words)
    output = Output(io.StringIO(), io.StringIO(), arguments.json, debug=arguments.debug)
    payload = payload_of(arguments.payload, io.BytesIO(stdin))
    status = await perform(arguments, where, payload, output)
    assert isinstance(output.out, io.StringIO)
    assert isinstance(output.err, io.StringIO)
    return Typed(status, output.out.getvalue(), output.err.getvalue())


@asynccontextmanager
async def open_shop(
    folder: Path, config: acton.Config = INTROSPECTIVE
) -> AsyncGenerator[Shop, None]:
    """Open a service with a socket in *folder*."""
    path = folder / "shop.sock"
    async with acton.open_runtime(config) as runtime:
        till = await runtime.start(Till, name="till", expose=True)
        await runtime.start(Store, name="store")
        async with acton.ipc.open_listener(runtime, path=path) as listener:
            yield Shop(runtime, till, listener, path)


@asynccontextmanager
async def open_shop_in_memory(
    limits: acton.ipc.IpcLimits | None = None,
) -> AsyncGenerator[Shop, None]:
    """Open the same where time may be virtual."""
    door = MemoryListener()
    config = acton.ipc.IpcConfig(limits=limits or acton.ipc.IpcLimits())
    async with (
        trio.open_nursery() as nursery,
        acton.open_runtime(INTROSPECTIVE) as runtime,
    ):
        till = await runtime.start(Till, name="till", expose=True)
        serve = partial(acton.ipc.serve, runtime, [door], config=config)
        listener: acton.ipc.IpcListener = await nursery.start(serve)
        yield Shop(runtime, till, listener, door.connect)
