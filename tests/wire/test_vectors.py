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
from acton_trio._wire.codes import ErrorCode
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
from acton_trio._wire.events import NEED_DATA, Ignored, Received
from acton_trio._wire.faults import BadHeaderError
from acton_trio._wire.frames import FRAME_TYPES, FrameDecoder, FrameType
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.refusals import connection_limit_refusal, idle_farewell
from acton_trio._wire.states import SENDS, Role, State

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


class Vector(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    hex: str
    frame: Header
    body: dict[str, object]
    direction: str
    canonical: bool
    """Whether it is what we would write, too."""


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What no peer should send."""

    name: str
    hex: str
    direction: str
    answer: str | None
    """Name of the vector that is due as an answer; ``None`` if none is."""

    closes: bool
    """Whether it ends the connection."""


def load_vectors() -> list[Vector]:
    return msgspec.convert(
        [each for each in load_all() if "answer" not in each], list[Vector]
    )


def load_faults() -> list[Fault]:
    return msgspec.convert(
        [each for each in load_all() if "answer" in each], list[Fault]
    )


def load_all() -> list[dict[str, object]]:
    return msgspec.json.decode(VECTORS.read_bytes(), type=list[dict[str, object]])


def vector_named(name: str) -> Vector:
    (vector,) = [each for each in load_vectors() if each.name == name]
    return vector


every_vector = pytest.mark.parametrize(
    "vector", [pytest.param(each, id=each.name) for each in load_vectors()]
)
every_canonical_vector = pytest.mark.parametrize(
    "vector",
    [pytest.param(each, id=each.name) for each in load_vectors() if each.canonical],
)

every_fault = pytest.mark.parametrize(
    "fault", [pytest.param(each, id=each.name) for each in load_faults()]
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


@every_fault
def test_fault_is_answered_as_the_file_says(fault: Fault) -> None:
    """Byte for byte, or not at all; and the connection ends, or goes on."""
    (sender,) = SENDERS[fault.direction]
    connection = Connection(OTHER[sender])
    connection.receive_data(bytes.fromhex(fault.hex))
    written = answer_to_next(connection)

    expected = None if fault.answer is None else vector_named(fault.answer).hex
    assert written == expected
    assert connection.state is (State.BROKEN if fault.closes else State.OPEN)
    if not fault.closes:
        assert connection.next_event() is NEED_DATA


def answer_to_next(connection: Connection) -> str | None:
    """Return what is to be written, in hex, to what came and makes no sense."""
    try:
        event = connection.next_event()
    except BadHeaderError as error:
        # A client has nobody to tell it to.
        if connection.role is Role.CLIENT:
            return None
        return connection.send(error.hint, version=error.hint_version).hex()
    if isinstance(event, Ignored):
        return None
    assert isinstance(event, Malformed)
    answer = event.answer()
    if answer is None:
        return None
    return connection.send(answer, version=event.version, format=event.format).hex()


def test_vectors_cover_every_type_of_frame() -> None:
    """Each in every version and format that it may be written in."""
    json_only = {FrameType.HEARTBEAT, FrameType.PUSH}
    expected = {
        (version, kind, body_format)
        for version, kinds in FRAME_TYPES.items()
        for kind in kinds.values()
        for body_format in Format
        if body_format is Format.JSON or (version > 1 and kind not in json_only)
    }
    found = {
        (each.frame.version, each.frame.type, each.frame.format)
        for each in load_vectors()
        if each.canonical
    }

    assert found == expected


def test_vectors_cover_every_error_code() -> None:
    """There is an answer with each of them."""
    codes = {each.body.get("error_code") for each in load_vectors()}

    assert codes == {None, *ErrorCode}


def test_direction_of_a_vector_is_who_may_say_it() -> None:
    """What both may say is in the file as such."""
    for vector in load_vectors():
        roles = [role for role in Role if vector.frame.type in SENDS[role][State.OPEN]]

        assert SENDERS[vector.direction] == roles


def test_vector_of_the_refusal_is_what_a_full_server_says() -> None:
    """The refusal that we make is the one that every client knows."""
    vector = vector_named("the refusal of a connection that is one too many")

    assert Connection(Role.SERVER).send(connection_limit_refusal(1)).hex() == vector.hex


def test_vector_of_the_last_words_is_what_an_idle_peer_hears() -> None:
    """So are the words at the end of a silence."""
    vector = vector_named("the last words to a peer that was silent for too long")

    assert Connection(Role.SERVER).send(idle_farewell()).hex() == vector.hex


def test_vectors_are_plain_json() -> None:
    """Any language can read the file."""
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))

    assert len({each["name"] for each in vectors}) == len(vectors)
