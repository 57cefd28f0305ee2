"""What the trio client hears of what is broadcast in another process."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .answers import answer_frame
from .peers import (
    END,
    HEARTBEAT,
    MESSAGEPACK,
    Done,
    GetValue,
    Peer,
    Private,
    SetValue,
    Value,
    World,
    frame,
    open_world,
)

PUSH, SUBSCRIBE, UNSUBSCRIBE = 5, 6, 7

Client = acton.ipc.Client


@asynccontextmanager
async def open_both() -> AsyncGenerator[tuple[World, Client], None]:
    """Open a world, and a client of it."""
    async with (
        open_world() as world,
        acton.ipc.open_client(world.door.connect()) as client,
    ):
        yield world, client


@asynccontextmanager
async def open_pair() -> AsyncGenerator[tuple[Client, Peer], None]:
    """Open a client of a server that the test plays, and that agrees to all."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        yield client, Peer(theirs)


async def agree(server: Peer) -> tuple[int, list[str]]:
    """Agree to the next wish, and return what it was."""
    kind, body = await server.read()
    good = {"success": True, "subscribed_types": []}
    await server.write(answer_frame(body["correlation_id"], good))
    return kind, body["message_types"]


async def push(server: Peer, name: str, payload: Any, **more: Any) -> None:
    """Push a message."""
    body = {
        "notification_id": "p1",
        "message_type": name,
        "payload": payload,
        "timestamp_ms": 1500,
    }
    await server.say(PUSH, body | more)


async def take(events: Any, count: int) -> list[Any]:
    """Return the next *count* messages."""
    return [await anext(events) for _ in range(count)]


# --- from a server of ours


async def test_typed_messages_come_in_order(autojump_clock: MockClock) -> None:
    """What is broadcast there is read here, as what it is."""
    async with open_both() as (world, client), client.subscribe(SetValue) as events:
        for number in range(50):
            await world.runtime.broker.broadcast(SetValue(number))
        got = await take(events, 50)

    assert got == [SetValue(number) for number in range(50)]
    assert events.missed == events.gaps == 0
    assert events.statistics() == acton.ipc.RemoteSubscriptionStatistics(50, 0, 0, 0, 0)


async def test_names_are_read_as_plain_data(autojump_clock: MockClock) -> None:
    """Whoever has no class at hand gets what came, with when it was."""
    async with (
        open_both() as (world, client),
        client.subscribe("SetValue", "Value") as events,
    ):
        await world.runtime.broker.broadcast(SetValue(7))
        event = await anext(events)

    assert (event.message_type, event.payload) == ("SetValue", {"value": 7})
    assert event.notification_id.startswith("push_")
    assert event.timestamp > 1_500_000_000
    assert event.source_actor is None


async def test_classes_and_names_may_be_mixed(autojump_clock: MockClock) -> None:
    """One that is named in both ways is read once, as what it is."""
    async with (
        open_both() as (world, client),
        client.subscribe("Done", SetValue, "SetValue", Done) as events,
    ):
        await world.runtime.broker.broadcast(SetValue(7))
        await world.runtime.broker.broadcast(Done())
        got = await take(events, 2)
        nothing = events.statistics()

    assert got == [SetValue(7), Done()]
    assert nothing.delivered == 2


async def test_nothing_is_heard_outside_the_block(autojump_clock: MockClock) -> None:
    """The peer is told when it is entered and when it is left."""
    async with open_both() as (world, client):
        broadcast = world.runtime.broker.broadcast
        await broadcast(SetValue(1))
        async with client.subscribe(SetValue) as events:
            await broadcast(SetValue(2))
            got = await take(events, 1)
        await wait_all_tasks_blocked()
        await broadcast(SetValue(3))
        await wait_all_tasks_blocked()
        statistics = world.listener.statistics()

        assert got == [SetValue(2)]
        assert statistics.push_notifications_sent == 1
        assert await client.actor("service").ask(GetValue()) == Value(0)


async def test_each_subscription_of_a_client_gets_every_message(
    autojump_clock: MockClock,
) -> None:
    """However many there are of a type, and leaving one does not end the others."""
    async with open_both() as (world, client):
        broadcast = world.runtime.broker.broadcast
        async with client.subscribe(SetValue) as first:
            async with client.subscribe(SetValue, Done) as second:
                await broadcast(SetValue(1))
                assert await take(first, 1) == await take(second, 1) == [SetValue(1)]
            await broadcast(SetValue(2))
            await broadcast(Done())

            assert await take(first, 1) == [SetValue(2)]
            await wait_all_tasks_blocked()
            with pytest.raises(trio.WouldBlock):
                first.receive_nowait()


async def test_slow_reader_loses_the_oldest_and_is_told(
    autojump_clock: MockClock,
) -> None:
    """The loss shows where it was, before the next message that is read."""
    async with (
        open_both() as (world, client),
        client.subscribe(SetValue, capacity=3) as events,
    ):
        for number in range(10):
            await world.runtime.broker.broadcast(SetValue(number))
            await wait_all_tasks_blocked()
        missed = events.missed
        got = await take(events, 3)

    assert missed == events.missed == 7
    assert got == [SetValue(7), SetValue(8), SetValue(9)]
    statistics = events.statistics()
    assert (statistics.delivered, statistics.dropped_here) == (3, 7)
    assert statistics.dropped == 7


@pytest.mark.parametrize(
    ("delivery", "got", "missed"),
    [
        (acton.Delivery.DROP_NEWEST, [0, 1, 2], [0, 0, 2]),
        (acton.Delivery.DROP_OLDEST, [2, 3, 4], [2, 2, 2]),
        (acton.Delivery.LATEST, [3, 4], [3, 3]),
    ],
)
async def test_reader_chooses_what_is_dropped(
    autojump_clock: MockClock,
    delivery: acton.Delivery,
    got: list[int],
    missed: list[int],
) -> None:
    """As of every subscription; and the count grows where the loss was."""
    seen: list[int] = []
    counts: list[int] = []
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe("T", delivery=delivery, capacity=3) as events:
            for number in range(5):
                await push(server, "T", number)
            await wait_all_tasks_blocked()
            for _ in got:
                seen.append((await anext(events)).payload)
                counts.append(events.missed)

    assert seen == got
    assert counts == missed
    assert events.statistics().dropped_here == 5 - len(got)


async def test_latest_keeps_one_by_default(autojump_clock: MockClock) -> None:
    """Who wants the latest wants one."""
    async with (
        open_both() as (world, client),
        client.subscribe(SetValue, delivery=acton.Delivery.LATEST) as events,
    ):
        for number in range(10):
            await world.runtime.broker.broadcast(SetValue(number))
        await wait_all_tasks_blocked()

        assert await anext(events) == SetValue(9)
    assert events.missed == 9


async def test_reader_is_told_what_the_peer_has_dropped(
    autojump_clock: MockClock,
) -> None:
    """The next message that gets through says so, and the loss was before it."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe("T") as events:
            await push(server, "T", 1)
            await push(server, "T", 2, dropped=5)
            await push(server, "Other", 3, dropped=2)
            await wait_all_tasks_blocked()
            counts = [events.missed]
            for _ in range(2):
                await anext(events)
                counts.append(events.missed)

    assert counts == [0, 0, 7]
    statistics = events.statistics()
    assert (statistics.dropped_by_peer, statistics.dropped_here) == (7, 0)


async def test_what_a_server_of_ours_drops_is_counted(
    autojump_clock: MockClock,
) -> None:
    """What was broadcast is delivered, or counted, all of it."""
    limits = acton.ipc.IpcLimits(push_buffer_size=5)
    async with open_world(acton.ipc.IpcConfig(limits=limits)) as world:
        stream = world.door.connect_in_lockstep()
        async with (
            acton.ipc.open_client(stream) as client,
            client.subscribe(SetValue) as events,
        ):
            for number in range(100):
                await world.runtime.broker.broadcast(SetValue(number))
            await wait_all_tasks_blocked()
            await world.runtime.broker.broadcast(SetValue(100))
            got: list[SetValue] = []
            while SetValue(100) not in got:
                got.append(await anext(events))

    statistics = events.statistics()
    assert statistics.dropped_by_peer == events.missed > 0
    assert statistics.delivered + events.missed == 101


# --- what makes no sense


async def test_message_of_another_shape_is_told_in_its_place(
    autojump_clock: MockClock,
) -> None:
    """The reader hears of it, and goes on if it likes."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe(SetValue) as events:
            await push(server, "SetValue", {"value": 1})
            await push(server, "SetValue", {"value": "x"})
            await push(server, "SetValue", {"value": 2})
            got = [await anext(events)]
            with pytest.raises(acton.SerializationError, match="value"):
                await anext(events)
            got.append(await anext(events))

    assert got == [SetValue(1), SetValue(2)]
    assert events.statistics().unreadable == 1
    assert events.missed == 0


@pytest.mark.parametrize(
    "body", [b"nonsense", b"{}", b"", b"[" * 100_000, b'{"message_type":"T"}']
)
async def test_push_without_sense_is_counted(
    autojump_clock: MockClock, body: bytes
) -> None:
    """Nobody knows whose it was, so it counts for all."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe("T") as events:
            await server.write(frame(PUSH, body))
            await push(server, "T", 1)
            await anext(events)

    assert events.missed == 1
    assert events.statistics().unreadable == 1


async def test_push_is_read_by_its_own_header(autojump_clock: MockClock) -> None:
    """One in MessagePack is understood, as is one with more in it than is known."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe(SetValue, "Other") as events:
            body = {
                "notification_id": "p1",
                "message_type": "SetValue",
                "payload": {"value": 1},
                "timestamp_ms": 1500,
                "new": 3,
            }
            await server.say(PUSH, body, form=MESSAGEPACK)
            await push(server, "Other", [1], source_actor="ern:a", new=3)
            got = await take(events, 2)

    assert got[0] == SetValue(1)
    assert got[1] == acton.ipc.Notification("Other", [1], "p1", 1.5, "ern:a")


# --- what the peer is told


async def test_peer_is_told_what_nobody_wants_any_more(
    autojump_clock: MockClock,
) -> None:
    """Names that others of the client use are left, and none at all is never said."""
    seen: list[tuple[int, list[str]]] = []
    async with open_pair() as (client, server), trio.open_nursery() as nursery:

        async def serve() -> None:
            while True:
                seen.append(await agree(server))

        nursery.start_soon(serve)
        async with client.subscribe("A", "B"):
            async with client.subscribe("B", "C"):
                pass
            async with client.subscribe("A"):
                pass
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert seen == [
        (SUBSCRIBE, ["A", "B"]),
        (SUBSCRIBE, ["B", "C"]),
        (UNSUBSCRIBE, ["C"]),
        (SUBSCRIBE, ["A"]),
        (UNSUBSCRIBE, ["A", "B"]),
    ]


@pytest.mark.parametrize("code", ["PROTOCOL_ERROR", None])
async def test_peer_that_refuses_is_believed(
    autojump_clock: MockClock, code: str | None
) -> None:
    """The block is not entered, and nothing is left of it."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:

        async def refuse() -> None:
            _, body = await server.read()
            answer = {"success": False, "error": "no", "subscribed_types": []}
            answer |= {"error_code": code} if code else {}
            await server.write(answer_frame(body["correlation_id"], answer))

        nursery.start_soon(refuse)
        with pytest.raises(acton.PeerRejectedError) as caught:
            async with client.subscribe("T"):
                pass
        kind, body = await server.read()

    assert caught.value.code == (code or "UNKNOWN")
    assert (kind, body["message_types"]) == (UNSUBSCRIBE, ["T"])


async def test_mute_server_does_not_keep_a_subscriber(
    autojump_clock: MockClock,
) -> None:
    """It gives up after 30 seconds, or when its own time is up."""
    async with open_pair() as (client, server):
        with pytest.raises(acton.AskTimeoutError):
            async with client.subscribe("T"):
                pass
        with trio.move_on_after(3) as scope:
            async with client.subscribe("T"):
                pass
    kinds = [(await server.read())[0]]
    while kinds[-1] != END.kind:
        kinds.append((await server.read())[0])

    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(33)
    # The last wish may have been left unwritten: the client was closed.
    assert [each for each in kinds if each != HEARTBEAT][:3] == [
        SUBSCRIBE,
        UNSUBSCRIBE,
        SUBSCRIBE,
    ]


async def test_lost_connection_ends_subscriptions_after_what_came(
    autojump_clock: MockClock,
) -> None:
    """What came is read, then every call says that the peer is lost."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with client.subscribe("T") as events:
            await push(server, "T", 1)
            await server.stream.aclose()
            assert (await anext(events)).payload == 1
            for _ in range(2):
                with pytest.raises(acton.PeerLostError):
                    await anext(events)
            with pytest.raises(acton.PeerLostError):
                events.receive_nowait()
        with pytest.raises(acton.PeerLostError):
            async with client.subscribe("T"):
                pass

    assert trio.current_time() == 0


async def test_reader_that_waits_when_all_ends_hears_of_it(
    autojump_clock: MockClock,
) -> None:
    """Of the block, of the client and of the connection: nobody waits for ever."""
    for ending, error in (
        ("block", trio.ClosedResourceError),
        ("client", acton.PeerLostError),
        ("connection", acton.PeerLostError),
    ):
        errors: list[Exception] = []
        async with trio.open_nursery() as nursery, open_pair() as (client, server):

            async def read(events: Any, told: list[Exception]) -> None:
                try:
                    await anext(events)
                except (acton.PeerLostError, trio.ClosedResourceError) as caught:
                    told.append(caught)

            nursery.start_soon(agree, server)
            block = client.subscribe("T")
            events = await block.__aenter__()
            nursery.start_soon(read, events, errors)
            await wait_all_tasks_blocked()
            if ending == "connection":
                await server.stream.aclose()
                await wait_all_tasks_blocked()
            if ending != "client":
                await block.__aexit__(None, None, None)
        if ending == "client":
            await block.__aexit__(None, None, None)

        assert [type(each) for each in errors] == [error]


async def test_cancelled_read_loses_no_message(autojump_clock: MockClock) -> None:
    """Reading goes on where it was."""
    got: list[int] = []
    async with open_pair() as (client, server), trio.open_nursery() as nursery:

        async def serve() -> None:
            await agree(server)
            for number in range(20):
                await push(server, "T", number)
                await trio.sleep(1)

        nursery.start_soon(serve)
        async with client.subscribe("T") as events:
            while len(got) < 20:
                with trio.move_on_after(0.3):
                    got.append((await anext(events)).payload)

    assert got == list(range(20))
    assert events.missed == 0


async def test_what_cannot_be_subscribed_to_is_named(
    autojump_clock: MockClock,
) -> None:
    """The mistake is named where it is made, before anything is sent."""
    async with open_pair() as (client, server):
        subscribe: Any = client.subscribe
        for wrong, error in (
            (lambda: subscribe(Private), TypeError),
            (lambda: subscribe(int), TypeError),
            (lambda: subscribe(SetValue(1)), TypeError),
            (subscribe, TypeError),
            (lambda: subscribe("T", capacity=0), ValueError),
            (lambda: subscribe("T", delivery="latest"), TypeError),
            (lambda: subscribe("T", delivery=acton.Delivery.BLOCK), ValueError),
        ):
            with pytest.raises(error):
                async with wrong():
                    pass
        await server.write(frame(4, b""))
        await wait_all_tasks_blocked()
    seen = json.dumps((await server.read_frame()).body)

    assert seen == "null"


async def test_subscriber_that_waits_is_not_kept_by_a_full_stream(
    autojump_clock: MockClock,
) -> None:
    """Replies that nobody reads are no wall before what is pushed."""
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(agree, server)
        async with (
            client.subscribe("T") as events,
            client.actor("a").stream(Numbers()) as numbers,
        ):
            cid = (await server.read())[1]["correlation_id"]
            for number in range(200):
                body = {"correlation_id": cid, "sequence": number, "payload": 1}
                await server.say(9, body)
            await push(server, "T", 1)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.WouldBlock):
                events.receive_nowait()

            assert (await anext(events)).payload == 1
            assert await anext(numbers) == 1


@acton.message(ipc=True)
class Numbers(acton.StreamRequest[int]):
    """Asks for numbers."""
