"""The requests of one peer, from the frame to the answer.

They are handed to mailboxes in the order in which they were read, and
answered in the order in which their handlers finish.  No task waits for any
of them: the actor that settles one puts the answer in the outbox itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, final

import attrs
import outcome
import trio
from msgspec import UNSET, Raw

from .._base.errors import (
    ActorStoppedError,
    AskCycleError,
    HandlerFailedError,
    LocalProtocolError,
    SerializationError,
)
from .._base.formats import Format
from .._base.patience import MailboxFullError
from .._base.util import name_of
from .._kernel.activity import NO_HEADERS
from .._kernel.chains import CHAIN_HEADER, chain_of, refuse_returning
from .._kernel.envelope import Ask, Envelope, Result
from .._kernel.handle import seat_of
from .._kernel.seat import Seat
from .._kernel.surroundings import clock
from .._messages.declare import StreamRequest
from .._runtime.exposure import Exposure
from .._wire.codes import (
    RECIPIENT_CLOSED_TEXT,
    TARGET_BUSY_TEXT,
    ErrorCode,
    actor_not_found_text,
    unknown_message_type_text,
)
from .._wire.envelopes import Body, Request
from .admission import Admission
from .answers import plain_answer_of
from .config import IpcLimits
from .exchange import milliseconds_left
from .host import Host
from .outlet import Outlet
from .questions import CANCELLED, Question
from .reading import message_of
from .statistics import Counters

__all__ = ["Requests", "Writer"]

_log = logging.getLogger("acton_trio.ipc")

# What a fieldless message is when its payload is left out.
_NULL: Final = {Format.JSON: b"null", Format.MESSAGEPACK: b"\xc0"}

_STREAM_ONLY_TEXT: Final = (
    "Serialization error: {} is answered with a stream, expects_stream must be true"
)


class Writer(Protocol):
    """Where answers go."""

    def send(
        self,
        body: Body,
        version: int,
        body_format: Format,
        written: Callable[[], None] | None = None,
    ) -> None:
        """Have *body* written in a version and a format, and be told when it is."""
        ...

    def wait_calm(self) -> Awaitable[None]:
        """Wait until what was put in leaves the peer time for one more item."""
        ...


@final
@attrs.define(eq=False)
class Requests:
    """The requests of one peer; lives as long as its connection."""

    host: Host
    """What the connections of the listener share."""

    _writer: Writer
    _pending: dict[Question, Envelope]
    """What actors still have to settle; whoever made it only looks at it."""

    _exposure: Exposure = attrs.field(init=False)
    _counters: Counters = attrs.field(init=False)
    _limits: IpcLimits = attrs.field(init=False)
    _most: int = attrs.field(init=False)
    """How many of them may be in flight."""

    admission: Admission = attrs.field(init=False)
    """Whether they are looked at."""

    _now: Callable[[], float] = attrs.field(factory=clock, init=False)
    in_flight: int = attrs.field(default=0, init=False)
    """How many there are whose answer is not written yet."""

    answered_at: float = attrs.field(default=-math.inf, init=False)
    """When the last of them had been answered, on trio's clock."""

    _departures: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def __attrs_post_init__(self) -> None:
        self._exposure = self.host.exposure
        self._counters = self.host.counters
        self._limits = self.host.config.limits
        self._most = self._limits.max_in_flight
        self.admission = Admission(self.host)

    @property
    def has_room(self) -> bool:
        """Whether fewer are in flight than one peer may have."""
        return self.in_flight < self._most

    async def wait_room(self) -> None:
        """Wait until there is room for one more.

        Cancellation:
            Only the waiting ends.
        """
        while not self.has_room:
            await self._departures.park()

    def read(self, body: bytes, body_format: Format) -> Request | None:
        """Read a request and its message, if it is certain that it can be taken now.

        Nothing is built of one that is refused, or has to wait: its bytes take less
        room.
        """
        if self.in_flight < self._most and self.admission.is_open:
            return self.host.reader.read(body, body_format)
        return None

    def take(self, request: Request, version: int, body_format: Format) -> None:
        """Hand *request* to the actor it names, or answer why not."""
        self.in_flight += 1
        self._counters.in_flight_requests += 1
        timeout_ms = self._timeout_of(request)
        question = Question(request, version, body_format, timeout_ms, self)
        handle, message = self._exposure.find(request.target), message_of(request)
        if handle is None:
            text = actor_not_found_text(request.target)
            self._refuse(question, ErrorCode.ACTOR_NOT_FOUND, text)
        elif message is None:
            self._decode(question, seat_of(handle))
        else:
            self._hand_on(question, message, seat_of(handle))

    def turn_away(self, answer: Body, version: int, body_format: Format) -> None:
        """Answer a request that is not looked at any further."""
        if self.host.is_draining:
            # Nobody waits for this one: it came when the end had begun.
            self._writer.send(answer, version, body_format)
            return
        self.in_flight += 1
        self._counters.in_flight_requests += 1
        self._writer.send(answer, version, body_format, self._uncount)

    def never_mind(self, request: Request, version: int, body_format: Format) -> None:
        """Answer a request that its asker gives up before it was taken."""
        self._counters.messages_received += 1
        answer = Question(request, version, body_format, 0, self).failure(CANCELLED)
        self.turn_away(answer, version, body_format)

    def cancel(self, correlation_id: str) -> bool:
        """Give up the request of that id and answer so; return whether there is one."""
        for question, envelope in self._pending.items():
            if question.request.correlation_id == correlation_id:
                self._abandon(envelope)
                del self._pending[question]
                self._answer(question, question.failure(CANCELLED))
                return True
        return False

    def give_up(self) -> None:
        """Give all of them up: the peer cannot hear their answers any more."""
        for envelope in self._pending.values():
            self._abandon(envelope)
        self._uncount(len(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """Count no more: what was not written by now never will be."""
        self.give_up()
        self._uncount(self.in_flight)

    def _abandon(self, envelope: Envelope) -> None:
        self.host.patience.forget(envelope)
        assert envelope.ask is not None
        envelope.ask.abandon(envelope)

    def _timeout_of(self, request: Request) -> int:
        named, most = request.response_timeout_ms, self._limits.max_response_timeout
        if named is UNSET:
            timeouts = self.host.config.timeouts
            return milliseconds_left(timeouts.request_timeout or math.inf)
        if most is None or request.expects_stream:
            return named
        return min(named, milliseconds_left(most))

    # --- on the way in

    def _decode(self, question: Question, seat: Seat) -> None:
        """Build the message, and hand it on."""
        name, registry = question.request.message_type, self._exposure.registry
        if not registry.is_registered(name):
            text = unknown_message_type_text(name)
            self._refuse(question, ErrorCode.UNKNOWN_MESSAGE_TYPE, text)
            return
        payload: Raw | bytes = question.request.payload or _NULL[question.format]
        try:
            message = registry.decode(name, payload, question.format)
        except SerializationError as error:
            text = f"Serialization error: {error}"
            self._refuse(question, ErrorCode.SERIALIZATION_ERROR, text)
            return
        self.host.reader.learn(name)
        self._hand_on(question, message, seat)

    def _hand_on(self, question: Question, message: object, seat: Seat) -> None:
        request = question.request
        envelope = Envelope(message, is_remote=True)
        chain: tuple[str, ...] = ()
        if request.headers is not UNSET:
            chain = chain_of(request.headers.pop(CHAIN_HEADER, None))
            envelope.headers = request.headers or NO_HEADERS
        if not (request.expects_reply or request.expects_stream):
            if self._post(question, envelope, seat):
                answer = request.acknowledgement(question.format)
                self._answer(question, answer)
        elif isinstance(message, StreamRequest) and not request.expects_stream:
            text = _STREAM_ONLY_TEXT.format(request.message_type)
            self._refuse(question, ErrorCode.SERIALIZATION_ERROR, text)
        else:
            self._ask(question, envelope, seat, chain)

    def _ask(
        self,
        question: Question,
        envelope: Envelope,
        seat: Seat,
        chain: tuple[str, ...],
    ) -> None:
        name, now = type(envelope.message).__name__, self._now()
        envelope.ask = ask = Ask(seat.name, name, question, now, chain=chain)
        if isinstance(envelope.message, StreamRequest):
            write = partial(self._pass_on, question, envelope)
            ask.outlet = Outlet(write, self._writer.wait_calm)
        elif not question.request.expects_stream:
            ask.taker = question
        envelope.deadline = self.host.patience.watch(envelope, question.seconds, now)
        self._pending[question] = envelope
        if not self._post(question, envelope, seat):
            self._take_out(question)

    def _post(self, question: Question, envelope: Envelope, seat: Seat) -> bool:
        """Put *envelope* in the mailbox, or answer why not; return whether it is."""
        mailbox, counters = seat.mailbox, self._counters
        try:
            if envelope.ask is not None and envelope.ask.chain:
                refuse_returning(envelope, mailbox, seat.name)
            mailbox.put_nowait(envelope)
        except MailboxFullError:
            counters.backpressure_rejections += 1
            self._refuse(question, ErrorCode.TARGET_BUSY, TARGET_BUSY_TEXT)
        except ActorStoppedError:
            self._refuse(question, ErrorCode.IO_ERROR, RECIPIENT_CLOSED_TEXT)
        except AskCycleError as error:
            self._answer(question, question.error(error))
        else:
            counters.messages_routed += 1
            return True
        return False

    def _take_out(self, question: Question) -> Envelope:
        envelope = self._pending.pop(question)
        self.host.patience.forget(envelope)
        return envelope

    # --- on the way out

    def _pass_on(self, question: Question, envelope: Envelope, item: object) -> bool:
        """Write one reply of a stream; return whether the stream goes on."""
        if question not in self._pending:
            return False
        try:
            reply = question.reply_of(envelope.message, item)
            self._send(question, question.item(reply))
            question.items += 1
        except (SerializationError, LocalProtocolError) as error:
            self._abandon(envelope)
            self.settle(question, outcome.Error(error))
            return False
        return True

    def reply(self, question: Question, value: object) -> None:
        """Answer *question* with what its handler has returned."""
        message, registry = self._take_out(question).message, self._exposure.registry
        try:
            answer = plain_answer_of(question.request, message, value, registry)
            if answer is not None:
                self._writer.send(
                    answer, question.version, question.format, self._uncount
                )
                return
        except (LocalProtocolError, SerializationError, TypeError):
            # Whatever the matter is, it is found on the longer way.
            pass
        self._answer_with(question, message, outcome.Value(value))

    def settle(self, question: Question, result: Result) -> None:
        """Answer *question* with whatever has come of it."""
        envelope = self._take_out(question)
        assert envelope.ask is not None
        had_items = envelope.ask.outlet is not None
        # Not `isinstance`: they have an abstract base, which is asked at length.
        if type(result) is outcome.Error:
            _log_failure(result.error, envelope)
        self._answer_with(question, envelope.message, result, had_items=had_items)

    def _answer_with(
        self,
        question: Question,
        message: object,
        result: Result,
        *,
        had_items: bool = False,
    ) -> None:
        try:
            *first, last = question.answers(message, result, had_items=had_items)
            for answer in first:
                self._send(question, answer)
        except Exception as error:  # noqa: BLE001 - in the actor's own task
            # The actor is not to blame for an answer that cannot be written.
            if not isinstance(error, SerializationError | LocalProtocolError):
                name = question.request.message_type
                _log.exception("the answer to %s cannot be written", name)
            last = question.error(error)
        self._answer(question, last)

    def _refuse(self, question: Question, code: ErrorCode, text: str) -> None:
        self._answer(question, question.refusal(code, text))

    def _send(self, question: Question, body: Body) -> None:
        self._writer.send(body, question.version, question.format)

    def _answer(self, question: Question, answer: Body) -> None:
        """Write the last that there is to say to *question*."""
        version, body_format = question.version, question.format
        try:
            self._writer.send(answer, version, body_format, self._uncount)
        except (LocalProtocolError, SerializationError) as error:
            # Larger than any peer accepts, or with text that is none.
            answer = question.error(error)
            self._writer.send(answer, version, body_format, self._uncount)

    # --- counting

    def _uncount(self, number: int = 1) -> None:
        had_room = self.in_flight < self._most
        self.in_flight -= number
        if not self.in_flight:
            self.answered_at = self._now()
        if not had_room:
            self._departures.unpark_all()
        self._counters.in_flight_requests -= number
        if self.host.is_draining:
            self.host.progress.unpark_all()


def _log_failure(error: BaseException, envelope: Envelope) -> None:
    """Keep what a peer is not told: the text and the traceback of a failure."""
    if not isinstance(error, HandlerFailedError) or error.owned_by_supervisor:
        return
    _log.warning(
        "%s failed to handle %s from another process",
        error.actor,
        name_of(type(envelope.message)),
        exc_info=error.__cause__,
    )
