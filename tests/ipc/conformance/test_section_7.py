"""Section 7: what the server says."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from ..peers import (
    DISCOVER,
    END,
    ERROR,
    HEARTBEAT,
    JSON,
    MESSAGEPACK,
    RESPONSE,
    Peer,
    Private,
    SetValue,
    frame,
    open_world,
)
from .offices import (
    PUSH,
    STREAM,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Bulletin,
    ask_for_stream,
    broadcast,
    check_that_it_goes_on,
    open_leaving_office,
    open_office,
    read_pushes,
    read_stream,
    subscribe,
    write_frame,
)
from .rows import row

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcRateLimit = acton.ipc.IpcRateLimit

LIMIT_OF_ONE = IpcConfig(limits=IpcLimits(max_connections=1))


# 7.1 RESPONSE and ERROR.


@row("7.1.kind")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
@pytest.mark.parametrize(
    ("message_type", "payload", "more", "success"),
    [
        pytest.param("GetValue", None, {}, True, id="a reply"),
        pytest.param(
            "GetValue", None, {"expects_reply": False}, True, id="acknowledged"
        ),
        pytest.param("GetValue", None, {"target": "x"}, False, id="refused"),
        pytest.param("Break", {"how": "raise"}, {}, False, id="failed"),
        pytest.param("Break", {"how": "reject"}, {}, False, id="rejected"),
        pytest.param("Break", {"how": "silence"}, {}, False, id="no reply"),
    ],
)
async def test_rule_7_1_type_of_the_frame_follows_from_success(
    autojump_clock: MockClock,
    message_type: str,
    payload: Any,
    more: dict[str, Any],
    *,
    success: bool,
    form: int,
) -> None:
    """It is RESPONSE if that is true, and otherwise ERROR."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", message_type, payload, form=form, **more)
        seen = await peer.read_frame()

        assert seen.body["success"] is success
        assert seen.kind == (RESPONSE if success else ERROR)
        assert seen.form == form


@row("7.1.order")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_rule_7_1_keys_keep_their_order(
    autojump_clock: MockClock, form: int
) -> None:
    """What is absent is left out, and what is new comes last."""
    async with open_world() as w:
        peer = w.peer()
        reply = await peer.ask("GetValue", form=form)
        plain = await peer.ask("Echo", {"text": "x"}, form=form)
        error = await peer.ask("GetValue", target="x", form=form)
        rejection = await peer.ask("Break", {"how": "reject"}, form=form)
        failed = ["correlation_id", "success", "error", "error_code"]

        assert list(reply) == ["correlation_id", "success", "payload", "message_type"]
        assert list(plain) == ["correlation_id", "success", "payload"]
        assert list(error) == failed
        assert list(rejection) == [*failed, "payload", "message_type"]


@row("7.1.ack", "7.1.reply", "7.1.error", "7.1.messagepack")
@pytest.mark.parametrize(
    ("more", "form", "answer"),
    [
        pytest.param(
            {"expects_reply": False},
            JSON,
            "000000470202017b22636f7272656c6174696f6e5f6964223a227231222c22737563636573"
            "73223a747275652c227061796c6f6164223a7b22737461747573223a2264656c6976657265"
            "64227d7d",
            id="the acknowledgement",
        ),
        pytest.param(
            {},
            JSON,
            "0000003c0202017b22636f7272656c6174696f6e5f6964223a227231222c22737563636573"
            "73223a747275652c227061796c6f6164223a7b2276616c7565223a377d7d",
            id="the reply",
        ),
        pytest.param(
            {"target": "a", "hidden": True},
            JSON,
            "000000630203017b22636f7272656c6174696f6e5f6964223a227231222c22737563636573"
            "73223a66616c73652c226572726f72223a224163746f72206e6f7420666f756e643a206122"
            "2c226572726f725f636f6465223a224143544f525f4e4f545f464f554e44227d",
            id="the error",
        ),
        pytest.param(
            {"expects_reply": False},
            MESSAGEPACK,
            "0000003602020283ae636f7272656c6174696f6e5f6964a27231a773756363657373c3a770"
            "61796c6f616481a6737461747573a964656c697665726564",
            id="the acknowledgement in MessagePack",
        ),
    ],
)
async def test_rule_7_1_examples_are_what_is_written(
    autojump_clock: MockClock, more: dict[str, Any], form: int, answer: str
) -> None:
    """Byte for byte."""
    async with open_office() as o:
        if "hidden" in more:
            o.world.runtime.ipc_hide("a")
        peer = o.world.peer()
        fields: dict[str, Any] = {"target": "a", **more}
        await peer.request("r1", "Ping", None, form=form, **fields)

        assert (await peer.read_bytes()).hex() == answer


@row("7.1.ack")
async def test_rule_7_1_acknowledgement_does_not_wait_for_the_handler(
    autojump_clock: MockClock,
) -> None:
    """It means that the message is in the mailbox."""
    async with open_world() as w:
        peer = w.peer()
        answers = [
            await peer.ask("Grind", {"seconds": 9}, expects_reply=False)
            for _ in range(2)
        ]

        assert [each["payload"] for each in answers] == [{"status": "delivered"}] * 2
        assert trio.current_time() == 0


# 7.2 Subscription response.


@row("7.2.bytes")
async def test_rule_7_2_example_is_what_is_written(autojump_clock: MockClock) -> None:
    """Byte for byte."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(SUBSCRIBE, {"correlation_id": "s1", "message_types": ["T"]})

        assert (await peer.read_bytes()).hex() == (
            "0000003f0202017b22636f7272656c6174696f6e5f6964223a227331222c22737563636573"
            "73223a747275652c22737562736372696265645f7479706573223a5b2254225d7d"
        )


@row("7.2.set")
async def test_rule_7_2_answer_has_the_whole_set_of_the_connection(
    autojump_clock: MockClock,
) -> None:
    """What was subscribed to before is in it, what others have is not."""
    async with open_world() as w:
        peer, other = w.peer(), w.peer()
        answers = [
            await subscribe(peer, "A"),
            await subscribe(peer, "B", "C"),
            await subscribe(other, "D"),
            await subscribe(peer, "A", frame_type=UNSUBSCRIBE),
        ]
        sets = [sorted(each["subscribed_types"]) for each in answers]

        assert sets == [["A"], ["A", "B", "C"], ["D"], ["B", "C"]]
        assert all("error_code" not in each for each in answers)


@row("7.2.set")
async def test_rule_7_2_answer_has_the_format_of_the_question(
    autojump_clock: MockClock,
) -> None:
    """MessagePack is answered in MessagePack."""
    async with open_world() as w:
        peer = w.peer()
        body = {"correlation_id": "s", "message_types": ["A"]}
        await peer.say(SUBSCRIBE, body, form=MESSAGEPACK)
        seen = await peer.read_frame()

        assert seen[:3] == (2, RESPONSE, MESSAGEPACK)
        assert seen.body["subscribed_types"] == ["A"]


@row("7.2.parse")
@pytest.mark.parametrize("frame_type", [SUBSCRIBE, UNSUBSCRIBE])
async def test_rule_7_2_what_cannot_be_parsed_is_an_error(
    autojump_clock: MockClock, frame_type: int
) -> None:
    """It has no code, and the connection stays open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(frame_type, b"no JSON"))
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert kind == ERROR
        assert list(answer) == [
            "correlation_id",
            "success",
            "error",
            "subscribed_types",
        ]
        assert answer["correlation_id"] == "unknown"
        assert answer["success"] is False
        assert answer["error"].startswith("Parse error: ")
        assert answer["subscribed_types"] == []


# 7.3 Discovery response.


@row("7.3.bytes")
async def test_rule_7_3_example_is_what_is_written(autojump_clock: MockClock) -> None:
    """Byte for byte, but for what is new: ``cancel`` and ``accepts``."""
    async with open_office() as o:
        o.world.runtime.ipc_hide("service")
        peer = o.world.peer()
        await peer.say(DISCOVER, {"correlation_id": "d1"})
        data = await peer.read_bytes()
        answer = json.loads(data[7:])
        types = json.dumps(answer["message_types"], separators=(",", ":"))
        accepts = json.dumps(answer["actors"][0]["accepts"], separators=(",", ":"))

        assert data == write_frame(
            RESPONSE,
            '{"correlation_id":"d1","success":true,"protocol_version":{"current":2,'
            '"min_supported":1,"max_supported":2,"description":"v2 (multi-format, '
            'streaming, push, discovery)","capabilities":{"messagepack":true,'
            '"streaming":true,"push":true,"discovery":true,"cancel":true}},'
            f'"actors":[{{"name":"a","ern":"{o.handle.id}","accepts":{accepts}}}],'
            f'"message_types":{types}}}',
        )
        assert "Ping" in answer["message_types"]


@row("7.3.version")
async def test_rule_7_3_version_is_told_with_every_success(
    autojump_clock: MockClock,
) -> None:
    """Even where nothing else is wished for."""
    async with open_world() as w:
        peer = w.peer()
        wishes = {"include_actors": False, "include_message_types": False}
        await peer.say(DISCOVER, {"correlation_id": "d"} | wishes)
        version = (await peer.answer())["protocol_version"]

        assert [version[key] for key in ("current", "min_supported")] == [2, 1]
        assert version["max_supported"] == 2
        assert version["description"] == (
            "v2 (multi-format, streaming, push, discovery)"
        )
        assert {"messagepack", "streaming", "push", "discovery"} <= {
            name for name, able in version["capabilities"].items() if able is True
        }


@row("7.3.lists")
async def test_rule_7_3_lists_are_at_the_top(autojump_clock: MockClock) -> None:
    """Every exposed actor with its name and its id, every type with its name."""
    async with open_office() as o:
        o.world.runtime.ipc_expose("prices/alpha", o.handle)
        peer = o.world.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        answer = await peer.answer()

        assert {each["name"]: each["ern"] for each in answer["actors"]} == {
            "a": o.handle.id,
            "prices/alpha": o.handle.id,
            "service": o.world.handle.id,
        }
        assert {"Ping", "Tally", "Bulletin", "GetValue"} <= {*answer["message_types"]}
        assert "payload" not in answer


@row("7.3.parse")
@pytest.mark.parametrize("body", [b"no JSON", b"", b'{"include_actors":true}', b"[]"])
async def test_rule_7_3_what_cannot_be_parsed_is_an_error(
    autojump_clock: MockClock, body: bytes
) -> None:
    """The connection stays open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(DISCOVER, body))
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert kind == ERROR
        assert list(answer) == ["correlation_id", "success", "error"]
        assert answer["correlation_id"] == "unknown"
        assert answer["success"] is False
        assert answer["error"].startswith("Parse error: ")


# 7.4 PUSH.


@row("7.4.fields")
async def test_rule_7_4_push_has_its_fields_in_order(
    autojump_clock: MockClock,
) -> None:
    """Byte for byte, but for the id, whose prefix is fixed, and the time of day."""
    async with open_office() as o:
        peer = o.world.peer()
        await subscribe(peer, "Bulletin")
        before = time.time_ns() // 1_000_000
        await broadcast(o.world, Bulletin(1), Bulletin(2))
        after = time.time_ns() // 1_000_000
        frames = [await peer.read_bytes() for _ in range(2)]
        bodies = [json.loads(data[7:]) for data in frames]

        for number, (data, body) in enumerate(zip(frames, bodies, strict=True), 1):
            assert data == write_frame(
                PUSH,
                f'{{"notification_id":"{body["notification_id"]}",'
                f'"message_type":"Bulletin","payload":{{"number":{number}}},'
                f'"timestamp_ms":{body["timestamp_ms"]}}}',
            )
            assert body["notification_id"].startswith("push_")
            assert before <= body["timestamp_ms"] <= after
        assert bodies[0]["notification_id"] != bodies[1]["notification_id"]


@row("7.4.json")
async def test_rule_7_4_push_is_json_for_everybody(autojump_clock: MockClock) -> None:
    """A subscription in MessagePack makes no difference."""
    async with open_office() as o:
        peer = o.world.peer()
        body = {"correlation_id": "s", "message_types": ["Bulletin"]}
        await peer.say(SUBSCRIBE, body, form=MESSAGEPACK)
        await peer.read_frame()
        await broadcast(o.world, Bulletin(1))
        seen = await peer.read_frame()

        assert seen[:3] == (2, PUSH, JSON)
        assert seen.body["payload"] == {"number": 1}


@row("7.4.registered")
async def test_rule_7_4_only_registered_types_are_pushed(
    autojump_clock: MockClock,
) -> None:
    """And of them only those that were subscribed to."""
    async with open_office() as o:
        peer, other = o.world.peer(), o.world.peer()
        await subscribe(peer, "Bulletin", "Private")
        await subscribe(other, "SetValue")
        await broadcast(o.world, Private(), SetValue(1), Bulletin(1))
        pushes, others = await read_pushes(peer), await read_pushes(other)

        assert [each["message_type"] for each in pushes] == ["Bulletin"]
        assert [each["message_type"] for each in others] == ["SetValue"]


@row("7.4.registered")
async def test_rule_7_4_name_may_be_registered_after_it_was_subscribed_to(
    autojump_clock: MockClock,
) -> None:
    """Names are not validated when they are subscribed to."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "Bulletin")
        await broadcast(w, Bulletin(1))
        w.runtime.ipc_registry.register(Bulletin, "Bulletin")
        await broadcast(w, Bulletin(2))
        pushes = await read_pushes(peer)

        assert [each["payload"] for each in pushes] == [{"number": 2}]


@row("7.4.order")
async def test_rule_7_4_pushes_keep_their_order(autojump_clock: MockClock) -> None:
    """Among all that one connection has subscribed to."""
    async with open_office() as o:
        peer = o.world.peer()
        await subscribe(peer, "Bulletin", "SetValue")
        for number in range(40):
            kind = Bulletin if number % 2 else SetValue
            await o.world.runtime.broker.broadcast(kind(number))
        pushes = await read_pushes(peer)
        numbers = [next(iter(each["payload"].values())) for each in pushes]

        assert numbers == list(range(40))


@row("7.4.order")
async def test_rule_7_4_pushes_come_between_the_frames_of_a_slow_request(
    autojump_clock: MockClock,
) -> None:
    """No request holds them up."""
    async with open_office() as o:
        peer = o.world.peer()
        await subscribe(peer, "Bulletin")
        await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await broadcast(o.world, Bulletin(1))
        first = await peer.read()
        pushed_at = trio.current_time()
        second = await peer.read()

        assert (first[0], second[0]) == (PUSH, RESPONSE)
        assert pushed_at == 0


@row("7.4.replay")
async def test_rule_7_4_nothing_is_replayed(autojump_clock: MockClock) -> None:
    """Before a subscription and after it there is nothing."""
    async with open_office() as o:
        peer = o.world.peer()
        await broadcast(o.world, Bulletin(1))
        await subscribe(peer, "Bulletin")
        await broadcast(o.world, Bulletin(2))
        pushes = await read_pushes(peer)
        await subscribe(peer, "Bulletin", frame_type=UNSUBSCRIBE)
        await broadcast(o.world, Bulletin(3))
        after = await read_pushes(peer)

        assert [each["payload"] for each in pushes] == [{"number": 2}]
        assert after == []


@row("7.4.dropped")
async def test_rule_7_4_queue_is_bounded(autojump_clock: MockClock) -> None:
    """A hundred wait by default, and the broadcaster never does."""
    async with open_office() as o:
        slow = Peer(o.world.door.connect_in_lockstep())
        await subscribe(slow, "Bulletin")
        await broadcast(o.world, *map(Bulletin, range(300)))
        broadcast_at = trio.current_time()
        pushes = await read_pushes(slow)

        assert broadcast_at == 0
        # One is being written, and the writer may hold some more.
        assert 100 <= len(pushes) <= 200
        assert [each["payload"]["number"] for each in pushes[:100]] == list(range(100))


@row("7.4.dropped")
async def test_rule_7_4_pushes_are_counted(autojump_clock: MockClock) -> None:
    """And so are subscriptions and their reverse."""
    async with open_office() as o:
        peer = o.world.peer()
        await subscribe(peer, "Bulletin")
        await broadcast(o.world, Bulletin(1), Bulletin(2))
        await read_pushes(peer)
        await subscribe(peer, frame_type=UNSUBSCRIBE)
        counted: Any = o.world.listener.statistics()

        assert counted.push_notifications_sent == 2
        assert counted.subscriptions_processed == 2
        assert counted.messages_received == 0


# 7.5 STREAM.


@row("7.5.bytes", "7.5.sequence")
async def test_rule_7_5_examples_are_what_is_written(
    autojump_clock: MockClock,
) -> None:
    """An item, and the end."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t1", "Tally", {"upto": 1})
        item, end = await peer.read_bytes(), await peer.read_bytes()

        assert item.hex() == (
            "000000470209017b22636f7272656c6174696f6e5f6964223a227431222c2273657175656e"
            "6365223a302c2269735f66696e616c223a66616c73652c227061796c6f6164223a7b226e22"
            "3a317d7d"
        )
        assert end.hex() == (
            "000000340209017b22636f7272656c6174696f6e5f6964223a227431222c2273657175656e"
            "6365223a312c2269735f66696e616c223a747275657d"
        )


@row("7.5.bytes", "7.5.actor")
async def test_rule_7_5_unknown_actor_is_what_the_example_says(
    autojump_clock: MockClock,
) -> None:
    """Byte for byte, and its code is that of a stream."""
    async with open_office() as o:
        o.world.runtime.ipc_hide("a")
        peer = o.world.peer()
        await ask_for_stream(peer, "t1", "Tally", {"upto": 1})
        data = await peer.read_bytes()
        await check_that_it_goes_on(peer)

        assert data.hex() == (
            "0000006d0209017b22636f7272656c6174696f6e5f6964223a227431222c2273657175656e"
            "6365223a302c2269735f66696e616c223a747275652c226572726f72223a224163746f7220"
            "6e6f7420666f756e643a2061222c226572726f725f636f6465223a2253545245414d5f4552"
            "524f52227d"
        )


@row("7.5.sequence")
async def test_rule_7_5_items_are_numbered(autojump_clock: MockClock) -> None:
    """From 0 on; the last frame has the number of the items and no payload."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 5})
        bodies = await read_stream(peer)

        assert bodies == [
            *(
                {
                    "correlation_id": "t",
                    "sequence": number,
                    "is_final": False,
                    "payload": {"n": number + 1},
                }
                for number in range(5)
            ),
            {"correlation_id": "t", "sequence": 5, "is_final": True},
        ]


@row("7.5.sequence")
async def test_rule_7_5_streams_of_one_connection_are_numbered_apart(
    autojump_clock: MockClock,
) -> None:
    """Each has its id and its own numbers."""
    async with open_office() as o:
        peer = o.world.peer()
        for cid in ("x", "y"):
            await ask_for_stream(peer, cid, "Tally", {"upto": 3, "pause": 1})
        bodies = [await peer.answer() for _ in range(8)]

        for cid in ("x", "y"):
            own = [each for each in bodies if each["correlation_id"] == cid]
            assert [each["sequence"] for each in own] == [0, 1, 2, 3]
            assert [each["is_final"] for each in own] == [False] * 3 + [True]


@row("7.5.sequence")
async def test_rule_7_5_plain_request_has_one_item(autojump_clock: MockClock) -> None:
    """Its reply, and the end."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Ping", None)
        bodies = await read_stream(peer)

        assert bodies == [
            {
                "correlation_id": "t",
                "sequence": 0,
                "is_final": False,
                "payload": {"value": 7},
            },
            {"correlation_id": "t", "sequence": 1, "is_final": True},
        ]


@row("7.5.sequence")
async def test_rule_7_5_handler_that_raises_ends_the_stream(
    autojump_clock: MockClock,
) -> None:
    """The final frame says so, and not what the exception says."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1, "end": "raise"})
        bodies = await read_stream(peer)
        last = bodies[-1]

        assert [each["sequence"] for each in bodies] == [0, 1]
        assert list(last) == [
            "correlation_id",
            "sequence",
            "is_final",
            "error",
            "error_code",
        ]
        assert last["error_code"] == "HANDLER_FAILED"
        assert "ValueError" in last["error"]
        assert "secret" not in last["error"]


@row("7.5.sequence")
async def test_rule_7_5_stream_has_the_format_of_its_request(
    autojump_clock: MockClock,
) -> None:
    """MessagePack is answered in MessagePack, errors too."""
    async with open_office() as o:
        peer = o.world.peer()
        for target, count in (("a", 2), ("nobody", 1)):
            await peer.request(
                "t",
                "Tally",
                {"upto": 1},
                target=target,
                expects_stream=True,
                form=MESSAGEPACK,
            )
            for _ in range(count):
                assert (await peer.read_frame())[:3] == (2, STREAM, MESSAGEPACK)


@row("7.5.empty")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_rule_7_5_no_items_are_one_frame(
    autojump_clock: MockClock, form: int
) -> None:
    """The final one, with the number 0."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request(
            "t", "Tally", {"upto": 0}, target="a", expects_stream=True, form=form
        )
        kind, body = await peer.read()
        await check_that_it_goes_on(peer)

        assert kind == STREAM
        assert body == {"correlation_id": "t", "sequence": 0, "is_final": True}


@row("7.5.empty")
async def test_rule_7_5_handler_that_replies_nothing_is_one_frame(
    autojump_clock: MockClock,
) -> None:
    """Nothing is no error where any number of items will do."""
    async with open_office() as o:
        peer = o.world.peer()
        how = {"how": "silence"}
        await ask_for_stream(peer, "t", "Break", how, target="service")
        kind, body = await peer.read()

        assert kind == STREAM
        assert body == {"correlation_id": "t", "sequence": 0, "is_final": True}


@row("7.5.timeout")
@pytest.mark.parametrize(
    ("payload", "numbers"),
    [
        pytest.param({"upto": 9, "pause": 1}, [0, 1, 2, 3], id="amid it"),
        pytest.param({"upto": 0, "end": "never"}, [0], id="before the first item"),
    ],
)
async def test_rule_7_5_time_is_for_the_whole_stream(
    autojump_clock: MockClock, payload: dict[str, Any], numbers: list[int]
) -> None:
    """Not for each item of it; the work is called back."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", payload, response_timeout_ms=2500)
        bodies = await read_stream(peer)
        ended_at = trio.current_time()
        await wait_all_tasks_blocked()

        assert [each["sequence"] for each in bodies] == numbers
        assert bodies[-1] == {
            "correlation_id": "t",
            "sequence": numbers[-1],
            "is_final": True,
            "error": "Stream timed out after 2500 ms",
            "error_code": "TIMEOUT",
        }
        assert ended_at == pytest.approx(2.5)
        assert o.clerk.log == ["tally cancelled"]


@row("7.5.decode")
@pytest.mark.parametrize(
    ("message_type", "payload", "text"),
    [
        pytest.param("Nothing", None, "Unknown message type: Nothing", id="type"),
        pytest.param("Tally", {"upto": "x"}, "Serialization error: ", id="payload"),
        pytest.param("Quotes", None, "Serialization error: ", id="no payload"),
    ],
)
async def test_rule_7_5_what_cannot_be_decoded_is_an_error_of_the_stream(
    autojump_clock: MockClock, message_type: str, payload: Any, text: str
) -> None:
    """Unknown types have the same code as bad payloads."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", message_type, payload)
        (body,) = await read_stream(peer)
        await check_that_it_goes_on(peer)

        assert body["sequence"] == 0
        assert body["error_code"] == "SERIALIZATION_ERROR"
        assert body["error"].startswith(text)
        assert "payload" not in body


@row("7.5.busy")
async def test_rule_7_5_full_mailbox_is_an_error_of_the_stream(
    autojump_clock: MockClock,
) -> None:
    """Its words are not those of a plain request."""
    async with open_world(mailbox_capacity=1) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        await peer.request("2", "GetValue", None)
        await ask_for_stream(peer, "t", "GetValue", None, target="service")
        kind, body = await peer.read()

        assert kind == STREAM
        assert body == {
            "correlation_id": "t",
            "sequence": 0,
            "is_final": True,
            "error": "Actor inbox is full",
            "error_code": "TARGET_BUSY",
        }


@row("7.5.closed")
async def test_rule_7_5_closed_mailbox_is_an_error_of_the_stream(
    autojump_clock: MockClock,
) -> None:
    """The actor has stopped, and its name is still exposed."""
    async with open_leaving_office() as peer:
        await ask_for_stream(peer, "t", "Ping", None)
        (body,) = await read_stream(peer)
        await check_that_it_goes_on(peer)

        assert body == {
            "correlation_id": "t",
            "sequence": 0,
            "is_final": True,
            "error": "I/O error: Recipient channel is closed",
            "error_code": "STREAM_ERROR",
        }


@row("7.5.closed")
async def test_rule_7_5_stream_of_an_actor_that_stops_ends(
    autojump_clock: MockClock,
) -> None:
    """Its reader hears that the mailbox is closed."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1, "end": "never"})
        first = await peer.answer()
        await o.handle.stop()
        (last,) = await read_stream(peer)

        assert first["is_final"] is False
        assert (last["sequence"], last["is_final"]) == (1, True)
        assert last["error_code"] in {"STREAM_ERROR", "IO_ERROR"}
        assert last["error"] == "I/O error: Recipient channel is closed"


@row("7.5.plain")
async def test_rule_7_5_envelope_that_cannot_be_parsed_is_a_plain_error(
    autojump_clock: MockClock,
) -> None:
    """That a stream was wanted is not known by then."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1}, target=5)
        kind, body = await peer.read()

        assert (kind, body["correlation_id"]) == (ERROR, "t")
        assert body["error_code"] == "SERIALIZATION_ERROR"


@row("7.5.plain")
async def test_rule_7_5_rate_limit_is_a_plain_error(
    autojump_clock: MockClock,
) -> None:
    """A stream costs what a request costs, however long it is."""
    config = IpcConfig(rate_limit=IpcRateLimit(burst_size=2))
    async with open_office(config) as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "1", "Tally", {"upto": 20})
        await read_stream(peer)
        await ask_for_stream(peer, "2", "Tally", {"upto": 20})
        second = await read_stream(peer)
        await ask_for_stream(peer, "3", "Tally", {"upto": 20})
        kind, third = await peer.read()

        assert len(second) == 21
        assert (kind, third["correlation_id"]) == (ERROR, "3")
        assert third["error_code"] == "RATE_LIMITED"


@row("7.5.plain")
async def test_rule_7_5_draining_is_a_plain_error_and_streams_go_on(
    autojump_clock: MockClock,
) -> None:
    """A stream is in flight until its last frame is written."""
    async with open_office() as o, trio.open_nursery() as nursery:
        peer = o.world.peer()
        await ask_for_stream(peer, "old", "Tally", {"upto": 3, "pause": 1})
        first = await peer.answer()
        nursery.start_soon(o.world.listener.shutdown_gracefully)
        await wait_all_tasks_blocked()
        await ask_for_stream(peer, "new", "Tally", {"upto": 3})
        kind, refused = await peer.read()
        rest = await read_stream(peer)

        assert first["correlation_id"] == "old"
        assert (kind, refused["correlation_id"]) == (ERROR, "new")
        assert refused["error_code"] == "SHUTTING_DOWN"
        assert [each["sequence"] for each in rest] == [1, 2, 3]
        assert "error" not in rest[-1]
        assert await peer.read_frame() == END


@row("7.5.backpressure")
async def test_rule_7_5_reader_that_goes_away_ends_the_handler(
    autojump_clock: MockClock,
) -> None:
    """Nobody counts for nobody."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1, "end": "never"})
        await peer.answer()
        await peer.stream.aclose()
        await wait_all_tasks_blocked()

        assert o.clerk.log == ["tally cancelled"]
        assert trio.current_time() == 0


@row("7.5.backpressure")
async def test_rule_7_5_reader_that_is_slow_does_not_hold_up_the_actor(
    autojump_clock: MockClock,
) -> None:
    """Only its own stream waits."""
    async with open_office() as o:
        slow = Peer(o.world.door.connect_in_lockstep())
        await ask_for_stream(slow, "t", "Tally", {"upto": 1000})
        await wait_all_tasks_blocked()
        produced = o.clerk.produced
        answer = await o.world.peer().ask("Ping", None, target="a")

        assert 1 <= produced < 200
        assert answer["payload"] == {"value": 7}
        assert trio.current_time() == 0


# 7.6 Connection limit.

REFUSAL = write_frame(
    ERROR,
    '{"correlation_id":"__acton_connection_rejected__","success":false,'
    '"error":"Server refused the connection: connection limit reached '
    '(1 concurrent connections)","error_code":"CONNECTION_LIMIT_REACHED",'
    '"payload":{"limit":1}}',
)


@row("7.6.bytes")
async def test_rule_7_6_refusal_is_what_the_example_says(
    autojump_clock: MockClock,
) -> None:
    """It comes before the client has said anything, and the end after it."""
    async with open_world(LIMIT_OF_ONE) as w:
        first = w.peer()
        await check_that_it_goes_on(first)
        second = w.peer()
        data = await second.read_bytes()
        end = await second.read_frame()
        await check_that_it_goes_on(first)

        assert data[:7].hex() == "000000dd020301"
        assert data == REFUSAL
        assert end == END
        assert trio.current_time() == 0


@row("7.6.count")
async def test_rule_7_6_refusal_is_an_error_and_no_connection(
    autojump_clock: MockClock,
) -> None:
    """Where somebody leaves, somebody else is accepted."""
    async with open_world(LIMIT_OF_ONE) as w:
        first = w.peer()
        await check_that_it_goes_on(first)
        await w.peer().read_bytes()
        refused = w.listener.statistics()
        await first.stream.aclose()
        await wait_all_tasks_blocked()
        await check_that_it_goes_on(w.peer())
        accepted = w.listener.statistics()

        assert (refused.errors, refused.connections_accepted) == (1, 1)
        assert (accepted.errors, accepted.connections_accepted) == (1, 2)
        assert (accepted.connections_available, accepted.max_connections) == (0, 1)


@row("7.6.haste")
async def test_rule_7_6_peer_that_does_not_read_its_refusal_is_closed(
    autojump_clock: MockClock,
) -> None:
    """It is written for 250 ms and no longer, and others come in meanwhile."""
    async with open_world(LIMIT_OF_ONE) as w:
        await check_that_it_goes_on(w.peer())
        deaf = w.door.connect_in_lockstep()
        await wait_all_tasks_blocked()
        other = await w.peer().read_bytes()
        refused_at = trio.current_time()
        await trio.sleep(0.26)
        with pytest.raises(trio.BrokenResourceError):
            await deaf.send_all(b"x")

        assert other == REFUSAL
        assert refused_at == 0


@row("7.6.client")
@pytest.mark.parametrize(
    ("code", "payload", "limit"),
    [
        pytest.param("CONNECTION_LIMIT_REACHED", ',"payload":{"limit":7}', 7, id="one"),
        pytest.param("CONNECTION_LIMIT_REACHED", "", 0, id="none is told"),
        pytest.param("OF_A_LATER_VERSION", "", None, id="another reason"),
    ],
)
async def test_rule_7_6_client_knows_the_sentinel(
    autojump_clock: MockClock, code: str, payload: str, limit: int | None
) -> None:
    """Any answer with that id is about the connection, whatever its code."""
    ours, theirs = trio.testing.memory_stream_pair()
    text = (
        '{"correlation_id":"__acton_connection_rejected__","success":false,'
        f'"error":"not you","error_code":"{code}"{payload}}}'
    )
    await theirs.send_all(write_frame(ERROR, text))
    await theirs.send_eof()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
            await client.discover()

    assert (caught.value.reason, caught.value.detail) == (code, "not you")
    assert caught.value.limit == limit


@row("7.6.client")
async def test_rule_7_6_heartbeat_is_no_refusal(autojump_clock: MockClock) -> None:
    """A connection that was accepted says nothing by itself."""
    async with open_world(LIMIT_OF_ONE) as w:
        peer = w.peer()
        await peer.say(HEARTBEAT, {})

        assert await peer.read() == (HEARTBEAT, {})
