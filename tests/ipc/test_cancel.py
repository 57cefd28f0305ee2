"""Requests called back by the peer that made them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from .peers import CANCEL, open_world


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
