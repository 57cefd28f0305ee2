"""The contract suites: our own implementations pass, broken ones are caught."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from acton_trio._base.errors import ActorStoppedError, SerializationError
from acton_trio._base.formats import Format
from acton_trio._kernel.envelope import Envelope
from acton_trio._kernel.mailbox import Mailbox
from acton_trio._messages.codec import codec_of
from acton_trio.testing import (
    ContractError,
    check_codec,
    check_mailbox,
    check_transport,
    chop,
)

from .shops import GetPrice, Ping

Pair = tuple[trio.abc.Stream, trio.abc.Stream]


# --- mailboxes


async def test_our_mailbox_keeps_its_promises(autojump_clock: MockClock) -> None:
    """The kernel's own mailbox passes the suite that others are held to."""
    await check_mailbox(partial(Mailbox, "shop"))


class Passed:
    """A mailbox that passes everything on to one of ours."""

    def __init__(self, capacity: int) -> None:
        self.inner = Mailbox("shop", capacity)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __len__(self) -> int:
        return len(self.inner)


class Endless(Passed):
    def __init__(self, capacity: int) -> None:
        super().__init__(capacity + 1)


class Forgetful(Passed):
    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        self.inner.empty()
        self.inner.close(why)


class Backward(Passed):
    def empty(self) -> list[Envelope]:
        return self.inner.empty()[:0]


class Deaf(Passed):
    async def wait(self) -> None:
        await trio.sleep_forever()


class Unfair(Passed):
    def take(self) -> Envelope:
        self.inner.capacity += 1
        return self.inner.take()


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        pytest.param(Endless, "a full mailbox refuses put_nowait", id="too large"),
        pytest.param(Forgetful, "what is queued stays when it closes", id="forgets"),
        pytest.param(Backward, "what is left can be taken at once", id="keeps all"),
        pytest.param(Deaf, "nothing waits for ever", id="never wakes"),
        pytest.param(Unfair, "who comes later does not pass those", id="grows"),
    ],
)
async def test_broken_mailbox_is_caught(
    kind: type[Passed], promise: str, autojump_clock: MockClock
) -> None:
    """What it does not keep is what the error says."""
    make: Any = kind
    with pytest.raises(ContractError, match=promise):
        await check_mailbox(make)


# --- codecs


@pytest.mark.parametrize(
    ("type_", "samples"),
    [
        pytest.param(Ping, [Ping(0), Ping(2**40)], id="a message"),
        pytest.param(GetPrice, [GetPrice(""), GetPrice("é")], id="a request"),
        pytest.param(list[int], [[], [1, 2]], id="a list"),
        pytest.param(Path, [Path("a/b")], id="what msgspec alone does not carry"),
    ],
)
def test_our_codecs_keep_their_promises(type_: Any, samples: Sequence[object]) -> None:
    """Both of the ways along which values travel pass the suite."""
    check_codec(codec_of(type_), samples)


@attrs.frozen
class Lenient:
    """A codec that takes nonsense for a value."""

    inner: Any

    def encode(self, value: Ping, format: Format) -> Any:  # noqa: A002
        return self.inner.encode(value, format)

    def decode(self, data: Any, format: Format) -> Any:  # noqa: A002
        try:
            return self.inner.decode(data, format)
        except SerializationError:
            return Ping()


class Lossy(Lenient):
    """A codec that keeps half of what it is given."""

    def decode(self, data: Any, format: Format) -> Any:  # noqa: A002
        return Ping(self.inner.decode(data, format).number // 2)


class Talkative(Lenient):
    """A codec that writes text."""

    def encode(self, value: Ping, format: Format) -> Any:  # noqa: A002
        return bytearray(self.inner.encode(value, format))


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        pytest.param(Lenient, "bytes that are no JSON are refused, b''", id="lenient"),
        pytest.param(Lossy, "what is read from bytes is what was written", id="lossy"),
        pytest.param(Talkative, "what is written is bytes in JSON", id="other type"),
    ],
)
def test_broken_codec_is_caught(kind: type[Lenient], promise: str) -> None:
    """What it does not keep is what the error says."""
    with pytest.raises(ContractError, match=promise):
        check_codec(kind(codec_of(Ping)), [Ping(7)])


def test_codec_without_samples_is_not_checked() -> None:
    """A suite that checks nothing must not pass."""
    with pytest.raises(ContractError, match="there are samples"):
        check_codec(codec_of(Ping), [])


# --- transports


async def in_memory() -> Pair:
    await trio.lowlevel.checkpoint()
    return trio.testing.memory_stream_pair()


async def in_lockstep() -> Pair:
    await trio.lowlevel.checkpoint()
    return trio.testing.lockstep_stream_pair()


async def over_a_socket() -> Pair:
    await trio.lowlevel.checkpoint()
    here, there = trio.socket.socketpair()
    return trio.SocketStream(here), trio.SocketStream(there)


async def in_pieces() -> Pair:
    here, there = await in_memory()
    return chop(here, most=5000), chop(there, most=5000)


@pytest.mark.parametrize(
    "make_pair",
    [
        pytest.param(in_memory, id="memory"),
        pytest.param(in_lockstep, id="lockstep"),
        pytest.param(over_a_socket, id="sockets"),
        pytest.param(in_pieces, id="in pieces"),
    ],
)
async def test_streams_keep_their_promises(
    make_pair: Callable[[], Awaitable[Pair]],
) -> None:
    """What our connections run over passes the suite that others are held to."""
    await check_transport(make_pair)


class Carried(trio.abc.Stream):
    """A stream that passes everything on."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner = inner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


class Leaky(Carried):
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = bytes(await self.inner.receive_some(max_bytes))
        await trio.lowlevel.checkpoint()
        return data[:-1] + b"?"


class Stubborn(Carried):
    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Generous(Carried):
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some()


class Hasty(Carried):
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.inner.receive_some(max_bytes)
        return data or b"more"


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        pytest.param(Leaky, "bytes come as they were sent", id="spoils bytes"),
        pytest.param(Stubborn, "a closed stream does not send", id="stays open"),
        pytest.param(Generous, "receive_some gives no more than", id="gives too much"),
        pytest.param(Hasty, "the end of the peer is no bytes", id="has no end"),
    ],
)
async def test_broken_transport_is_caught(
    kind: type[Carried], promise: str, autojump_clock: MockClock
) -> None:
    """What it does not keep is what the error says."""

    async def make_pair() -> Pair:
        here, there = await in_memory()
        return kind(here), kind(there)

    with pytest.raises(ContractError, match=promise):
        await check_transport(make_pair)
