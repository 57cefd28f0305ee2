"""`Recall`: requests that nobody waits for any more, and telling the peer so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

import attrs

from .._wire.envelopes import Body, Cancel, Discover

__all__ = ["Recall"]

# Whether the peer can cancel is asked when there is something to cancel.
_CAN_YOU_CANCEL: Final = Discover(
    "disc_cancel", include_actors=False, include_message_types=False
)

# Requests to be called back, should the peer turn out to be able to: as many
# as a server works on at once for one connection.
_MOST_ABANDONED: Final = 64


@final
@attrs.define(eq=False)
class Recall:
    """Has one peer give up requests, if it can; lives as long as the connection."""

    _say: Callable[[Body], None]
    _can_cancel: bool | None = attrs.field(default=None, init=False)
    """Whether the peer knows what CANCEL is, once it has told."""

    _has_asked: bool = attrs.field(default=False, init=False)
    _abandoned: deque[str] = attrs.field(
        factory=lambda: deque[str](maxlen=_MOST_ABANDONED), init=False
    )
    """What nobody waits for any more, until the peer has told that."""

    def call_back(self, correlation_id: str) -> None:
        """Have the peer give a request up, as soon as it is known to be able to."""
        if self._can_cancel:
            self._say(Cancel(correlation_id))
        elif self._can_cancel is None:
            self._abandoned.append(correlation_id)
            self.find_out()

    def find_out(self) -> None:
        """Ask the peer whether it can, if that was not done yet."""
        if not self._has_asked:
            self._has_asked = True
            self._say(_CAN_YOU_CANCEL)

    def learn(self, *, can_cancel: bool) -> None:
        """Take note of what the peer says of itself."""
        self._can_cancel = can_cancel
        while self._abandoned:
            self.call_back(self._abandoned.popleft())
