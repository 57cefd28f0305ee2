"""The examples of the protocol's description, byte by byte, both ways.

They are kept in ``docs/wire-vectors.json``, for implementations in other
languages to test themselves with.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from acton_trio._base.formats import Format
from acton_trio._wire.bodies import frame_type_of
from acton_trio._wire.connection import Connection
from acton_trio._wire.envelopes import (
    HEARTBEAT,
    Body,
    Cancel,
    Discover,
    Push,
    Request,
    Response,
    StreamItem,
    Subscribe,
    Unsubscribe,
)
from acton_trio._wire.events import NEED_DATA, Received
from acton_trio._wire.frames import FrameDecoder, FrameType
from acton_trio._wire.refusals import connection_limit_refusal
from acton_trio._wire.states import Role

VECTORS = Path(__file__).parents[2] / "docs" / "wire-vectors.json"

STRUCTS: dict[FrameType, type[Body]] = {
    FrameType.REQUEST: Request,
    FrameType.RESPONSE: Response,
    FrameType.ERROR: Response,
    FrameType.PUSH: Push,
    FrameType.SUBSCRIBE: Subscribe,
    FrameType.UNSUBSCRIBE: Unsubscribe,
    FrameType.DISCOVER: Discover,
    FrameType.STREAM: StreamItem,
    FrameType.CANCEL: Cancel,
}

SENDERS = {
    "client to server": [Role.CLIENT],
    "server to client": [Role.SERVER],
    "both": [Role.CLIENT, Role.SERVER],
}
OTHER = {Role.CLIENT: Role.SERVER, Role.SERVER: Role.CLIENT}


class Header(msgspec.Struct):
    version: int
    type: FrameType
    format: Format


class Vector(msgspec.Struct):
    name: str
    hex: str
    frame: Header
    body: dict[str, object]
    direction: str
    canonical: bool
    """Whether it is what we would write, too."""


def load_vectors() -> list[Vector]:
    return msgspec.json.decode(VECTORS.read_bytes(), type=list[Vector])


every_vector = pytest.mark.parametrize(
    "vector", [pytest.param(each, id=each.name) for each in load_vectors()]
)
every_canonical_vector = pytest.mark.parametrize(
    "vector",
    [pytest.param(each, id=each.name) for each in load_vectors() if each.canonical],
)


def build(vector: Vector) -> Body:
    """Make the body out of its plain data, without reading any bytes."""
    if vector.frame.type is FrameType.HEARTBEAT:
        return HEARTBEAT
    fields = dict(vector.body)
    if "payload" in fields:
        fields["payload"] = encode_payload(fields["payload"], vector.frame.format)
    return msgspec.convert(fields, STRUCTS[vector.frame.type])


def encode_payload(payload: object, body_format: Format) -> Raw:
    if body_format is Format.JSON:
        return Raw(msgspec.json.encode(payload))
    return Raw(msgspec.msgpack.encode(payload))


@every_vector
def test_header_of_a_vector(vector: Vector) -> None:
    """The header says what the description says of it."""
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(vector.hex))
    frame = decoder.next_frame()

    assert frame is not None
    assert (frame.version, frame.type, frame.format) == (
        vector.frame.version,
        vector.frame.type,
        vector.frame.format,
    )
    assert decoder.buffered == 0


@every_vector
def test_vector_is_read_as_its_body(vector: Vector) -> None:
    """Whoever it is for understands it."""
    for sender in SENDERS[vector.direction]:
        connection = Connection(OTHER[sender])
        connection.receive_data(bytes.fromhex(vector.hex))

        assert connection.next_event() == Received(
            build(vector), vector.frame.version, vector.frame.format
        )
        assert connection.next_event() is NEED_DATA


@every_canonical_vector
def test_body_is_written_as_its_vector(vector: Vector) -> None:
    """What we write is the same to the last byte."""
    body = build(vector)
    for sender in SENDERS[vector.direction]:
        written = Connection(sender).send(
            body, version=vector.frame.version, format=vector.frame.format
        )

        assert written.hex() == vector.hex
        assert frame_type_of(body) is vector.frame.type


def test_vectors_cover_every_type_of_frame() -> None:
    """Nothing of the protocol is without an example."""
    assert {each.frame.type for each in load_vectors()} == set(FrameType)


def test_vector_of_the_refusal_is_what_a_full_server_says() -> None:
    """The refusal that we make is the one of the reference."""
    name = "the refusal of a connection that is one too many"
    (vector,) = [each for each in load_vectors() if each.name == name]

    assert Connection(Role.SERVER).send(connection_limit_refusal(1)).hex() == vector.hex


def test_vectors_are_plain_json() -> None:
    """Any language can read the file."""
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))

    assert len({each["name"] for each in vectors}) == len(vectors)
