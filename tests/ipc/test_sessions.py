"""One connection: how its requests run, and how it ends."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import UNLIMITED, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits


async def test_lost_connection_calls_the_work_back(autojump_clock: MockClock) -> None:
    """Reading is cancelled, changing completes, what is queued never runs."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await peer.request("2", "Grind", {"seconds": 1})
        await peer.request("3", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await trio.sleep(3)

        assert w.service.log == ["nap began", "nap cancelled"]


async def test_change_that_runs_completes_without_its_asker(
    autojump_clock: MockClock,
) -> None:
    """Half a change would be worse than a wasted one."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 1})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await trio.sleep(3)

        assert w.service.log == ["grind began", "grind ended"]


async def test_one_connection_too_many_is_told_so(autojump_clock: MockClock) -> None:
    """It learns the limit before it has said anything."""
    async with open_world(IpcConfig(limits=IpcLimits(max_connections=1))) as w:
        first = w.peer()
        await wait_all_tasks_blocked()
        second = w.peer()
        _, answer = await second.read()
        end = await second.read()
        await first.request("r", "GetValue", {})
        _, reply = await first.read()

        assert answer["correlation_id"] == "__acton_connection_rejected__"
        assert answer["error_code"] == "CONNECTION_LIMIT_REACHED"
        assert answer["payload"] == {"limit": 1}
        assert end == (0, None)
        assert reply["success"]


async def test_silent_connection_is_closed_with_a_word(
    autojump_clock: MockClock,
) -> None:
    """After a minute without a frame the peer hears why it is closed."""
    async with open_world() as w:
        peer = w.peer()
        _, answer = await peer.read()

        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert await peer.read() == (0, None)
        assert trio.current_time() == pytest.approx(60)


async def test_connection_that_waits_for_an_answer_is_not_silent(
    autojump_clock: MockClock,
) -> None:
    """A peer need not speak while its request is being handled."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 150}, response_timeout_ms=200_000)
        _, answer = await peer.read()

        assert answer["payload"] == 150


async def test_dribbled_frame_has_to_end_in_time(autojump_clock: MockClock) -> None:
    """The time is for a whole frame, not for each byte of it."""
    async with open_world() as w:
        peer = w.peer()
        async with trio.open_nursery() as nursery:

            async def dribble() -> None:
                for byte in b"\x00\x00\x00\x7f\x02\x01\x01{":
                    await peer.write(bytes([byte]))
                    await trio.sleep(20)

            nursery.start_soon(dribble)
            _, answer = await peer.read()
            nursery.cancel_scope.cancel()

        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(60)


async def test_peer_that_does_not_read_is_disconnected(
    autojump_clock: MockClock,
) -> None:
    """After the write timeout its connection is given up, and nobody else's."""
    async with open_world() as w:
        ours = w.door.connect_in_lockstep()
        await ours.send_all(b"\x00\x00\x00\x00\x02\x04\x01")
        await trio.sleep(31)
        peer = w.peer()
        await peer.request("r", "GetValue", {})
        _, answer = await peer.read()

        assert answer["success"]
        assert w.listener.statistics().connections_active == 1


async def test_no_more_are_in_flight_than_allowed(autojump_clock: MockClock) -> None:
    """Past the limit the server reads no further, and loses nothing."""
    async with open_world(IpcConfig(limits=IpcLimits(max_in_flight=2))) as w:
        peer = w.peer()
        for number in range(5):
            await peer.request(f"{number}", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        in_flight = w.listener.statistics().in_flight_requests
        answers = [(await peer.read())[1]["success"] for _ in range(5)]

        assert in_flight == 2
        assert answers == [True] * 5
        assert trio.current_time() == pytest.approx(3)


async def test_slow_request_does_not_hold_up_the_next(
    autojump_clock: MockClock,
) -> None:
    """Answers overtake each other; each carries its own id."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("slow", "Nap", {"seconds": 5})
        await peer.request("fast", "Nap", {"seconds": 1})
        order = [(await peer.read())[1]["correlation_id"] for _ in range(2)]

        assert order == ["fast", "slow"]


async def test_messages_of_one_connection_keep_their_order(
    autojump_clock: MockClock,
) -> None:
    """One actor gets them as they were sent."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer = w.peer()
        for number in range(50):
            await peer.request(
                f"{number}", "SetValue", {"value": number}, expects_reply=False
            )
        await peer.request("last", "GetValue", {})
        answers = [(await peer.read())[1] for _ in range(51)]

        assert answers[-1]["payload"] == {"value": 49}


async def test_time_for_an_answer_is_no_silence(autojump_clock: MockClock) -> None:
    """Who has waited for one has all the idle time from then on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("n", "Nap", {"seconds": 59}, response_timeout_ms=100_000)
        await peer.answer()
        words = await peer.answer()

        assert words["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(119)


async def test_half_a_frame_of_a_subscriber_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    """It may be silent for ever, but not in the middle of a word."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(6, {"correlation_id": "s", "message_types": ["T"]})
        await peer.answer()
        await trio.sleep(1000)
        await peer.write(b"\0\0")
        words = await peer.answer()

        assert words["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(1060)


async def test_large_headers_are_refused(autojump_clock: MockClock) -> None:
    """What a handler asks would take them along, to a server that hangs up for it."""
    async with open_world() as w:
        peer = w.peer()
        most = {"k": "v" * 16383}
        good = await peer.ask("GetHeaders", None, headers=most)
        bad = await peer.ask("GetHeaders", None, headers=most | {"more": ""})

        assert good["payload"] == most
        assert (bad["correlation_id"], bad["error_code"]) == ("r", "PROTOCOL_ERROR")
        assert "headers of 16388 bytes exceed the limit" in bad["error"]
