"""One handler at work on one message."""

from __future__ import annotations

from typing import final

import attrs
import outcome
import trio

from .._base.errors import NoReplyError, UnexpectedReplyError
from .._base.util import name_of
from .envelope import Envelope
from .handlers import Handler

__all__ = ["Turn"]


@final
@attrs.define(eq=False)
class Turn:
    """One handler at work on one message; lives until the handler returns."""

    handler: Handler
    envelope: Envelope
    since: float
    """When it began, on trio's clock."""

    scope: trio.CancelScope | None = None
    """Around the handler, when giving up may cancel it."""

    replied: bool = False
    """Whether the handler has answered by other means than returning."""

    def give_up(self, envelope: Envelope) -> None:
        """Call the work back: nobody waits for its reply any more."""
        assert envelope is self.envelope
        if self.scope is not None:
            self.scope.cancel(reason="the asker has given up")

    def describe(self, envelope: Envelope) -> str:
        """Say which handler has the message, and for how long."""
        assert envelope is self.envelope
        age = trio.current_time() - self.since
        return f"its handler {name_of(self.handler.function)} runs since {age:g} s"

    def reply(self, value: object) -> None:
        """Answer the request with *value*; only the first answer counts."""
        self.replied = True
        envelope, handler = self.envelope, self.handler
        ask = envelope.ask
        if ask is None:
            return
        if handler.fits is None or handler.fits(value):
            ask.settle(outcome.Value(value))
            return
        error = UnexpectedReplyError(
            ask.actor, ask.request, name_of(handler.expects), _described(value)
        )
        ask.fail(error)

    def returned(self, value: object) -> None:
        """Take what the handler returned for the reply, if it is one."""
        if value is not None or (self.handler.none_replies and not self.replied):
            self.reply(value)
            return
        ask = self.envelope.ask
        if ask is not None and not self.replied:
            ask.fail(NoReplyError(ask.actor, ask.request))


def _described(value: object) -> str:
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return f"{type(value).__qualname__} {shown}"
