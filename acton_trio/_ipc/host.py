"""What the connections of one listener share."""

from __future__ import annotations

from typing import final

import attrs
import trio

from .._kernel.commons import Commons
from .._kernel.handle import seat_of
from .._kernel.patience import Patience
from .._messages.schema import schema_of
from .._runtime.exposure import Exposure
from .._wire.envelopes import ActorEntry, Discover, Response
from .config import IpcConfig
from .flusher import Flusher
from .poller import Poller
from .pushes import Pushes
from .reading import RequestReader
from .statistics import Counters
from .turns import Turns

__all__ = ["Host"]


@final
@attrs.define(eq=False)
class Host:
    """What the connections of one listener share; lives as long as that."""

    exposure: Exposure
    patience: Patience
    pushes: Pushes
    config: IpcConfig
    counters: Counters
    commons: Commons | None = None
    """Where actors take their steps that need no task of their own."""

    is_draining: bool = attrs.field(default=False, init=False)
    """Whether requests are refused, since the listener is about to close."""

    turns: Turns = attrs.field(init=False)
    """Whose frames are dealt with next."""

    poller: Poller | None = attrs.field(default=None, init=False)
    """Who listens to plain sockets, if anybody can."""

    flusher: Flusher = attrs.field(factory=Flusher, init=False)
    """Who writes to them what is not written at once."""

    reader: RequestReader = attrs.field(init=False)
    """Reads the requests of all of them."""

    progress: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )
    """Woken when fewer requests are in flight, or a connection has ended."""

    def __attrs_post_init__(self) -> None:
        self.reader = RequestReader(self.exposure.registry)
        # What actors answer in their steps is written after those.
        actors = () if self.commons is None else (self.commons,)
        self.turns = Turns((*actors, self.flusher))

    def discovered(self, question: Discover) -> Response:
        """Return the answer to what there is to be reached here."""
        registry = self.exposure.registry
        # Only what is asked for is looked up: it may be much.
        types: tuple[str, ...] = ()
        schemas: dict[str, object] = {}
        if question.include_message_types or question.include_schemas is True:
            types = registry.type_names()
        if question.include_schemas is True:
            schemas = {name: schema_of(registry.find(name)) for name in types}
        return question.response(
            actors=self._actors() if question.include_actors else (),
            message_types=types,
            schemas=schemas,
        )

    def _actors(self) -> list[ActorEntry]:
        name_of = self.exposure.registry.name_of
        actors: list[ActorEntry] = []
        for name, handle in sorted(self.exposure.actors().items()):
            accepted = map(name_of, seat_of(handle).accepts)
            accepts = tuple(sorted(filter(None, accepted)))
            actors.append(ActorEntry(name, handle.id, accepts))
        return actors
