"""`check_transport`: what a stream promises that connections of ours run over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import trio
import trio.testing

from .._ipc.client import open_client
from .._ipc.runtime import open_runtime
from .._ipc.server import serve
from .contracts import all_kept, promised, refused, same
from .streams import memory_listener

__all__ = ["check_transport"]

Pair: TypeAlias = tuple[trio.abc.Stream, trio.abc.Stream]

Make: TypeAlias = Callable[[], Awaitable[Pair]]

# More than any buffer between two ends holds; every byte its own, nearly.
_MUCH: Final = bytes(number % 251 for number in range(1_000_000))

# How often more is sent than that, to fill what holds it.
_MANY: Final = 16

# Seconds after which nothing comes any more.
_PATIENCE: Final = 30


async def check_transport(
    make_pair: Callable[[], Awaitable[tuple[trio.abc.Stream, trio.abc.Stream]]],
) -> None:
    """Check what a stream promises that connections of ours run over.

    It is what trio's streams promise, and a conversation of a client and a
    server of ours.

    Args:
        make_pair: Returns both ends of a new connection.

    Raises:
        ContractError: If it breaks a promise; says which.

    Cancellation:
        The streams that were made are left as they are.
    """
    checks: Sequence[Callable[[Make], Awaitable[None]]] = [
        _check_bytes,
        _check_both_ways_at_once,
        _check_receiving_cancelled,
        _check_one_at_a_time,
        _check_own_end,
        _check_peers_end,
        _check_conversation,
    ]
    await all_kept(checks, make_pair, _PATIENCE)


async def _exactly(stream: trio.abc.Stream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        promised("what was sent comes whole", holds=bool(piece), but="the stream ended")
        data += piece
    return bytes(data)


async def _check_bytes(make_pair: Make) -> None:
    here, there = await make_pair()
    async with here, there:
        for sender, receiver in ((here, there), (there, here)):
            for data in (b"x", bytearray(b"some words"), memoryview(b"and more")):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(sender.send_all, data)
                    came = await _exactly(receiver, len(data))
                same("bytes come as they were sent", came, bytes(data))
        await here.send_all(b"")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.send_all, b"some words")
            piece = await there.receive_some(4)
            promise = "receive_some gives no more than it was asked for"
            promised(promise, holds=len(piece) <= 4)
            rest = await _exactly(there, 10 - len(piece))
        same("pieces of any size come in order", bytes(piece) + rest, b"some words")


async def _check_both_ways_at_once(make_pair: Make) -> None:
    here, there = await make_pair()
    came = dict[str, bytes]()

    async def receive(name: str, stream: trio.abc.Stream) -> None:
        came[name] = await _exactly(stream, len(_MUCH))

    async with here, there:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.send_all, _MUCH)
            nursery.start_soon(there.send_all, _MUCH[::-1])
            nursery.start_soon(receive, "here", here)
            nursery.start_soon(receive, "there", there)
        promise = "much comes whole and in order, both ways at once"
        promised(promise, holds=came["there"] == _MUCH and came["here"] == _MUCH[::-1])


async def _check_receiving_cancelled(make_pair: Make) -> None:
    here, there = await make_pair()
    async with here, there:
        with trio.CancelScope() as scope:
            scope.cancel()
            await there.receive_some(1)
        promised("receiving can be cancelled", holds=scope.cancelled_caught)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.send_all, b"still there")
            came = await _exactly(there, 11)
        same("a cancelled receive_some loses no byte", came, b"still there")


async def _check_one_at_a_time(make_pair: Make) -> None:
    here, there = await make_pair()
    async with here, there:
        await _check_alone("receive_some", here.receive_some)

        await _check_alone("send_all", partial(_send_much, here))


async def _send_much(stream: trio.abc.Stream) -> None:
    for _ in range(_MANY):
        await stream.send_all(_MUCH)


async def _check_alone(name: str, do: Callable[[], Awaitable[object]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(do)
        await trio.testing.wait_all_tasks_blocked(0.01)
        # A stream that holds whatever it is given has no second sender.
        if nursery.child_tasks:
            with (
                refused(f"a second {name} at once is refused", trio.BusyResourceError),
                trio.move_on_after(1),
            ):
                await do()
        nursery.cancel_scope.cancel()


async def _check_own_end(make_pair: Make) -> None:
    here, there = await make_pair()
    async with there:
        await here.aclose()
        await here.aclose()
        with refused("a closed stream does not send", trio.ClosedResourceError):
            await here.send_all(b"late")
        with refused("a closed stream does not receive", trio.ClosedResourceError):
            await here.receive_some(1)
    here, there = await make_pair()
    async with here, there:
        with trio.CancelScope() as scope:
            scope.cancel()
            await here.aclose()
        with refused(
            "a cancelled aclose closes all the same", trio.ClosedResourceError
        ):
            await here.send_all(b"late")
    here, there = await make_pair()
    async with there, trio.open_nursery() as nursery:
        nursery.start_soon(_receive_until_closed, here)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await here.aclose()


async def _receive_until_closed(stream: trio.abc.Stream) -> None:
    with refused("closing ends who receives", trio.ClosedResourceError):
        await stream.receive_some(1)


async def _check_peers_end(make_pair: Make) -> None:
    here, there = await make_pair()
    async with here, there:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_and_close, here)
            same(
                "what was sent before the end comes", await _exactly(there, 5), b"words"
            )
            same("the end of the peer is no bytes", await there.receive_some(1), b"")
        same("the end stays the end", await there.receive_some(1), b"")
        with refused("sending to who has gone fails", trio.BrokenResourceError):
            await _send_much(there)


async def _send_and_close(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"words")
    await stream.aclose()


async def _check_conversation(make_pair: Make) -> None:
    ours, theirs = await make_pair()
    door = memory_listener()
    door.admit(theirs)
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        await nursery.start(serve, runtime, [door])
        async with open_client(ours) as client:
            discovery = await client.discover()
            same("a client and a server find each other", discovery.actors, ())
            response = await client.request("nobody", "Ask", {"text": "x" * 100_000})
            code = response.error_code
            same("a question is answered", code, "ACTOR_NOT_FOUND")
        nursery.cancel_scope.cancel()
