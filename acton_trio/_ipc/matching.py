"""`Matching`: what a peer says, and who is told of it.

No I/O is done here: bytes come in, and whoever waits for what is in them goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import attrs
from msgspec import UNSET

from .._base.errors import ActonError, PeerLostError, ProtocolError
from .._base.formats import Format
from .._wire.connection import Connection
from .._wire.envelopes import Push, Response, StreamItem
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.frames import FrameType
from .._wire.malformed import Malformed
from .asker import Asker
from .exchange import Answer, fresh, no_sense
from .hearers import Audience, Reader
from .recall import Recall
from .results import last_words_in

__all__ = ["Matching"]


@final
@attrs.define(eq=False)
class Matching:
    """What a peer says, and who is told of it; lives as long as the connection."""

    _connection: Connection
    _audience: Audience
    _recall: Recall
    _end: Callable[[], None]
    """Is called when there will be no more answers."""

    askers: dict[str, Asker] = attrs.field(factory=dict[str, Asker], init=False)
    """Who waits for one answer, by the id of that."""

    readers: dict[str, Reader] = attrs.field(factory=dict[str, Reader], init=False)
    """Who reads replies, by the id of the request."""

    told: int = attrs.field(default=0, init=False)
    """How many askers had their answer in what was received last."""

    lost: ActonError | None = attrs.field(default=None, init=False)
    """Why there will be no more answers, once there will be none."""

    has_heard: bool = attrs.field(default=False, init=False)
    """Whether the peer has said anything but why it does not listen."""

    @property
    def is_held_up(self) -> bool:
        """Whether a reader is behind, and nobody waits for anything else."""
        if not self.readers:
            return False
        readers = self.readers.values()
        return any(each.is_behind for each in readers) and not (
            self.askers
            or self._audience.is_waiting
            or any(each.is_waiting for each in readers)
        )

    def receive(self, data: bytes) -> None:
        """Take *data*, and nothing in it yet; ``b""`` at the end."""
        self.told = 0
        self._connection.receive_data(data)

    def take_next(self) -> bool:
        """Tell of what comes next in it; return whether there may be more."""
        try:
            event = self._connection.next_event()
        except ProtocolError as error:
            self.lose(error)
            return False
        # To ask a struct what it is an instance of costs as much as to make one.
        if type(event) is Received:
            self._take(event)
        elif event is NEED_DATA:
            return False
        elif type(event) is ConnectionClosed:
            self.lose(PeerLostError("the peer closed the connection"))
        elif type(event) is Malformed:
            self._take_malformed(event)
        return self.lost is None

    def drop(self, correlation_id: str) -> None:
        """Hand no more replies on; have the peer give the request up if it goes on."""
        if self.readers.pop(correlation_id, None) is not None:
            self._recall.call_back(correlation_id)

    def lose(self, why: ActonError) -> None:
        """Answer everybody that there will be no more answers; the first reason counts."""
        if self.lost is None:
            self.lost = why
        askers, self.askers = self.askers, {}
        for asker in askers.values():
            asker.settle(fresh(self.lost))
        readers, self.readers = self.readers, {}
        for reader in readers.values():
            reader.lose(fresh(self.lost))
        self._end()

    # --- what the peer says

    def _take(self, event: Received) -> None:
        body = event.body
        if type(body) is Response:
            if not self._take_answer(body, event.format):
                return
        elif type(body) is StreamItem:
            self._take_item(body, event.format)
        elif type(body) is Push:
            self._audience.hear(body, event.format)
        self.has_heard = True

    def _take_answer(self, body: Response, body_format: Format) -> bool:
        """Hand an answer to who waits for it; return whether it is no last word."""
        correlation_id = body.correlation_id
        # No id that was asked with is one of those that last words have.
        asker = self.askers.pop(correlation_id, None)
        if asker is None and (last_words := last_words_in(body)) is not None:
            self.lose(last_words)
            return False
        if body.protocol_version is not UNSET:
            self._recall.learn(can_cancel=body.protocol_version.capabilities.cancel)
        if asker is not None:
            self.told += 1
            asker.settle(Answer(body, body_format))
        elif (reader := self.readers.pop(correlation_id, None)) is not None:
            reader.answer(Answer(body, body_format))
        return True

    def _take_item(self, item: StreamItem, body_format: Format) -> None:
        reader = self.readers.get(item.correlation_id)
        if reader is None or reader.put(item, body_format):
            return
        if item.is_final:
            del self.readers[item.correlation_id]
        else:
            self.drop(item.correlation_id)

    def _take_malformed(self, event: Malformed) -> None:
        if event.frame_type is FrameType.PUSH:
            self._audience.mishear()
            return
        correlation_id, error = event.correlation_id, no_sense(event)
        asker = self.askers.pop(correlation_id, None)
        reader = self.readers.get(correlation_id)
        if asker is not None:
            asker.settle(error)
        elif reader is not None:
            reader.lose(error)
            self.drop(correlation_id)
