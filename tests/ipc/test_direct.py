"""A plain socket, which whoever asks reads by itself, is as good as any stream."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .answers import answer_frame, answer_next, next_request
from .peers import CANCEL, END, HEARTBEAT, Echo, GetValue, Peer, SetValue, Value

GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}
CAN_CANCEL: dict[str, Any] = {
    "current": 2,
    "min_supported": 1,
    "max_supported": 2,
    "description": "",
    "capabilities": {
        "messagepack": True,
        "streaming": True,
        "push": True,
        "discovery": True,
        "cancel": True,
    },
}
PUSH = 5

# More than the kernel keeps for a socket that nobody reads.
LARGE = 4_000_000


@acton.message(ipc=True)
class Numbers(acton.StreamRequest[int]):
    """Asks for numbers."""


def socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both ends of a connection in the kernel."""
    first, second = [
        trio.SocketStream(trio.socket.from_stdlib_socket(each))
        for each in socket.socketpair()
    ]
    return first, second


@pytest.fixture(params=["socket", "memory"])
async def pair(
    request: pytest.FixtureRequest,
    autojump_clock: MockClock,
) -> AsyncGenerator[tuple[acton.ipc.Client, Peer], None]:
    """A client, and what it talks to, over a plain socket and over memory."""
    is_socket = request.param == "socket"
    async with open_pair(is_socket=is_socket) as pair:
        yield pair


@asynccontextmanager
async def open_pair(
    *, is_socket: bool = True
) -> AsyncGenerator[tuple[acton.ipc.Client, Peer], None]:
    """Open a client, and what it talks to."""
    streams = trio.testing.memory_stream_pair
    ours, theirs = socket_pair() if is_socket else streams()
    async with theirs, acton.ipc.open_client(ours) as client:
        yield client, Peer(theirs)


Pair = tuple[acton.ipc.Client, Peer]


async def test_call_after_call(autojump_clock: MockClock, pair: Pair) -> None:
    """Each gets its own answer, also after a rest."""
    client, server = pair
    for value in range(5):
        body = {"success": True, "payload": {"value": value}}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, server, body)
            got = await client.actor("a").ask(GetValue())
        await trio.sleep(value)

        assert got == Value(value)


async def test_who_reads_for_all_may_leave_first(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """Others get their answers when the first that has asked is answered, or gives up."""
    client, server = pair
    got: dict[str, Any] = {}

    async def ask(name: str, patience: float) -> None:
        with trio.move_on_after(patience):
            got[name] = await client.actor(name).ask(GetValue())

    async with trio.open_nursery() as nursery:
        for name, patience in (("a", 1), ("b", 9), ("c", 9), ("d", 2)):
            nursery.start_soon(ask, name, patience)
            await wait_all_tasks_blocked()
        asked = {
            each["target"]: each
            for each in [await next_request(server) for _ in "abcd"]
        }
        for name, at in (("b", 0.5), ("a", 3), ("d", 4), ("c", 5)):
            await trio.sleep_until(at)
            await server.write(answer_frame(asked[name]["correlation_id"], GOOD))

    assert got == {"b": Value(3), "c": Value(3)}
    assert trio.current_time() == 5


async def test_who_reads_for_all_takes_back_what_it_has_asked(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """A peer that can cancel is told so."""
    client, server = pair
    async with trio.open_nursery() as nursery:
        body = {"success": True, "protocol_version": CAN_CANCEL}

        async def discovered() -> None:
            _, question = await server.read()
            await server.write(answer_frame(question["correlation_id"], body))

        nursery.start_soon(discovered)
        await client.discover()
    with trio.move_on_after(1):
        await client.actor("a").ask(GetValue())
    request = await next_request(server)
    kind, cancelled = await server.read()

    assert kind == CANCEL
    assert cancelled == {"correlation_id": request["correlation_id"]}


async def test_each_call_has_thirty_seconds_of_its_own(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """Whoever reads for all is told first, and the others at their time."""
    client, server = pair
    ends: dict[str, float] = {}

    async def ask(name: str) -> None:
        with contextlib.suppress(acton.AskTimeoutError):
            await client.actor(name).ask(GetValue())
            name = f"{name} answered"
        ends[name] = trio.current_time()

    async with trio.open_nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.start_soon(ask, name)
            await trio.sleep(10)
        await trio.sleep(4)
        requests = [await next_request(server) for _ in "abc"]
        await trio.sleep_until(45)
        await server.write(answer_frame(requests[2]["correlation_id"], GOOD))

    assert ends == {"a": 30, "b": 40, "c answered": 45}


async def test_frame_that_is_half_written_is_written_on(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """Its asker being out of time, or cancelled, is nothing to those behind it."""
    client, server = pair
    with pytest.raises(acton.AskTimeoutError):
        await client.actor("a").ask(Echo("x" * LARGE))
    with trio.move_on_after(1):
        await client.actor("b").ask(Echo("y" * LARGE))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.actor("c").send, SetValue(1))
        request = await next_request(server)
        targets = [request["target"]]
        while targets[-1] != "c":
            request = await next_request(server)
            targets.append(request["target"])
        await server.write(answer_frame(request["correlation_id"], GOOD))

    assert targets in (["a", "c"], ["a", "b", "c"])


async def test_push_comes_whoever_reads(autojump_clock: MockClock, pair: Pair) -> None:
    """While somebody waits for an answer, and while nobody does."""
    client, server = pair
    async with trio.open_nursery() as nursery:

        async def push(value: int) -> None:
            body = {"notification_id": "p", "message_type": "SetValue"}
            more = {"payload": {"value": value}, "timestamp_ms": 1}
            await server.say(PUSH, body | more)

        async def serve() -> None:
            _, wish = await server.read()
            await server.write(answer_frame(wish["correlation_id"], {"success": True}))
            request = await next_request(server)
            await push(1)
            await trio.sleep(1)
            await push(2)
            await server.write(answer_frame(request["correlation_id"], GOOD))
            await trio.sleep(1)
            await push(3)

        nursery.start_soon(serve)
        async with client.subscribe(SetValue) as events:
            await client.actor("a").ask(GetValue())
            first = [events.receive_nowait() for _ in range(2)]
            last = await anext(events)

    assert [*first, last] == [SetValue(1), SetValue(2), SetValue(3)]
    assert trio.current_time() == 2


async def test_peer_that_leaves_is_noticed_by_who_does_not_ask(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """At once, also after calls."""
    client, server = pair
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            _, wish = await server.read()
            await server.write(answer_frame(wish["correlation_id"], {"success": True}))
            await answer_next(server, GOOD)
            await trio.sleep(7)
            await server.stream.aclose()

        nursery.start_soon(serve)
        async with client.subscribe(SetValue) as events:
            await client.actor("a").ask(GetValue())
            with pytest.raises(acton.PeerLostError, match="closed the connection"):
                await anext(events)

    assert trio.current_time() == 7


async def test_peer_that_leaves_is_noticed_by_all_who_ask(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """Whoever of them reads."""
    client, server = pair
    lost: list[str] = []

    async def ask(name: str) -> None:
        with pytest.raises(acton.PeerLostError):
            await client.actor(name).ask(GetValue())
        lost.append(name)

    async with trio.open_nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.start_soon(ask, name)
        await trio.sleep(1)
        await server.stream.aclose()
    with pytest.raises(acton.PeerLostError):
        await client.actor("a").ask(GetValue())

    assert sorted(lost) == ["a", "b", "c"]


async def test_client_that_is_closed_leaves_nobody_waiting(
    autojump_clock: MockClock,
) -> None:
    """Not whoever reads, either, wherever its task is."""
    lost: list[str] = []
    async with trio.open_nursery() as nursery, open_pair() as (client, _server):

        async def ask(name: str) -> None:
            with pytest.raises(acton.PeerLostError, match="this client was closed"):
                await client.actor(name).ask(GetValue())
            lost.append(name)

        for name in ("a", "b"):
            nursery.start_soon(ask, name)
        await wait_all_tasks_blocked()

    assert sorted(lost) == ["a", "b"]


async def test_stream_that_is_closed_under_a_client_is_noticed_by_the_next_call(
    autojump_clock: MockClock,
) -> None:
    """Nothing is read from, or written to, what has its number then."""
    ours, theirs = socket_pair()
    async with theirs, acton.ipc.open_client(ours) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, Peer(theirs), GOOD)
            await client.actor("a").ask(GetValue())
        number = ours.socket.fileno()
        await ours.aclose()
        other, end = socket.socketpair()
        with other, end:
            assert number in (other.fileno(), end.fileno())
            with pytest.raises(acton.PeerLostError):
                await client.actor("a").ask(GetValue())
            for each in (other, end):
                with pytest.raises(BlockingIOError):
                    each.recv(1, socket.MSG_DONTWAIT)


async def test_stream_that_is_closed_under_who_waits_is_noticed(
    autojump_clock: MockClock,
) -> None:
    """At once."""
    ours, theirs = socket_pair()
    async with (
        theirs,
        acton.ipc.open_client(ours) as client,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            with pytest.raises(acton.PeerLostError, match="broke"):
                await client.actor("a").ask(GetValue())

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await ours.aclose()

    assert trio.current_time() == 0


async def test_answer_is_not_held_up_by_a_stream_that_nobody_reads(
    autojump_clock: MockClock,
) -> None:
    """And when it is there, the stream's peer has to wait for its reader."""
    written: list[int] = []
    async with open_pair() as (client, server), trio.open_nursery() as nursery:

        async def serve() -> None:
            stream = await next_request(server)
            request = await next_request(server)
            for number in range(100):
                await item(server, stream["correlation_id"], number, "x")
            await server.write(answer_frame(request["correlation_id"], GOOD))
            for number in range(100, 1000):
                await item(server, stream["correlation_id"], number, "x" * 100_000)
                written.append(number)

        async with client.actor("a").stream(Numbers()):
            nursery.start_soon(serve)
            assert await client.actor("a").ask(GetValue()) == Value(3)
            await trio.sleep(1)
            assert len(written) < 100
        nursery.cancel_scope.cancel()


async def item(server: Peer, cid: str, sequence: int, payload: str) -> None:
    """Write an item of a stream."""
    body = {"correlation_id": cid, "sequence": sequence, "payload": payload}
    await server.say(0x09, body)


async def test_idle_client_beats_and_reads_on(
    autojump_clock: MockClock, pair: Pair
) -> None:
    """Every 30 seconds, and what comes meanwhile is taken in."""
    client, server = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_next, server, GOOD)
        await client.actor("a").ask(GetValue())
    kinds = [(await server.read())[0] for _ in range(3)]
    await server.say(HEARTBEAT, {})
    await wait_all_tasks_blocked()

    assert kinds == [HEARTBEAT] * 3
    assert trio.current_time() == 90


async def test_many_at_once(autojump_clock: MockClock) -> None:
    """Each gets its own answer, in whatever order they come."""
    got: list[tuple[str, str]] = []
    async with open_pair() as (client, server), trio.open_nursery() as nursery:

        async def serve() -> None:
            held: list[Any] = []
            while (seen := await server.read_frame()) != END:
                held.append(seen.body)
                if len(held) == 10:
                    for each in reversed(held):
                        payload = json.loads(json.dumps(each["payload"]))["text"]
                        body = {"success": True, "payload": payload}
                        await server.write(answer_frame(each["correlation_id"], body))
                    held.clear()

        async def ask(number: int) -> None:
            for turn in range(20):
                text = f"{number} {turn}"
                got.append((text, await client.actor("a").ask(Echo(text))))

        nursery.start_soon(serve)
        async with trio.open_nursery() as askers:
            for number in range(10):
                askers.start_soon(ask, number)
        nursery.cancel_scope.cancel()

    assert len(got) == 200
    assert all(asked == answer for asked, answer in got)
