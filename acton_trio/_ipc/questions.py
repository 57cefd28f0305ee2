"""`Question`: a request at work, and the forms that its answers take.

A reply is one frame; so is a failure.  Who expects a stream gets frames of a
stream instead, whatever there is to say, and the last of them ends it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol, final

import msgspec
import outcome

from .._base.errors import NoReplyError
from .._base.formats import Format
from .._kernel.envelope import Result
from .._wire.codes import STREAM_TARGET_BUSY_TEXT, ErrorCode
from .._wire.envelopes import Body, Request
from .answers import Failure, Reply, failure_of, reply_of
from .exchange import FOREVER_MS
from .host import Host

__all__ = ["CANCELLED", "Question"]

CANCELLED: Final = Failure(ErrorCode.CANCELLED, "Request cancelled by the client")
"""Its asker has given it up, and said so."""

# What is refused before it is dispatched has other codes in a stream, which
# clients of the reference depend on.
_STREAM_CODES: Final[Mapping[str, ErrorCode]] = {
    ErrorCode.ACTOR_NOT_FOUND: ErrorCode.STREAM_ERROR,
    ErrorCode.IO_ERROR: ErrorCode.STREAM_ERROR,
    ErrorCode.UNKNOWN_MESSAGE_TYPE: ErrorCode.SERIALIZATION_ERROR,
}


class Desk(Protocol):
    """Where a request is at work."""

    @property
    def host(self) -> Host:
        """What the connections of the listener share."""
        ...

    def reply(self, question: Question, value: object) -> None:
        """Answer *question* with what its handler has returned."""
        ...

    def settle(self, question: Question, result: Result) -> None:
        """Answer *question* with whatever has come of it."""
        ...


# Not looked at by the garbage collector, of which that would be a tenth of the work
# with a thousand in flight: what it refers to leads back to it only as long as it is
# pending, and its ask is open.
@final
class Question(msgspec.Struct, eq=False, gc=False):
    """A request at work, and how it is answered; lives until it is."""

    request: Request
    version: int
    format: Format
    timeout_ms: int
    desk: Desk

    items: int = 0
    """How many replies of its stream were written."""

    def __call__(self, result: Result) -> None:
        """Have it answered with what the actor has made of it."""
        self.desk.settle(self, result)

    def reply(self, value: object) -> None:
        """Have it answered with a value that its handler has returned."""
        self.desk.reply(self, value)

    @property
    def seconds(self) -> float:
        """How long it may take; infinity if its asker will wait for ever."""
        if self.timeout_ms >= FOREVER_MS:
            return math.inf
        return self.timeout_ms / 1000

    def item(self, reply: Reply) -> Body:
        """Return the next one of many replies."""
        return self.request.item(self.items, reply.payload, reply.message_type)

    def reply_of(self, message: object, value: object) -> Reply:
        """Return *value*, a reply to *message*, in bytes.

        Raises:
            SerializationError: If it cannot travel.
        """
        return reply_of(message, value, self.desk.host.exposure.registry, self.format)

    def answers(
        self, message: object, result: Result, *, had_items: bool
    ) -> tuple[Body, ...]:
        """Return what is answered when the actor has settled *message*.

        Args:
            message: The request as the actor had it.
            result: What came of it.
            had_items: Whether replies were written one by one, so that *result*
                is no more than their end.

        Raises:
            SerializationError: If the reply cannot travel.
        """
        expects_stream = self.request.expects_stream
        if isinstance(result, outcome.Error):
            if expects_stream and isinstance(result.error, NoReplyError):
                return (self.request.end(self.items),)
            return (self.error(result.error),)
        if had_items:
            return (self.request.end(self.items),)
        reply = self.reply_of(message, result.value)
        if expects_stream:
            return (self.item(reply), self.request.end(1))
        return (self.request.reply(reply.payload, reply.message_type),)

    def error(self, error: BaseException) -> Body:
        """Return the answer that *error* is."""
        expose_details = self.desk.host.config.errors.expose_details
        return self.failure(
            failure_of(
                self.request,
                error,
                self.timeout_ms,
                self.format,
                expose_details=expose_details,
            )
        )

    def failure(self, failure: Failure) -> Body:
        """Return why there is no reply, or no more of them."""
        code, text, payload, name = failure
        if self.request.expects_stream:
            return self.request.stream_failure(
                self.items, code, text, payload=payload, message_type=name
            )
        return self.request.failure(code, text, payload=payload, message_type=name)

    def refusal(self, code: ErrorCode, text: str) -> Body:
        """Return why it was not handed to any actor."""
        if not self.request.expects_stream:
            return self.request.failure(code, text)
        if code is ErrorCode.TARGET_BUSY:
            text = STREAM_TARGET_BUSY_TEXT
        return self.request.stream_failure(0, _STREAM_CODES.get(code, code), text)
