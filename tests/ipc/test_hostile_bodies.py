"""Bodies that no honest client writes, in frames that are sound."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import (
    END,
    ERROR,
    JSON,
    MESSAGEPACK,
    REQUEST,
    RESPONSE,
    Peer,
    frame,
    open_world,
)

STREAM = 9

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits

GOOD: dict[str, Any] = {
    "correlation_id": "x",
    "target": "service",
    "message_type": "SetValue",
    "payload": {"value": 1},
}

# Half of a well-formed request, half anything.
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "correlation_id": st.just("x") | values,
        "target": st.sampled_from(["service", "x"]) | values,
        "message_type": st.sampled_from(["SetValue", "GetValue", "X"]) | values,
        "payload": st.just({"value": 1}) | values,
        "expects_reply": st.booleans() | values,
        "expects_stream": st.just(value=False) | values,
        "response_timeout_ms": st.integers(0, 100) | values,
        "headers": values,
    },
)


@pytest.mark.parametrize(
    ("payload", "cid"),
    [
        pytest.param(b"", "unknown", id="nothing"),
        pytest.param(b"\xc1", "unknown", id="the byte that is never used"),
        pytest.param(b"\x91" * 100_000 + b"\xc0", "unknown", id="100,000 deep"),
        pytest.param(b"\xdf\xff\xff\xff\xff", "unknown", id="a map of 4 billion"),
        pytest.param(b"\xdd\xff\xff\xff\xff", "unknown", id="an array of 4 billion"),
        pytest.param(b"\xdb\xff\xff\xff\xff", "unknown", id="a string of 4 GiB"),
        pytest.param(b"\xc6\xff\xff\xff\xff", "unknown", id="binary of 4 GiB"),
        pytest.param(b"\x81\x01\x02", "unknown", id="a number for a key"),
        pytest.param(b"\x94\xa1x\xa1x\xa1x\xc0", "unknown", id="an array of fields"),
        pytest.param(
            b"\x81\xaecorrelation_id\xa2\xff\xfe", "unknown", id="invalid UTF-8"
        ),
        pytest.param(
            b"\x81\xaecorrelation_id\xc4\x01x", "unknown", id="an id in binary"
        ),
        pytest.param(b"\x81\xaecorrelation_id\xa1x", "x", id="fields missing"),
        pytest.param(
            msgspec.msgpack.encode(GOOD | {"target": 5}), "x", id="wrong type"
        ),
        pytest.param(
            msgspec.msgpack.encode(GOOD) + b"\xc0", "unknown", id="something behind"
        ),
    ],
)
async def test_bad_messagepack_is_answered_in_messagepack(
    autojump_clock: MockClock, payload: bytes, cid: str
) -> None:
    """The id is saved where it can be, and the next request is served."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, payload, form=MESSAGEPACK))
        seen = await peer.read_frame()
        after = await peer.ask("GetValue")

        assert seen[:3] == (2, ERROR, MESSAGEPACK)
        assert seen.body["correlation_id"] in {cid, "x"}
        assert seen.body["error_code"] == "SERIALIZATION_ERROR"
        assert after["payload"] == {"value": 0}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(b'"payload":{"value":1},"expects_reply":null', id="null"),
        pytest.param(b'"payload":{"value":1},"expects_reply":1', id="number"),
        pytest.param(b'"payload":{"value":1}}}', id="something behind"),
        pytest.param(b'"payload":{"value":1', id="cut off"),
        pytest.param(b'"payload":{"value":01}', id="octal"),
        pytest.param(b'"payload":{"value":1e999}', id="infinity"),
        pytest.param(b'"payload":{"value":NaN}', id="no number"),
        pytest.param(b'"payload":{"value":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'"payload":{"value":"\\ud800"}', id="half a character"),
        pytest.param(b'"payload":{"value":' + b"9" * 5000 + b"}", id="5000 digits"),
        pytest.param(
            b'"payload":{"value":' + b'{"value":' * 100_000, id="100,000 deep"
        ),
        pytest.param(b'"payload":{"value":1},"headers":[]', id="headers in a list"),
    ],
)
async def test_bad_json_reaches_no_actor(
    autojump_clock: MockClock, change: bytes
) -> None:
    """The actor's state is what it was, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        body = (
            b'{"correlation_id":"x","target":"service","message_type":"SetValue",'
            + change
            + b"}"
        )
        await peer.write(frame(REQUEST, body))
        kind, answer = await peer.read()
        after = await peer.ask("GetValue")

        assert (kind, answer["error_code"]) == (ERROR, "SERIALIZATION_ERROR")
        assert answer["correlation_id"] in {"x", "unknown"}
        assert after["payload"] == {"value": 0}
        assert w.service.values == []


@pytest.mark.parametrize("field", ["correlation_id", "target", "message_type"])
async def test_half_a_character_in_a_name_is_answered(
    autojump_clock: MockClock, field: str
) -> None:
    """What cannot be written back is not echoed."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, json.dumps(GOOD | {field: "\ud800"}).encode()))
        kind, answer = await peer.read()
        after = await peer.ask("GetValue")

        assert (kind, answer["success"]) == (ERROR, False)
        assert after["success"]


@pytest.mark.parametrize("field", ["target", "message_type"])
async def test_name_that_fills_a_frame_is_answered(
    autojump_clock: MockClock, field: str
) -> None:
    """The refusal that names it would be larger than any frame."""
    limits = IpcLimits(max_message_size=16 * 1024 * 1024)
    async with open_world(IpcConfig(limits=limits)) as w:
        peer = w.peer()
        body = GOOD | {field: ""}
        room = 16 * 1024 * 1024 - len(json.dumps(body, separators=(",", ":")))
        data = json.dumps(body | {field: "x" * room}, separators=(",", ":")).encode()
        await peer.write(frame(REQUEST, data))
        kind, answer = await peer.read()
        after = await peer.ask("GetValue")

        assert (kind, answer["correlation_id"]) == (ERROR, "x")
        assert after["success"]


@pytest.mark.parametrize("version", [1, 2])
async def test_frame_of_the_largest_size_passes(
    autojump_clock: MockClock, version: int
) -> None:
    """The limit itself is allowed; one byte more is not."""
    async with open_world(IpcConfig(limits=IpcLimits(max_message_size=500))) as w:
        peer = w.peer()
        body = json.dumps(GOOD | {"expects_reply": False}).encode()
        await peer.write(frame(REQUEST, body.ljust(500), version))
        fits = await peer.answer()
        await peer.write(frame(REQUEST, body.ljust(501), version)[:7])
        with trio.fail_after(0.25):
            seen = await peer.read_frame()
            end = await peer.read_frame()

        assert fits["payload"] == {"status": "delivered"}
        assert (seen.version, seen.kind) == (version, ERROR)
        assert seen.body["error_code"] == "PROTOCOL_ERROR"
        assert seen.body["correlation_id"] == "unknown"
        assert end == END


async def test_fault_amid_good_frames_loses_no_answer(
    autojump_clock: MockClock,
) -> None:
    """What was asked before the fault in one go was asked."""
    async with open_world() as w:
        peer = w.peer()
        good = frame(REQUEST, json.dumps(GOOD | {"expects_reply": False}).encode())
        await peer.write(good * 3 + b"\0\0\0\0\x09")
        await peer.write(b"\x01\x01")
        seen = [await peer.read_frame() for _ in range(4)]

        kinds = sorted(each.kind for each in seen)
        assert kinds == [RESPONSE, RESPONSE, RESPONSE, ERROR]
        assert await peer.read_frame() == END
        assert w.service.values == [1, 1, 1]


async def test_header_is_judged_before_the_payload_comes(
    autojump_clock: MockClock,
) -> None:
    """Nobody has to send what will not be read, nor more than is needed."""
    heads = [b"\0\0\0\x09\xff\x01", b"\0\0\0\x09\x02\xff", b"\0\0\0\x09\x02\x01\xff"]
    async with open_world() as w:
        for head in heads:
            peer = w.peer()
            for byte in head:
                await peer.write(bytes([byte]))
                await wait_all_tasks_blocked()
            with trio.fail_after(0.25):
                kind, _ = await peer.read()

            assert kind == ERROR
            assert await peer.read_frame() == END


async def test_peer_at_fault_that_does_not_read_is_closed_soon(
    autojump_clock: MockClock,
) -> None:
    """A quarter of a second is spent on telling it why."""
    async with open_world() as w:
        deaf = Peer(w.door.connect_in_lockstep())
        await deaf.write(b"\xff" * 7)
        await trio.sleep(0.3)

        assert w.listener.statistics().connections_active == 0
        assert w.listener.statistics().errors == 1


async def test_floods_of_bad_bodies_cost_no_memory(autojump_clock: MockClock) -> None:
    """What is refused is forgotten."""
    async with open_world() as w:
        peer = w.peer()
        data = frame(REQUEST, b'{"correlation_id":"x","payload":"' + b"[" * 500_000)

        async def flood(times: int) -> None:
            for _ in range(times):
                await peer.write(data)
                await peer.read()

        await flood(3)
        tracemalloc.start()
        await flood(2)
        before, _ = tracemalloc.get_traced_memory()
        await flood(20)
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert after - before < 500_000
        assert peak - before < 5_000_000


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=bodies | values, form=st.sampled_from([JSON, MESSAGEPACK]))
async def test_every_body_is_answered_once(
    autojump_clock: MockClock, body: Any, form: int
) -> None:
    """Whatever a request says, it gets one answer, and the next is served."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(REQUEST, body, form=form)
        await wait_all_tasks_blocked()
        seen = await peer.read_frame()
        await peer.request("next", "Flush", None)
        after = await peer.answer()

        # Who expects a stream is told in one.
        assert seen.kind in {RESPONSE, ERROR, STREAM}
        assert seen.form == form
        if seen.kind != STREAM:
            assert seen.body["success"] is (seen.kind == RESPONSE)
        assert after["correlation_id"] == "next"
        assert after["success"]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(min_size=7, max_size=60), cuts=st.lists(st.integers(0, 60)))
async def test_bytes_get_answers_of_the_protocol_and_an_end(
    autojump_clock: MockClock, data: bytes, cuts: list[int]
) -> None:
    """Whatever comes and however it is cut: frames, then the end, then the next."""
    places = [0, *sorted(cuts), len(data)]
    async with open_world() as w:
        peer = w.peer()
        # The server may have closed at the first wrong byte.
        with suppress(trio.BrokenResourceError):
            for start, end in pairwise(places):
                if data[start:end]:
                    await peer.write(data[start:end])
            await peer.say_no_more()
        seen = await peer.read_frame()
        while seen != END:
            assert seen.kind in {RESPONSE, ERROR, 4}
            seen = await peer.read_frame()
        after = await w.peer().ask("GetValue")

        assert after["success"]
        assert (w.service.log, w.service.values) == ([], [])
