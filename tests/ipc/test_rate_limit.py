"""How many requests one connection may send."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import CANCEL, DISCOVER, ERROR, HEARTBEAT, REQUEST, Peer, frame, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcRateLimit = acton.ipc.IpcConfig, acton.ipc.IpcRateLimit
IpcLimits = acton.ipc.IpcLimits


def limited(rate: float, burst: int) -> acton.ipc.IpcConfig:
    """Return a configuration with this limit."""
    return IpcConfig(
        rate_limit=IpcRateLimit(requests_per_second=rate, burst_size=burst)
    )


async def ask_often(peer: Peer, times: int) -> list[Any]:
    """Return the answers to so many requests, sent all at once."""
    for number in range(times):
        await peer.request(f"{number}", "GetValue", None)
    return [await peer.answer() for _ in range(times)]


async def test_requests_beyond_a_burst_are_refused_by_default(
    autojump_clock: MockClock,
) -> None:
    """Fifty at once, as the reference has it; the connection stays."""
    async with open_world() as w:
        peer = w.peer()
        answers = await ask_often(peer, 52)
        refused = [each for each in answers if not each["success"]]
        await trio.sleep(0.02)
        later = await peer.ask("GetValue")

        assert {each["correlation_id"] for each in refused} == {"50", "51"}
        assert {each["error_code"] for each in refused} == {"RATE_LIMITED"}
        assert refused[0]["error"] == "Rate limit exceeded, retry after 10ms"
        assert later["success"]
        assert w.listener.statistics().rate_limited == 2
        assert w.listener.statistics().messages_received == 53


async def test_limit_is_each_connections_own(autojump_clock: MockClock) -> None:
    """Nobody pays for another one."""
    async with open_world(limited(1, 1)) as w:
        greedy, modest = w.peer(), w.peer()
        await ask_often(greedy, 5)

        assert (await modest.ask("GetValue"))["success"]


async def test_only_requests_count(autojump_clock: MockClock) -> None:
    """All else is free."""
    async with open_world(limited(0.001, 1)) as w:
        peer = w.peer()
        for _ in range(9):
            await peer.say(HEARTBEAT, {})
            await peer.say(DISCOVER, {"correlation_id": "d"})
            await peer.say(CANCEL, {"correlation_id": "x"})
            assert (await peer.read())[0] == HEARTBEAT
            assert (await peer.answer())["success"]

        assert (await peer.ask("GetValue"))["success"]


async def test_stream_beyond_the_limit_gets_a_plain_error(
    autojump_clock: MockClock,
) -> None:
    """As clients know it."""
    async with open_world(limited(1, 1)) as w:
        peer = w.peer()
        await peer.ask("GetValue")
        await peer.request("t", "GetValue", None, expects_stream=True)
        kind, answer = await peer.read()

        assert (kind, answer["error_code"]) == (ERROR, "RATE_LIMITED")


@pytest.mark.parametrize(
    ("body", "cid"), [(b"{", "unknown"), (b'{"correlation_id":"m"}', "m")]
)
async def test_malformed_requests_count(
    autojump_clock: MockClock, body: bytes, cid: str
) -> None:
    """Nonsense is not cheaper than sense, and is not read for who has had enough."""
    async with open_world(limited(1, 1)) as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, body))
        first = await peer.answer()
        await peer.write(frame(REQUEST, body))
        second = await peer.answer()

        assert first["error_code"] == "SERIALIZATION_ERROR"
        assert (second["correlation_id"], second["error_code"]) == (cid, "RATE_LIMITED")


async def test_draining_listener_says_so_whatever_the_limit(
    autojump_clock: MockClock,
) -> None:
    """What is refused for that costs nothing."""
    async with open_world(limited(1, 1)) as w:
        peer = w.peer()
        await peer.request("n", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.listener.shutdown_gracefully)
            await wait_all_tasks_blocked()
            answers = await ask_often(peer, 3)

        assert {each["error_code"] for each in answers} == {"SHUTTING_DOWN"}


async def test_limit_can_be_switched_off(autojump_clock: MockClock) -> None:
    """For peers that may do what they like."""
    config = IpcConfig(rate_limit=IpcRateLimit(enabled=False))
    async with open_world(config) as w:
        answers = await ask_often(w.peer(), 500)

        assert all(each["success"] for each in answers)


async def test_named_time_is_capped_where_there_is_a_cap(
    autojump_clock: MockClock,
) -> None:
    """A peer may not keep a handler busy for ever; less it may ask for."""
    config = IpcConfig(limits=IpcLimits(max_response_timeout=5))
    async with open_world(config) as w:
        peer = w.peer()
        long = await peer.ask("Nap", {"seconds": 99}, response_timeout_ms=60_000)
        at = trio.current_time()
        short = await peer.ask("Nap", {"seconds": 99}, response_timeout_ms=1000)

        assert at == pytest.approx(5)
        assert trio.current_time() == pytest.approx(6)
        assert "after 5000 ms" in long["error"]
        assert "after 1000 ms" in short["error"]


async def test_request_without_a_time_may_wait_for_ever(
    autojump_clock: MockClock,
) -> None:
    """If that is how the listener is set."""
    config = IpcConfig(timeouts=acton.ipc.IpcTimeouts(request_timeout=0))
    async with open_world(config) as w:
        answer = await w.peer().ask("Nap", {"seconds": 100_000})

        assert answer["payload"] == 100_000
