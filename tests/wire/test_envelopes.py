"""What bodies say, and how the answers to them are put together."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET, Raw

from acton_trio._base.errors import SerializationError
from acton_trio._base.formats import Format
from acton_trio._wire import envelopes
from acton_trio._wire.answers import ActorEntry, Capabilities
from acton_trio._wire.bodies import decode_body, encode_body, frame_type_of
from acton_trio._wire.codes import NO_REPLY_TEXT, ErrorCode
from acton_trio._wire.envelopes import (
    HEARTBEAT,
    Body,
    Discover,
    Push,
    Request,
    Response,
    StreamItem,
    Subscribe,
    Unsubscribe,
    is_request,
)
from acton_trio._wire.frames import Frame, FrameType
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.refusals import (
    access_refusal,
    connection_limit_refusal,
    idle_farewell,
    refusal_of,
)

ASK = Request("r1", "a", "Ping", Raw(b"null"), expects_reply=True)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
requests = st.builds(
    Request,
    texts,
    texts,
    texts,
    st.sampled_from([UNSET, Raw(b"null"), Raw(b'{"a":[1]}')]),
    st.booleans(),
    st.booleans(),
    st.just(UNSET) | st.integers(0, 2**64 - 1),
    st.just(UNSET) | st.dictionaries(texts, texts, max_size=3),
)


def written(body: Body, body_format: Format = Format.JSON) -> str:
    return encode_body(body, body_format).decode()


def read(frame_type: FrameType, payload: bytes) -> Body | Malformed:
    return decode_body(Frame(2, frame_type, Format.JSON, payload))


def reread(body: Body, body_format: Format = Format.JSON) -> Body | Malformed:
    payload = encode_body(body, body_format)
    return decode_body(Frame(2, frame_type_of(body), body_format, payload))


@given(requests)
def test_request_survives_the_wire(request: Request) -> None:
    """Every field arrives as it was sent, and absent ones stay absent."""
    assert reread(request) == request


@given(requests)
def test_request_survives_messagepack(request: Request) -> None:
    """The format changes the bytes, not what they say."""
    payload = UNSET if request.payload is UNSET else Raw(b"\xc0")
    request = msgspec.structs.replace(request, payload=payload)

    assert reread(request, Format.MESSAGEPACK) == request


def test_request_without_the_optional_fields() -> None:
    """What is missing is told apart from what has the default value."""
    body = b'{"correlation_id":"r1","target":"a","message_type":"Ping"}'
    request = read(FrameType.REQUEST, body)

    assert isinstance(request, Request)
    assert request.payload is UNSET
    assert request.response_timeout_ms is UNSET
    assert request.headers is UNSET
    assert not request.expects_reply
    assert not request.expects_stream


def test_request_whose_payload_is_null() -> None:
    """A payload of null is a payload."""
    assert reread(ASK) == ASK
    assert '"payload":null' in written(ASK)


def test_request_with_unknown_keys() -> None:
    """What a newer client adds is ignored."""
    request = read(FrameType.REQUEST, written(ASK).replace("{", '{"x":{},').encode())

    assert request == ASK


def test_optional_fields_of_a_request_follow_the_required_ones() -> None:
    """The order of keys is the reference's; our own come last."""
    request = Request(
        "r1", "a", "Ping", Raw(b"1"), response_timeout_ms=5, headers={"k": "v"}
    )

    assert written(request) == (
        '{"correlation_id":"r1","target":"a","message_type":"Ping","payload":1,'
        '"expects_reply":false,"expects_stream":false,"response_timeout_ms":5,'
        '"headers":{"k":"v"}}'
    )


@pytest.mark.parametrize("milliseconds", [-1, 2**64])
def test_request_with_an_impossible_timeout(milliseconds: int) -> None:
    """A timeout is what 64 bits without a sign can hold, on both sides."""
    with pytest.raises(ValueError, match="response_timeout_ms"):
        Request("r1", "a", "Ping", response_timeout_ms=milliseconds)


@pytest.mark.parametrize(
    ("body_format", "body"),
    [
        pytest.param(
            Format.JSON,
            b'{"correlation_id":"r1","success":true,"payload":{"status":"delivered"}}',
            id="JSON",
        ),
        pytest.param(
            Format.MESSAGEPACK,
            b"\x83\xaecorrelation_id\xa2r1\xa7success\xc3"
            b"\xa7payload\x81\xa6status\xa9delivered",
            id="MessagePack",
        ),
    ],
)
def test_acknowledgement(body_format: Format, body: bytes) -> None:
    """It says that the message is in the mailbox, in the request's format."""
    acknowledgement = ASK.acknowledgement(body_format)

    assert encode_body(acknowledgement, body_format) == body
    assert frame_type_of(acknowledgement) is FrameType.RESPONSE


def test_reply_that_is_null() -> None:
    """A reply of null is written, so that it is not taken for none."""
    reply = ASK.reply(Raw(b"null"))

    assert written(reply) == '{"correlation_id":"r1","success":true,"payload":null}'
    assert reread(reply) == reply


def test_reply_of_a_registered_type() -> None:
    """The name of its type comes after the fields that every client knows."""
    assert written(ASK.reply(Raw(b"7"), "Value")) == (
        '{"correlation_id":"r1","success":true,"payload":7,"message_type":"Value"}'
    )


def test_failure() -> None:
    """It is an ERROR frame with a code and a sentence."""
    failure = ASK.failure(ErrorCode.IO_ERROR, NO_REPLY_TEXT)

    assert frame_type_of(failure) is FrameType.ERROR
    assert written(failure) == (
        '{"correlation_id":"r1","success":false,"error":"I/O error: Response channel '
        'closed without receiving a response","error_code":"IO_ERROR"}'
    )


def test_failure_with_the_fields_of_a_rejection() -> None:
    """A rejection travels as itself: its type and its fields."""
    failure = ASK.failure(
        ErrorCode.REJECTED, "no", payload=Raw(b'{"left":0}'), message_type="OutOfStock"
    )

    assert reread(failure) == failure
    assert written(failure).endswith(
        '"payload":{"left":0},"message_type":"OutOfStock"}'
    )


def test_stream() -> None:
    """Its items count from 0, and its end says how many there were."""
    item = ASK.item(0, Raw(b"1"), "Value")
    failure = ASK.stream_failure(1, ErrorCode.TIMEOUT, "late")

    assert written(item) == (
        '{"correlation_id":"r1","sequence":0,"is_final":false,"payload":1,'
        '"message_type":"Value"}'
    )
    assert written(ASK.end(1)) == (
        '{"correlation_id":"r1","sequence":1,"is_final":true}'
    )
    assert written(failure) == (
        '{"correlation_id":"r1","sequence":1,"is_final":true,"error":"late",'
        '"error_code":"TIMEOUT"}'
    )


def test_item_that_does_not_say_whether_it_is_final() -> None:
    """Then it is not."""
    item = read(FrameType.STREAM, b'{"correlation_id":"r1","sequence":3}')

    assert item == StreamItem("r1", 3)


def test_error_that_ends_a_stream() -> None:
    """A plain error ends a stream as its own final item would."""
    failure = ASK.failure(ErrorCode.SHUTTING_DOWN, "gone", payload=Raw(b"1"))

    assert failure.as_final_item() == ASK.stream_failure(
        0, ErrorCode.SHUTTING_DOWN, "gone", payload=Raw(b"1")
    )


@pytest.mark.parametrize("kind", [Subscribe, Unsubscribe])
def test_answer_to_a_subscription(kind: type[Subscribe | Unsubscribe]) -> None:
    """It lists what is subscribed to now, even if that is nothing."""
    assert written(kind("s1", ("T",)).response([])) == (
        '{"correlation_id":"s1","success":true,"subscribed_types":[]}'
    )


def test_answer_to_a_discovery() -> None:
    """It has what was asked for, and always the versions."""
    everything = {
        "actors": [ActorEntry("a", "ern:x", ("Ping",))],
        "message_types": ["Ping"],
        "schemas": {"Ping": {"type": "null"}},
    }
    full = Discover("d1", include_schemas=True).response(
        actors=[ActorEntry("a", "ern:x", ("Ping",))],
        message_types=["Ping"],
        schemas={"Ping": {"type": "null"}},
    )
    plain = Discover("d1").response(schemas={"Ping": {}})
    bare = Discover("d1", include_actors=False, include_message_types=False).response()

    assert written(full).endswith(msgspec.json.encode(everything).decode()[1:])
    assert '"messagepack":true' in written(bare)
    assert '"cancel":true' in written(bare)
    assert plain.schemas is UNSET
    assert (plain.actors, plain.message_types) == ((), ())
    assert (bare.actors, bare.message_types) == (UNSET, UNSET)
    assert reread(full) == full


def test_discovery_of_one_thing() -> None:
    """Each wish is heard for itself."""
    actors = Discover("d1", include_message_types=False).response()
    types = Discover("d1", include_actors=False).response()

    assert (actors.actors, actors.message_types) == ((), UNSET)
    assert (types.actors, types.message_types) == (UNSET, ())


def test_server_that_does_not_say_whether_it_can_cancel() -> None:
    """A server older than cancelling cannot do it."""
    data = {"messagepack": True, "streaming": True, "push": True, "discovery": True}
    capabilities = msgspec.convert(data | {"new": True}, Capabilities)

    assert not capabilities.cancel


def test_push_after_lost_ones() -> None:
    """The loss is told with the next push, and not mentioned without one."""
    push = Push(
        notification_id="p1", message_type="T", payload=Raw(b"1"), timestamp_ms=0
    )
    lost = msgspec.structs.replace(push, dropped=3)

    assert written(push) == (
        '{"notification_id":"p1","message_type":"T","payload":1,"timestamp_ms":0}'
    )
    assert written(lost).endswith('"timestamp_ms":0,"dropped":3}')
    assert reread(lost) == lost


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[[["])
def test_body_of_a_heartbeat(payload: bytes) -> None:
    """Whatever it holds, it is a sign of life."""
    assert read(FrameType.HEARTBEAT, payload) is HEARTBEAT


def test_text_that_is_none() -> None:
    """A lone surrogate cannot be written, and the error says so."""
    with pytest.raises(SerializationError, match="surrogates not allowed"):
        written(ASK.failure(ErrorCode.HANDLER_FAILED, "\ud800"))


def test_refusal_at_the_limit() -> None:
    """The client learns the limit."""
    response = reread(connection_limit_refusal(7))
    assert isinstance(response, Response)
    refusal = refusal_of(response)

    assert refusal is not None
    assert (refusal.reason, refusal.limit) == ("CONNECTION_LIMIT_REACHED", 7)
    assert "(7 concurrent connections)" in refusal.detail


@pytest.mark.parametrize(
    "payload",
    [UNSET, Raw(b"null"), Raw(b"{}"), Raw(b'{"limit":"x"}'), Raw(b'"\xff"')],
)
def test_refusal_that_does_not_say_the_limit(payload: Raw) -> None:
    """It is a refusal all the same; the limit is 0."""
    response = msgspec.structs.replace(connection_limit_refusal(7), payload=payload)
    refusal = refusal_of(response)

    assert refusal is not None
    assert refusal.limit == 0


def test_refusal_for_another_reason() -> None:
    """It carries the server's code and words."""
    refusal = refusal_of(access_refusal("uid 7 may not connect"))

    assert refusal is not None
    assert (refusal.reason, refusal.limit) == ("ACCESS_DENIED", None)
    assert refusal.detail == "uid 7 may not connect"


def test_answer_that_is_no_refusal() -> None:
    """An error about something else refuses nothing."""
    assert refusal_of(idle_farewell()) is None
    assert refusal_of(ASK.failure(ErrorCode.CONNECTION_LIMIT_REACHED, "")) is None


class _Read(Request, frozen=True):
    """A request that somebody else has read."""


def test_request_is_told_from_all_other_bodies() -> None:
    """Also one of a class that is not known here."""
    assert {*typing.get_args(Body)} - envelopes._OTHERS == {Request}
    assert is_request(ASK)
    assert is_request(_Read("r1", "a", "Ping"))
    assert not is_request(HEARTBEAT)
