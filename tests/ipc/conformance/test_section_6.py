"""Section 6: what clients say."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from ..peers import (
    DISCOVER,
    END,
    ERROR,
    HEARTBEAT,
    REQUEST,
    RESPONSE,
    SetValue,
    World,
    frame,
    open_world,
)
from .offices import (
    STREAM,
    SUBSCRIBE,
    UNSUBSCRIBE,
    check_that_it_goes_on,
    open_office,
    read_stream,
    subscribe,
    write_frame,
)
from .rows import row

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcRateLimit = acton.ipc.IpcConfig, acton.ipc.IpcRateLimit


FIELDS: dict[str, Any] = {
    "correlation_id": "r",
    "target": "service",
    "message_type": "SetValue",
    "payload": {"value": 1},
}
BURST_OF_ONE = IpcConfig(rate_limit=IpcRateLimit(burst_size=1))


async def ask_with(w: World, fields: dict[str, Any]) -> tuple[int, Any]:
    """Write a request with just *fields*, and return what is answered."""
    peer = w.peer()
    await peer.say(REQUEST, fields)
    answer = await peer.read()
    await check_that_it_goes_on(peer)
    return answer


def without(name: str) -> dict[str, Any]:
    """Return the fields of a good request without one."""
    return {key: value for key, value in FIELDS.items() if key != name}


# 6.1 REQUEST.


@row("6.1.correlation_id", "6.1.target", "6.1.message_type")
@pytest.mark.parametrize("wrong", [None, 5, ["r"]], ids=["null", "number", "array"])
@pytest.mark.parametrize("name", ["correlation_id", "target", "message_type"])
async def test_rule_6_1_three_strings_are_required(
    autojump_clock: MockClock, name: str, wrong: object
) -> None:
    """Without one, and with what is no string, the request cannot be parsed."""
    async with open_world() as w:
        missing = await ask_with(w, without(name))
        mistaken = await ask_with(w, FIELDS | {name: wrong})

        for kind, answer in (missing, mistaken):
            assert kind == ERROR
            assert answer["error_code"] == "SERIALIZATION_ERROR"
            assert answer["error"].startswith("Failed to parse envelope: ")
        assert w.service.values == []


@row("6.1.target")
async def test_rule_6_1_target_is_an_exact_name(autojump_clock: MockClock) -> None:
    """It may have parts; an actor's id is not one, nor is another spelling."""
    async with open_world() as w:
        w.runtime.ipc_expose("prices/alpha", w.handle)
        found = await ask_with(w, FIELDS | {"target": "prices/alpha"})
        others = [
            await ask_with(w, FIELDS | {"target": target})
            for target in (w.handle.id, "Service", "service ", "prices", "")
        ]

        assert found[0] == RESPONSE
        assert [body["error_code"] for _, body in others] == ["ACTOR_NOT_FOUND"] * 5


@row("6.1.message_type")
async def test_rule_6_1_message_type_is_a_registered_name(
    autojump_clock: MockClock,
) -> None:
    """The one that it is registered under, not that of the class."""
    async with open_world() as w:
        unknown = await ask_with(w, FIELDS | {"message_type": "PutValue"})
        w.runtime.ipc_registry.register(SetValue, "PutValue")
        known = await ask_with(w, FIELDS | {"message_type": "PutValue"})

        assert unknown[1]["error_code"] == "UNKNOWN_MESSAGE_TYPE"
        assert known[0] == RESPONSE


@row("6.1.payload")
async def test_rule_6_1_payload_may_be_null_and_is_not_optional(
    autojump_clock: MockClock,
) -> None:
    """Only a message without fields does without."""
    async with open_world() as w:
        absent = await ask_with(w, without("payload"))
        null = await ask_with(w, FIELDS | {"message_type": "GetValue", "payload": None})

        assert absent[1]["error_code"] == "SERIALIZATION_ERROR"
        assert null[0] == RESPONSE
        assert w.service.values == []


@row("6.1.expects_reply")
@pytest.mark.parametrize("more", [{}, {"expects_reply": False}])
async def test_rule_6_1_reply_is_not_expected_by_default(
    autojump_clock: MockClock, more: dict[str, bool]
) -> None:
    """Then the message is acknowledged."""
    async with open_world() as w:
        kind, answer = await ask_with(w, FIELDS | more)

        assert kind == RESPONSE
        assert answer["payload"] == {"status": "delivered"}


@row("6.1.expects_reply", "6.1.expects_stream")
@pytest.mark.parametrize("name", ["expects_reply", "expects_stream"])
@pytest.mark.parametrize("value", [None, 1, "true"], ids=["null", "number", "string"])
async def test_rule_6_1_flags_are_booleans(
    autojump_clock: MockClock, name: str, value: object
) -> None:
    """Nothing is taken for one."""
    async with open_world() as w:
        kind, answer = await ask_with(w, FIELDS | {name: value})

        assert (kind, answer["correlation_id"]) == (ERROR, "r")
        assert answer["error_code"] == "SERIALIZATION_ERROR"


@row("6.1.expects_stream")
async def test_rule_6_1_stream_wins_over_reply(autojump_clock: MockClock) -> None:
    """Where both are expected, items come."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request("t", "Tally", {"upto": 1}, target="a", expects_stream=True)
        bodies = await read_stream(peer)

        assert [each["is_final"] for each in bodies] == [False, True]
        assert bodies[0]["payload"] == {"n": 1}


@row("6.1.expects_stream")
async def test_rule_6_1_stream_is_not_expected_by_default(
    autojump_clock: MockClock,
) -> None:
    """What only streams has no reply to give."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request("t", "Tally", {"upto": 1}, target="a")
        kind, answer = await peer.read()

        assert (kind, answer["correlation_id"]) == (ERROR, "t")
        assert answer["error_code"] == "SERIALIZATION_ERROR"


@row("6.1.response_timeout_ms")
async def test_rule_6_1_time_is_30_seconds_by_default(
    autojump_clock: MockClock,
) -> None:
    """Counted from when the request came."""
    async with open_world() as w:
        answer = await w.peer().ask("Nap", {"seconds": 50})

        assert answer["error_code"] == "TIMEOUT"
        assert trio.current_time() == pytest.approx(30)


@row("6.1.response_timeout_ms")
async def test_rule_6_1_time_has_no_upper_limit(autojump_clock: MockClock) -> None:
    """None by default, that is."""
    async with open_world() as w:
        answer = await w.peer().ask(
            "Nap", {"seconds": 5000}, response_timeout_ms=2**53 - 1
        )

        assert answer["payload"] == 5000


@row("6.1.response_timeout_ms")
@pytest.mark.parametrize("value", [5000.0, 5.5, -1, None, "5", True])
async def test_rule_6_1_time_is_a_whole_number(
    autojump_clock: MockClock, value: object
) -> None:
    """Nothing is rounded, and nothing is taken for one."""
    async with open_world() as w:
        kind, answer = await ask_with(w, FIELDS | {"response_timeout_ms": value})

        assert (kind, answer["correlation_id"]) == (ERROR, "r")
        assert answer["error_code"] == "SERIALIZATION_ERROR"


@row("6.1.response_timeout_ms")
async def test_rule_6_1_message_without_time_is_answered_at_once(
    autojump_clock: MockClock,
) -> None:
    """Its deadline has passed when it comes, and so nobody handles it any more."""
    async with open_world() as w:
        answer = await w.peer().ask("Grind", {"seconds": 1}, response_timeout_ms=0)
        answered_at = trio.current_time()
        await trio.sleep(2)

        assert answer["error_code"] == "TIMEOUT"
        assert answered_at == 0
        assert w.service.log == []


@row("6.1.order")
async def test_rule_6_1_target_is_checked_before_type_and_payload(
    autojump_clock: MockClock,
) -> None:
    """Of several faults the first one in that order is told."""
    async with open_world() as w:
        peer = w.peer()
        codes = [
            (await peer.ask(message_type, 5, target=target))["error_code"]
            for target, message_type in [
                ("nobody", "Nothing"),
                ("service", "Nothing"),
                ("service", "SetValue"),
            ]
        ]

        assert codes == [
            "ACTOR_NOT_FOUND",
            "UNKNOWN_MESSAGE_TYPE",
            "SERIALIZATION_ERROR",
        ]


@row("6.1.order")
async def test_rule_6_1_payload_is_checked_before_the_mailbox(
    autojump_clock: MockClock,
) -> None:
    """A payload that cannot be decoded is one whether or not there is room."""
    async with open_world(mailbox_capacity=1) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.request("2", "GetValue", None)
        bad = await peer.ask("SetValue", {"value": "x"})
        good = await peer.ask("SetValue", {"value": 1})

        assert bad["error_code"] == "SERIALIZATION_ERROR"
        assert good["error_code"] == "TARGET_BUSY"


@row("6.1.order")
async def test_rule_6_1_draining_is_checked_before_all_else(
    autojump_clock: MockClock,
) -> None:
    """Before the rate, before the envelope, and each one was received."""
    async with open_world(BURST_OF_ONE) as w, trio.open_nursery() as nursery:
        busy, peer = w.peer(), w.peer()
        await busy.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        nursery.start_soon(w.listener.shutdown_gracefully)
        await wait_all_tasks_blocked()
        codes: list[str] = []
        for _ in range(2):
            await peer.write(frame(REQUEST, b"no JSON"))
            codes.append((await peer.answer())["error_code"])
        counted: Any = w.listener.statistics()

        assert codes == ["SHUTTING_DOWN"] * 2
        assert counted.messages_received == 3
        assert counted.shutdown_rejections == 2


@row("6.1.order")
async def test_rule_6_1_rate_is_checked_before_the_envelope(
    autojump_clock: MockClock,
) -> None:
    """A request that cannot be parsed costs what every request costs."""
    async with open_world(BURST_OF_ONE) as w:
        peer = w.peer()
        codes: list[str] = []
        for _ in range(2):
            await peer.write(frame(REQUEST, b"no JSON"))
            answer = await peer.answer()
            codes.append(answer["error_code"])

            assert answer["correlation_id"] == "unknown"
        counted: Any = w.listener.statistics()

        assert codes == ["SERIALIZATION_ERROR", "RATE_LIMITED"]
        assert counted.messages_received == 2
        assert counted.rate_limited == 1


REPLY = '{"correlation_id":"r1","success":true,"payload":{"value":7}}'  # 7.1
ACKNOWLEDGEMENT = (
    '{"correlation_id":"r1","success":true,"payload":{"status":"delivered"}}'
)


@row("6.1.bytes")
@pytest.mark.parametrize(
    ("request_in_hex", "answer"),
    [
        pytest.param(
            "000000920201017b22636f7272656c6174696f6e5f6964223a227231222c22746172676574"
            "223a2261222c226d6573736167655f74797065223a2250696e67222c227061796c6f616422"
            "3a6e756c6c2c22657870656374735f7265706c79223a66616c73652c22657870656374735f"
            "73747265616d223a66616c73652c22726573706f6e73655f74696d656f75745f6d73223a33"
            "303030307d",
            write_frame(RESPONSE, ACKNOWLEDGEMENT),
            id="fire and forget",
        ),
        pytest.param(
            "0000004901017b22636f7272656c6174696f6e5f6964223a227231222c2274617267657422"
            "3a2261222c226d6573736167655f74797065223a2250696e67222c227061796c6f6164223a"
            "6e756c6c7d",
            write_frame(RESPONSE, ACKNOWLEDGEMENT, version=1),
            id="the least of version 1",
        ),
        pytest.param(
            "0000006d02010287ae636f7272656c6174696f6e5f6964a27231a6746172676574a161ac6d"
            "6573736167655f74797065a450696e67a77061796c6f6164c0ad657870656374735f726570"
            "6c79c3ae657870656374735f73747265616dc2b3726573706f6e73655f74696d656f75745f"
            "6d73cd7530",
            bytes.fromhex(
                "0000002c02020283ae636f7272656c6174696f6e5f6964a27231a773756363657373c3"
                "a77061796c6f616481a576616c756507"
            ),
            id="MessagePack",
        ),
    ],
)
async def test_rule_6_1_examples_are_understood(
    autojump_clock: MockClock, request_in_hex: str, answer: bytes
) -> None:
    """Byte for byte, and so are the answers."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.write(bytes.fromhex(request_in_hex))
        data = await peer.read_bytes()
        await wait_all_tasks_blocked()

        assert data == answer
        assert o.clerk.pings == 1


# 6.2 SUBSCRIBE and UNSUBSCRIBE.


@row("6.2.fields")
@pytest.mark.parametrize("frame_type", [SUBSCRIBE, UNSUBSCRIBE])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"correlation_id": "s"}, id="no names"),
        pytest.param({"message_types": ["T"]}, id="no id"),
        pytest.param({"correlation_id": "s", "message_types": "T"}, id="a string"),
        pytest.param({"correlation_id": "s", "message_types": [5]}, id="a number"),
    ],
)
async def test_rule_6_2_both_fields_are_required(
    autojump_clock: MockClock, frame_type: int, body: dict[str, Any]
) -> None:
    """Without one there is an error, and nothing has changed."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "A")
        await peer.say(frame_type, body)
        kind, answer = await peer.read()
        still = await subscribe(peer)

        assert (kind, answer["success"]) == (ERROR, False)
        assert still["subscribed_types"] == ["A"]


@row("6.2.empty")
async def test_rule_6_2_no_names_mean_all_or_none(autojump_clock: MockClock) -> None:
    """Subscribing to none changes nothing, unsubscribing from none drops all."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "A", "B")
        same = await subscribe(peer)
        none = await subscribe(peer, frame_type=UNSUBSCRIBE)

        assert (same["success"], sorted(same["subscribed_types"])) == (True, ["A", "B"])
        assert (none["success"], none["subscribed_types"]) == (True, [])


@row("6.2.names")
async def test_rule_6_2_names_need_not_be_known(autojump_clock: MockClock) -> None:
    """Neither to the registry nor, when unsubscribing, to the connection."""
    async with open_world() as w:
        peer = w.peer()
        added = await subscribe(peer, "Nothing", "", "é")
        again = await subscribe(peer, "Nothing", "Nothing")
        less = await subscribe(peer, "Nothing", "Never", frame_type=UNSUBSCRIBE)
        again_less = await subscribe(peer, "Nothing", frame_type=UNSUBSCRIBE)
        sets = [sorted(each["subscribed_types"]) for each in (added, again)]
        after = [sorted(each["subscribed_types"]) for each in (less, again_less)]

        assert sets == [["", "Nothing", "é"]] * 2
        assert after == [["", "é"]] * 2


@row("6.2.bytes")
async def test_rule_6_2_examples_are_understood(autojump_clock: MockClock) -> None:
    """Byte for byte."""
    subscription = (
        "0000002d0206017b22636f7272656c6174696f6e5f6964223a227331222c226d6573736167655f"
        "7479706573223a5b2254225d7d"
    )
    reverse = (
        "0000002a0207017b22636f7272656c6174696f6e5f6964223a227531222c226d6573736167655f"
        "7479706573223a5b5d7d"
    )
    async with open_world() as w:
        peer = w.peer()
        await peer.write(bytes.fromhex(subscription))
        first = await peer.read()
        await peer.write(bytes.fromhex(reverse))
        second = await peer.read()

        assert [first, second] == [
            (
                RESPONSE,
                {"correlation_id": "s1", "success": True, "subscribed_types": ["T"]},
            ),
            (
                RESPONSE,
                {"correlation_id": "u1", "success": True, "subscribed_types": []},
            ),
        ]


# 6.3 DISCOVER.


@row("6.3.fields")
@pytest.mark.parametrize(
    ("wishes", "lists"),
    [
        pytest.param({}, {"actors", "message_types"}, id="by default"),
        pytest.param({"include_actors": False}, {"message_types"}, id="no actors"),
        pytest.param({"include_message_types": False}, {"actors"}, id="no types"),
        pytest.param(
            {"include_actors": False, "include_message_types": False},
            set[str](),
            id="neither",
        ),
        pytest.param(
            {"include_actors": True, "include_message_types": True},
            {"actors", "message_types"},
            id="both",
        ),
    ],
)
async def test_rule_6_3_everything_is_included_by_default(
    autojump_clock: MockClock, wishes: dict[str, bool], lists: set[str]
) -> None:
    """What is not wished for is left out."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"} | wishes)
        answer = await peer.answer()

        assert answer["success"] is True
        assert {"actors", "message_types"} & set(answer) == lists


@row("6.3.bytes")
async def test_rule_6_3_example_is_understood(autojump_clock: MockClock) -> None:
    """Byte for byte."""
    discovery = (
        "0000004a0208017b22636f7272656c6174696f6e5f6964223a226431222c22696e636c7564655f"
        "6163746f7273223a747275652c22696e636c7564655f6d6573736167655f7479706573223a7472"
        "75657d"
    )
    async with open_office() as o:
        peer = o.world.peer()
        await peer.write(bytes.fromhex(discovery))
        kind, answer = await peer.read()

        assert (kind, answer["correlation_id"]) == (RESPONSE, "d1")
        assert {each["name"] for each in answer["actors"]} == {"a", "service"}
        assert "Ping" in answer["message_types"]


# 6.4 HEARTBEAT.


@row("6.4.bytes")
@pytest.mark.parametrize("heartbeat", ["00000000020401", "000000020204017b7d"])
async def test_rule_6_4_examples_are_understood(
    autojump_clock: MockClock, heartbeat: str
) -> None:
    """With a payload or without, each is answered with one frame."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(bytes.fromhex(heartbeat) * 3)
        frames = [await peer.read() for _ in range(3)]
        await check_that_it_goes_on(peer)

        assert frames == [(HEARTBEAT, {})] * 3


@row("6.4.exempt")
async def test_rule_6_4_heartbeats_are_not_limited(autojump_clock: MockClock) -> None:
    """They cost nothing, and are served where requests are not."""
    async with open_world(BURST_OF_ONE) as w:
        peer = w.peer()
        for _ in range(5):
            await peer.say(HEARTBEAT, {})
        before = [await peer.read() for _ in range(5)]
        taken = await peer.ask("GetValue")
        refused = await peer.ask("GetValue")
        await peer.say(HEARTBEAT, {})
        after = await peer.read()

        assert before == [(HEARTBEAT, {})] * 5
        assert (taken["success"], refused["success"]) == (True, False)
        assert after == (HEARTBEAT, {})


@row("6.4.exempt")
async def test_rule_6_4_heartbeats_are_answered_while_draining(
    autojump_clock: MockClock,
) -> None:
    """The connection lives as long as its last request."""
    async with open_world() as w, trio.open_nursery() as nursery:
        peer = w.peer()
        await peer.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        nursery.start_soon(w.listener.shutdown_gracefully)
        await wait_all_tasks_blocked()
        await peer.say(HEARTBEAT, {})
        heartbeat = await peer.read()

        assert heartbeat == (HEARTBEAT, {})
        assert trio.current_time() == 0


@row("6.4.idle")
@pytest.mark.parametrize("what", ["heartbeat", "request", "discovery", "ignored"])
async def test_rule_6_4_any_frame_resets_the_idle_time(
    autojump_clock: MockClock, what: str
) -> None:
    """It is counted from the last one."""
    async with open_world() as w:
        peer = w.peer()
        await trio.sleep(50)
        if what == "heartbeat":
            await peer.say(HEARTBEAT, {})
            await peer.read()
        elif what == "request":
            await peer.ask("GetValue")
        elif what == "discovery":
            await peer.say(DISCOVER, {"correlation_id": "d"})
            await peer.read()
        else:
            await peer.say(STREAM, {})
        farewell = await peer.answer()

        assert farewell["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(110)


@row("6.4.initiative")
async def test_rule_6_4_server_sends_none_by_itself(autojump_clock: MockClock) -> None:
    """A client that is silent hears nothing until it is closed."""
    async with open_world() as w:
        peer = w.peer()
        first = await peer.answer()
        end = await peer.read_frame()

        assert first["error_code"] == "CONNECTION_CLOSED"
        assert end == END
        assert trio.current_time() == pytest.approx(60)
