"""All that the body of a frame can say; what a client says is written here.

What a server says is in `answers`, with the rules that hold for both.  The
answers to a question are made by its own methods, so that nobody has to know
which of their fields go together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, TypeGuard

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .._base.formats import Format
from .answers import (
    PROTOCOL_VERSION,
    ActorEntry,
    Capabilities,
    Correlated,
    ProtocolVersion,
    Push,
    Response,
    StreamItem,
)
from .codes import ErrorCode

__all__ = [
    "HEARTBEAT",
    "PROTOCOL_VERSION",
    "ActorEntry",
    "Body",
    "Cancel",
    "Capabilities",
    "Correlated",
    "Discover",
    "Heartbeat",
    "ProtocolVersion",
    "Push",
    "Request",
    "Response",
    "StreamItem",
    "Subscribe",
    "Unsubscribe",
    "is_request",
]

# The largest number of milliseconds that the reference can hold: 64 bits.
_MAX_TIMEOUT_MS: Final = 2**64 - 1

_DELIVERED: Final = {
    Format.JSON: Raw(b'{"status":"delivered"}'),
    Format.MESSAGEPACK: Raw(b"\x81\xa6status\xa9delivered"),
}


class Request(Correlated, frozen=True, gc=False):
    """A message for an actor, and what is expected back."""

    target: str
    """Name under which the actor is exposed."""

    message_type: str
    """Name of the message's type."""

    payload: Raw | UnsetType = UNSET
    """The message; a fieldless one needs none."""

    expects_reply: bool = False
    expects_stream: bool = False
    """Whether any number of replies is expected; wins over `expects_reply`."""

    response_timeout_ms: int | UnsetType = UNSET
    """How long the asker will wait, in milliseconds; 0 is no time at all."""

    headers: dict[str, str] | UnsetType = UNSET
    """What travels with the message without being part of it."""

    def __post_init__(self) -> None:
        # Bounds beyond 63 bits are not to be had from msgspec.
        timeout = self.response_timeout_ms
        if timeout is not UNSET and not 0 <= timeout <= _MAX_TIMEOUT_MS:
            msg = f"Expected `response_timeout_ms` from 0 to {_MAX_TIMEOUT_MS}"
            raise ValueError(msg)

    @property
    def is_asked(self) -> bool:
        """Whether more is expected back than that it has arrived."""
        return self.expects_reply or self.expects_stream

    def acknowledgement(self, body_format: Format) -> Response:
        """Return the answer that it is in the mailbox, and nothing more.

        It is due to every request that expects no reply, in the *body_format*
        of the request.
        """
        return Response(
            self.correlation_id, success=True, payload=_DELIVERED[body_format]
        )

    def reply(self, payload: Raw, message_type: str | UnsetType = UNSET) -> Response:
        """Return the answer that carries the actor's reply.

        If it is to be sent and nothing else, *payload* may be the reply itself,
        which is then encoded along with the answer.
        """
        return Response(
            self.correlation_id,
            success=True,
            payload=payload,
            message_type=message_type,
        )

    def failure(
        self,
        code: str,
        text: str,
        *,
        payload: Raw | UnsetType = UNSET,
        message_type: str | UnsetType = UNSET,
    ) -> Response:
        """Return the answer that there is no reply, and why.

        A rejection travels with its fields and type name.
        """
        return Response(
            self.correlation_id,
            success=False,
            error=text,
            error_code=code,
            payload=payload,
            message_type=message_type,
        )

    def item(
        self,
        sequence: int,
        payload: Raw,
        message_type: str | UnsetType = UNSET,
    ) -> StreamItem:
        """Return the stream's reply number *sequence*, from 0 on."""
        return StreamItem(
            self.correlation_id, sequence, payload=payload, message_type=message_type
        )

    def end(self, sequence: int) -> StreamItem:
        """Return the end of a stream that had *sequence* replies."""
        return StreamItem(self.correlation_id, sequence, is_final=True)

    def stream_failure(
        self,
        sequence: int,
        code: str,
        text: str,
        *,
        payload: Raw | UnsetType = UNSET,
        message_type: str | UnsetType = UNSET,
    ) -> StreamItem:
        """Return the end of a stream that broke after *sequence* replies."""
        return StreamItem(
            self.correlation_id,
            sequence,
            is_final=True,
            error=text,
            error_code=code,
            payload=payload,
            message_type=message_type,
        )


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign of life; whatever its body holds says nothing."""


HEARTBEAT: Final = Heartbeat()


class Subscribe(Correlated, frozen=True):
    """A wish to be told of broadcasts of these types as well."""

    message_types: tuple[str, ...]

    def response(self, subscribed: Iterable[str]) -> Response:
        """Return the answer: all that the connection is now subscribed to."""
        return _subscribed(self.correlation_id, subscribed)

    def refusal(self, text: str, subscribed: Iterable[str]) -> Response:
        """Return the answer that nothing has changed, and why."""
        return Response(
            self.correlation_id,
            success=False,
            error=f"Protocol error: {text}",
            error_code=ErrorCode.PROTOCOL_ERROR,
            subscribed_types=tuple(subscribed),
        )


class Unsubscribe(Correlated, frozen=True):
    """A wish to hear no more of these types; of none means of all."""

    message_types: tuple[str, ...]

    def response(self, subscribed: Iterable[str]) -> Response:
        """Return the answer: all that the connection is still subscribed to."""
        return _subscribed(self.correlation_id, subscribed)


class Discover(Correlated, frozen=True):
    """A question what the server has to offer."""

    include_actors: bool = True
    include_message_types: bool = True
    include_schemas: bool | UnsetType = UNSET
    """Whether to describe the message types; an older server ignores it."""

    def response(
        self,
        *,
        actors: Iterable[ActorEntry] = (),
        message_types: Iterable[str] = (),
        schemas: dict[str, object] | UnsetType = UNSET,
    ) -> Response:
        """Return the answer, without what was not asked for."""
        return Response(
            self.correlation_id,
            success=True,
            protocol_version=PROTOCOL_VERSION,
            actors=tuple(actors) if self.include_actors else UNSET,
            message_types=(
                tuple(message_types) if self.include_message_types else UNSET
            ),
            schemas=schemas if self.include_schemas is True else UNSET,
        )


class Cancel(Correlated, frozen=True):
    """A wish that the request of this correlation id be given up."""


Body: TypeAlias = (
    Request
    | Response
    | StreamItem
    | Push
    | Heartbeat
    | Subscribe
    | Unsubscribe
    | Discover
    | Cancel
)
"""Anything that the body of a frame can say."""

_OTHERS: Final[frozenset[type]] = frozenset(
    {Response, StreamItem, Push, Heartbeat, Subscribe, Unsubscribe, Discover, Cancel}
)


def is_request(body: Body) -> TypeGuard[Request]:
    """Return whether *body* is a request, whoever has read it.

    This costs less than half of what `isinstance` does, which a struct answers
    quickly only for what is exactly of its type; see `bodies.ReadRequest`.
    """
    return type(body) not in _OTHERS


def _subscribed(correlation_id: str, subscribed: Iterable[str]) -> Response:
    return Response(correlation_id, success=True, subscribed_types=tuple(subscribed))
