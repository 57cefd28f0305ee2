"""Clients that do a server harm: each kind once, for tests and for the benchmark.

They write their own bytes, over any stream.  In virtual time no time passes
while anybody is at work, so those that never rest are given a pause there.

As a program it is a crowd of one kind, at a socket, until it is killed::

    python -m tests.ipc.hostiles SOCKET KIND NUMBER
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final

import attrs
import trio

import acton_trio as acton

from .peers import CANCEL, DISCOVER, HEARTBEAT, REQUEST, frame

__all__ = [
    "KINDS",
    "SLICE",
    "Drip",
    "GetNumber",
    "Hold",
    "Hostile",
    "News",
    "Prey",
    "Quiet",
    "Repeat",
]

SUBSCRIBE: Final = 0x06
UNSUBSCRIBE: Final = 0x07

# What one answer that is asked for in order not to be read takes, in bytes.
SLICE: Final = 10_000

# Long before a server cuts off who does not read a piece in its write timeout,
# in bytes and seconds.
_SIP: Final = 4
_SIP_EVERY: Final = 1.0

# In which one that vanishes does, in seconds.
_STAY: Final = 0.2

# For what is to last longer than anybody looks, in milliseconds.
_LONG: Final = 3_600_000


# --- what they are after


@acton.message(ipc=True)
class GetNumber(acton.Request[int]):
    """Asks for a number."""


@acton.message(ipc=True)
class Repeat(acton.Request[str]):
    """Asks for a text of some length."""

    size: int


@acton.message(ipc=True)
class Hold(acton.Request[int]):
    """Is answered later."""

    seconds: float


@acton.message(ipc=True)
class Drip(acton.StreamRequest[str]):
    """Asks for texts without end."""

    size: int


@acton.message(ipc=True)
class News:
    """Is broadcast."""

    text: str


@acton.actor
class Quiet:
    """Answers those who do no harm, which nobody else knows of."""

    number: int = 0

    @acton.act_on
    def get_number(self, _request: GetNumber) -> int:
        """Tell."""
        return self.number

    @acton.act_on
    async def hold(self, request: Hold) -> int:
        """Answer later."""
        await trio.sleep(request.seconds)
        return self.number


@acton.actor
class Prey:
    """Answers whoever asks, at once if that is possible."""

    number: int = 0

    @acton.act_on
    def get_number(self, _request: GetNumber) -> int:
        """Tell."""
        return self.number

    @acton.act_on
    def repeat(self, request: Repeat) -> str:
        """Say as much as is wanted."""
        return "x" * request.size

    @acton.act_on
    async def hold(self, request: Hold) -> int:
        """Answer later."""
        await trio.sleep(request.seconds)
        return self.number

    @acton.act_on
    async def drip(self, request: Drip) -> AsyncIterator[str]:
        """Say it again and again."""
        while True:
            yield "x" * request.size

    @acton.mutate_on
    def news(self, _message: News) -> None:
        """Make the type known, so that it may be pushed."""


# --- what they say


def _say(frame_type: int, body: object) -> bytes:
    return frame(frame_type, json.dumps(body).encode())


def _ask(message_type: str, payload: object = None, **more: object) -> bytes:
    body = {
        "correlation_id": "r",
        "target": "prey",
        "message_type": message_type,
        "payload": payload,
        "expects_reply": True,
    }
    return _say(REQUEST, body | more)


def _subscribe(frame_type: int, *names: str) -> bytes:
    return _say(frame_type, {"correlation_id": "s", "message_types": names})


_BEAT: Final = frame(HEARTBEAT, b"{}")
_NUMBER: Final = _ask("GetNumber")
_MUCH: Final = _ask("Repeat", {"size": SLICE})
_STREAM: Final = _ask(
    "Drip", {"size": 1000}, expects_stream=True, response_timeout_ms=_LONG
)
_LOT: Final = 5 * _STREAM + 45 * _MUCH
_NEWS: Final = _subscribe(SUBSCRIBE, "News")
_HOLD: Final = _ask("Hold", {"seconds": 3600}, response_timeout_ms=_LONG)

# Of as many types as one connection may subscribe to, to be told of all of them
# again whenever there is one more or less.
_ALL: Final = _subscribe(SUBSCRIBE, *(f"type {number}" for number in range(1000)))
_ONE: Final = _subscribe(SUBSCRIBE, "one more") + _subscribe(UNSUBSCRIBE, "one more")

# What never ends, by kind: what is said first, and what is said over and over.
_FLOODS: Final[Mapping[str, tuple[bytes, bytes]]] = MappingProxyType(
    {
        "requests": (b"", _NUMBER),
        "heartbeats": (b"", _BEAT),
        "discoveries": (
            b"",
            _say(DISCOVER, {"correlation_id": "d", "include_schemas": True}),
        ),
        "subscriptions": (_ALL, _ONE),
        "cancels": (_HOLD * 40, _say(CANCEL, {"correlation_id": "nothing"})),
        "garbage bodies": (b"", frame(REQUEST, b"\xff{no body]" * 20)),
        "unknown types": (b"", _ask("NeverHeardOf", {"a": [1, 2, 3]})),
        "bad headers": (b"", b"GET / HTTP/1.1\r\n\r\n"),
    }
)


# --- what they do

Dial: TypeAlias = Callable[[], Awaitable[trio.abc.Stream]]
"""Makes a new connection to the server."""


@final
@attrs.define(eq=False)
class Hostile:
    """One client that does harm; lives until it is cancelled."""

    dial: Dial
    chance: random.Random
    pause: float = 0
    """Its rest after each thing that it does in a hurry, in seconds."""

    burst: int = 50
    """How often it says the same, before it rests."""

    drop: float = 0.02
    """Its rest after a single byte, in seconds."""

    async def harm(self, kind: str) -> None:
        """Be of that kind; whenever the connection ends, begin again.

        Cancellation:
            The connection is closed, whatever was being said.
        """
        do = KINDS[kind]
        while True:
            try:
                stream = await self.dial()
            except OSError:
                # So many connect that the kernel does not keep up.
                await trio.sleep(0.01)
                continue
            try:
                await do(self, stream)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
            await trio.sleep(self.pause)

    async def be_slow(self, stream: trio.abc.Stream) -> None:
        """Ask for a lot, and read it a few bytes at a time."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, _NEWS + _LOT)
            while await stream.receive_some(_SIP):  # noqa: ASYNC110 - it is just slow
                await trio.sleep(_SIP_EVERY)
            nursery.cancel_scope.cancel()

    async def be_stalled(self, stream: trio.abc.Stream) -> None:
        """Ask for more and more, and read nothing of it."""
        await stream.send_all(_NEWS)
        while True:
            await stream.send_all(_LOT)
            await trio.sleep(self.pause)

    async def dribble(self, stream: trio.abc.Stream) -> None:
        """Say everything one byte at a time."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._swallow, stream, nursery.cancel_scope)
            while True:
                for each in _NUMBER + _BEAT + _MUCH:
                    await stream.send_all(bytes([each]))
                    await trio.sleep(self.drop)

    async def be_silent(self, stream: trio.abc.Stream) -> None:
        """Say nothing, until shown the door."""
        while await stream.receive_some():
            pass

    async def vanish(self, stream: trio.abc.Stream) -> None:
        """Ask, and leave at some moment, amid a frame as a rule."""
        wanted = _NEWS + self.chance.choice((_NUMBER, _MUCH, _STREAM, _HOLD)) * 5
        await stream.send_all(wanted[: self.chance.randrange(len(wanted))])
        await trio.sleep(self.chance.random() * _STAY)

    async def come_and_go(self, stream: trio.abc.Stream) -> None:
        """Leave at once."""
        await trio.lowlevel.checkpoint()

    async def flood(self, stream: trio.abc.Stream, of: str) -> None:
        """Say the same as fast as possible, and read what is answered."""
        first, again = _FLOODS[of]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._swallow, stream, nursery.cancel_scope)
            await stream.send_all(first)
            while True:
                await stream.send_all(again * self.burst)
                await trio.sleep(self.pause)

    async def _swallow(self, stream: trio.abc.Stream, until: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await stream.receive_some(65536):
                pass
        until.cancel()


Way: TypeAlias = Callable[[Hostile, trio.abc.Stream], Awaitable[None]]
"""What one does with a connection, until it ends."""


def _flooding(of: str) -> Way:
    return lambda hostile, stream: hostile.flood(stream, of)


KINDS: Final[Mapping[str, Way]] = MappingProxyType(
    {
        "slow": Hostile.be_slow,
        "stalled": Hostile.be_stalled,
        "dribbling": Hostile.dribble,
        "silent": Hostile.be_silent,
        "vanishing": Hostile.vanish,
        "connections": Hostile.come_and_go,
        **{each: _flooding(each) for each in _FLOODS},
    }
)
"""What each kind does with a connection; the last ones flood the server."""


# --- a crowd as a program


async def _crowd(path: str, kind: str, number: int) -> None:
    # Others have to bear what it makes the server do, not what it does itself.
    os.nice(19)
    dial: Any = partial(trio.open_unix_socket, path)
    async with trio.open_nursery() as nursery:
        for seed in range(number):
            hostile = Hostile(dial, random.Random(seed))
            nursery.start_soon(hostile.harm, kind)


if __name__ == "__main__":
    trio.run(_crowd, sys.argv[1], sys.argv[2], int(sys.argv[3]))
