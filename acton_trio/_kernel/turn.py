"""One handler at work on one message, and the ways in which it can answer."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from typing import final

import attrs
import outcome
import trio

from .._base.errors import NoReplyError, UnexpectedReplyError
from .._base.util import name_of, publish_names
from .activity import Activity
from .envelope import Ask, Envelope
from .handlers import Handler
from .tally import Tally

__all__ = ["ReplyAddress", "Turn"]


@final
@attrs.define(eq=False)
class Turn:
    """One handler at work on one message; lives until the handler returns."""

    handler: Handler
    envelope: Envelope
    activity: Activity
    since: float
    """When it began, on trio's clock."""

    tally: Tally
    scope: trio.CancelScope | None = None
    """Around the handler, when giving up may cancel it."""

    has_replied: bool = False
    """Whether the handler has answered, or can, by other means than returning."""

    rescued: tuple[Turn, BaseException] | None = attrs.field(default=None, init=False)
    """The turn that failed, and how, if this is the `on_error` for it."""

    _address: weakref.ref[ReplyAddress] | None = attrs.field(default=None, init=False)

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

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return the handler itself: it has to return first."""
        assert envelope is self.envelope
        return (self.activity,)

    def reply(self, value: object) -> None:
        """Answer the request with *value*; only the first answer counts."""
        self.has_replied = True
        if self.envelope.ask is not None:
            _answer(self.envelope.ask, self.handler, value, self.tally)

    def returned(self, value: object) -> None:
        """Take what the handler returned for the reply, if it is one."""
        ask = self.envelope.ask
        if ask is not None and ask.outlet is not None:
            ask.settle(outcome.Value(None))
            return
        if value is not None or (self.handler.none_replies and not self.has_replied):
            self.reply(value)
            return
        if ask is not None and not self.has_replied:
            ask.fail(NoReplyError(ask.actor, ask.request))

    def take_address(self) -> ReplyAddress:
        """Return where the reply can be sent to later, the same one each time."""
        self.has_replied = True
        address = self._address() if self._address is not None else None
        if address is None:
            address = ReplyAddress(self.envelope.ask, self.handler, self.tally)
            self._address = weakref.ref(address)
        return address


@final
class ReplyAddress:
    """Where a reply can be sent to later; lives as long as anybody keeps it.

    When the last reference to it goes while nobody has replied, the ask ends
    with `NoReplyError`.
    """

    __slots__ = ("__weakref__", "_ask", "_handler", "_tally", "_token")

    def __init__(self, ask: Ask | None, handler: Handler, tally: Tally) -> None:
        self._ask = ask
        self._handler = handler
        self._tally = tally
        self._token = trio.lowlevel.current_trio_token()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<ReplyAddress, {state}>"

    @property
    def is_closed(self) -> bool:
        """Whether nobody waits for a reply: answered, or the asker has gone."""
        return self._ask is None or not self._ask.is_open

    async def send(self, value: object) -> None:
        """Answer the request with *value*; only the first answer counts.

        Sending to an address that is closed is no error: the reply goes
        nowhere.

        Cancellation:
            Nothing was sent.
        """
        await trio.lowlevel.checkpoint()
        if self._ask is not None:
            _answer(self._ask, self._handler, value, self._tally)

    def __del__(self) -> None:
        # Here nothing may be touched: this runs wherever the last reference
        # happens to go, in any thread, and amid anything.
        ask = self._ask
        if ask is not None and ask.is_open:
            try:
                self._token.run_sync_soon(_drop, ask)
            except trio.RunFinishedError:
                return


def _drop(ask: Ask) -> None:
    ask.fail(NoReplyError(ask.actor, ask.request))


def _answer(ask: Ask, handler: Handler, value: object, tally: Tally) -> None:
    if ask.is_abandoned:
        tally.late_replies += 1
    elif handler.fits is None or handler.fits(value):
        ask.settle(outcome.Value(value))
    else:
        ask.fail(wrong_reply(ask, handler, value))


def wrong_reply(ask: Ask, handler: Handler, value: object) -> UnexpectedReplyError:
    """Return the error for *value*, which the request does not declare."""
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    received = f"{type(value).__qualname__} {shown}"
    return UnexpectedReplyError(
        ask.actor, ask.request, name_of(handler.expects), received
    )


publish_names(globals(), ["ReplyAddress"])
