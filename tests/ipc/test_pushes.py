"""Broadcasts that go to peers which have subscribed to them."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_ipc_pair

from .peers import ERROR, HEARTBEAT, MESSAGEPACK, RESPONSE, Peer, World, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcTimeouts = acton.ipc.IpcTimeouts

PUSH, SUBSCRIBE, UNSUBSCRIBE = 5, 6, 7


@acton.message(ipc=True)
class Price:
    """Is broadcast."""

    symbol: str
    price: float


@acton.message(ipc=True)
class Note:
    """Is broadcast, too."""

    number: int


@acton.message(ipc=True)
class Blob:
    """Is broadcast, and may be large."""

    text: str


def register(w: World) -> None:
    """Let all of them travel."""
    for each in (Price, Note, Blob):
        w.runtime.ipc_registry.register(each)


async def subscribe(peer: Peer, *names: str) -> Any:
    """Subscribe, and return the answer."""
    await peer.say(SUBSCRIBE, {"correlation_id": "s", "message_types": list(names)})
    return await peer.answer()


async def unsubscribe(peer: Peer, *names: str) -> Any:
    """Unsubscribe, and return the answer."""
    await peer.say(UNSUBSCRIBE, {"correlation_id": "u", "message_types": list(names)})
    return await peer.answer()


async def broadcast(w: World, *messages: object) -> None:
    """Broadcast them, one after another."""
    for each in messages:
        await w.runtime.broker.broadcast(each)


async def test_subscriber_is_told_of_broadcasts(autojump_clock: MockClock) -> None:
    """Of those of its types, in their order, and of no others."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        answer = await subscribe(peer, "Price")
        before = time.time_ns() // 1_000_000
        await broadcast(w, Price("A", 1.5), Note(1), Price("B", 2))
        first, second = await peer.read_frame(), await peer.read_frame()

        assert answer == {
            "correlation_id": "s",
            "success": True,
            "subscribed_types": ["Price"],
        }
        assert (first.version, first.kind, first.form) == (2, PUSH, 1)
        assert list(first.body) == [
            "notification_id",
            "message_type",
            "payload",
            "timestamp_ms",
        ]
        assert first.body["payload"] == {"symbol": "A", "price": 1.5}
        assert first.body["notification_id"].startswith("push_")
        assert first.body["notification_id"] != second.body["notification_id"]
        assert before <= first.body["timestamp_ms"] <= time.time_ns() // 1_000_000
        assert second.body["payload"]["symbol"] == "B"


async def test_peer_that_has_not_subscribed_is_told_nothing(
    autojump_clock: MockClock,
) -> None:
    """Nor one that does not want to hear any more."""
    async with open_world() as w:
        register(w)
        silent, former = w.peer(), w.peer()
        await subscribe(former, "Price", "Note")
        answer = await unsubscribe(former, "Price")
        await broadcast(w, Price("A", 1), Note(1))
        _, push = await former.read()
        await silent.say(HEARTBEAT, {})

        assert answer["subscribed_types"] == ["Note"]
        assert push["message_type"] == "Note"
        assert (await silent.read())[0] == HEARTBEAT


async def test_subscriptions_add_up_and_empty_wishes_mean_what_they_say(
    autojump_clock: MockClock,
) -> None:
    """To subscribe to nothing changes nothing, to unsubscribe from nothing ends all."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "Price", "Price")
        assert set((await subscribe(peer, "Note"))["subscribed_types"]) == {
            "Price",
            "Note",
        }
        assert len((await subscribe(peer))["subscribed_types"]) == 2
        assert len((await unsubscribe(peer, "Other"))["subscribed_types"]) == 2
        assert (await unsubscribe(peer))["subscribed_types"] == []
        counted = w.listener.statistics()

        assert counted.subscriptions_processed == 5
        assert counted.subscriptions_added == 2
        assert counted.subscriptions_removed == 2


async def test_type_may_be_registered_after_it_was_subscribed_to(
    autojump_clock: MockClock,
) -> None:
    """Names are not looked up before something is broadcast."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "Late")
        await broadcast(w, Note(1))
        w.runtime.ipc_registry.register(Note, "Late")
        await broadcast(w, Note(2))
        _, push = await peer.read()

        assert (push["message_type"], push["payload"]) == ("Late", {"number": 2})


async def test_type_of_two_names_is_pushed_under_both(
    autojump_clock: MockClock,
) -> None:
    """Whoever has subscribed to the older name must not wait for ever."""
    async with open_world() as w:
        w.runtime.ipc_registry.register(Note, "Old")
        w.runtime.ipc_registry.register(Note, "New")
        older, newer = w.peer(), w.peer()
        await subscribe(older, "Old")
        await subscribe(newer, "New")
        await broadcast(w, Note(1))

        assert (await older.read())[1]["message_type"] == "Old"
        assert (await newer.read())[1]["message_type"] == "New"


async def test_pushes_are_json_even_to_who_speaks_messagepack(
    autojump_clock: MockClock,
) -> None:
    """The answer to the subscription is in the peer's own format."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        wish = {"correlation_id": "s", "message_types": ["Note"]}
        await peer.say(SUBSCRIBE, wish, form=MESSAGEPACK)
        answer = await peer.read_frame()
        await broadcast(w, Note(1))
        push = await peer.read_frame()

        assert (answer.kind, answer.form) == (RESPONSE, MESSAGEPACK)
        assert (push.kind, push.form) == (PUSH, 1)


async def test_slow_reader_misses_pushes_and_is_told_how_many(
    autojump_clock: MockClock,
) -> None:
    """The queue is bounded; the next one that gets through says what is missing."""
    config = IpcConfig(limits=IpcLimits(push_buffer_size=3))
    async with open_world(config) as w:
        register(w)
        slow = Peer(w.door.connect_in_lockstep())
        await subscribe(slow, "Note")
        await broadcast(w, *map(Note, range(10)))
        await wait_all_tasks_blocked()
        early = [(await slow.read())[1] for _ in range(3)]
        await wait_all_tasks_blocked()
        await broadcast(w, Note(10), Note(11))
        late = [(await slow.read())[1] for _ in range(2)]
        counted = w.listener.statistics()

        assert [each["payload"]["number"] for each in early] == [0, 1, 2]
        assert all("dropped" not in each for each in early)
        assert [each["payload"]["number"] for each in late] == [10, 11]
        assert [each.get("dropped") for each in late] == [7, None]
        assert counted.push_notifications_dropped == 7
        assert counted.push_notifications_sent == 5


async def test_nobody_waits_for_a_slow_peer(autojump_clock: MockClock) -> None:
    """Neither who broadcasts nor the subscribers in the process."""
    async with open_world() as w:
        register(w)
        slow = Peer(w.door.connect_in_lockstep())
        await subscribe(slow, "Note")
        async with w.runtime.broker.subscribe(Note) as notes:
            await broadcast(w, *map(Note, range(500)))
            numbers = [notes.receive_nowait().number for _ in range(500)]

        assert numbers == list(range(500))


async def test_broadcast_that_cannot_be_written_hurts_nobody(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Who broadcasts it gets no error, who reads gets the next; the log has it."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        await subscribe(peer, "Blob")
        await broadcast(w, Blob("\udcff"), Blob("x" * (17 << 20)), Blob("fine"))
        _, push = await peer.read()

        assert push["payload"] == {"text": "fine"}
        assert caplog.text.count("cannot be pushed as Blob") == 2


async def test_subscriptions_end_with_the_connection(
    autojump_clock: MockClock,
) -> None:
    """Nothing of a peer that has gone is kept, and nothing is encoded for it."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        await subscribe(peer, "Note")
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
        await broadcast(w, Note(1))

        assert w.listener.statistics().push_notifications_sent == 0
        assert w.listener.statistics().connections_active == 0


async def test_subscriber_may_be_silent(autojump_clock: MockClock) -> None:
    """One that has subscribed is not cut off; one that has ended it is."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        await subscribe(peer, "Note")
        await trio.sleep(1000)
        await broadcast(w, Note(1))
        assert (await peer.read())[0] == PUSH

        await unsubscribe(peer)
        kind, words = await peer.read()
        assert (kind, words["error_code"]) == (ERROR, "CONNECTION_CLOSED")
        assert trio.current_time() == pytest.approx(1060)


async def test_silence_of_a_subscriber_may_be_bounded(
    autojump_clock: MockClock,
) -> None:
    """By a time of its own."""
    timeouts = IpcTimeouts(read_timeout=5, subscription_read_timeout=20)
    async with open_world(IpcConfig(timeouts=timeouts)) as w:
        peer = w.peer()
        await subscribe(peer, "Note")
        kind, words = await peer.read()

        assert (kind, words["error_code"]) == (ERROR, "CONNECTION_CLOSED")
        assert trio.current_time() == pytest.approx(20)


async def test_pushes_flow_while_the_listener_drains(
    autojump_clock: MockClock,
) -> None:
    """What is broadcast by the last requests is told, and then the end comes."""
    async with open_world() as w:
        register(w)
        peer = w.peer()
        await subscribe(peer, "Note")
        await peer.request("n", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.listener.shutdown_gracefully)
            await trio.sleep(1)
            await broadcast(w, Note(7))
            _, push = await peer.read()
            _, answer = await peer.read()

        assert push["payload"] == {"number": 7}
        assert answer["payload"] == 2


async def test_wish_for_too_much_is_refused_whole(autojump_clock: MockClock) -> None:
    """A peer that subscribes to whatever it can think of takes no memory."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "Note")
        many = await subscribe(peer, *(f"{number}" for number in range(1024)))
        long = await subscribe(peer, "x" * 70_000)
        enough = await subscribe(peer, *(f"{number}" for number in range(1023)))

        for refused in (many, long):
            assert not refused["success"]
            assert refused["subscribed_types"] == ["Note"]
            assert "at most 1024 types" in refused["error"]
        assert len(enough["subscribed_types"]) == 1024


async def test_two_listeners_push_to_their_own_peers(
    autojump_clock: MockClock,
) -> None:
    """Not only the one that was opened last."""
    async with open_world() as w:
        register(w)
        async with open_ipc_pair(w.runtime) as pair:
            peer = w.peer()
            await subscribe(peer, "Note")
            await broadcast(w, Note(1))

            assert (await peer.read())[0] == PUSH
            assert pair.server.statistics().push_notifications_sent == 0
            assert w.listener.statistics().push_notifications_sent == 1


async def test_events_of_the_runtime_are_not_pushed(autojump_clock: MockClock) -> None:
    """Only what is registered for other processes leaves this one."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "ChildTerminated", "DeadLetter", "acton_trio.DeadLetter")
        await w.handle.stop()
        await peer.say(HEARTBEAT, {})

        assert (await peer.read())[0] == HEARTBEAT
