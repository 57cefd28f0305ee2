"""Both sides of a connection, talking to each other and to strangers."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from acton_trio._base.errors import LocalProtocolError
from acton_trio._base.formats import Format
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
from acton_trio._wire.events import (
    NEED_DATA,
    ConnectionClosed,
    Event,
    Ignored,
    Received,
)
from acton_trio._wire.faults import (
    BadFrameTypeError,
    BadHeaderError,
    FrameTooLargeError,
    UnsupportedVersionError,
)
from acton_trio._wire.frames import FRAME_TYPES, FrameType, encode_frame
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.states import RECEIVES, SENDS, TRANSITIONS, Role, State, Trigger

ASK = Request("r1", "a", "Ping", Raw(b"null"), expects_reply=True)
PUSH = Push(notification_id="p1", message_type="T", payload=Raw(b"1"), timestamp_ms=1)
QUESTIONS: list[Body] = [
    ASK,
    HEARTBEAT,
    Subscribe("s1", ("T",)),
    Unsubscribe("s2", ()),
    Discover("d1"),
    Cancel("r1"),
]
ANSWERS: list[Body] = [
    ASK.reply(Raw(b"7")),
    ASK.failure("TIMEOUT", "late"),
    HEARTBEAT,
    PUSH,
    ASK.item(0, Raw(b"1")),
]
HEARTBEAT_BYTES = bytes.fromhex("000000020204017b7d")
BAD_VERSION = bytes.fromhex("00000000ff04")

# Every byte string is a stream, but few of them come far: most of these do.
streams = st.lists(
    st.binary(max_size=12)
    | st.sampled_from([HEARTBEAT_BYTES, BAD_VERSION])
    | st.builds(
        encode_frame,
        st.sampled_from(sorted(FRAME_TYPES[1].values())),
        st.binary(max_size=20) | st.just(b'{"correlation_id":"r1"}'),
        version=st.sampled_from([1, 2]),
    )
).map(b"".join)


@attrs.define
class ConnectionPair:
    """A client and a server; what one sends, the other has to agree with."""

    client: Connection = attrs.field(factory=lambda: Connection(Role.CLIENT))
    server: Connection = attrs.field(factory=lambda: Connection(Role.SERVER))

    def send(
        self,
        sender: Role,
        *bodies: Body,
        version: int = 2,
        format: Format = Format.JSON,  # noqa: A002 - the protocol's word
    ) -> None:
        """Send *bodies* in one go, and see that just these come out."""
        ours, theirs = self.client, self.server
        if sender is Role.SERVER:
            ours, theirs = theirs, ours
        sent = [ours.send(each, version=version, format=format) for each in bodies]
        theirs.receive_data(b"".join(sent))

        assert drain(theirs) == [Received(each, version, format) for each in bodies]
        assert ours.state is theirs.state is State.OPEN


def drain(connection: Connection) -> list[Event]:
    """Take the events that there are, up to the end of the connection."""
    events: list[Event] = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
        if isinstance(event, ConnectionClosed):
            break
    return events


def listen(role: Role, chunks: list[bytes]) -> list[object]:
    """Return everything that can be seen of a connection given *chunks*."""
    connection = Connection(role, max_message_size=50)
    seen: list[object] = []
    try:
        for chunk in chunks:
            connection.receive_data(chunk)
            while (event := connection.next_event()) is not NEED_DATA:
                seen.append(event)
                if isinstance(event, ConnectionClosed):
                    break

            assert connection.buffered < 7 + 50
    except BadHeaderError as fault:
        seen.append((type(fault), str(fault)))
    return [*seen, connection.state]


def each_byte(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def broken_server() -> Connection:
    server = Connection(Role.SERVER)
    server.receive_data(BAD_VERSION)
    with pytest.raises(UnsupportedVersionError):
        server.next_event()
    return server


def test_everything_a_client_says() -> None:
    """The server understands all of it, in the order it was said."""
    ConnectionPair().send(Role.CLIENT, *QUESTIONS)


def test_everything_a_server_says() -> None:
    """The client understands all of it, in the order it was said."""
    ConnectionPair().send(Role.SERVER, *ANSWERS)


def test_conversation_in_messagepack() -> None:
    """The answer comes in the format of the question."""
    pair = ConnectionPair()
    ask = Request("r1", "a", "Ping", Raw(b"\xc0"))

    pair.send(Role.CLIENT, ask, format=Format.MESSAGEPACK)
    pair.send(
        Role.SERVER,
        ask.acknowledgement(Format.MESSAGEPACK),
        format=Format.MESSAGEPACK,
    )


def test_conversation_in_version_1() -> None:
    """The answer comes in the version of the question."""
    pair = ConnectionPair()

    pair.send(Role.CLIENT, ASK, HEARTBEAT, version=1)
    pair.send(Role.SERVER, ASK.reply(Raw(b"7")), HEARTBEAT, version=1)


def test_versions_and_formats_may_be_mixed() -> None:
    """They belong to a frame, not to the connection."""
    pair = ConnectionPair()

    pair.send(Role.CLIENT, ASK, version=1)
    pair.send(Role.CLIENT, Cancel("r1"), format=Format.MESSAGEPACK)
    pair.send(Role.CLIENT, ASK)


@given(streams, st.sampled_from(Role), st.sampled_from([[], [b""]]))
def test_events_survive_any_chunking(
    stream: bytes, role: Role, end: list[bytes]
) -> None:
    """Bytes one by one mean the same as all of them at once."""
    # An empty chunk would be the end of the stream.
    whole = [stream] if stream else []

    assert listen(role, each_byte(stream) + end) == listen(role, whole + end)


@given(st.lists(st.binary(min_size=1)), st.sampled_from(Role))
def test_garbage_breaks_nothing_of_ours(chunks: list[bytes], role: Role) -> None:
    """Whatever a stranger sends, there are events, or one kind of error."""
    listen(role, [*chunks, b""])


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("frame_type", FrameType, ids=lambda each: each.name)
def test_frames_from_the_wrong_side(role: Role, frame_type: FrameType) -> None:
    """They are dropped unread, and the connection goes on."""
    connection = Connection(role)
    connection.receive_data(encode_frame(frame_type, b"\xff") + HEARTBEAT_BYTES)
    event, *rest = drain(connection)

    assert (event == Ignored(frame_type)) == (frame_type not in RECEIVES[role])
    assert rest == [Received(HEARTBEAT, 2, Format.JSON)]


@pytest.mark.parametrize(
    "body", ANSWERS[:2] + ANSWERS[3:], ids=lambda b: type(b).__name__
)
def test_client_that_wants_to_answer(body: Body) -> None:
    """A client only asks."""
    with pytest.raises(LocalProtocolError, match=r"a client .* may send .* not"):
        Connection(Role.CLIENT).send(body)


@pytest.mark.parametrize(
    "body", QUESTIONS[:1] + QUESTIONS[2:], ids=lambda b: type(b).__name__
)
def test_server_that_wants_to_ask(body: Body) -> None:
    """A server only answers."""
    with pytest.raises(LocalProtocolError, match=r"a server .* may send .* not"):
        Connection(Role.SERVER).send(body)


@pytest.mark.parametrize(
    ("role", "body", "version", "body_format"),
    [
        pytest.param(Role.CLIENT, Cancel("r1"), 1, Format.JSON, id="cancel in 1"),
        pytest.param(Role.SERVER, PUSH, 1, Format.JSON, id="push in 1"),
        pytest.param(Role.SERVER, ASK.end(0), 1, Format.JSON, id="stream in 1"),
        pytest.param(Role.SERVER, PUSH, 2, Format.MESSAGEPACK, id="binary push"),
        pytest.param(Role.CLIENT, ASK, 1, Format.MESSAGEPACK, id="MessagePack in 1"),
        pytest.param(Role.CLIENT, ASK, 3, Format.JSON, id="version 3"),
    ],
)
def test_body_in_a_version_or_format_that_has_it_not(
    role: Role, body: Body, version: int, body_format: Format
) -> None:
    """It is refused before a byte of it is written."""
    connection = Connection(role)
    with pytest.raises(LocalProtocolError):
        connection.send(body, version=version, format=body_format)

    assert connection.state is State.OPEN


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_heartbeat_is_json_in_any_case(role: Role) -> None:
    """Some peers read nothing else, and none needs anything else."""
    sent = Connection(role).send(HEARTBEAT, format=Format.MESSAGEPACK)

    assert sent == HEARTBEAT_BYTES
    assert Connection(role).send(HEARTBEAT, version=1).hex() == "0000000201047b7d"


def test_body_larger_than_the_server_accepts() -> None:
    """The server gives up at the header, without waiting for the body."""
    server = Connection(Role.SERVER, max_message_size=10)
    server.receive_data(Connection(Role.CLIENT).send(ASK)[:7])

    with pytest.raises(FrameTooLargeError):
        server.next_event()


def test_default_limits() -> None:
    """A client accepts what only a client has asked for."""
    header = (2 * 1024 * 1024).to_bytes(4, "big") + b"\x02\x04\x01"
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    for each in (client, server):
        each.receive_data(header)

    assert client.next_event() is NEED_DATA
    with pytest.raises(FrameTooLargeError, match="the limit of 1048576"):
        server.next_event()


def test_broken_connection_says_its_last_words() -> None:
    """An ERROR frame tells the peer why; after that nothing is said."""
    server, client = broken_server(), Connection(Role.CLIENT)
    with pytest.raises(UnsupportedVersionError) as caught:
        server.next_event()
    fault = caught.value
    client.receive_data(server.send(fault.hint, version=fault.hint_version))

    assert server.state is State.BROKEN
    assert drain(client) == [Received(fault.hint, 2, Format.JSON)]
    with pytest.raises(LocalProtocolError, match="is broken may send ERROR, not"):
        server.send(ASK.reply(Raw(b"1")))


def test_fault_in_version_1_is_answered_in_version_1() -> None:
    """The peer can read why it was cut off."""
    server = Connection(Role.SERVER)
    server.receive_data(bytes.fromhex("000000000105"))
    with pytest.raises(BadFrameTypeError) as caught:
        server.next_event()
    fault = caught.value

    assert server.send(fault.hint, version=fault.hint_version)[4] == 1


def test_broken_connection_takes_no_more_in() -> None:
    """What comes after a fault is neither read nor kept."""
    server = broken_server()
    server.receive_data(HEARTBEAT_BYTES)
    server.receive_data(b"")

    assert server.buffered == 0
    assert server.state is State.BROKEN
    with pytest.raises(UnsupportedVersionError):
        server.next_event()


def test_frames_before_a_fault_are_read() -> None:
    """A fault takes nothing back."""
    server = Connection(Role.SERVER)
    server.receive_data(HEARTBEAT_BYTES + BAD_VERSION)

    assert server.next_event() == Received(HEARTBEAT, 2, Format.JSON)
    with pytest.raises(UnsupportedVersionError):
        server.next_event()


@pytest.mark.parametrize("size", range(len(HEARTBEAT_BYTES) + 1))
def test_end_of_the_stream(size: int) -> None:
    """It is told whether the stream ended amid a frame."""
    server = Connection(Role.SERVER)
    server.receive_data(HEARTBEAT_BYTES + HEARTBEAT_BYTES[:size])
    server.receive_data(b"")
    *received, closed = drain(server)

    amid = 0 < size < len(HEARTBEAT_BYTES)
    assert len(received) == 1 + (size == len(HEARTBEAT_BYTES))
    assert closed == ConnectionClosed(truncated=amid)
    assert server.next_event() == closed


def test_client_that_stops_asking_is_still_answered() -> None:
    """A half-closed connection is a whole one in the other direction."""
    server = Connection(Role.SERVER)
    server.receive_data(b"")

    assert server.state is State.HALF_CLOSED
    assert server.send(ASK.reply(Raw(b"7")))
    with pytest.raises(LocalProtocolError, match="data after the end"):
        server.receive_data(b"x")


def test_client_whose_server_has_left() -> None:
    """Nothing can be asked any more, nobody would answer."""
    client = Connection(Role.CLIENT)
    client.receive_data(b"")

    with pytest.raises(LocalProtocolError, match="half closed may send nothing"):
        client.send(ASK)


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_closed_connection(role: Role) -> None:
    """It neither speaks nor listens; closing it twice is allowed."""
    connection = Connection(role)
    connection.receive_data(HEARTBEAT_BYTES)
    connection.close()
    connection.close()
    connection.receive_data(HEARTBEAT_BYTES)

    assert drain(connection) == [ConnectionClosed(truncated=False)]
    assert connection.buffered == 0
    with pytest.raises(LocalProtocolError, match="closed may send nothing"):
        connection.send(HEARTBEAT)


def test_malformed_body_is_an_event() -> None:
    """The connection goes on, and the answer is ready."""
    server = Connection(Role.SERVER)
    server.receive_data(encode_frame(FrameType.REQUEST, b'{"correlation_id":"r1"}'))
    server.receive_data(HEARTBEAT_BYTES)
    malformed, heartbeat = drain(server)
    assert isinstance(malformed, Malformed)
    answer = malformed.answer()
    assert answer is not None

    assert heartbeat == Received(HEARTBEAT, 2, Format.JSON)
    assert server.send(answer, version=malformed.version, format=malformed.format)


def test_malformed_answer_names_its_question() -> None:
    """The client can tell the asker whose answer nobody can read."""
    client = Connection(Role.CLIENT)
    client.receive_data(
        encode_frame(FrameType.RESPONSE, b'{"correlation_id":"r1","success":1}')
    )
    (event,) = drain(client)

    assert isinstance(event, Malformed)
    assert event.correlation_id == "r1"


def test_answers_of_every_kind_are_one_kind_to_the_client() -> None:
    """What a response is about is known to the one who asked."""
    pair = ConnectionPair()
    answers: list[Response | StreamItem] = [
        Subscribe("s1", ("T",)).response(["T"]),
        Discover("d1").response(message_types=["T"]),
        ASK.reply(Raw(b"null"), "Value"),
    ]

    pair.send(Role.SERVER, *answers)


def test_connection_shows_itself() -> None:
    """Its text has what a log needs."""
    connection = Connection(Role.CLIENT)

    assert repr(connection) == "<Connection: client, open>"
    assert connection.role is Role.CLIENT


def test_tables_are_complete() -> None:
    """Every role and state has its rules, and what is sent can be read."""
    for role, other in [(Role.CLIENT, Role.SERVER), (Role.SERVER, Role.CLIENT)]:
        assert set(SENDS[role]) == set(State)
        assert all(sent <= RECEIVES[other] for sent in SENDS[role].values())
        assert SENDS[role][State.OPEN] == RECEIVES[other]
    for state in State:
        assert set(Trigger) - set(TRANSITIONS[state]) <= {Trigger.FAULT}


def test_nothing_leads_back_from_a_broken_or_closed_connection() -> None:
    """A connection that is over stays so."""
    assert set(TRANSITIONS[State.CLOSED].values()) == {State.CLOSED}
    assert State.OPEN not in TRANSITIONS[State.BROKEN].values()
