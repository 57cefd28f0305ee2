"""A case, read by one side of the protocol, next to a reader written by hand.

`play` gives a stream to a `Connection`, chunk by chunk, and compares all that
can be seen of it with what the stream is known to hold.  What makes sense is
said again, by the side that may say it, and has to arrive as the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal, NamedTuple, final

import attrs
import msgspec

from acton_trio._base.errors import LocalProtocolError
from acton_trio._base.formats import Format
from acton_trio._wire.connection import Connection
from acton_trio._wire.envelopes import Push
from acton_trio._wire.events import (
    NEED_DATA,
    ConnectionClosed,
    Event,
    Ignored,
    NeedData,
    Received,
)
from acton_trio._wire.faults import (
    BadFormatError,
    BadFrameTypeError,
    BadHeaderError,
    FrameTooLargeError,
    UnsupportedVersionError,
)
from acton_trio._wire.frames import FrameType
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.states import Role, State

from .grammar import Bad, Case, Good, Outcome

__all__ = ["Seen", "play", "play_bytes", "read_by_hand", "shrink"]

MIB: Final = 1024 * 1024
DEFAULT_LIMITS: Final = {Role.SERVER: MIB, Role.CLIENT: 16 * MIB}

# Type bytes by version, and by side those that it reads.
KNOWN: Final = {1: range(1, 5), 2: range(1, 11)}
READ: Final = {Role.SERVER: {1, 4, 6, 7, 8, 10}, Role.CLIENT: {2, 3, 4, 5, 9}}

# Those that are answered even if their bodies make no sense.
QUESTIONS: Final = {1, 6, 7, 8}


class Seen(NamedTuple):
    """A frame, as the reader by hand sees it, or what is wrong with it."""

    start: int
    end: int
    version: int
    kind: int
    form: int
    fault: type[BadHeaderError] | None = None


def read_by_hand(stream: bytes, limit: int) -> Iterator[Seen]:
    """Cut *stream* into frames, by the page on the protocol alone.

    The last one may be a fault: then ``end`` is where it can be seen first.
    """
    start = 0
    while (body := start + 6) <= len(stream):
        size = int.from_bytes(stream[start : start + 4], "big")
        version, kind, form = stream[start + 4], stream[start + 5], 1
        if version not in KNOWN:
            yield Seen(start, body, version, kind, form, UnsupportedVersionError)
            return
        if kind not in KNOWN[version]:
            yield Seen(start, body, version, kind, form, BadFrameTypeError)
            return
        if version == 2:
            if body == len(stream):
                return
            form = stream[body]
            body += 1
            if form not in (1, 2):
                yield Seen(start, body, version, kind, form, BadFormatError)
                return
        if size > limit or size > 16 * MIB:
            yield Seen(start, body, version, kind, form, FrameTooLargeError)
            return
        if body + size > len(stream):
            return
        yield Seen(start, body + size, version, kind, form)
        start = body + size


def play(case: Case) -> int:
    """Let a connection read *case*; return how many frames that were.

    Raises:
        Exception: Any, but for those that the connection may raise.
    """
    return play_bytes(
        case.stream,
        case.role,
        case.limit,
        case.sizes(),
        case.corpus.outcomes,
    )


def play_bytes(
    stream: bytes,
    role: Role,
    limit: int | None,
    sizes: Iterator[int],
    outcomes: Mapping[bytes, Outcome],
) -> int:
    """Let a connection read *stream* in chunks of these sizes."""
    most = DEFAULT_LIMITS[role] if limit is None else limit
    reader = Connection(role, max_message_size=limit)
    watch = _Watch(stream, role, most, reader, outcomes)
    expected = list(read_by_hand(stream, most))
    ahead = iter([*expected, None])
    due = next(ahead)
    given = 0
    while given < len(stream):
        size = next(sizes) or reader.wanted
        chunk = stream[given : given + size]
        given += len(chunk)
        reader.receive_data(chunk)
        assert reader.buffered <= most + 7 + len(chunk), "more is kept than was given"
        while due is not None and due.end <= given:
            if due.fault is not None:
                watch.expect_fault(due)
                reader.receive_data(b"more")
                reader.receive_data(b"")
                assert reader.buffered == 0, "what follows a fault is kept"
                return len(expected)
            watch.expect_frame(due)
            due = next(ahead)
        event = reader.next_event()
        assert event is NEED_DATA, f"nothing is due, but {event!r}"
        assert reader.buffered < most + 7, "more is kept than a frame"
        held = len(reader._decoder._buffer)
        assert held == reader.buffered, "what was read is kept"
        assert 0 < reader.wanted <= most + 7, "more is wanted than a frame"
    watch.expect_end(truncated=(expected[-1].end if expected else 0) < len(stream))
    return len(expected)


@final
@attrs.define
class _Watch:
    """What is expected of a connection; lives as long as its stream."""

    stream: bytes
    role: Role
    limit: int
    reader: Connection
    outcomes: Mapping[bytes, Outcome]

    # Who says again what was read, to whom.  Nothing may be too large for it:
    # what was left out is written out.
    _speaker: Connection = attrs.field(init=False)
    _listener: Connection = attrs.field(init=False)
    _server: Connection = attrs.field(init=False)
    _client: Connection = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        most = 16 * MIB
        self._server = Connection(Role.SERVER, max_message_size=most)
        self._client = Connection(Role.CLIENT, max_message_size=most)
        sides = (self._server, self._client)
        self._listener, self._speaker = (
            sides if self.role is Role.SERVER else sides[::-1]
        )

    def expect_frame(self, due: Seen) -> None:
        """See that the next event is what *due* has to become."""
        event = self.reader.next_event()
        if due.kind not in READ[self.role]:
            assert event == Ignored(FrameType(due.kind)), f"{event!r} of the wrong side"
            return
        outcome = self.outcomes.get(self.stream[due.start : due.end])
        if isinstance(event, Received):
            assert (event.version, event.format) == (due.version, due.form), event
            assert not isinstance(outcome, Bad), f"{event!r} makes sense"
            if outcome is not None:
                assert event.body == outcome.body, f"{event.body!r}, not {outcome}"
            self._say_again(event)
        else:
            assert isinstance(event, Malformed), f"{event!r} is no frame"
            about = (event.frame_type, event.version, event.format)
            assert about == (due.kind, due.version, due.form), event
            assert not isinstance(outcome, Good), f"{event!r}, not {outcome}"
            if outcome is not None and outcome.correlation_id is not None:
                assert event.correlation_id == outcome.correlation_id, event
            self._answer(event)

    def expect_fault(self, due: Seen) -> None:
        """See that the reader is broken by *due*, stays so, and can say why."""
        fault = self._fault()
        assert isinstance(fault, BadHeaderError), f"{fault!r}, not {due.fault}"
        assert type(fault) is due.fault, f"{fault!r}, not {due.fault}"
        assert self._fault() is fault, "the fault did not stay"
        assert self.reader.state is State.BROKEN
        if self.role is Role.SERVER:
            version = fault.hint_version
            assert version == (due.version if due.version in KNOWN else 2)
            words = self.reader.send(fault.hint, version=version)
            assert _hear(self._client, words) == Received(
                fault.hint, version, Format.JSON
            )

    def _fault(self) -> BadHeaderError | Event | Literal[NeedData.NEED_DATA]:
        try:
            return self.reader.next_event()
        except BadHeaderError as fault:
            return fault

    def expect_end(self, *, truncated: bool) -> None:
        """See that the end of the stream is the last event."""
        self.reader.receive_data(b"")
        for _ in range(2):
            event = self.reader.next_event()
            assert event == ConnectionClosed(truncated), repr(event)
        self.reader.close()
        assert self.reader.buffered == 0, "what nobody will read is kept"

    def _say_again(self, event: Received) -> None:
        body, version, form = event.body, event.version, event.format
        try:
            said = self._speaker.send(body, version=version, format=form)
        except LocalProtocolError:
            # Only others write them in MessagePack.
            assert isinstance(body, Push), event
            assert form is Format.MESSAGEPACK, event
            return
        heard = _hear(self._listener, said)
        assert isinstance(heard, Received), f"{heard!r} instead of {event!r}"
        if heard.body != body:
            # What is not a number is equal to nothing, but is written as it was.
            both = msgspec.msgpack.encode(heard.body), msgspec.msgpack.encode(body)
            assert both[0] == both[1], f"{heard.body!r} instead of {body!r}"
        assert heard.version == version, heard

    def _answer(self, event: Malformed) -> None:
        answer = event.answer()
        assert (answer is None) == (event.frame_type not in QUESTIONS), event
        if answer is not None:
            version, form = event.version, event.format
            words = self.reader.send(answer, version=version, format=form)
            heard = _hear(self._client, words)
            assert heard == Received(answer, version, form), heard


def _hear(listener: Connection, said: bytes) -> Event:
    listener.receive_data(said)
    heard = listener.next_event()
    assert heard is not NEED_DATA, "half a frame was sent"
    assert listener.next_event() is NEED_DATA, "more than a frame was sent"
    return heard


def shrink(case: Case, error: Exception) -> bytes:
    """Return a short stream that makes *case* fail in the same way.

    Frames are left out, as long as that is so.
    """
    limit = DEFAULT_LIMITS[case.role] if case.limit is None else case.limit

    def fails(stream: bytes) -> bool:
        sizes = case.sizes()
        outcomes = case.corpus.outcomes
        try:
            play_bytes(stream, case.role, case.limit, sizes, outcomes)
        except Exception as again:  # noqa: BLE001 - whatever it was
            return type(again) is type(error)
        return False

    ends = [each.end for each in read_by_hand(case.stream, limit)]
    kept = [case.stream[a:b] for a, b in pairwise([0, *ends, len(case.stream)])]
    step = len(kept)
    while step:
        for start in reversed(range(0, len(kept), step)):
            fewer = kept[:start] + kept[start + step :]
            if fails(b"".join(fewer)):
                kept = fewer
        step //= 2
    shortest = b"".join(kept)
    return shortest if fails(shortest) else case.stream
