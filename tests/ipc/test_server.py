"""What the server answers, over memory streams and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import SetValue, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits


async def test_request_is_answered_with_its_reply(autojump_clock: MockClock) -> None:
    """The reply comes under the request's id, with the name of its type."""
    async with open_world() as w:
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


async def test_version_1_is_answered_in_version_1(autojump_clock: MockClock) -> None:
    """A client that knows version 1 only can read the answer."""
    async with open_world() as w:
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


async def test_message_without_reply_is_acknowledged(autojump_clock: MockClock) -> None:
    """Who expects no reply hears that the message is in the mailbox."""
    async with open_world() as w:
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
    autojump_clock: MockClock, change: Any, code: str, text: str
) -> None:
    """Clients in other languages match on both, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        request = {"cid": "r", "message_type": "GetValue", "payload": {}} | change
        await peer.request(**request)
        kind, answer = await peer.read()
        await peer.request("next", "GetValue", {})
        _, after = await peer.read()

        assert (kind, answer["correlation_id"]) == (3, "r")
        assert (answer["error_code"], answer["error"]) == (code, text)
        assert after["success"]


async def test_rejection_travels_with_its_fields(autojump_clock: MockClock) -> None:
    """An expected failure keeps its type and its facts."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "reject"})
        _, answer = await peer.read()

        assert answer["error_code"] == "REJECTED"
        assert answer["message_type"] == "OutOfStock"
        assert answer["payload"] == {"left": 3}


async def test_details_of_a_failure_are_told_when_wished_for(
    autojump_clock: MockClock,
) -> None:
    """The text of an exception leaves the process only where that is set."""
    config = IpcConfig(errors=acton.ipc.IpcErrors(expose_details=True))
    async with open_world(config) as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "raise"})
        _, answer = await peer.read()

        assert answer["error"] == "Handler failed: ValueError: secret text"


async def test_wrong_reply_is_an_error_naming_the_types(
    autojump_clock: MockClock,
) -> None:
    """An error does not look like a success."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "nonsense"})
        _, answer = await peer.read()

        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert "expected int" in answer["error"]


async def test_full_mailbox_is_an_answer_not_a_wait(autojump_clock: MockClock) -> None:
    """A peer hears at once that there is no room."""
    async with open_world(mailbox_capacity=1) as w:
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


async def test_heartbeat_is_answered_with_an_empty_object(
    autojump_clock: MockClock,
) -> None:
    """A client that decodes the answer as JSON survives it."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(bytes.fromhex("00000000020401"))

        assert await peer.stream.receive_some() == bytes.fromhex("000000020204017b7d")


async def test_discovery_lists_what_there_is(autojump_clock: MockClock) -> None:
    """Actors with what they accept, message types, and what the server can do."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(8, {"correlation_id": "d"})
        kind, answer = await peer.read()

        assert kind == 2
        assert [each["name"] for each in answer["actors"]] == ["service"]
        assert "SetValue" in answer["actors"][0]["accepts"]
        assert answer["actors"][0]["ern"] == w.handle.id
        assert "Value" in answer["message_types"]
        assert answer["protocol_version"]["current"] == 2


async def test_stopped_actor_is_not_found(autojump_clock: MockClock) -> None:
    """An actor that is down gives its name back."""
    async with open_world() as w:
        await w.handle.stop()
        peer = w.peer()
        await peer.request("r", "GetValue", {})

        assert (await peer.read())[1]["error_code"] == "ACTOR_NOT_FOUND"


async def test_headers_reach_the_handler(autojump_clock: MockClock) -> None:
    """What travels beside a message is at hand in its context."""
    seen: list[str] = []

    def note(_model: object, _message: object, ctx: acton.Context) -> None:
        seen.append(ctx.headers["traceparent"])

    async with open_world() as w:
        idle = w.runtime.new_actor(dict[str, int], name="noter")
        noter = idle.mutate_on(SetValue, note)
        await noter.expose_for_ipc().start()
        peer = w.peer()
        headers = {"traceparent": "00-1"}
        await peer.request(
            "r", "SetValue", {"value": 1}, target="noter", headers=headers
        )
        await peer.read()

        assert seen == ["00-1"]
