"""Requests called back by the peer that made them."""

from __future__ import annotations

from typing import Final

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import CANCEL, END, UNLIMITED, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

NARROW: Final = acton.ipc.IpcConfig(limits=acton.ipc.IpcLimits(max_in_flight=1))
"""There is room for one request."""


async def test_cancel_frame_calls_one_request_back(autojump_clock: MockClock) -> None:
    """The request is answered with CANCELLED, and its handler cancelled."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.say(10, {"correlation_id": "nobody"})
        await peer.say(10, {"correlation_id": "1"})
        _, answer = await peer.read()
        await wait_all_tasks_blocked()

        assert answer["error_code"] == "CANCELLED"
        assert w.service.log == ["nap began", "nap cancelled"]


async def test_cancel_frame_drops_what_is_queued(autojump_clock: MockClock) -> None:
    """A request that has not started never does."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await peer.request("2", "SetValue", {"value": 9})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "2"})
        dropped, first = await peer.answer(), await peer.answer()
        await peer.ask("Flush")

        assert dropped["correlation_id"] == "2"
        assert dropped["error_code"] == "CANCELLED"
        assert first["payload"] == 2
        assert w.service.values == []


async def test_cancel_frame_does_not_hurt_a_change(autojump_clock: MockClock) -> None:
    """The asker is let go at once, the handler completes, nobody is answered twice."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "1"})
        answer = await peer.answer()
        left_at = trio.current_time()
        after = await peer.ask("Flush")

        assert answer["error_code"] == "CANCELLED"
        assert left_at == 0
        assert after["correlation_id"] == "r"
        assert w.service.log == ["grind began", "grind ended"]


async def test_cancel_frame_reaches_its_own_connection_only(
    autojump_clock: MockClock,
) -> None:
    """Ids are each connection's own."""
    async with open_world() as w:
        peer, other = w.peer(), w.peer()
        await peer.request("1", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        await other.say(CANCEL, {"correlation_id": "1"})
        answer = await peer.answer()

        assert answer["payload"] == 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"correlation_id": "r"}, id="answered already"),
        pytest.param({"correlation_id": "never"}, id="never heard of"),
        pytest.param({}, id="no id"),
        pytest.param([], id="no object"),
        pytest.param({"correlation_id": 5}, id="id of another type"),
    ],
)
async def test_cancel_frame_for_nothing_harms_nothing(
    autojump_clock: MockClock, body: object
) -> None:
    """The connection goes on, and what runs on it too."""
    async with open_world() as w:
        peer = w.peer()
        await peer.ask("GetValue")
        await peer.request("runs", "Nap", {"seconds": 1})
        await peer.say(CANCEL, body)
        answers = [await peer.answer()]
        if answers[0]["correlation_id"] != "runs":
            answers.append(await peer.answer())

        assert answers[-1]["payload"] == 1


async def test_cancel_frame_is_heard_where_there_is_no_room(
    autojump_clock: MockClock,
) -> None:
    """A request at work can be given up though others wait for its room."""
    async with open_world(NARROW) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await peer.request("2", "GetValue", None)
        await peer.request("3", "GetValue", None)
        await peer.say(CANCEL, {"correlation_id": "1"})
        answers = [await peer.answer() for _ in range(3)]

        assert [each["correlation_id"] for each in answers] == ["1", "2", "3"]
        assert answers[0]["error_code"] == "CANCELLED"
        assert trio.current_time() == 0


@pytest.mark.parametrize("expects_stream", [False, True])
async def test_cancel_frame_drops_what_waits_for_room(
    autojump_clock: MockClock, *, expects_stream: bool
) -> None:
    """One that was not even taken is answered so, and never handled."""
    async with open_world(NARROW) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 3})
        for cid in "23":
            await peer.request(
                cid, "SetValue", {"value": int(cid)}, expects_stream=expects_stream
            )
        for cid in "32":
            await peer.say(CANCEL, {"correlation_id": cid})
        dropped = [await peer.answer() for _ in range(2)]
        nap = await peer.answer()
        await peer.ask("GetValue")

        assert [each["correlation_id"] for each in dropped] == ["3", "2"]
        assert all(each["error_code"] == "CANCELLED" for each in dropped)
        assert nap["payload"] == 3
        assert w.service.values == []


async def test_fault_is_answered_though_there_is_no_room(
    autojump_clock: MockClock,
) -> None:
    """Who breaks the protocol is shown the door at once."""
    async with open_world(NARROW) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.request("2", "SetValue", {"value": 2})
        await peer.write(b"GET / HTTP/1.1\r\n\r\n")
        words, end = await peer.answer(), await peer.read_frame()

        assert words["error_code"] == "UNSUPPORTED_PROTOCOL_VERSION"
        assert end == END
        assert trio.current_time() == 0
        assert w.service.log == ["nap began", "nap cancelled"]
        assert w.service.values == []


async def test_peer_that_leaves_where_there_is_no_room_is_noticed(
    autojump_clock: MockClock,
) -> None:
    """What it sent without wanting a reply is handled, what it asked is not."""
    async with open_world(NARROW) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.request("2", "SetValue", {"value": 2}, expects_reply=False)
        await peer.request("3", "SetValue", {"value": 3}, expects_reply=False)
        await peer.stream.aclose()
        await wait_all_tasks_blocked()

        assert trio.current_time() == 0
        assert w.service.log == ["nap began", "nap cancelled"]
        assert w.service.values == [2, 3]
        assert w.listener.statistics().connections_active == 0


async def test_cancel_frame_is_heard_after_much_was_kept(
    autojump_clock: MockClock,
) -> None:
    """What has waited and is gone takes no place."""
    config = attrs.evolve(NARROW, rate_limit=UNLIMITED)
    async with open_world(config) as w:
        peer = w.peer()
        for number in range(300):
            await peer.request(f"{number}", "Echo", {"text": "x"})
        for _ in range(300):
            await peer.answer()
        await peer.request("1", "Nap", {"seconds": 9})
        await peer.request("2", "GetValue", None)
        await peer.request("3", "GetValue", None)
        await peer.say(CANCEL, {"correlation_id": "1"})
        answers = [await peer.answer() for _ in range(3)]

        assert answers[0]["error_code"] == "CANCELLED"
        assert trio.current_time() == 0


async def test_cancel_frame_does_not_take_a_message_back(
    autojump_clock: MockClock,
) -> None:
    """What expects nothing back has nothing that could be given up."""
    async with open_world(NARROW) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 3})
        await peer.request("2", "SetValue", {"value": 2}, expects_reply=False)
        await peer.say(CANCEL, {"correlation_id": "2"})
        answers = [await peer.answer() for _ in range(2)]
        await wait_all_tasks_blocked()

        assert all(each["success"] for each in answers)
        assert w.service.values == [2]
