"""`Line`: those who wait for room in a mailbox, first come, first served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

import outcome

from .._base.errors import ActorStoppedError
from .envelope import Envelope, Result

__all__ = ["Line"]


@final
class Line:
    """Envelopes that wait for room, in order; lives as long as their mailbox."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[Envelope, Callable[[Result], None] | None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, envelope: Envelope) -> bool:
        return envelope in self._waiting

    def __iter__(self) -> Iterator[Envelope]:
        return iter(self._waiting)

    def __reversed__(self) -> Iterator[Envelope]:
        return reversed(self._waiting)

    def stand(
        self, envelope: Envelope, admitted: Callable[[Result], None] | None
    ) -> None:
        """Have *envelope* wait for room; *admitted* hears how that ends."""
        self._waiting[envelope] = admitted

    def leave(self, envelope: Envelope) -> None:
        """Have *envelope* wait no more."""
        del self._waiting[envelope]

    def first(self) -> tuple[Envelope, Callable[[Result], None] | None]:
        """Take out who comes first, and who is to hear that there is room."""
        envelope = next(iter(self._waiting))
        return envelope, self._waiting.pop(envelope)

    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        """Tell all who wait that there will be no room."""
        waiting, self._waiting = self._waiting, {}
        for envelope, admitted in waiting.items():
            envelope.place = None
            error = outcome.Error(why())
            if admitted is not None:
                admitted(error)
            elif envelope.ask is not None:
                envelope.ask.settle(error)
