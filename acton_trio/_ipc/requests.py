"""The requests of one peer, from the frame to the answer.

They are handed to mailboxes in the order in which they were read, and
answered in the order in which their handlers finish.  No task waits for any
of them: the actor that settles one puts the answer in the outbox itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, final

import attrs
import outcome
import trio
from msgspec import UNSET

from .._base.errors import ActorStoppedError, LocalProtocolError, SerializationError
from .._base.formats import Format
from .._base.patience import MailboxFullError
from .._base.util import name_of
from .._kernel.activity import NO_HEADERS
from .._kernel.envelope import Ask, Envelope, Result
from .._kernel.handle import ActorHandle, seat_of
from .._wire.codes import (
    RECIPIENT_CLOSED_TEXT,
    SHUTTING_DOWN_TEXT,
    TARGET_BUSY_TEXT,
    ErrorCode,
    actor_not_found_text,
    unknown_message_type_text,
)
from .._wire.envelopes import Body, Request
from .answers import answer_failure, answer_reply
from .exchange import milliseconds_left
from .host import Host

__all__ = ["Requests"]

_log = logging.getLogger("acton_trio.ipc")

# What a fieldless message is when its payload is left out.
_NULL: Final = {Format.JSON: b"null", Format.MESSAGEPACK: b"\xc0"}

_NO_STREAMS: Final = "this server has no streams"
_CANCELLED_TEXT: Final = "Request cancelled by the client"

Send = Callable[[Body, int, Format, Callable[[], None]], None]
"""Writes a body in a version and a format, and calls back when that is done."""


@final
@attrs.frozen(eq=False)
class _Question:
    """A request, and how its answer has to be written."""

    request: Request
    version: int
    format: Format
    timeout_ms: int


@final
@attrs.define(eq=False)
class Requests:
    """The requests of one peer; lives as long as its connection."""

    _host: Host
    _send: Send
    in_flight: int = attrs.field(default=0, init=False)
    """How many there are whose answer is not written yet."""

    # What actors still have to settle.
    _pending: dict[Envelope, _Question] = attrs.field(
        factory=dict[Envelope, _Question], init=False
    )

    @property
    def has_room(self) -> bool:
        """Whether fewer are in flight than one peer may have."""
        return self.in_flight < self._host.config.limits.max_in_flight

    async def wait_room(self) -> None:
        """Wait until there is room for one more.

        Cancellation:
            Only the waiting ends.
        """
        while not self.has_room:
            await self._host.progress.park()

    def take(self, request: Request, version: int, body_format: Format) -> None:
        """Hand *request* to the actor it names, or answer why not."""
        self.in_flight += 1
        self._host.counters.messages_received += 1
        self._host.counters.in_flight_requests += 1
        timeout_ms = request.response_timeout_ms
        if timeout_ms is UNSET:
            timeout_ms = milliseconds_left(self._host.config.timeouts.request_timeout)
        question = _Question(request, version, body_format, timeout_ms)
        if self._host.is_draining:
            self._host.counters.shutdown_rejections += 1
            self._refuse(question, ErrorCode.SHUTTING_DOWN, SHUTTING_DOWN_TEXT)
        else:
            self._look_up(question)

    def cancel(self, correlation_id: str) -> None:
        """Give up the request of that id, and answer that it was cancelled."""
        for envelope, question in self._pending.items():
            if question.request.correlation_id == correlation_id:
                self._abandon(envelope)
                del self._pending[envelope]
                self._refuse(question, ErrorCode.CANCELLED, _CANCELLED_TEXT)
                return

    def give_up(self) -> None:
        """Give all of them up: the peer cannot hear their answers any more."""
        for envelope in self._pending:
            self._abandon(envelope)
        self._uncount(len(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """Count no more: what was not written by now never will be."""
        self.give_up()
        self._uncount(self.in_flight)

    def _abandon(self, envelope: Envelope) -> None:
        self._host.patience.forget(envelope)
        assert envelope.ask is not None
        envelope.ask.abandon(envelope)

    # --- on the way in

    def _look_up(self, question: _Question) -> None:
        request, exposure = question.request, self._host.exposure
        handle = exposure.find(request.target)
        if handle is None:
            text = actor_not_found_text(request.target)
            # In a stream's frames the reference has one code for all of these.
            self._refuse(question, ErrorCode.ACTOR_NOT_FOUND, text)
        elif not exposure.registry.is_registered(request.message_type):
            text = unknown_message_type_text(request.message_type)
            self._refuse(question, ErrorCode.UNKNOWN_MESSAGE_TYPE, text)
        elif request.expects_stream:
            self._refuse(question, ErrorCode.STREAM_ERROR, _NO_STREAMS)
        else:
            self._decode(question, handle)

    def _decode(self, question: _Question, handle: ActorHandle) -> None:
        request = question.request
        payload = request.payload
        data = _NULL[question.format] if payload is UNSET else payload
        registry = self._host.exposure.registry
        try:
            message = registry.decode(request.message_type, data, question.format)
        except SerializationError as error:
            text = f"Serialization error: {error}"
            self._refuse(question, ErrorCode.SERIALIZATION_ERROR, text)
            return
        headers = NO_HEADERS if request.headers is UNSET else request.headers
        envelope = Envelope(message, headers=headers, is_remote=True)
        if request.expects_reply:
            settled = partial(self._settled, question, envelope)
            name = name_of(type(message))
            envelope.ask = Ask(handle.name, name, settled, trio.current_time())
        self._post(question, envelope, handle)

    def _post(
        self, question: _Question, envelope: Envelope, handle: ActorHandle
    ) -> None:
        if envelope.ask is not None:
            seconds = question.timeout_ms / 1000
            envelope.deadline = self._host.patience.watch(envelope, seconds)
            self._pending[envelope] = question
        try:
            seat_of(handle).mailbox.put_nowait(envelope)
        except (MailboxFullError, ActorStoppedError) as error:
            self._undo(envelope)
            self._turn_away(question, error)
            return
        self._host.counters.messages_routed += 1
        if envelope.ask is None:
            self._answer(question, question.request.acknowledgement(question.format))

    def _undo(self, envelope: Envelope) -> None:
        self._pending.pop(envelope, None)
        self._host.patience.forget(envelope)

    def _turn_away(self, question: _Question, error: Exception) -> None:
        if isinstance(error, MailboxFullError):
            self._host.counters.backpressure_rejections += 1
            self._refuse(question, ErrorCode.TARGET_BUSY, TARGET_BUSY_TEXT)
        else:
            self._refuse(question, ErrorCode.IO_ERROR, RECIPIENT_CLOSED_TEXT)

    # --- on the way out

    def _settled(self, question: _Question, envelope: Envelope, result: Result) -> None:
        self._undo(envelope)
        request, body_format = question.request, question.format
        try:
            if isinstance(result, outcome.Error):
                answer = self._failure(question, result.error)
            else:
                registry = self._host.exposure.registry
                answer = answer_reply(
                    request, envelope.message, result.value, registry, body_format
                )
            self._answer(question, answer)
        except Exception as error:  # noqa: BLE001 - in the actor's own task
            # The actor is not to blame for an answer that cannot be written.
            _log.exception("the answer to %r cannot be written", request)
            self._answer(question, self._failure(question, error))

    def _failure(self, question: _Question, error: BaseException) -> Body:
        return answer_failure(
            question.request,
            error,
            question.timeout_ms,
            question.format,
            expose_details=self._host.config.errors.expose_details,
        )

    def _refuse(self, question: _Question, code: ErrorCode, text: str) -> None:
        self._answer(question, question.request.failure(code, text))

    def _answer(self, question: _Question, answer: Body) -> None:
        version, body_format = question.version, question.format
        try:
            self._send(answer, version, body_format, self._wrote_one)
        except (LocalProtocolError, SerializationError) as error:
            # Larger than any peer accepts, or with text that is none.
            text = f"Serialization error: {type(error).__name__}"
            code = ErrorCode.SERIALIZATION_ERROR
            answer = question.request.failure(code, text)
            self._send(answer, version, body_format, self._wrote_one)

    def _wrote_one(self) -> None:
        self._uncount(1)

    def _uncount(self, number: int) -> None:
        self.in_flight -= number
        self._host.counters.in_flight_requests -= number
        self._host.progress.unpark_all()
