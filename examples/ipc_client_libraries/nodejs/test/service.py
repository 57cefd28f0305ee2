"""A service that answers in every way there is, for the tests of the client.

Run it with the path of a socket that does not exist yet; it prints a line when
it listens, and ends when its input does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from typing import Any, final

import attrs
import trio

import acton_trio as acton


@acton.message(ipc=True)
class Echo(acton.Request[Any]):
    """Asks for its own value."""

    value: Any


@acton.message(ipc=True)
class Bytes(acton.Request[bytes]):
    """Asks for its own bytes."""

    data: bytes


@acton.message(ipc=True)
class Headers(acton.Request[dict[str, str]]):
    """Asks what came beside it."""


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int


@acton.message(ipc=True)
class Wait(acton.Request[None]):
    """Is never answered; has news broadcast when it is handled."""


@acton.message(ipc=True)
class Idle(acton.Request[None]):
    """Is never answered."""


@acton.message(ipc=True)
class GivenUp(acton.Request[str]):
    """Asks for the name of the next handler that is cancelled."""


@acton.message(ipc=True)
class SoldOut(acton.Rejection):
    """A failure that is expected."""

    left: int


@acton.message(ipc=True)
class Order(acton.Request[int]):
    """Is rejected."""


@acton.message(ipc=True)
class Mute(acton.Request[int]):
    """Is handled without a reply."""


@acton.message(ipc=True)
class Crash(acton.Request[int]):
    """Has its handler raise."""


@acton.message(ipc=True)
class News:
    """Is broadcast."""

    number: int


@acton.message(ipc=True)
class Announce:
    """Has some news broadcast."""

    count: int


@final
@acton.actor
class Lab:
    """Answers in every way there is."""

    given_up: list[str] = attrs.field(factory=list[str])
    news: trio.Event = attrs.field(factory=trio.Event)

    @acton.act_on
    def echo(self, request: Echo) -> Any:
        """Repeat."""
        return request.value

    @acton.act_on
    def bytes_(self, request: Bytes) -> bytes:
        """Repeat."""
        return request.data

    @acton.act_on
    def headers(self, _request: Headers, ctx: acton.Context) -> dict[str, str]:
        """Tell what came beside the message."""
        return dict(ctx.headers)

    @acton.act_on
    async def count(self, request: Count) -> AsyncGenerator[int, None]:
        """Count up."""
        try:
            for number in range(request.upto):
                yield number
        except (trio.Cancelled, GeneratorExit):
            self._note("Count")
            raise

    @acton.act_on
    async def wait(self, _request: Wait, ctx: acton.Context) -> None:
        """Wait for ever."""
        try:
            await ctx.broker.broadcast(News(0))
            await trio.sleep_forever()
        except trio.Cancelled:
            self._note("Wait")
            raise

    @acton.act_on
    async def idle(self, _request: Idle) -> None:
        """Wait for ever, and note nothing."""
        await trio.sleep_forever()

    @acton.act_on
    async def tell_given_up(self, _request: GivenUp) -> str:
        """Wait until somebody has given something up."""
        while not self.given_up:
            await self.news.wait()
        return self.given_up.pop(0)

    @acton.act_on
    def order(self, _request: Order) -> int:
        """Reject."""
        raise SoldOut(3)

    @acton.act_on
    def mute(self, _request: Mute) -> int | None:
        """Do not reply."""
        return None

    @acton.act_on
    def crash(self, _request: Crash) -> int:
        """Fail."""
        raise LookupError

    @acton.act_on
    async def announce(self, command: Announce, ctx: acton.Context) -> None:
        """Broadcast."""
        for number in range(command.count):
            await ctx.broker.broadcast(News(number))

    def _note(self, name: str) -> None:
        self.given_up.append(name)
        self.news.set()
        self.news = trio.Event()


async def main(path: str) -> None:
    """Serve until the input ends."""
    config = acton.ipc.IpcConfig(
        limits=acton.ipc.IpcLimits(max_connections=16, max_message_size=16 * 1024**2),
        rate_limit=acton.ipc.IpcRateLimit(enabled=False),
    )
    async with acton.open_runtime() as runtime:
        await runtime.start(Lab, name="lab", expose=True)
        runtime.ipc_registry.register(News, "News")
        async with acton.ipc.open_listener(runtime, config, path=path):
            print("listening", flush=True)
            async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
                async for _ in stdin:
                    pass


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
