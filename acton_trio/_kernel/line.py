"""`Line`: those who wait for room in a mailbox, first come, first served."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import outcome

from .._base.errors import ActorStoppedError
from .envelope import Envelope, Result

__all__ = ["Line"]


@final
class Line(dict[Envelope, Callable[[Result], None] | None]):
    """Envelopes that wait for room, in order, each with who hears how that ends.

    Lives as long as their mailbox.  It is a dictionary because whoever takes a message
    out of the mailbox looks whether it is empty.
    """

    __slots__ = ()

    def first(self) -> tuple[Envelope, Callable[[Result], None] | None]:
        """Take out who comes first, and who is to hear that there is room."""
        envelope = next(iter(self))
        return envelope, self.pop(envelope)

    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        """Tell all who wait that there will be no room."""
        while self:
            envelope, admitted = self.first()
            envelope.place = None
            error = outcome.Error(why())
            if admitted is not None:
                admitted(error)
            elif envelope.ask is not None:
                envelope.ask.settle(error)
