"""One connection among others: how much it may do, and how it ends."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import (
    DISCOVER,
    END,
    HEARTBEAT,
    REQUEST,
    UNLIMITED,
    Peer,
    frame,
    open_world,
)

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcTimeouts = acton.ipc.IpcTimeouts


async def test_sixty_four_requests_are_in_flight_at_most(
    autojump_clock: MockClock,
) -> None:
    """The next one waits for an answer to leave, and nothing is lost."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer = w.peer()
        for number in range(130):
            await peer.request(f"{number}", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        in_flight = w.listener.statistics().in_flight_requests
        ids = {(await peer.answer())["correlation_id"] for _ in range(130)}

        assert in_flight == 64
        assert ids == {f"{number}" for number in range(130)}
        assert trio.current_time() == pytest.approx(3)


async def test_connection_at_its_limit_does_not_hold_up_others(
    autojump_clock: MockClock,
) -> None:
    """The limit is each connection's own."""
    async with open_world(IpcConfig(limits=IpcLimits(max_in_flight=1))) as w:
        busy, other = w.peer(), w.peer()
        await busy.request("1", "Nap", {"seconds": 9})
        await busy.request("2", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        answer = await other.ask("GetValue")

        assert answer["success"]
        assert trio.current_time() == 0


async def test_order_holds_across_the_limit(autojump_clock: MockClock) -> None:
    """Messages of one connection arrive as sent, replies or not."""
    config = IpcConfig(limits=IpcLimits(max_in_flight=3), rate_limit=UNLIMITED)
    async with open_world(config) as w:
        peer = w.peer()
        for number in range(100):
            await peer.request(
                f"{number}",
                "SetValue",
                {"value": number},
                expects_reply=number % 3 == 0,
            )
        for _ in range(100):
            await peer.answer()

        assert w.service.values == list(range(100))


async def test_heartbeat_and_discovery_overtake_a_slow_request(
    autojump_clock: MockClock,
) -> None:
    """Nothing on a connection waits for an answer but who asked."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("slow", "Nap", {"seconds": 9})
        await peer.say(HEARTBEAT, {})
        await peer.say(8, {"correlation_id": "d"})
        heartbeat, discovery = await peer.read(), await peer.answer()

        assert heartbeat == (HEARTBEAT, {})
        assert discovery["correlation_id"] == "d"
        assert trio.current_time() == 0


async def test_many_connections_are_served_at_once(autojump_clock: MockClock) -> None:
    """They share nothing but the actor."""
    async with open_world() as w:
        peers = [w.peer() for _ in range(90)]
        for peer in peers:
            await peer.request("r", "Nap", {"seconds": 1})
        answers = [await peer.answer() for peer in peers]

        assert all(each["success"] for each in answers)
        assert trio.current_time() == pytest.approx(1)


async def test_queued_message_without_reply_outlives_its_connection(
    autojump_clock: MockClock,
) -> None:
    """It was acknowledged: the peer may go."""
    async with open_world() as w:
        peer, other = w.peer(), w.peer()
        await other.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        answer = await peer.ask("SetValue", {"value": 7}, expects_reply=False)
        await peer.stream.aclose()
        await trio.sleep(3)

        assert answer["payload"] == {"status": "delivered"}
        assert w.service.values == [7]


async def test_loss_of_a_connection_frees_room_in_the_mailbox(
    autojump_clock: MockClock,
) -> None:
    """Withdrawn requests are gone at once, not when their turn comes."""
    async with open_world(mailbox_capacity=2) as w:
        peer, other = w.peer(), w.peer()
        await other.request("1", "Grind", {"seconds": 5})
        await wait_all_tasks_blocked()
        await peer.request("2", "SetValue", {"value": 2})
        await peer.request("3", "SetValue", {"value": 3})
        await wait_all_tasks_blocked()
        busy = await other.ask("SetValue", {"value": 4}, expects_reply=False)
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
        taken = await other.ask("SetValue", {"value": 5}, expects_reply=False)
        await trio.sleep(6)

        assert busy["error_code"] == "TARGET_BUSY"
        assert taken["payload"] == {"status": "delivered"}
        assert w.service.values == [5]
        assert w.listener.statistics().in_flight_requests == 0


@pytest.mark.parametrize("what", ["heartbeat", "request", "ignored frame"])
async def test_any_frame_resets_the_idle_time(
    autojump_clock: MockClock, what: str
) -> None:
    """A minute without a frame is a minute after the last one."""
    async with open_world() as w:
        peer = w.peer()
        await trio.sleep(50)
        if what == "heartbeat":
            await peer.say(HEARTBEAT, {})
            await peer.read()
        elif what == "request":
            await peer.ask("GetValue")
        else:
            await peer.write(frame(2, b"whatever"))
        farewell = await peer.answer()

        assert farewell["error_code"] == "CONNECTION_CLOSED"
        assert farewell["error"] == "Connection closed"
        assert farewell["correlation_id"] == "unknown"
        assert trio.current_time() == pytest.approx(110)
        assert await peer.read_frame() == END
        await wait_all_tasks_blocked()
        assert w.listener.statistics().errors == 1


async def test_idle_time_of_zero_is_none(autojump_clock: MockClock) -> None:
    """Zero switches the limit off."""
    config = IpcConfig(timeouts=IpcTimeouts(read_timeout=0))
    async with open_world(config) as w:
        peer = w.peer()
        await trio.sleep(10**6)
        answer = await peer.ask("GetValue")

        assert answer["success"]


async def test_peer_that_does_not_read_loses_what_it_asked_for(
    autojump_clock: MockClock,
) -> None:
    """Its connection ends after the write timeout, and its work with it."""
    config = IpcConfig(timeouts=IpcTimeouts(write_timeout=3))
    async with open_world(config) as w:
        deaf = Peer(w.door.connect_in_lockstep())
        await deaf.request("1", "Nap", {"seconds": 99})
        await deaf.request("2", "GetValue", None)
        await trio.sleep(2.9)
        before = w.listener.statistics()
        await trio.sleep(0.5)
        after = w.listener.statistics()

        assert (before.connections_active, before.in_flight_requests) == (1, 2)
        assert (after.connections_active, after.in_flight_requests) == (0, 0)
        assert w.service.log == ["nap began", "nap cancelled"]


async def test_peer_that_reads_slowly_is_not_one_that_does_not(
    autojump_clock: MockClock,
) -> None:
    """The write timeout is for silence, however long a large answer takes."""
    async with open_world() as w:
        stream = w.door.connect_in_lockstep()
        slow = Peer(stream)
        await slow.request("r", "Echo", {"text": "x" * 1024, "times": 1024})
        received = 0
        # A mebibyte in a minute, and never a pause of more than two seconds.
        while received < 1024 * 1024:
            data = await stream.receive_some(32 * 1024)
            received += len(data)
            await trio.sleep(2)

            assert data
            # What this stream has taken can be read even so.
            assert w.listener.statistics().connections_active == 1


async def test_time_in_which_nobody_listened_is_not_the_peer_s(
    autojump_clock: MockClock,
) -> None:
    """Who was kept waiting for not reading has the idle time before it again."""
    timeouts = IpcTimeouts(read_timeout=10, write_timeout=100)
    async with open_world(IpcConfig(timeouts=timeouts)) as w:
        slow = Peer(w.door.connect_in_lockstep())
        await slow.write(frame(DISCOVER, b'{"correlation_id":"d"}') * 500)
        await trio.sleep(50)
        ids = {(await slow.answer())["correlation_id"] for _ in range(500)}
        await trio.sleep(9)
        after = await slow.ask("GetValue")

        assert ids == {"d"}
        assert after["correlation_id"] == "r"


@pytest.mark.parametrize(
    ("frame_type", "body"),
    [
        pytest.param(
            REQUEST,
            {"correlation_id": "r", "target": "service", "message_type": "GetValue"},
            id="requests",
        ),
        pytest.param(DISCOVER, {"correlation_id": "d"}, id="discoveries"),
        pytest.param(DISCOVER, {}, id="what is malformed"),
    ],
)
async def test_peer_that_never_reads_cannot_pile_up_answers(
    autojump_clock: MockClock, frame_type: int, body: dict[str, str]
) -> None:
    """The server reads no further than its answers are read."""
    config = IpcConfig(timeouts=IpcTimeouts(write_timeout=100))
    async with open_world(config) as w:
        deaf = Peer(w.door.connect_in_lockstep())
        sent = 0
        with trio.move_on_after(50):
            for _ in range(5000):
                await deaf.say(frame_type, body)
                sent += 1

        assert sent < 1000


async def test_connection_that_ends_makes_room_for_another(
    autojump_clock: MockClock,
) -> None:
    """The limit counts who is there, not who was."""
    async with open_world(IpcConfig(limits=IpcLimits(max_connections=1))) as w:
        for _ in range(5):
            peer = w.peer()
            answer = await peer.ask("GetValue")
            await peer.stream.aclose()
            await wait_all_tasks_blocked()

            assert answer["success"]
        assert w.listener.statistics().connections_accepted == 5
        assert w.listener.statistics().connections_available == 1


async def test_refused_connection_that_does_not_read_is_closed_soon(
    autojump_clock: MockClock,
) -> None:
    """A quarter of a second is spent on the refusal, and others come in meanwhile."""
    async with open_world(IpcConfig(limits=IpcLimits(max_connections=1))) as w:
        first = w.peer()
        await first.ask("GetValue")
        deaf = w.door.connect_in_lockstep()
        also = Peer(w.door.connect_in_lockstep())
        refused = await also.answer()
        refused_at = trio.current_time()
        await trio.sleep(0.3)
        with pytest.raises(trio.BrokenResourceError):
            await deaf.send_all(b"x")

        assert refused["error_code"] == "CONNECTION_LIMIT_REACHED"
        assert refused_at == 0


async def test_loss_of_a_connection_is_noticed_at_its_limit(
    autojump_clock: MockClock,
) -> None:
    """A peer that asks for more than its share and dies leaves nothing running."""
    async with open_world(IpcConfig(limits=IpcLimits(max_in_flight=2))) as w:
        peer = w.peer()
        for number in range(3):
            await peer.request(f"{number}", "Nap", {"seconds": 20})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await trio.sleep(1)

        assert sorted(w.service.log) == ["nap began"] * 2 + ["nap cancelled"] * 2
        assert w.listener.statistics().connections_active == 0
