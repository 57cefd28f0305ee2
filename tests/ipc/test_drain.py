"""How a listener ends, and what it has counted until then."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import MemoryListener

from .peers import END, HEARTBEAT, Peer, World, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcShutdown = acton.ipc.IpcConfig, acton.ipc.IpcShutdown
Result = acton.ipc.ShutdownResult


async def drain(w: World, results: list[Result]) -> None:
    """Shut the listener gracefully, and note the result."""
    results.append(await w.listener.shutdown_gracefully())


async def test_nothing_in_flight_is_drained_at_once(autojump_clock: MockClock) -> None:
    """Idle connections are closed, and the actors live on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.ask("GetValue")
        result = await w.listener.shutdown_gracefully()

        assert result == Result(0, drained_gracefully=True, forced_closed=0)
        assert await peer.read_frame() == END
        assert trio.current_time() == 0
        assert w.handle.status.state is acton.ActorState.RUNNING


async def test_every_request_in_flight_is_answered(autojump_clock: MockClock) -> None:
    """Nothing that was accepted is lost, on whatever connection."""
    async with open_world() as w:
        peers = [w.peer() for _ in range(10)]
        for peer in peers:
            for number in range(10):
                await peer.request(f"{number}", "Nap", {"seconds": number / 10})
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()
        answers = [[await peer.read_frame() for _ in range(11)] for peer in peers]

        # Those of no seconds have been answered before.
        assert result == Result(90, drained_gracefully=True, forced_closed=0)
        for own in answers:
            assert [each.body["correlation_id"] for each in own[:10]] == list(
                map(str, range(10))
            )
            assert all(each.body["success"] for each in own[:10])
            assert own[10] == END


async def test_draining_waits_for_the_last_byte(autojump_clock: MockClock) -> None:
    """In flight is what has not been written, not what has not been handled."""
    async with open_world() as w:
        slow = Peer(w.door.connect_in_lockstep())
        await slow.request("r", "GetValue", None)
        await wait_all_tasks_blocked()
        results: list[Result] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, w, results)
            await trio.sleep(1)
            before = list(results)
            answer = await slow.answer()
            end = await slow.read_frame()

        assert before == []
        assert answer["success"]
        assert end == END
        assert results == [Result(1, drained_gracefully=True, forced_closed=0)]


async def test_draining_goes_on_with_all_but_requests(
    autojump_clock: MockClock,
) -> None:
    """Connections, heartbeats and discoveries are served to the end."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.listener.shutdown_gracefully)
            await wait_all_tasks_blocked()
            late = w.peer()
            await late.say(HEARTBEAT, {})
            heartbeat = await late.read()
            await late.say(8, {"correlation_id": "d"})
            discovery = await late.answer()
            refused = await late.ask("GetValue")
            sent = await late.ask("SetValue", {"value": 1}, expects_reply=False)
            missing = await late.ask("GetValue", target="nobody")
            counted = w.listener.statistics()

        assert heartbeat == (HEARTBEAT, {})
        assert discovery["success"]
        for each in (refused, sent, missing):
            assert each["error_code"] == "SHUTTING_DOWN"
            assert each["error"] == "Server is shutting down"
            assert each["correlation_id"] == "r"
        assert counted.shutdown_rejections == 3
        assert w.service.values == []


async def test_acknowledged_message_is_handled_though_the_listener_ends(
    autojump_clock: MockClock,
) -> None:
    """It is the actor's by then."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 20}, expects_reply=False)
        await peer.request("2", "SetValue", {"value": 3}, expects_reply=False)
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()
        await trio.sleep(21)

        assert result == Result(0, drained_gracefully=True, forced_closed=0)
        assert w.service.values == [3]


async def test_drain_that_runs_out_of_time_calls_the_work_back(
    autojump_clock: MockClock,
) -> None:
    """Its time is the configured one, and readers are cancelled with it."""
    config = IpcConfig(shutdown=IpcShutdown(drain_timeout=1.5))
    async with open_world(config) as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 20})
        await peer.request("2", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()
        await wait_all_tasks_blocked()

        assert result == Result(2, drained_gracefully=False, forced_closed=1)
        assert w.service.log == ["nap began", "nap began", "nap cancelled"]
        assert trio.current_time() == pytest.approx(1.5)
        assert (await peer.answer())["correlation_id"] == "2"


async def test_peer_that_does_not_read_cannot_hold_up_the_end(
    autojump_clock: MockClock,
) -> None:
    """The drain's time is for writing, too."""
    async with open_world() as w:
        deaf = Peer(w.door.connect_in_lockstep())
        await deaf.request("1", "GetValue", None)
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()

        assert not result.drained_gracefully
        assert trio.current_time() <= 5.5


async def test_shutting_down_twice_is_allowed(autojump_clock: MockClock) -> None:
    """Whoever comes second waits for the same end."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        results: list[Result] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, w, results)
            nursery.start_soon(drain, w, results)
        await drain(w, results)
        await w.listener.stop()

        assert [each.drained_gracefully for each in results] == [True] * 3
        assert (await peer.answer())["payload"] == 2


async def test_stop_ends_a_drain(autojump_clock: MockClock) -> None:
    """Who has no patience any more need not have it."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 4})
        await wait_all_tasks_blocked()
        results: list[Result] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, w, results)
            await trio.sleep(1)
            await w.listener.stop()

        assert trio.current_time() == pytest.approx(1)
        assert not results[0].drained_gracefully
        assert await peer.read_frame() == END


async def test_cancelled_drain_shuts_all_the_same(autojump_clock: MockClock) -> None:
    """Giving up on the wait does not leave the door open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 4})
        await wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await w.listener.shutdown_gracefully()

        assert scope.cancelled_caught
        assert await peer.read_frame() == END
        assert trio.current_time() == pytest.approx(1)


async def test_statistics_never_count_down_but_for_what_is_now(
    autojump_clock: MockClock,
) -> None:
    """Heartbeats and discoveries are no requests; refusals are no routes."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(HEARTBEAT, {})
        await peer.read()
        await peer.say(8, {"correlation_id": "d"})
        await peer.read()
        await peer.ask("SetValue", {"value": 1}, expects_reply=False)
        await peer.ask("SetValue", {"value": "x"})
        await peer.ask("GetValue", target="nobody")
        await peer.ask("Break", {"how": "raise"})
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
        counted = w.listener.statistics()

        assert counted.messages_received == 4
        assert counted.messages_routed == 2
        assert counted.connections_accepted == 1
        assert counted.connections_active == 0
        assert counted.connections_available == counted.max_connections == 1024
        assert counted.in_flight_requests == 0
        assert counted.backpressure_rejections == 0
        assert counted.shutdown_rejections == 0


async def test_two_listeners_of_one_runtime_are_independent(
    autojump_clock: MockClock,
) -> None:
    """One can stop while the other goes on."""
    async with open_world() as w, trio.open_nursery() as nursery:
        door = MemoryListener()
        serve = partial(acton.ipc.serve, w.runtime, [door])
        second: acton.ipc.IpcListener = await nursery.start(serve)
        peer, other = w.peer(), Peer(door.connect())
        await other.ask("GetValue")
        await second.stop()

        assert await other.read_frame() == END
        assert (await peer.ask("GetValue"))["success"]
        assert second.statistics().messages_received == 1
        assert w.listener.statistics().messages_received == 1


async def test_draining_refuses_the_new_and_answers_the_old(
    autojump_clock: MockClock,
) -> None:
    """Nothing that was accepted is lost, and the result says so."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        results: list[acton.ipc.ShutdownResult] = []
        async with trio.open_nursery() as nursery:

            async def shut() -> None:
                results.append(await w.listener.shutdown_gracefully())

            nursery.start_soon(shut)
            await wait_all_tasks_blocked()
            await peer.request("new", "GetValue", {})
            _, refused = await peer.read()
            _, answered = await peer.read()

        assert refused["error_code"] == "SHUTTING_DOWN"
        assert answered["payload"] == 2
        assert results == [
            acton.ipc.ShutdownResult(1, drained_gracefully=True, forced_closed=0)
        ]
        assert await peer.read() == (0, None)


async def test_draining_ends_when_its_time_is_up(autojump_clock: MockClock) -> None:
    """What is not answered by then is counted."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 20})
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()

        assert result == acton.ipc.ShutdownResult(
            1, drained_gracefully=False, forced_closed=1
        )
        assert trio.current_time() == pytest.approx(5)


async def test_stopping_closes_at_once(autojump_clock: MockClock) -> None:
    """The actors live on; peers see the end of the stream."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 20})
        await wait_all_tasks_blocked()
        await w.listener.stop()

        assert await peer.read() == (0, None)
        assert w.handle.status.state is acton.ActorState.RUNNING


async def test_leaving_the_runtime_drains_its_listeners_first(
    autojump_clock: MockClock,
) -> None:
    """A request that was accepted is answered before its actor stops."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()

    assert (await peer.read())[1]["payload"] == 2


async def test_statistics_count_what_came(autojump_clock: MockClock) -> None:
    """Connections, requests and refusals are counted and never uncounted."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "GetValue", {})
        await peer.request("2", "X", {})
        await peer.read()
        await peer.read()
        await wait_all_tasks_blocked()
        counted = w.listener.statistics()

        assert counted.connections_accepted == counted.connections_active == 1
        assert counted.connections_available == counted.max_connections - 1
        assert (counted.messages_received, counted.messages_routed) == (2, 1)
        assert counted.in_flight_requests == 0


async def test_request_that_comes_during_a_drain_does_not_delay_it(
    autojump_clock: MockClock,
) -> None:
    """Its peer may not even read that it came too late."""
    async with open_world() as w:
        busy, late = w.peer(), Peer(w.door.connect_in_lockstep())
        await busy.request("n", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        results: list[acton.ipc.ShutdownResult] = []

        async def drain() -> None:
            results.append(await w.listener.shutdown_gracefully())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await wait_all_tasks_blocked()
            await late.request("l", "GetValue", None)
            await busy.answer()

        assert results == [
            acton.ipc.ShutdownResult(1, drained_gracefully=True, forced_closed=0)
        ]
        assert trio.current_time() < 2
