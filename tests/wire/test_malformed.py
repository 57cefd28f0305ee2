"""Bodies that make no sense, and what their askers are told."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET

from acton_trio._base.formats import Format
from acton_trio._wire.bodies import decode_body
from acton_trio._wire.envelopes import Request
from acton_trio._wire.frames import Frame, FrameType
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.salvage import salvage_correlation_id

DEEP = b"[" * 100_000 + b"]" * 100_000
GOOD = b'{"correlation_id":"r1","target":"a","message_type":"Ping"}'
MESSAGEPACK_ID = b"\xaecorrelation_id"


def read(
    payload: bytes,
    frame_type: FrameType = FrameType.REQUEST,
    body_format: Format = Format.JSON,
    version: int = 2,
) -> object:
    return decode_body(Frame(version, frame_type, body_format, payload))


def malformed(
    payload: bytes,
    frame_type: FrameType = FrameType.REQUEST,
    body_format: Format = Format.JSON,
    version: int = 2,
) -> Malformed:
    found = read(payload, frame_type, body_format, version)
    assert isinstance(found, Malformed)
    return found


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"null", id="null"),
        pytest.param(b'["correlation_id"]', id="an array"),
        pytest.param(GOOD + b"x", id="trailing bytes"),
        pytest.param(GOOD.replace(b'"r1"', b"null"), id="an id of null"),
        pytest.param(GOOD.replace(b'"r1"', b"7"), id="a number for an id"),
        pytest.param(GOOD.replace(b"r1", b"\xff"), id="an id that is no text"),
        pytest.param(GOOD.replace(b"r1", rb"\ud800"), id="half a character"),
        pytest.param(GOOD.replace(b'"correlation_id":"r1",', b""), id="no id"),
        pytest.param(DEEP, id="deep nesting"),
        pytest.param(b'{"x":' + DEEP + b"}", id="deep nesting and no id"),
    ],
)
def test_body_without_a_usable_id(body: bytes) -> None:
    """Its asker is called ``unknown``."""
    assert malformed(body).correlation_id == "unknown"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((b'"a"', b"5"), id="number for a target"),
        pytest.param((b',"target":"a"', b""), id="no target"),
        pytest.param((b'"a"', b'"\xff"'), id="target that is no text"),
        pytest.param((b"}", b',"expects_reply":null}'), id="null for a bool"),
        pytest.param((b"}", b',"response_timeout_ms":5000.0}'), id="fraction"),
        pytest.param((b"}", b',"response_timeout_ms":-1}'), id="negative"),
        pytest.param(
            (b"}", b',"response_timeout_ms":18446744073709551616}'), id="65 bits"
        ),
        pytest.param(
            (b"}", b',"response_timeout_ms":' + b"9" * 5000 + b"}"), id="5000 digits"
        ),
        pytest.param((b"}", b',"headers":{"a":1}}'), id="header that is no text"),
        pytest.param((b"}", b',"payload":' + DEEP + b"}"), id="deep nesting"),
    ],
)
def test_body_with_a_usable_id(change: tuple[bytes, bytes]) -> None:
    """Its asker is told, whatever else is wrong."""
    found = malformed(GOOD.replace(*change))

    assert found.correlation_id == "r1"
    assert found.code == "SERIALIZATION_ERROR"


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(b"\x82" + MESSAGEPACK_ID + b"\xa2r1", id="short id"),
        pytest.param(b"\xde\x00\x02" + MESSAGEPACK_ID + b"\xd9\x02r1", id="8 bits"),
        pytest.param(
            b"\xdf\x00\x00\x00\x02" + MESSAGEPACK_ID + b"\xda\x00\x02r1", id="16 bits"
        ),
    ],
)
def test_deep_nesting_in_messagepack(opening: bytes) -> None:
    """An id at the beginning is found in either format."""
    body = opening + b"\xa7payload" + b"\x91" * 100_000 + b"\xc0"
    found = malformed(body, body_format=Format.MESSAGEPACK)

    assert found.correlation_id == "r1"
    assert found.detail == "nested too deeply"


@pytest.mark.parametrize("size", [0, 1, 16, 31, 32, 255, 256, 1024])
def test_deep_nesting_after_an_id_of_any_size(size: int) -> None:
    """The three ways in which MessagePack writes a length are all known."""
    written = msgspec.msgpack.encode("x" * size)
    body = b"\x82" + MESSAGEPACK_ID + written + b"\xa1y" + b"\x91" * 100_000

    assert salvage_correlation_id(body, Format.MESSAGEPACK) == "x" * size


def test_deep_nesting_in_messagepack_without_an_id() -> None:
    """An id that is not at the beginning is not looked for."""
    body = b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0"

    assert malformed(body, body_format=Format.MESSAGEPACK).correlation_id == "unknown"


@pytest.mark.parametrize(
    "correlation_id",
    [
        pytest.param("x" * 1024, id="ASCII"),
        pytest.param("é" * 512, id="two bytes each"),
        pytest.param("𝄞" * 256, id="four bytes each"),
        pytest.param("", id="empty"),
        pytest.param("\0", id="NUL"),
    ],
)
@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "plain"])
def test_id_as_long_as_allowed(correlation_id: str, *, escaped: bool) -> None:
    """Any string of up to 1024 bytes is an id, however it is written."""
    body = {"correlation_id": correlation_id, "target": "a", "message_type": "P"}
    found = read(json.dumps(body, ensure_ascii=escaped).encode())

    assert found == Request(correlation_id, "a", "P")


@pytest.mark.parametrize("correlation_id", ["x" * 1025, "é" * 513, "𝄞" * 257])
def test_id_that_is_too_long(correlation_id: str) -> None:
    """It is an error of its own kind, and is not repeated."""
    body = {"correlation_id": correlation_id, "target": "a", "message_type": "P"}
    found = malformed(json.dumps(body).encode())

    assert found.code == "PROTOCOL_ERROR"
    assert found.correlation_id == "unknown"


def test_id_that_is_too_long_in_a_bad_body() -> None:
    """It is not repeated either."""
    body = json.dumps({"correlation_id": "x" * 1025}).encode()

    assert malformed(body).correlation_id == "unknown"


def test_stream_asked_for_in_version_1() -> None:
    """Version 1 has no frames to answer it with, so the asker is told."""
    body = GOOD.replace(b"}", b',"expects_stream":true}')
    found = malformed(body, version=1)

    assert isinstance(read(body), Request)
    assert isinstance(read(GOOD, version=1), Request)
    assert found.correlation_id == "r1"
    assert found.code == "PROTOCOL_ERROR"
    assert found.version == 1


def test_answer_to_a_malformed_request() -> None:
    """It has the reference's words."""
    answer = malformed(b'{"correlation_id":"r1"}').answer()

    assert answer is not None
    assert answer.correlation_id == "r1"
    assert answer.error_code == "SERIALIZATION_ERROR"
    assert answer.subscribed_types is UNSET
    assert answer.error == (
        "Failed to parse envelope: Serialization error: "
        "Object missing required field `target`"
    )


@pytest.mark.parametrize("kind", [FrameType.SUBSCRIBE, FrameType.UNSUBSCRIBE])
def test_answer_to_a_malformed_subscription(kind: FrameType) -> None:
    """It has no code, and says that nothing is subscribed to."""
    answer = malformed(b'{"correlation_id":"s1"}', kind).answer()

    assert answer is not None
    assert answer.error == (
        "Parse error: Object missing required field `message_types`"
    )
    assert answer.error_code is UNSET
    assert answer.subscribed_types == ()


def test_answer_to_a_malformed_discovery() -> None:
    """It has no code."""
    answer = malformed(b"[]", FrameType.DISCOVER).answer()

    assert answer is not None
    assert answer.error == "Parse error: Expected `object`, got `array`"
    assert answer.error_code is UNSET
    assert answer.subscribed_types is UNSET


@pytest.mark.parametrize(
    "kind",
    [FrameType.REQUEST, FrameType.SUBSCRIBE, FrameType.DISCOVER],
    ids=lambda kind: kind.name,
)
def test_answer_to_an_id_that_is_too_long(kind: FrameType) -> None:
    """It says that the protocol forbids it, whatever was asked."""
    body: dict[str, object] = {
        "correlation_id": "x" * 1025,
        "target": "a",
        "message_type": "P",
        "message_types": [],
    }
    answer = malformed(json.dumps(body).encode(), kind).answer()

    assert answer is not None
    assert answer.error_code == "PROTOCOL_ERROR"
    assert answer.error == (
        "Protocol error: correlation id exceeds the limit of 1024 bytes"
    )


@pytest.mark.parametrize(
    "kind",
    [FrameType.CANCEL, FrameType.RESPONSE, FrameType.PUSH, FrameType.STREAM],
    ids=lambda kind: kind.name,
)
def test_malformed_body_that_asks_nothing(kind: FrameType) -> None:
    """It has no answer."""
    assert malformed(b"[]", kind).answer() is None


@given(st.binary(), st.sampled_from(FrameType), st.sampled_from(Format))
def test_any_bytes_are_read_or_malformed(
    payload: bytes, kind: FrameType, body_format: Format
) -> None:
    """No body makes reading fail, and every finding can be answered."""
    found = read(payload, kind, body_format)
    if isinstance(found, Malformed):
        found.answer()


@given(st.binary(), st.sampled_from(Format))
def test_salvage_of_any_bytes(body: bytes, body_format: Format) -> None:
    """No body makes salvaging fail, not even one that begins well."""
    opening = {
        Format.JSON: b'{"correlation_id":"',
        Format.MESSAGEPACK: b"\x82" + MESSAGEPACK_ID,
    }
    for each in (body, opening[body_format] + body, opening[body_format] + body + DEEP):
        found = salvage_correlation_id(each, body_format)

        assert found is None or len(found.encode()) <= 1024
