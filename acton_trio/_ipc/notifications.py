"""What is pushed by a peer, as whoever has subscribed to it is told.

The trio client and the blocking one share this; so it does without trio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs
from msgspec import UNSET

from .._base.formats import Format
from .._base.teaching import class_line, lesson
from .._base.util import name_of, publish_names
from .._kernel.checks import checked_type
from .._messages.codec import Codec, codec_of
from .._messages.declare import wire_name_of
from .._wire.envelopes import Push

__all__ = [
    "Codecs",
    "Notification",
    "RemoteSubscriptionStatistics",
    "codecs_for",
    "message_in",
]

Codecs: TypeAlias = Mapping[str, Codec[Any] | None]
"""How to read what is pushed, by name; ``None``: as a `Notification`."""


@attrs.frozen
class Notification:
    """What was broadcast in another process, when its type is not at hand; a value."""

    message_type: str
    """Name of its type."""

    payload: Any
    """The message as plain data: dicts, lists, strings and numbers."""

    notification_id: str
    """The peer's name for it."""

    timestamp: float
    """When it was broadcast, in seconds since 1970, by the peer's clock."""

    source_actor: str | None = None
    """The actor that has broadcast it, if the peer tells."""


@attrs.frozen
class RemoteSubscriptionStatistics:
    """What one subscription has counted so far; a snapshot."""

    delivered: int
    """Messages that its reader was given."""

    dropped_here: int
    """Messages that it was not, being behind."""

    dropped_by_peer: int
    """Messages to this client that the peer dropped, the connection being behind.

    The peer does not tell which: each subscription of the client counts all.
    """

    unreadable: int
    """Messages that made no sense: the reader was told, or it was not for sure his."""

    gaps: int
    """How often the connection was lost, and what was broadcast then with it."""

    @property
    def dropped(self) -> int:
        """Messages that were dropped, here or by the peer."""
        return self.dropped_here + self.dropped_by_peer


def codecs_for(message_types: Iterable[type | str]) -> dict[str, Codec[Any] | None]:
    """Return how to read what is pushed of *message_types*, by its names.

    Raises:
        TypeError: If one of them is no message class, or does not travel.
    """
    codecs: dict[str, Codec[Any] | None] = {}
    for each in message_types:
        if isinstance(each, str):
            codecs.setdefault(each, None)
        else:
            # Whoever names both wants the type.
            name = _name_of(each)
            codecs[name] = codecs.get(name) or codec_of(checked_type(each))
    return codecs


def _name_of(message_type: type) -> str:
    name = wire_name_of(checked_type(message_type))
    if name is None:
        line = class_line(message_type)
        msg = lesson(
            f"{name_of(message_type)} does not travel between processes.",
            f"@message\n{line}",
            f"@message(ipc=True)\n{line}",
            f'client.subscribe("{message_type.__name__}")',
        )
        raise TypeError(msg)
    return name


def message_in(push: Push, body_format: Format, codecs: Codecs) -> object:
    """Return what *push* tells.

    Raises:
        SerializationError: If it is not what its type declares.
    """
    codec = codecs[push.message_type]
    if codec is not None:
        return codec.decode(push.payload, body_format)
    return Notification(
        push.message_type,
        codec_of(Any).decode(push.payload, body_format),
        push.notification_id,
        push.timestamp_ms / 1000,
        None if push.source_actor is UNSET else push.source_actor,
    )


publish_names(
    globals(), ["Notification", "RemoteSubscriptionStatistics"], "acton_trio.ipc"
)
