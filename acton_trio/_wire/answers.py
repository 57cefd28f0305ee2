"""What a server says: answers, the items of a stream, pushes.

Fields are written in the order in which they stand here.  One that is
``UNSET`` is left out, and is what an absent one reads as; ``null`` is not the
same, and is accepted only where any value is: in a payload.

A payload is `msgspec.Raw`, bytes in the format of the frame around it, so that
it is encoded once, and decoded once, when its type is known.  Where that is
known from the start, it need not be looked at twice: see `bodies.ReadRequest`
and `Request.reply`.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from .versions import CURRENT_VERSION, MAX_VERSION, MIN_VERSION

__all__ = [
    "PROTOCOL_VERSION",
    "ActorEntry",
    "Capabilities",
    "Correlated",
    "ProtocolVersion",
    "Push",
    "Response",
    "StreamItem",
]

Natural: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SequenceNumber: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class ProtocolVersion(msgspec.Struct, frozen=True):
    """The versions that a server speaks, and what it can do."""

    current: int
    min_supported: int
    max_supported: int
    description: str
    capabilities: Capabilities


class Capabilities(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server can do; one that does not say so cannot cancel."""

    messagepack: bool
    streaming: bool
    push: bool
    discovery: bool
    cancel: bool = False


PROTOCOL_VERSION: Final = ProtocolVersion(
    CURRENT_VERSION,
    MIN_VERSION,
    MAX_VERSION,
    "v2 (multi-format, streaming, push, discovery)",
    Capabilities(
        messagepack=True, streaming=True, push=True, discovery=True, cancel=True
    ),
)
"""What our server says of itself."""


class ActorEntry(msgspec.Struct, frozen=True):
    """An exposed actor, as discovery lists it."""

    name: str
    ern: str
    accepts: tuple[str, ...] | UnsetType = UNSET
    """Names of the message types it handles."""


class Correlated(msgspec.Struct, frozen=True):
    """Base of the bodies that belong to one question and its answers."""

    correlation_id: str
    """The asker's name for the question, repeated in every answer to it."""


class Response(Correlated, frozen=True, gc=False):
    """The answer to a request, a subscription or a discovery.

    The one who asked knows which: nothing in the answer says so, but that
    subscriptions are answered with `subscribed_types`, and discoveries with
    `protocol_version` and what was asked for.
    """

    success: bool
    error: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET
    message_type: str | UnsetType = UNSET
    subscribed_types: tuple[str, ...] | UnsetType = UNSET
    protocol_version: ProtocolVersion | UnsetType = UNSET
    actors: tuple[ActorEntry, ...] | UnsetType = UNSET
    message_types: tuple[str, ...] | UnsetType = UNSET
    schemas: dict[str, object] | UnsetType = UNSET

    def as_final_item(self) -> StreamItem:
        """Return the end of the stream that this answer puts an end to.

        A server may answer a stream's request with a plain error, as it does
        when it is shutting down.
        """
        return StreamItem(
            self.correlation_id,
            0,
            is_final=True,
            error=self.error,
            error_code=self.error_code,
            payload=self.payload,
            message_type=self.message_type,
        )


class StreamItem(Correlated, frozen=True):
    """One reply of a stream, or its end."""

    sequence: SequenceNumber
    """Place in the stream, from 0 on."""

    is_final: bool = False
    """Whether the stream ends here; the end carries no reply of its own."""

    error: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET
    message_type: str | UnsetType = UNSET


class Push(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A broadcast message, to a connection that subscribed to its type."""

    notification_id: str
    message_type: str
    source_actor: str | UnsetType = UNSET
    payload: Raw
    timestamp_ms: Natural
    """When it was broadcast, in milliseconds since 1970."""

    dropped: Natural = 0
    """How many pushes were lost before this one, the reader being slow."""
