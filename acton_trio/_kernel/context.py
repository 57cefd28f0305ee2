"""`Context`: what a handler or hook may ask about, and do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import attrs

from .._base.util import publish_names
from .envelope import NO_HEADERS
from .handle import ActorHandle
from .turn import Turn

__all__ = ["Context"]


@final
@attrs.frozen(eq=False, repr=False)
class Context:
    """What a handler or hook may ask about, and do; lives until it returns."""

    handle: ActorHandle
    """The actor itself."""

    runtime: Any
    """The `Runtime` it runs in."""

    _turn: Turn | None = None

    @property
    def message(self) -> object:
        """The message being handled; ``None`` in a hook."""
        return self._turn.envelope.message if self._turn else None

    @property
    def sender(self) -> ActorHandle | None:
        """The actor that sent the message; ``None`` for plain code and peers."""
        sender = self._turn.envelope.sender if self._turn else None
        assert sender is None or isinstance(sender, ActorHandle)
        return sender

    @property
    def deadline(self) -> float:
        """When the message loses its point, on trio's clock; else infinity."""
        return self._turn.envelope.deadline if self._turn else math.inf

    @property
    def headers(self) -> Mapping[str, str]:
        """What travels with the message, and on with what the handler sends."""
        return self._turn.envelope.headers if self._turn else NO_HEADERS

    def reply(self, value: object) -> None:
        """Answer the request now; what the handler returns then is dropped.

        Only the first reply counts.  A message that was sent has no asker:
        its reply goes nowhere.

        Raises:
            RuntimeError: In a hook, which has nothing to answer.
        """
        if self._turn is None:
            msg = "a hook has no message to reply to"
            raise RuntimeError(msg)
        self._turn.reply(value)


publish_names(globals(), ["Context"])
