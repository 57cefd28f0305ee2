"""A service to test the clients against; needs ``acton_trio``, as they do not.

Run it with the path of a socket that does not exist yet.  It prints a line when it
listens, and ends with its standard input.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import attrs
import trio

import acton_trio as acton


@acton.message(ipc=True)
class PriceUpdate:
    """What is broadcast."""

    symbol: str
    price: int


@acton.message(ipc=True)
class Publish(acton.Request[int]):
    """Has so many updates broadcast; tells how many."""

    symbol: str
    count: int


@acton.message(ipc=True)
class Echo(acton.Request[Any]):
    """Is answered with what it holds."""

    value: Any


@acton.message(ipc=True)
class Note:
    """Is noted, and not answered."""

    text: str


@acton.message(ipc=True)
class GetNotes(acton.Request[list[str]]):
    """Asks what was noted."""


@acton.message(ipc=True)
class GetHeaders(acton.Request[dict[str, str]]):
    """Asks what came beside the message."""


@acton.message(ipc=True)
class Digest(acton.Request[bytes]):
    """Turns bytes around."""

    data: bytes


@acton.message(ipc=True)
class WaitForEver(acton.Request[int]):
    """Is never answered; what becomes of it is noted."""


@acton.message(ipc=True)
class WaitForNote(acton.Request[str]):
    """Is answered as soon as something is noted."""

    text: str


@acton.message(ipc=True)
class OutOfPaper(acton.Rejection):
    """An expected failure."""

    needed: int


@acton.message(ipc=True)
class Refuse(acton.Request[int]):
    """Is rejected."""


@acton.message(ipc=True)
class Fail(acton.Request[int]):
    """Makes the handler raise."""


@acton.message(ipc=True)
class CountUp(acton.StreamRequest[int]):
    """Is answered with numbers; without a limit it goes on for ever."""

    limit: int | None = None


@acton.message(ipc=True)
class CountAndFail(acton.StreamRequest[int]):
    """Is answered with one number and a failure."""


@acton.actor
class Service:
    """Answers in every way there is."""

    notes: list[str] = attrs.field(factory=list[str])
    lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def add(self, text: str) -> None:
        """Note it, and wake who waits for that."""
        self.notes.append(text)
        self.lot.unpark_all()

    @acton.act_on
    def echo(self, request: Echo) -> Any:
        """Repeat."""
        return request.value

    @acton.act_on
    def note(self, message: Note) -> None:
        """Note."""
        self.add(message.text)

    @acton.act_on
    def get_notes(self, _request: GetNotes) -> list[str]:
        """Tell."""
        return self.notes

    @acton.act_on
    def get_headers(self, _request: GetHeaders, ctx: acton.Context) -> dict[str, str]:
        """Tell what came beside the message."""
        return dict(ctx.headers)

    @acton.act_on
    def digest(self, request: Digest) -> bytes:
        """Turn around."""
        return request.data[::-1]

    @acton.act_on
    async def wait_for_ever(self, _request: WaitForEver) -> int:
        """Wait until nobody wants it any more."""
        self.add("began to wait")
        try:
            await trio.sleep_forever()
        finally:
            self.add("waits no more")

    @acton.act_on
    async def wait_for_note(self, request: WaitForNote) -> str:
        """Wait for another handler."""
        while request.text not in self.notes:
            await self.lot.park()
        return request.text

    @acton.act_on
    def refuse(self, _request: Refuse) -> int:
        """Reject."""
        raise OutOfPaper(3)

    @acton.act_on
    def fail(self, _request: Fail) -> int:
        """Raise."""
        raise LookupError

    @acton.act_on
    async def publish(self, request: Publish, ctx: acton.Context) -> int:
        """Broadcast."""
        for number in range(request.count):
            await ctx.broker.broadcast(PriceUpdate(request.symbol, number))
        return request.count

    @acton.act_on
    async def count_up(self, request: CountUp) -> AsyncIterator[int]:
        """Count, and note the end of what has none of its own."""
        number = 0
        try:
            while request.limit is None or number < request.limit:
                yield number
                number += 1
        finally:
            if request.limit is None:
                self.add("counts no more")

    @acton.act_on
    async def count_and_fail(self, _request: CountAndFail) -> AsyncIterator[int]:
        """Count, and break off."""
        yield 0
        raise OutOfPaper(4)


async def main(path: str) -> None:
    """Serve until there is no more input."""
    async with acton.open_runtime(instruments=[]) as runtime:
        await runtime.start(Service, name="service", expose=True)
        runtime.ipc_registry.register(PriceUpdate, "PriceUpdate")
        async with acton.ipc.open_listener(runtime, path=path):
            print("listening", flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
