"""What the server answers, over memory streams and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits


async def test_request_is_answered_with_its_reply(
    world: Any, autojump_clock: MockClock
) -> None:
    """The reply comes under the request's id, with the name of its type."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r1", "GetValue", {})

        assert await peer.read() == (
            2,
            {
                "correlation_id": "r1",
                "success": True,
                "payload": {"value": 0},
                "message_type": "Value",
            },
        )


async def test_version_1_is_answered_in_version_1(
    world: Any, autojump_clock: MockClock
) -> None:
    """A client that knows version 1 only can read the answer."""
    async with world() as w:
        peer = w.peer()
        body = {
            "correlation_id": "a",
            "target": "service",
            "message_type": "GetValue",
            "payload": None,
            "expects_reply": True,
        }
        await peer.say(1, body, version=1)
        data = await peer.stream.receive_some()

        assert data[4:6] == b"\x01\x02"
        assert data[6:7] == b"{"


async def test_message_without_reply_is_acknowledged(
    world: Any, autojump_clock: MockClock
) -> None:
    """Who expects no reply hears that the message is in the mailbox."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r1", "SetValue", {"value": 5}, expects_reply=False)
        _, answer = await peer.read()
        await peer.request("r2", "GetValue", None)
        _, reply = await peer.read()

        assert answer["payload"] == {"status": "delivered"}
        assert reply["payload"] == {"value": 5}


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        pytest.param(
            {"target": "x"}, "ACTOR_NOT_FOUND", "Actor not found: x", id="unknown actor"
        ),
        pytest.param(
            {"target": "x", "message_type": "X"},
            "ACTOR_NOT_FOUND",
            "Actor not found: x",
            id="the actor is looked for first",
        ),
        pytest.param(
            {"message_type": "X", "payload": 3},
            "UNKNOWN_MESSAGE_TYPE",
            "Unknown message type: X",
            id="unknown type",
        ),
        pytest.param(
            {"message_type": "SetValue", "payload": {"value": "7"}},
            "SERIALIZATION_ERROR",
            "Serialization error: Expected `int`, got `str` - at `$.value`",
            id="wrong shape",
        ),
        pytest.param(
            {"message_type": "Value", "payload": {"value": 7}},
            "UNKNOWN_MESSAGE_TYPE",
            "Unknown message type: Value",
            id="a type that the actor does not handle",
        ),
        pytest.param(
            {"message_type": "Break", "payload": {"how": "raise"}},
            "HANDLER_FAILED",
            "Handler failed: ValueError",
            id="a handler that raises",
        ),
        pytest.param(
            {"message_type": "Break", "payload": {"how": "silence"}},
            "IO_ERROR",
            "I/O error: Response channel closed without receiving a response",
            id="a handler that does not reply",
        ),
        pytest.param(
            {"message_type": "GetPrivate"},
            "SERIALIZATION_ERROR",
            "Serialization error: the reply type Private is not registered",
            id="a reply that cannot travel",
        ),
        pytest.param(
            {
                "message_type": "Nap",
                "payload": {"seconds": 9},
                "response_timeout_ms": 5,
            },
            "TIMEOUT",
            "Request timed out after 5 ms waiting for response",
            id="no time left",
        ),
        pytest.param(
            {"message_type": "GetValue", "response_timeout_ms": 0},
            "TIMEOUT",
            "Request timed out after 0 ms waiting for response",
            id="no time at all",
        ),
    ],
)
async def test_refusal_has_its_code_and_words(
    world: Any, autojump_clock: MockClock, change: Any, code: str, text: str
) -> None:
    """Clients in other languages match on both, and the connection goes on."""
    async with world() as w:
        peer = w.peer()
        request = {"cid": "r", "message_type": "GetValue", "payload": {}} | change
        await peer.request(**request)
        kind, answer = await peer.read()
        await peer.request("next", "GetValue", {})
        _, after = await peer.read()

        assert (kind, answer["correlation_id"]) == (3, "r")
        assert (answer["error_code"], answer["error"]) == (code, text)
        assert after["success"]


async def test_rejection_travels_with_its_fields(
    world: Any, autojump_clock: MockClock
) -> None:
    """An expected failure keeps its type and its facts."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "reject"})
        _, answer = await peer.read()

        assert answer["error_code"] == "REJECTED"
        assert answer["message_type"] == "OutOfStock"
        assert answer["payload"] == {"left": 3}


async def test_details_of_a_failure_are_told_when_wished_for(
    world: Any, autojump_clock: MockClock
) -> None:
    """The text of an exception leaves the process only where that is set."""
    config = IpcConfig(errors=acton.ipc.IpcErrors(expose_details=True))
    async with world(config) as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "raise"})
        _, answer = await peer.read()

        assert answer["error"] == "Handler failed: ValueError: secret text"


async def test_wrong_reply_is_an_error_naming_the_types(
    world: Any, autojump_clock: MockClock
) -> None:
    """An error does not look like a success."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "nonsense"})
        _, answer = await peer.read()

        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert "expected int" in answer["error"]


async def test_slow_request_does_not_hold_up_the_next(
    world: Any, autojump_clock: MockClock
) -> None:
    """Answers overtake each other; each carries its own id."""
    async with world() as w:
        peer = w.peer()
        await peer.request("slow", "Nap", {"seconds": 5})
        await peer.request("fast", "Nap", {"seconds": 1})
        order = [(await peer.read())[1]["correlation_id"] for _ in range(2)]

        assert order == ["fast", "slow"]


async def test_messages_of_one_connection_keep_their_order(
    world: Any, autojump_clock: MockClock
) -> None:
    """One actor gets them as they were sent."""
    async with world() as w:
        peer = w.peer()
        for number in range(50):
            await peer.request(
                f"{number}", "SetValue", {"value": number}, expects_reply=False
            )
        await peer.request("last", "GetValue", {})
        answers = [(await peer.read())[1] for _ in range(51)]

        assert answers[-1]["payload"] == {"value": 49}


async def test_full_mailbox_is_an_answer_not_a_wait(
    world: Any, autojump_clock: MockClock
) -> None:
    """A peer hears at once that there is no room."""
    async with world(mailbox_capacity=1) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        await peer.request("2", "GetValue", {})
        await peer.request("3", "GetValue", {})
        _, answer = await peer.read()

        assert answer["correlation_id"] == "3"
        assert answer["error_code"] == "TARGET_BUSY"
        assert answer["error"] == "Target actor inbox is full"
        assert w.listener.statistics().backpressure_rejections == 1


async def test_no_more_are_in_flight_than_allowed(
    world: Any, autojump_clock: MockClock
) -> None:
    """Past the limit the server reads no further, and loses nothing."""
    async with world(IpcConfig(limits=IpcLimits(max_in_flight=2))) as w:
        peer = w.peer()
        for number in range(5):
            await peer.request(f"{number}", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        in_flight = w.listener.statistics().in_flight_requests
        answers = [(await peer.read())[1]["success"] for _ in range(5)]

        assert in_flight == 2
        assert answers == [True] * 5
        assert trio.current_time() == pytest.approx(3)


async def test_lost_connection_calls_the_work_back(
    world: Any, autojump_clock: MockClock
) -> None:
    """Reading is cancelled, changing completes, what is queued never runs."""
    async with world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await peer.request("2", "Grind", {"seconds": 1})
        await peer.request("3", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await trio.sleep(3)

        assert w.service.log == ["nap began", "nap cancelled"]


async def test_change_that_runs_completes_without_its_asker(
    world: Any, autojump_clock: MockClock
) -> None:
    """Half a change would be worse than a wasted one."""
    async with world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 1})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await trio.sleep(3)

        assert w.service.log == ["grind began", "grind ended"]


async def test_cancel_frame_calls_one_request_back(
    world: Any, autojump_clock: MockClock
) -> None:
    """The request is answered with CANCELLED, and its handler cancelled."""
    async with world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.say(10, {"correlation_id": "nobody"})
        await peer.say(10, {"correlation_id": "1"})
        _, answer = await peer.read()
        await wait_all_tasks_blocked()

        assert answer["error_code"] == "CANCELLED"
        assert w.service.log == ["nap began", "nap cancelled"]


async def test_heartbeat_is_answered_with_an_empty_object(
    world: Any, autojump_clock: MockClock
) -> None:
    """A client that decodes the answer as JSON survives it."""
    async with world() as w:
        peer = w.peer()
        await peer.write(bytes.fromhex("00000000020401"))

        assert await peer.stream.receive_some() == bytes.fromhex("000000020204017b7d")


async def test_discovery_lists_what_there_is(
    world: Any, autojump_clock: MockClock
) -> None:
    """Actors with what they accept, message types, and what the server can do."""
    async with world() as w:
        peer = w.peer()
        await peer.say(8, {"correlation_id": "d"})
        kind, answer = await peer.read()

        assert kind == 2
        assert [each["name"] for each in answer["actors"]] == ["service"]
        assert "SetValue" in answer["actors"][0]["accepts"]
        assert answer["actors"][0]["ern"] == w.handle.id
        assert "Value" in answer["message_types"]
        assert answer["protocol_version"]["current"] == 2


async def test_subscription_is_refused_in_words(
    world: Any, autojump_clock: MockClock
) -> None:
    """What this server does not have is an error, not a silence."""
    async with world() as w:
        peer = w.peer()
        await peer.say(6, {"correlation_id": "s", "message_types": ["T"]})
        kind, answer = await peer.read()

        assert (kind, answer["subscribed_types"]) == (3, [])


async def test_stream_is_refused_in_words(
    world: Any, autojump_clock: MockClock
) -> None:
    """So is a stream."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "GetValue", {}, expects_stream=True)
        kind, answer = await peer.read()

        assert (kind, answer["error_code"]) == (3, "STREAM_ERROR")


async def test_one_connection_too_many_is_told_so(
    world: Any, autojump_clock: MockClock
) -> None:
    """It learns the limit before it has said anything."""
    async with world(IpcConfig(limits=IpcLimits(max_connections=1))) as w:
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
    world: Any, autojump_clock: MockClock
) -> None:
    """After a minute without a frame the peer hears why it is closed."""
    async with world() as w:
        peer = w.peer()
        _, answer = await peer.read()

        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert await peer.read() == (0, None)
        assert trio.current_time() == pytest.approx(60)


async def test_connection_that_waits_for_an_answer_is_not_silent(
    world: Any, autojump_clock: MockClock
) -> None:
    """A peer need not speak while its request is being handled."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 150}, response_timeout_ms=200_000)
        _, answer = await peer.read()

        assert answer["payload"] == 150


async def test_dribbled_frame_has_to_end_in_time(
    world: Any, autojump_clock: MockClock
) -> None:
    """The time is for a whole frame, not for each byte of it."""
    async with world() as w:
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


async def test_draining_refuses_the_new_and_answers_the_old(
    world: Any, autojump_clock: MockClock
) -> None:
    """Nothing that was accepted is lost, and the result says so."""
    async with world() as w:
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


async def test_draining_ends_when_its_time_is_up(
    world: Any, autojump_clock: MockClock
) -> None:
    """What is not answered by then is counted."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 20})
        await wait_all_tasks_blocked()
        result = await w.listener.shutdown_gracefully()

        assert result == acton.ipc.ShutdownResult(
            1, drained_gracefully=False, forced_closed=1
        )
        assert trio.current_time() == pytest.approx(5)


async def test_stopping_closes_at_once(world: Any, autojump_clock: MockClock) -> None:
    """The actors live on; peers see the end of the stream."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 20})
        await wait_all_tasks_blocked()
        await w.listener.stop()

        assert await peer.read() == (0, None)
        assert w.handle.status.state is acton.ActorState.RUNNING


async def test_leaving_the_runtime_drains_its_listeners_first(
    world: Any, autojump_clock: MockClock
) -> None:
    """A request that was accepted is answered before its actor stops."""
    async with world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()

    assert (await peer.read())[1]["payload"] == 2


async def test_statistics_count_what_came(
    world: Any, autojump_clock: MockClock
) -> None:
    """Connections, requests and refusals are counted and never uncounted."""
    async with world() as w:
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


async def test_stopped_actor_is_not_found(
    world: Any, autojump_clock: MockClock
) -> None:
    """An actor that is down gives its name back."""
    async with world() as w:
        await w.handle.stop()
        peer = w.peer()
        await peer.request("r", "GetValue", {})

        assert (await peer.read())[1]["error_code"] == "ACTOR_NOT_FOUND"


async def test_headers_reach_the_handler(world: Any, autojump_clock: MockClock) -> None:
    """What travels beside a message is at hand in its context."""
    seen: list[str] = []

    def note(_model: object, _message: object, ctx: acton.Context) -> None:
        seen.append(ctx.headers["traceparent"])

    async with world() as w:
        set_value = w.runtime.ipc_registry.find("SetValue")
        noter = w.runtime.new_actor(dict, name="noter").mutate_on(set_value, note)
        await noter.expose_for_ipc().start()
        peer = w.peer()
        headers = {"traceparent": "00-1"}
        await peer.request(
            "r", "SetValue", {"value": 1}, target="noter", headers=headers
        )
        await peer.read()

        assert seen == ["00-1"]


async def test_peer_that_does_not_read_is_disconnected(
    autojump_clock: MockClock, world: Any
) -> None:
    """After the write timeout its connection is given up, and nobody else's."""
    async with world() as w:
        ours, theirs = trio.testing.lockstep_stream_pair()
        w.door._inlet.send_nowait(theirs)
        await ours.send_all(b"\x00\x00\x00\x00\x02\x04\x01")
        await trio.sleep(31)
        peer = w.peer()
        await peer.request("r", "GetValue", {})
        _, answer = await peer.read()

        assert answer["success"]
        assert w.listener.statistics().connections_active == 1
