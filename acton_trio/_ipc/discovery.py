"""What a peer has to offer, as a client is told.

The trio client and the blocking one share this; so it does without trio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attrs
import msgspec
from msgspec import UNSET

from .._base.util import publish_names
from .._wire.envelopes import Response
from .results import refusal_in

__all__ = ["ActorInfo", "Discovery"]


@attrs.frozen
class ActorInfo:
    """An actor that a peer exposes, as it was when the peer said so; a value."""

    name: str
    """What it is called there."""

    ern: str
    """The same as nobody else is ever called."""

    accepts: tuple[str, ...] = ()
    """Names of the messages it handles, if the peer tells them."""


@attrs.frozen
class Discovery:
    """What a peer has to offer; a value."""

    protocol_version: int
    """The newest version of the protocol that it speaks."""

    capabilities: frozenset[str]
    """What it can do: ``messagepack``, ``streaming``, ``push``, ``cancel``."""

    actors: tuple[ActorInfo, ...]
    """The actors that can be reached, by name."""

    message_types: tuple[str, ...]
    """Names of the messages it knows, sorted."""

    schemas: Mapping[str, dict[str, Any]] = attrs.field(
        factory=dict[str, dict[str, Any]], hash=False, repr=False
    )
    """The JSON Schema of each, if they were asked for and the peer tells them."""

    @classmethod
    def of(cls, response: Response) -> Discovery:
        """Return what *response* tells.

        Raises:
            PeerRejectedError: If it is an error.
        """
        version = response.protocol_version
        if not response.success or version is UNSET:
            raise refusal_in(response)
        able = msgspec.structs.asdict(version.capabilities)
        actors = () if response.actors is UNSET else response.actors
        types = () if response.message_types is UNSET else response.message_types
        schemas = {} if response.schemas is UNSET else response.schemas
        return cls(
            version.current,
            frozenset(name for name, can in able.items() if can),
            tuple(
                ActorInfo(
                    each.name, each.ern, () if each.accepts is UNSET else each.accepts
                )
                for each in sorted(actors, key=lambda each: each.name)
            ),
            tuple(sorted(types)),
            {
                name: cast("dict[str, Any]", each)
                for name, each in schemas.items()
                if isinstance(each, dict)
            },
        )


publish_names(globals(), __all__, "acton_trio.ipc")
