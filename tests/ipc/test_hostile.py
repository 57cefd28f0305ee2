"""Bad input: each gets its answer, and nobody else notices."""

from __future__ import annotations

import tracemalloc

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from .peers import open_world

pytestmark = pytest.mark.usefixtures("each_transport")

JSON_DEEP = b'{"correlation_id":"deep","payload":' + b"[" * 100_000


def framed(
    payload: bytes, frame_type: int = 1, version: int = 2, form: int = 1
) -> bytes:
    """Return *payload* behind a header."""
    head = len(payload).to_bytes(4, "big") + bytes([version, frame_type])
    return head + (bytes([form]) if version == 2 else b"") + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(
            b"GET / HTTP/1.1\r\n\r\n", "UNSUPPORTED_PROTOCOL_VERSION", id="garbage"
        ),
        pytest.param(b"\xff" * 7, "UNSUPPORTED_PROTOCOL_VERSION", id="all ones"),
        pytest.param(
            framed(b"{}", version=3), "UNSUPPORTED_PROTOCOL_VERSION", id="version"
        ),
        pytest.param(framed(b"{}", frame_type=99), "PROTOCOL_ERROR", id="type"),
        pytest.param(
            framed(b"{}", frame_type=6, version=1), "PROTOCOL_ERROR", id="v1 type"
        ),
        pytest.param(framed(b"{}", form=9), "PROTOCOL_ERROR", id="format"),
        pytest.param(b"\xff\xff\xff\xff\x02\x01\x01", "PROTOCOL_ERROR", id="4 GiB"),
    ],
)
async def test_bad_header_is_answered_and_ends_its_connection(
    autojump_clock: MockClock, data: bytes, code: str
) -> None:
    """The peer hears why before it is closed; the others go on."""
    async with open_world() as w:
        bad, good = w.peer(), w.peer()
        await bad.write(data)
        kind, answer = await bad.read()
        await good.request("r", "GetValue", {})
        _, reply = await good.read()

        assert (kind, answer["correlation_id"]) == (3, "unknown")
        assert answer["error_code"] == code
        assert await bad.read() == (0, None)
        assert reply["success"]
        assert w.listener.statistics().errors == 1
        assert w.service.log == []


@pytest.mark.parametrize(
    ("payload", "cid"),
    [
        pytest.param(b"", "unknown", id="nothing"),
        pytest.param(b"not json", "unknown", id="no JSON"),
        pytest.param(b'{"correlation_id":"x"', "unknown", id="cut off"),
        pytest.param(b'{"correlation_id":"\xff\xfe"}', "unknown", id="invalid UTF-8"),
        pytest.param(b"[1,2]", "unknown", id="an array"),
        pytest.param(b'{"correlation_id":"x"}', "x", id="fields missing"),
        pytest.param(b'{"correlation_id":"x","target":5}', "x", id="wrong type"),
        pytest.param(JSON_DEEP, "deep", id="100,000 deep"),
    ],
)
async def test_bad_body_is_answered_and_the_connection_goes_on(
    autojump_clock: MockClock, payload: bytes, cid: str
) -> None:
    """The id is saved where it can be, and the next request is served."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(framed(payload))
        _, answer = await peer.read()
        await peer.request("next", "GetValue", {})
        _, reply = await peer.read()

        assert (answer["correlation_id"], answer["success"]) == (cid, False)
        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert reply["success"]


async def test_payload_nested_too_deep_reaches_no_actor(
    autojump_clock: MockClock,
) -> None:
    """A well-formed body can hold a hostile payload."""
    async with open_world() as w:
        peer = w.peer()
        deep = b'{"value":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
        body = (
            b'{"correlation_id":"r","target":"service","message_type":"SetValue",'
            b'"payload":' + deep + b"}"
        )
        await peer.write(framed(body))
        _, answer = await peer.read()

        assert answer["error_code"] == "SERIALIZATION_ERROR"


async def test_absurd_announcement_costs_no_memory(autojump_clock: MockClock) -> None:
    """Memory stays flat however much is announced."""
    async with open_world() as w:
        tracemalloc.start()
        for _ in range(20):
            peer = w.peer()
            await peer.write(b"\xff\xff\xff\xff\x02\x01\x01" + b"x" * 1000)
            await peer.read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 5_000_000


async def test_truncated_frame_ends_quietly(autojump_clock: MockClock) -> None:
    """A peer that leaves amid a frame leaves nothing behind."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(framed(b"{}")[:5])
        await peer.stream.aclose()
        await wait_all_tasks_blocked()

        assert w.listener.statistics().connections_active == 0


async def test_answers_to_the_server_are_ignored(autojump_clock: MockClock) -> None:
    """What only a server may say is read, and dropped."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(framed(b"{}", frame_type=2) + framed(b"{}", frame_type=9))
        await peer.request("r", "GetValue", {})

        assert (await peer.read())[1]["correlation_id"] == "r"


async def test_overlong_id_is_refused_and_the_connection_goes_on(
    autojump_clock: MockClock,
) -> None:
    """Up to 1024 bytes of any text come back; more is a violation."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("é" * 512, "GetValue", {})
        _, fits = await peer.read()
        await peer.request("x" * 1025, "GetValue", {})
        _, refused = await peer.read()

        assert fits["correlation_id"] == "é" * 512
        assert refused["error_code"] == "PROTOCOL_ERROR"


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=200))
async def test_no_bytes_hurt_anybody_else(
    autojump_clock: MockClock, data: bytes
) -> None:
    """Whatever one connection says, the next one is served."""
    async with open_world() as w:
        bad = w.peer()
        with trio.move_on_after(1):
            await bad.write(data)
            await bad.say_no_more()
        good = w.peer()
        await good.request("r", "GetValue", {})

        assert (await good.read())[1]["success"]
