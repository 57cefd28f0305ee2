"""An actor for the protocol's own examples, byte for byte, and who asks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, final

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton

from ..peers import (
    REQUEST,
    OutOfStock,
    Peer,
    Private,
    Value,
    World,
    frame,
    open_world,
)

PUSH: Final = 0x05
SUBSCRIBE: Final = 0x06
UNSUBSCRIBE: Final = 0x07
STREAM: Final = 0x09

IpcConfig = acton.ipc.IpcConfig


@acton.message(ipc=True)
class Ping(acton.Request[dict[str, int]]):
    """Is answered with what is no message."""


@acton.message(ipc=True)
class Tally(acton.StreamRequest[dict[str, int]]):
    """Is answered with numbers that are no messages."""

    upto: int = 0
    pause: float = 0
    end: str = ""


@acton.message(ipc=True)
class Quotes(acton.StreamRequest[Value]):
    """Is answered with messages."""

    upto: int


@acton.message(ipc=True)
class Leak(acton.StreamRequest[object]):
    """Is answered with what cannot travel."""


@acton.message(ipc=True)
class Bulletin:
    """Is broadcast."""

    number: int


@final
@acton.actor
class Clerk:
    """Answers the requests of the examples."""

    pings: int = 0
    produced: int = 0
    log: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    def ping(self, _request: Ping) -> dict[str, int]:
        """Answer as in the examples."""
        self.pings += 1
        return {"value": 7}

    @acton.act_on
    async def tally(self, request: Tally) -> AsyncGenerator[dict[str, int], None]:
        """Count up, and end in some way."""
        try:
            for number in range(1, request.upto + 1):
                self.produced += 1
                yield {"n": number}
                await trio.sleep(request.pause)
            if request.end == "reject":
                raise OutOfStock(3)
            if request.end == "raise":
                msg = "secret text"
                raise ValueError(msg)
            if request.end == "never":
                await trio.sleep_forever()
        except trio.Cancelled:
            self.log.append("tally cancelled")
            raise

    @acton.act_on
    async def quotes(self, request: Quotes) -> AsyncGenerator[Value, None]:
        """Count up in messages."""
        for number in range(1, request.upto + 1):
            yield Value(number)

    @acton.act_on
    async def leak(self, _request: Leak) -> AsyncGenerator[object, None]:
        """Yield what cannot travel."""
        yield Private()


@final
@acton.actor
class Leaver:
    """Takes three seconds to leave, when its mailbox is closed."""

    @acton.act_on
    def ping(self, _request: Ping) -> dict[str, int]:
        """Answer as in the examples."""
        return {"value": 7}

    @acton.after_stop
    async def linger(self) -> None:
        """Be neither there nor gone."""
        await trio.sleep(3)


class Office(NamedTuple):
    """A world, and in it the clerk, whom peers call ``a``."""

    world: World
    clerk: Clerk
    handle: acton.ActorHandle


@asynccontextmanager
async def open_office(
    config: acton.ipc.IpcConfig | None = None, **options: Any
) -> AsyncGenerator[Office, None]:
    """Open a world with the clerk in it; *options* are how the clerk is started."""
    clerk = Clerk()
    async with open_world(config) as world:
        handle = await world.runtime.start(
            lambda: clerk, name="a", expose=True, **options
        )
        world.runtime.ipc_registry.register(Bulletin, "Bulletin")
        yield Office(world, clerk, handle)


@asynccontextmanager
async def open_leaving_office() -> AsyncGenerator[Peer, None]:
    """Open a world in which ``a`` is leaving, and return a peer."""
    async with open_world() as world, trio.open_nursery() as nursery:
        handle = await world.runtime.start(Leaver, name="a", expose=True)
        nursery.start_soon(handle.stop)
        await wait_all_tasks_blocked()
        yield world.peer()


def without_rate_limit(**sections: Any) -> acton.ipc.IpcConfig:
    """Return a configuration for peers that ask more than fifty times."""
    unlimited = acton.ipc.IpcRateLimit(enabled=False)
    return IpcConfig(rate_limit=unlimited, **sections)


def write_frame(
    frame_type: int, text: str, *, version: int = 2, form: int = 1
) -> bytes:
    """Return *text* as a frame, byte for byte."""
    return frame(frame_type, text.encode(), version, form)


async def ask_for_stream(
    peer: Peer, cid: str, message_type: str, payload: Any, /, **more: Any
) -> None:
    """Write a request that expects a stream."""
    body = {
        "correlation_id": cid,
        "target": "a",
        "message_type": message_type,
        "payload": payload,
        "expects_stream": True,
    }
    await peer.say(REQUEST, body | more)


async def read_stream(peer: Peer) -> list[Any]:
    """Return the bodies of a stream's frames, up to the final one."""
    bodies: list[Any] = []
    while not (bodies and bodies[-1]["is_final"]):
        kind, body = await peer.read()
        assert kind == STREAM, (kind, body)
        bodies.append(body)
    return bodies


async def subscribe(peer: Peer, *names: str, frame_type: int = SUBSCRIBE) -> Any:
    """Subscribe to *names*, or the reverse, and return the answer's body."""
    await peer.say(frame_type, {"correlation_id": "s", "message_types": names})
    return await peer.answer()


async def broadcast(world: World, *messages: object) -> None:
    """Broadcast *messages*, and wait until all is as it will be."""
    for message in messages:
        await world.runtime.broker.broadcast(message)
    await world.runtime.broker.flush()
    await wait_all_tasks_blocked()


async def read_pushes(peer: Peer, seconds: float = 1) -> list[Any]:
    """Return the bodies of the pushes that come within *seconds*."""
    bodies: list[Any] = []
    with trio.move_on_after(seconds):
        while True:
            kind, body = await peer.read()
            assert kind == PUSH, (kind, body)
            bodies.append(body)
    return bodies


async def check_that_it_goes_on(peer: Peer) -> None:
    """Check that *peer* is served as if nothing had been."""
    answer = await peer.ask("GetValue")

    assert answer["success"] is True, answer
