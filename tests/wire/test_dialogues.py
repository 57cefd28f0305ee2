"""Two sides of a connection, whatever they do, and however their bytes arrive."""

from __future__ import annotations

from collections import deque
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import UNSET, Raw

from acton_trio._base.errors import LocalProtocolError
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
from acton_trio._wire.events import NEED_DATA, ConnectionClosed, Event, Received
from acton_trio._wire.faults import (
    BadFormatError,
    BadFrameTypeError,
    BadHeaderError,
    FrameTooLargeError,
    UnsupportedVersionError,
)
from acton_trio._wire.frames import FRAME_TYPES, MAX_HEADER_SIZE, FrameType
from acton_trio._wire.states import Role, State

LIMIT: Final = 300
OTHER: Final = {Role.CLIENT: Role.SERVER, Role.SERVER: Role.CLIENT}

BAD_HEADERS: Final[dict[bytes, type[BadHeaderError]]] = {
    bytes.fromhex("000000000304"): UnsupportedVersionError,
    bytes.fromhex("00000000020b"): BadFrameTypeError,
    bytes.fromhex("00000000010a"): BadFrameTypeError,
    bytes.fromhex("00000000020403"): BadFormatError,
    bytes.fromhex("ffffffff020401"): FrameTooLargeError,
    bytes.fromhex("0000012d0101"): FrameTooLargeError,
}

roles = st.sampled_from(Role)
versions = st.sampled_from([1, 2, 2])
formats = st.sampled_from(Format)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
optional_texts = st.just(UNSET) | texts
# Of both formats.
payloads = st.sampled_from([UNSET, Raw(b"1"), Raw(b"\x07")])
names = st.lists(texts, max_size=3).map(tuple)
flags = st.booleans()

questions: st.SearchStrategy[Body] = st.one_of(
    st.builds(Request, texts, texts, texts, payloads, flags),
    st.just(HEARTBEAT),
    st.builds(Subscribe, texts, names),
    st.builds(Unsubscribe, texts, names),
    st.builds(Discover, texts, flags, flags),
    st.builds(Cancel, texts),
)
answers: st.SearchStrategy[Body] = st.one_of(
    st.builds(Response, texts, flags, optional_texts, optional_texts, payloads),
    st.just(HEARTBEAT),
    st.builds(
        Push,
        notification_id=texts,
        message_type=texts,
        payload=st.just(Raw(b"1")),
        timestamp_ms=st.integers(0, 2**63 - 1),
    ),
    st.builds(StreamItem, texts, st.integers(0, 2**32 - 1), flags, optional_texts),
)


def has_it(version: int, body_format: Format, body: Body) -> bool:
    """Return whether a version has such bodies in that format."""
    if isinstance(body, Push) and body_format is not Format.JSON:
        return False
    is_json = body_format is Format.JSON or body is HEARTBEAT
    return frame_type_of(body) in FRAME_TYPES[version] and (is_json or version > 1)


def fits(body_format: Format, body: Body) -> bool:
    """Return whether the payload of *body* is of that format."""
    payload = getattr(body, "payload", UNSET)
    return payload is UNSET or payload == Raw({1: b"1", 2: b"\x07"}[body_format])


def take(connection: Connection) -> list[Event | type[BadHeaderError]]:
    """Return the events that there are, the last one perhaps a fault."""
    found: list[Event | type[BadHeaderError]] = []
    try:
        while (event := connection.next_event()) is not NEED_DATA:
            found.append(event)
            if isinstance(event, ConnectionClosed):
                break
    except BadHeaderError as fault:
        found.append(type(fault))
    return found


class Dialogue(RuleBasedStateMachine):
    """A client and a server, and two wires that deliver what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = {role: Connection(role, max_message_size=LIMIT) for role in Role}
        self.states = dict.fromkeys(Role, State.OPEN)
        # By the side that reads: what is on its way, and what has to come of it
        # once so many bytes have come.
        self.wires = {role: bytearray() for role in Role}
        self.due: dict[Role, deque[tuple[int, Received | type[BadHeaderError]]]] = {
            role: deque() for role in Role
        }
        self.sent, self.come = dict.fromkeys(Role, 0), dict.fromkeys(Role, 0)
        self.faults: dict[Role, type[BadHeaderError]] = {}
        self.has_hung_up: set[Role] = set()

    @rule(body=questions, version=versions, body_format=formats)
    def ask(self, body: Body, version: int, body_format: Format) -> None:
        """Have the client say something."""
        self._say(Role.CLIENT, body, version, body_format)

    @rule(body=answers, version=versions, body_format=formats)
    def answer(self, body: Body, version: int, body_format: Format) -> None:
        """Have the server say something."""
        self._say(Role.SERVER, body, version, body_format)

    @rule(role=roles, bad=st.sampled_from(sorted(BAD_HEADERS)))
    def break_the_protocol(self, role: Role, bad: bytes) -> None:
        """Have somebody on that side send what is no header."""
        if role not in self.has_hung_up:
            self._send(role, bad, BAD_HEADERS[bad])

    @rule(role=roles, size=st.integers(1, 120))
    def deliver(self, role: Role, size: int) -> None:
        """Let some bytes arrive on that side."""
        chunk = bytes(self.wires[role][:size])
        del self.wires[role][:size]
        if chunk:
            self.sides[role].receive_data(chunk)
            self.come[role] += len(chunk)
            self._compare(role)

    @rule(role=roles)
    def hang_up(self, role: Role) -> None:
        """Have that side send no more, and all that it has sent arrive."""
        if role in self.has_hung_up:
            return
        self.has_hung_up.add(role)
        reader = OTHER[role]
        self.deliver(reader, len(self.wires[reader]))
        self.sides[reader].receive_data(b"")
        if self.states[reader] is State.OPEN:
            self.states[reader] = State.HALF_CLOSED
        self._compare(reader)

    @rule(role=roles)
    def close(self, role: Role) -> None:
        """Have that side leave."""
        self.sides[role].close()
        self._leave(role, State.CLOSED)

    @invariant()
    def states_agree(self) -> None:
        """A side is where it was brought, and holds no more than a frame."""
        for role, side in self.sides.items():
            assert side.state is self.states[role]
            assert side.buffered < MAX_HEADER_SIZE + LIMIT
            assert side.wanted > 0

    def _say(self, role: Role, body: Body, version: int, body_format: Format) -> None:
        state, side = self.states[role], self.sides[role]
        may_speak = state is State.OPEN or (
            role is Role.SERVER
            and (
                state is State.HALF_CLOSED
                or (state is State.BROKEN and frame_type_of(body) is FrameType.ERROR)
            )
        )
        if not may_speak or not has_it(version, body_format, body):
            with pytest.raises(LocalProtocolError):
                side.send(body, version=version, format=body_format)
            return
        if role in self.has_hung_up or not fits(body_format, body):
            return
        data = side.send(body, version=version, format=body_format)
        read_as = Format.JSON if body is HEARTBEAT else body_format
        is_large = len(data) > LIMIT + (6 if version == 1 else 7)
        event = Received(body, version, read_as)
        self._send(role, data, FrameTooLargeError if is_large else event)

    def _send(
        self, role: Role, data: bytes, event: Received | type[BadHeaderError]
    ) -> None:
        reader = OTHER[role]
        # A frame that is too large is known for it by its header.
        size = len(data) if isinstance(event, Received) else min(len(data), 7)
        if event is FrameTooLargeError and data[4] == 1:
            size = 6
        if self.states[reader] is State.OPEN:
            self.due[reader].append((self.sent[reader] + size, event))
        self.sent[reader] += len(data)
        self.wires[reader] += data

    def _compare(self, role: Role) -> None:
        """See that just what has come so far was read."""
        found = take(self.sides[role])
        expected: list[Event | type[BadHeaderError]] = []
        while self.due[role] and self.due[role][0][0] <= self.come[role]:
            _, event = self.due[role].popleft()
            expected.append(event)
            if not isinstance(event, Received):
                self.faults[role] = event
                self._leave(role, State.BROKEN)
        if role in self.faults:
            # It stays, even if this side leaves.
            expected = expected or [self.faults[role]]
        elif self.states[role] is not State.OPEN:
            expected.append(ConnectionClosed(truncated=False))

        assert found == expected

    def _leave(self, role: Role, state: State) -> None:
        # What was not read by now never will be.
        self.due[role].clear()
        self.states[role] = state


# However long it takes.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Dialogue.TestCase.settings = settings(
    unhurried, max_examples=150, stateful_step_count=40
)
TestDialogue = Dialogue.TestCase


# --- any chunking of any bytes


def frames_of(role: Role) -> st.SearchStrategy[bytes]:
    """Return what makes frames that *role* reads, and some that it does not."""

    def write(body: Body, version: int, body_format: Format) -> bytes:
        side = Connection(OTHER[role])
        if not has_it(version, body_format, body):
            version, body_format = 2, Format.JSON
        return side.send(body, version=version, format=body_format)

    own = questions if role is Role.SERVER else answers
    return st.builds(write, own, versions, formats)


@st.composite
def hostile_streams(draw: st.DrawFn, role: Role) -> bytes:
    """Make streams of which some parts make sense to *role*."""
    parts = st.one_of(
        frames_of(role),
        frames_of(role),
        frames_of(OTHER[role]),
        st.sampled_from(sorted(BAD_HEADERS)),
        st.binary(max_size=20),
    )
    stream = bytearray(b"".join(draw(st.lists(parts, max_size=8))))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        if stream:
            at = draw(st.integers(0, len(stream) - 1))
            stream[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(stream)


def listen(role: Role, stream: bytes, sizes: list[int]) -> list[object]:
    """Return all that can be seen of a side given *stream* in chunks.

    The sizes are used in turn; 0 is as much as the side wants.
    """
    side = Connection(role, max_message_size=LIMIT)
    seen: list[object] = []
    start = turn = 0
    while start < len(stream):
        size = sizes[turn % len(sizes)] or side.wanted
        side.receive_data(stream[start : start + size])
        found = take(side)
        assert sizes != [0] or len(found) <= 1
        seen += found
        if side.state is State.BROKEN:
            return seen
        start, turn = start + size, turn + 1
    side.receive_data(b"")
    return [*seen, *take(side)]


@given(
    roles.flatmap(lambda role: st.tuples(st.just(role), hostile_streams(role))),
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
)
@settings(unhurried, max_examples=200)
def test_any_chunking_of_any_stream(
    given_to: tuple[Role, bytes], sizes: list[int]
) -> None:
    """Frames, malformed bodies and faults do not depend on how bytes arrive."""
    role, stream = given_to
    whole = listen(role, stream, [len(stream) or 1])

    assert listen(role, stream, sizes) == whole
    assert listen(role, stream, [1]) == whole
    assert listen(role, stream, [0]) == whole
