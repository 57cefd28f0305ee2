"""How many connections there may be, and what one too many is told."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.ipc import IpcConfig, IpcLimits, IpcListener
from acton_trio.testing import MemoryListener

from .items import covers


@asynccontextmanager
async def at_most(
    connections: int,
) -> AsyncGenerator[tuple[IpcListener, MemoryListener], None]:
    """Open a listener for so many *connections*, in memory."""
    config = IpcConfig(limits=IpcLimits(max_connections=connections))
    door = MemoryListener()
    async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
        serve = partial(acton.ipc.serve, runtime, [door], config=config)
        listener: IpcListener = await nursery.start(serve)
        yield listener, door


async def refusal(door: MemoryListener) -> acton.ConnectionRefusedByPeerError:
    """Return what a client is told at its first request."""
    async with acton.ipc.open_client(door.connect()) as client:
        with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
            await client.discover()
    return caught.value


async def said_at_once(door: MemoryListener) -> bytes:
    """Return all that a peer hears that says nothing."""
    async with door.connect() as stream:
        said = b""
        while data := await stream.receive_some():
            said += data
    return said


@covers(160)
async def test_one_connection_too_many_is_told_so(autojump_clock: MockClock) -> None:
    """Its first request says which limit was reached, in words and as a number."""
    async with (
        at_most(1) as (_, door),
        acton.ipc.open_client(door.connect()) as first,
    ):
        await first.discover()
        error = await refusal(door)

    assert error.reason == "CONNECTION_LIMIT_REACHED"
    assert error.limit == 1
    assert "limit reached (1 concurrent connections)" in str(error)


@covers(161)
async def test_refused_client_knows_why_and_the_others_go_on(
    autojump_clock: MockClock,
) -> None:
    """What it asks later is refused for the same reason; nobody else is."""
    async with (
        at_most(1) as (_, door),
        acton.ipc.open_client(door.connect()) as first,
    ):
        await first.discover()
        async with acton.ipc.open_client(door.connect()) as second:
            for _ in range(2):
                with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
                    await second.discover()
                assert caught.value.reason == "CONNECTION_LIMIT_REACHED"
        await first.discover()


@covers(162)
async def test_connections_within_the_limit_are_all_served(
    autojump_clock: MockClock,
) -> None:
    """The last one as the first."""
    async with at_most(3) as (_, door), AsyncExitStack() as held:
        for _ in range(3):
            client = acton.ipc.open_client(door.connect())
            await (await held.enter_async_context(client)).discover()


@covers(163)
async def test_statistics_tell_how_many_more_there_may_be(
    autojump_clock: MockClock,
) -> None:
    """Before anybody has come, and while somebody is there."""
    async with at_most(3) as (listener, door):
        before = listener.statistics()
        async with acton.ipc.open_client(door.connect()) as client:
            await client.discover()
            during = listener.statistics()

    assert (before.max_connections, before.connections_active) == (3, 0)
    assert before.connections_available == 3
    assert (during.max_connections, during.connections_active) == (3, 1)
    assert during.connections_available == 2


@covers(164)
async def test_number_of_those_to_come_is_never_below_zero(
    autojump_clock: MockClock,
) -> None:
    """However many were refused."""
    async with (
        at_most(1) as (listener, door),
        acton.ipc.open_client(door.connect()) as client,
    ):
        await client.discover()
        for _ in range(3):
            await refusal(door)
        statistics = listener.statistics()

    assert (statistics.connections_active, statistics.connections_available) == (1, 0)
    assert (statistics.connections_accepted, statistics.errors) == (1, 3)


@covers(165)
def test_limit_is_1024_by_default() -> None:
    """If nobody has said anything of it."""
    assert IpcConfig().limits.max_connections == 1024


@covers(166)
async def test_refusal_is_an_error_of_the_connection(autojump_clock: MockClock) -> None:
    """Before the peer says anything, in JSON, and it is all that is said."""
    async with (
        at_most(1) as (_, door),
        acton.ipc.open_client(door.connect()) as client,
    ):
        await client.discover()
        said = await said_at_once(door)

    assert said[:7] == bytes.fromhex("000000dd020301")
    assert json.loads(said[7:]) == {
        "correlation_id": "__acton_connection_rejected__",
        "success": False,
        "error": "Server refused the connection: connection limit reached "
        "(1 concurrent connections)",
        "error_code": "CONNECTION_LIMIT_REACHED",
        "payload": {"limit": 1},
    }


@covers(167)
async def test_error_of_a_request_refuses_no_connection(
    autojump_clock: MockClock,
) -> None:
    """The client goes on after it."""
    async with (
        at_most(1) as (_, door),
        acton.ipc.open_client(door.connect()) as client,
    ):
        answer = await client.request("nobody", "Nothing")
        again = await client.discover()

        assert not answer.success
        assert answer.error_code == "ACTOR_NOT_FOUND"
        assert again.actors == ()


@covers(168)
@pytest.mark.parametrize("payload", ["", ',"payload":{"more":1}'])
async def test_refusal_for_a_reason_of_the_future_is_one(
    autojump_clock: MockClock, payload: str
) -> None:
    """A client need not know the code to say what the server said."""
    ours, theirs = trio.testing.memory_stream_pair()
    body = (
        '{"correlation_id":"__acton_connection_rejected__","success":false,'
        f'"error":"Closed on Sundays","error_code":"SUNDAY"{payload}}}'
    )
    header = len(body).to_bytes(4, "big") + bytes([2, 3, 1])
    await theirs.send_all(header + body.encode())
    await theirs.send_eof()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
            await client.discover()

    assert (caught.value.reason, caught.value.limit) == ("SUNDAY", None)
    assert "Closed on Sundays" in str(caught.value)


@covers(174)
async def test_connection_that_says_nothing_is_told_nothing(
    autojump_clock: MockClock,
) -> None:
    """Nothing is sent to whoever was let in, but answers."""
    async with at_most(1) as (listener, door):
        async with door.connect() as stream:
            said = b""
            with trio.move_on_after(30):
                said = bytes(await stream.receive_some())
            assert listener.statistics().connections_active == 1
        await wait_all_tasks_blocked()

    assert said == b""
    assert listener.statistics().errors == 0
