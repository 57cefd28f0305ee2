"""Streams that cut and stall, and a listener in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from acton_trio.testing import MemoryListener, chop, clog, memory_listener

PAIRS = [
    pytest.param(trio.testing.memory_stream_pair, id="memory"),
    pytest.param(trio.testing.lockstep_stream_pair, id="lockstep"),
]


async def received(stream: trio.abc.Stream) -> list[bytes]:
    """Return the pieces that come, until the end."""
    return [bytes(piece) async for piece in stream]


def released(stream: trio.abc.Stream) -> trio.abc.Stream:
    clogged = clog(stream)
    clogged.release()
    return clogged


async def test_chopped_bytes_come_one_by_one() -> None:
    """By default there is no place where what is sent is not cut."""
    here, there = trio.testing.memory_stream_pair()
    await here.send_all(b"words")
    await here.send_eof()

    assert await received(chop(there)) == [b"w", b"o", b"r", b"d", b"s"]


async def test_chopped_bytes_are_sent_one_by_one() -> None:
    """A stream that holds no byte by itself shows the pieces that were sent."""
    here, there = trio.testing.lockstep_stream_pair()
    pieces = list[bytes]()

    async def receive() -> None:
        pieces.extend(await received(there))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        async with chop(here) as chopped:
            await chopped.send_all(b"words")

    assert pieces == [b"w", b"o", b"r", b"d", b"s"]


@given(st.binary(max_size=300), st.integers(1, 20), st.integers(0, 5))
async def test_chopped_bytes_are_whole_and_in_order(
    data: bytes, most: int, seed: int
) -> None:
    """Whatever the sizes, the same bytes come; and the same seed cuts alike."""
    cuts = list[list[bytes]]()
    for _ in range(2):
        here, there = trio.testing.memory_stream_pair()
        chopped = chop(here, most=most, seed=seed)
        await chopped.send_all(data)
        await chopped.send_eof()
        cuts.append(await received(chop(there, most=most, seed=seed)))

    assert b"".join(cuts[0]) == data
    assert all(len(piece) <= most for piece in cuts[0])
    assert cuts[0] == cuts[1]


async def test_clogged_stream_sends_when_it_is_released() -> None:
    """Who sends waits; the other way is open; and it can be clogged again."""
    here, there = trio.testing.memory_stream_pair()
    clogged = clog(here)
    await there.send_all(b"to here")
    assert await clogged.receive_some() == b"to here"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clogged.send_all, b"one")
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        clogged.release()
    clogged.clog()
    with trio.move_on_after(0) as scope:
        await clogged.send_all(b"two")
    clogged.release()
    await clogged.send_all(b"three")

    assert scope.cancelled_caught
    assert await there.receive_some() == b"onethree"


async def test_closing_a_clogged_stream_ends_who_sends() -> None:
    """A connection that stalls can be given up, and the peer sees the end."""
    here, there = trio.testing.memory_stream_pair()
    clogged = clog(here)

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await clogged.send_all(b"never")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await clogged.aclose()
    clogged.clog()

    assert await there.receive_some() == b""
    with pytest.raises(trio.ClosedResourceError):
        await clogged.send_all(b"never")


@pytest.mark.parametrize("make", PAIRS)
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda stream: chop(stream, most=50_000, seed=3), id="chopped"),
        pytest.param(released, id="clogged and released"),
    ],
)
async def test_wrapped_streams_are_trios(
    make: Callable[[], tuple[trio.abc.HalfCloseableStream, ...]],
    wrap: Callable[[trio.abc.Stream], trio.abc.HalfCloseableStream],
) -> None:
    """They pass trio's own checks, for streams one half of which can be closed."""

    async def pair() -> tuple[
        trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream
    ]:
        await trio.lowlevel.checkpoint()
        here, there = make()
        return wrap(here), wrap(there)

    await trio.testing.check_half_closeable_stream(pair, None)


class OneWay(trio.abc.Stream):
    """A stream neither half of which can be closed by itself."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("wrap", [chop, clog])
def test_halves_can_be_closed_where_the_inner_ones_can(
    wrap: Callable[[trio.abc.Stream], trio.abc.Stream],
) -> None:
    """A wrapped stream promises no more than the one in it, and no less."""
    here, _ = trio.testing.memory_stream_pair()

    assert isinstance(wrap(here), trio.abc.HalfCloseableStream)
    assert not isinstance(wrap(OneWay()), trio.abc.HalfCloseableStream)


@pytest.mark.parametrize("wrap", [chop, clog])
async def test_two_senders_at_once_are_refused(
    wrap: Callable[[trio.abc.Stream], trio.abc.Stream],
) -> None:
    """Pieces of two messages would get mixed up: it is told instead."""
    here, _ = trio.testing.lockstep_stream_pair()
    stream = wrap(here)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: stream.send_all(b"more"),
        stream.wait_send_all_might_not_block,
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"words")
        await trio.testing.wait_all_tasks_blocked()
        for attempt in attempts:
            with pytest.raises(trio.BusyResourceError):
                await attempt()
        nursery.cancel_scope.cancel()


def test_piece_of_nothing_is_refused() -> None:
    """A stream that cuts bytes into no pieces would never end."""
    here, _ = trio.testing.memory_stream_pair()

    with pytest.raises(ValueError, match="at least one byte, not 0"):
        chop(here, most=0)


async def test_memory_listener_accepts_what_it_connects() -> None:
    """Connections are there to be accepted, in order, whoever was first."""
    listener = memory_listener()
    first, second = listener.connect(), listener.connect_in_lockstep()
    async with await listener.accept() as accepted, trio.open_nursery() as nursery:
        await first.send_all(b"words")
        assert await accepted.receive_some() == b"words"
        other = await listener.accept()
        nursery.start_soon(second.send_all, b"more")
        assert await other.receive_some() == b"more"


async def test_closed_listener_refuses_connections() -> None:
    """Connecting to it fails as connecting to nobody does."""
    listener = MemoryListener()
    await listener.aclose()

    with pytest.raises(ConnectionRefusedError):
        listener.connect()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()
