"""How requests and answers are written: versions, formats, ids, payloads."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import (
    CANCEL,
    DISCOVER,
    END,
    ERROR,
    HEARTBEAT,
    JSON,
    MESSAGEPACK,
    RESPONSE,
    SetValue,
    frame,
    open_world,
)

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.mark.parametrize(
    ("message_type", "more", "kind", "expected"),
    [
        pytest.param(
            "GetValue", {}, RESPONSE, {"payload": {"value": 0}}, id="the reply"
        ),
        pytest.param(
            "Flush",
            {"expects_reply": False},
            RESPONSE,
            {"payload": {"status": "delivered"}},
            id="the acknowledgement",
        ),
        pytest.param(
            "GetValue",
            {"target": "x"},
            ERROR,
            {"error_code": "ACTOR_NOT_FOUND", "error": "Actor not found: x"},
            id="a refusal",
        ),
        pytest.param(
            "Break",
            {"payload": {"how": "reject"}},
            ERROR,
            {"error_code": "REJECTED", "payload": {"left": 3}},
            id="a rejection",
        ),
    ],
)
@pytest.mark.parametrize(
    ("version", "form"),
    [
        pytest.param(1, JSON, id="v1"),
        pytest.param(2, JSON, id="v2 JSON"),
        pytest.param(2, MESSAGEPACK, id="v2 MessagePack"),
    ],
)
async def test_answer_is_written_as_its_question(
    autojump_clock: MockClock,
    *,
    version: int,
    form: int,
    message_type: str,
    more: dict[str, Any],
    kind: int,
    expected: dict[str, Any],
) -> None:
    """Version and format of every answer are those of its request."""
    async with open_world() as w:
        peer = w.peer()
        body = {"payload": None} | more
        await peer.request(
            "r", message_type, body.pop("payload"), version=version, form=form, **body
        )
        seen = await peer.read_frame()

        assert seen[:3] == (version, kind, form)
        assert seen.body["correlation_id"] == "r"
        assert expected.items() <= seen.body.items()


async def test_versions_and_formats_mix_on_one_connection(
    autojump_clock: MockClock,
) -> None:
    """Both belong to the frame, not to the connection."""
    async with open_world() as w:
        peer = w.peer()
        for version, form in [(1, JSON), (2, MESSAGEPACK), (2, JSON), (1, JSON)]:
            await peer.request("r", "GetValue", None, version=version, form=form)
            seen = await peer.read_frame()

            assert seen[:3] == (version, RESPONSE, form)


async def test_heartbeat_in_messagepack_is_answered_in_json(
    autojump_clock: MockClock,
) -> None:
    """Heartbeats are JSON whatever was sent, and what was sent is not read."""
    async with open_world() as w:
        peer = w.peer()
        for payload in (b"", b"\xc1\xc1", b"{}"):
            await peer.write(frame(HEARTBEAT, payload, form=MESSAGEPACK))

            assert await peer.read_frame() == (2, HEARTBEAT, JSON, {})
        assert w.listener.statistics().errors == 0


async def test_heartbeat_of_version_1_is_answered_in_version_1(
    autojump_clock: MockClock,
) -> None:
    """A client that knows version 1 only can keep its connection open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(HEARTBEAT, b"", version=1))

        assert await peer.read_frame() == (1, HEARTBEAT, JSON, {})


async def test_discovery_in_messagepack_is_answered_in_messagepack(
    autojump_clock: MockClock,
) -> None:
    """A discovery is mirrored as requests are."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"}, form=MESSAGEPACK)
        seen = await peer.read_frame()

        assert seen[:3] == (2, RESPONSE, MESSAGEPACK)
        assert seen.body["actors"][0]["name"] == "service"


async def test_cancel_in_messagepack_calls_a_request_in_json_back(
    autojump_clock: MockClock,
) -> None:
    """The answer has the format of the request, not of what ended it."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "1"}, form=MESSAGEPACK)
        seen = await peer.read_frame()

        assert seen[:3] == (2, ERROR, JSON)
        assert seen.body["error_code"] == "CANCELLED"


@pytest.mark.parametrize(
    "cid",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 1024, id="1024 bytes"),
        pytest.param("é" * 512, id="1024 bytes of two each"),
        pytest.param('\U0001f600\x00\n"\\', id="odd characters"),
        pytest.param("__acton_connection_rejected__", id="the reserved one"),
    ],
)
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_id_comes_back_as_it_was(
    autojump_clock: MockClock, cid: str, form: int
) -> None:
    """Up to 1024 bytes of any text are echoed."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request(cid, "GetValue", None, form=form)
        seen = await peer.read_frame()

        assert (seen.kind, seen.body["correlation_id"]) == (RESPONSE, cid)


@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
@pytest.mark.parametrize(
    "cid", ["x" * 1025, "é" * 513, "\x01" * 1025], ids=["ASCII", "two bytes", "escaped"]
)
async def test_overlong_id_costs_the_request_only(
    autojump_clock: MockClock, cid: str, form: int
) -> None:
    """Nothing reaches the actor, and the connection stays open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request(cid, "SetValue", {"value": 1}, form=form)
        seen = await peer.read_frame()
        after = await peer.ask("GetValue")

        assert (seen.kind, seen.form) == (ERROR, form)
        assert seen.body["error_code"] == "PROTOCOL_ERROR"
        assert after["payload"] == {"value": 0}


async def test_id_in_use_twice_gets_two_answers(autojump_clock: MockClock) -> None:
    """The server does not care whether ids repeat."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("same", "Nap", {"seconds": 2})
        await peer.request("same", "Nap", {"seconds": 1})
        answers = [await peer.answer() for _ in range(2)]

        assert [each["correlation_id"] for each in answers] == ["same", "same"]
        assert [each["payload"] for each in answers] == [1, 2]


@pytest.mark.parametrize(
    ("payload", "accepted"),
    [
        pytest.param({"payload": None}, True, id="null"),
        pytest.param({"payload": {}}, True, id="empty object"),
        pytest.param({}, True, id="absent"),
        pytest.param({"payload": []}, False, id="array"),
        pytest.param({"payload": 0}, False, id="number"),
        pytest.param({"payload": "GetValue"}, False, id="string"),
    ],
)
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_message_without_fields_is_written_in_three_ways(
    autojump_clock: MockClock, payload: dict[str, Any], *, accepted: bool, form: int
) -> None:
    """Null, an empty object and nothing at all mean the same; no more do."""
    async with open_world() as w:
        peer = w.peer()
        body = {
            "correlation_id": "r",
            "target": "service",
            "message_type": "GetValue",
            "expects_reply": True,
        }
        await peer.say(1, body | payload, form=form)
        answer = await peer.answer()

        assert answer["success"] is accepted
        assert answer.get("error_code") == (None if accepted else "SERIALIZATION_ERROR")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"payload": None}, id="null"),
        pytest.param({}, id="absent"),
        pytest.param({"payload": {}}, id="no fields"),
        pytest.param({"payload": [7]}, id="array"),
        pytest.param({"payload": {"value": 7.5}}, id="fraction"),
        pytest.param({"payload": {"value": True}}, id="boolean"),
        pytest.param({"payload": {"value": None}}, id="null field"),
    ],
)
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_payload_of_another_shape_reaches_no_actor(
    autojump_clock: MockClock, payload: dict[str, Any], form: int
) -> None:
    """Nothing is coerced, and the error says that the payload was at fault."""
    async with open_world() as w:
        peer = w.peer()
        body = {"correlation_id": "r", "target": "service", "message_type": "SetValue"}
        await peer.say(1, body | payload, form=form)
        answer = await peer.answer()

        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert answer["error"].startswith("Serialization error: ")
        assert w.service.values == []


async def test_reply_without_fields_is_an_empty_object(
    autojump_clock: MockClock,
) -> None:
    """Some clients take null for the lack of a reply."""
    async with open_world() as w:
        answer = await w.peer().ask("Flush")

        assert answer["payload"] == {}
        assert answer["message_type"] == "Done"


async def test_reply_that_is_no_message_has_no_type(autojump_clock: MockClock) -> None:
    """Only registered types are named."""
    async with open_world() as w:
        answer = await w.peer().ask("Echo", {"text": "hey"})

        assert answer == {"correlation_id": "r", "success": True, "payload": "hey"}


async def test_unknown_keys_are_passed_over(autojump_clock: MockClock) -> None:
    """Peers of later versions may say more."""
    async with open_world() as w:
        answer = await w.peer().ask("GetValue", priority=9, trace={"a": []})

        assert answer["success"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"include_actors": False}, id="no actors"),
        pytest.param({"include_message_types": False}, id="no types"),
        pytest.param(
            {"include_actors": False, "include_message_types": False}, id="neither"
        ),
    ],
)
async def test_discovery_leaves_out_what_is_not_asked_for(
    autojump_clock: MockClock, body: dict[str, bool]
) -> None:
    """What is not wanted is absent, and what the server can do is always told."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"} | body)
        answer = await peer.answer()

        assert ("actors" in answer) is body.get("include_actors", True)
        assert ("message_types" in answer) is body.get("include_message_types", True)
        assert answer["protocol_version"]["min_supported"] == 1
        assert answer["protocol_version"]["max_supported"] == 2


async def test_discovery_tells_what_each_actor_accepts(
    autojump_clock: MockClock,
) -> None:
    """Names on the wire, of what travels only."""
    async with open_world() as w:
        w.runtime.ipc_registry.register(SetValue, "PutValue")
        other = w.runtime.new_actor(dict[str, int], name="other")
        other.mutate_on(SetValue, lambda _model, _message: None)
        await other.expose_for_ipc().start()
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        answer = await peer.answer()
        accepts = {each["name"]: set(each["accepts"]) for each in answer["actors"]}

        assert set(accepts) == {"service", "other"}
        assert {"GetValue", "SetValue", "Nap"} <= accepts["service"]
        assert "Private" not in accepts["service"]
        assert accepts["other"] <= {"SetValue", "PutValue"}
        assert accepts["other"]


async def test_discovery_tells_what_the_server_can_do(
    autojump_clock: MockClock,
) -> None:
    """MessagePack and giving up are always there."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        version = (await peer.answer())["protocol_version"]

        assert version["description"] == (
            "v2 (multi-format, streaming, push, discovery)"
        )
        assert version["capabilities"]["messagepack"] is True
        assert version["capabilities"]["discovery"] is True
        assert version["capabilities"]["cancel"] is True


@pytest.mark.parametrize(
    ("payload", "cid"),
    [
        pytest.param(b"nonsense", "unknown", id="no JSON"),
        pytest.param(b"{}", "unknown", id="no id"),
        pytest.param(
            b'{"correlation_id":"d","include_actors":5}', "d", id="wrong type"
        ),
    ],
)
async def test_discovery_that_cannot_be_parsed_is_answered(
    autojump_clock: MockClock, payload: bytes, cid: str
) -> None:
    """The connection stays open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(DISCOVER, payload))
        kind, answer = await peer.read()
        after = await peer.ask("GetValue")

        assert (kind, answer["correlation_id"]) == (ERROR, cid)
        assert answer["error"].startswith("Parse error: ")
        assert after["success"]


async def test_connection_limit_is_told_in_json_of_version_2(
    autojump_clock: MockClock,
) -> None:
    """The refusal is byte for byte the one that every client knows."""
    limits = acton.ipc.IpcLimits(max_connections=1)
    async with open_world(acton.ipc.IpcConfig(limits=limits)) as w:
        w.peer()
        await wait_all_tasks_blocked()
        refused = w.peer()
        data = b""
        with trio.fail_after(0.25):
            while more := await refused.stream.receive_some():
                data += more

        text = (
            b'{"correlation_id":"__acton_connection_rejected__","success":false,'
            b'"error":"Server refused the connection: connection limit reached '
            b'(1 concurrent connections)","error_code":"CONNECTION_LIMIT_REACHED",'
            b'"payload":{"limit":1}}'
        )
        assert data == bytes.fromhex("000000dd020301") + text
        assert w.listener.statistics().errors == 1
        assert w.listener.statistics().connections_accepted == 1
        assert await refused.read_frame() == END
