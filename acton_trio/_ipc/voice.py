"""`Voice`: what one peer is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import final

import attrs

from .._base.formats import Format
from .._wire.connection import Connection
from .._wire.envelopes import Body
from .._wire.states import State
from .outbox import Outbox

__all__ = ["Voice"]


@final
@attrs.define(eq=False)
class Voice:
    """What one peer is told; lives as long as its connection."""

    _connection: Connection
    _outbox: Outbox
    _due: Collection[object]
    """What is still to be answered."""

    gathers: bool = attrs.field(default=False, init=False)
    """Whether what is said now is written later: `flush` is going to be called."""

    def send(
        self,
        body: Body,
        version: int,
        body_format: Format,
        written: Callable[[], None] | None = None,
    ) -> None:
        """Have *body* written in a version and a format, and be told when it is.

        Raises:
            LocalProtocolError: If it is larger than any peer accepts.
            SerializationError: If a string of it cannot be written.
        """
        frame = self._connection.send(body, version=version, format=body_format)
        self._outbox.put(frame, written)
        if not self.gathers:
            self.flush()

    def push(self, frame: bytes, written: Callable[[], None]) -> bool:
        """Have *frame* written, and be told when it is; return whether it will be."""
        if self._connection.state in {State.BROKEN, State.CLOSED}:
            return False
        self._outbox.put(frame, written)
        self._outbox.flush_soon()
        return True

    async def wait_calm(self) -> None:
        """Wait until what was put in leaves the peer time for one more item.

        Cancellation:
            Only the waiting ends.
        """
        await self._outbox.wait_calm()

    def flush(self) -> None:
        """Have what was said be written."""
        outbox = self._outbox
        if not outbox.size:
            return
        # The last answer that is due has nothing to wait for: it goes at once, and
        # with it those before.  It may well be the only one.
        if self._due:
            outbox.flush_soon()
        else:
            outbox.flush()
