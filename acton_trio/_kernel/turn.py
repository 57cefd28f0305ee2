"""One handler at work on one message, and the ways in which it can answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from types import CoroutineType
from typing import final

import attrs
import trio

from .._base.errors import HandlerFailedError, NoReplyError, UnexpectedReplyError
from .._base.teaching import lesson, spoken
from .._base.util import name_of, note, publish_names, shown
from .._messages.declare import Rejection
from .._policy.ownership import judge
from .activity import Activity
from .envelope import Ask, Envelope
from .handlers import Handler
from .seat import Seat
from .tally import Tally

__all__ = [
    "ReplyAddress",
    "Turn",
    "answer",
    "failed_answer",
    "handler_failed",
    "wrong_reply",
]


@final
@attrs.define(eq=False)
class Turn:
    """One handler at work on one message; lives until the handler returns."""

    handler: Handler
    envelope: Envelope
    activity: Activity
    since: float
    """When it began, on trio's clock."""

    seat: Seat
    scope: trio.CancelScope | None = None
    """Around the handler, when giving up may cancel it."""

    has_replied: bool = False
    """Whether the handler has answered, or can, by other means than returning."""

    work: object = attrs.field(default=None, init=False)
    """What calling the handler has given, if that goes on."""

    rescued: tuple[Turn, BaseException] | None = attrs.field(default=None, init=False)
    """The turn that failed, and how, if this is the `on_error` for it."""

    # Kept until it is over, as the handler may take it more than once.
    _address: ReplyAddress | None = attrs.field(default=None, init=False)

    @property
    def is_given_up(self) -> bool:
        """Whether it was called back, or its deadline has passed."""
        return self.scope is not None and self.scope.cancel_called

    def give_up(self, envelope: Envelope) -> None:
        """Call the work back: nobody waits for its reply any more."""
        assert envelope is self.envelope
        if self.scope is not None:
            self.scope.cancel(reason="the asker has given up")

    def time_out(self) -> None:
        """Tell the asker if it was its deadline that ended the handler.

        As a rule it is gone by then, cancelled by that deadline itself.
        """
        ask = self.envelope.ask
        if ask is not None and ask.is_open and self.is_given_up:
            ask.time_out(self.envelope, trio.current_time() - ask.since)

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say which handler has the message, and for how long."""
        age = trio.current_time() - self.since
        text = f"its handler {name_of(self.handler.function)} runs since {age:g} s"
        return [text] * len(envelopes)

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return the handler itself: it has to return first."""
        assert envelope is self.envelope
        return (self.activity,)

    def reply(self, value: object) -> None:
        """Answer the request with *value*; only the first answer counts.

        Raises:
            RuntimeError: In the handler of a stream, which yields its replies.
        """
        if self.handler.is_stream:
            msg = f"{name_of(self.handler.function)} serves a stream: yield the replies"
            raise RuntimeError(msg)
        self.has_replied = True
        if self.envelope.ask is not None:
            tally = self.seat.mailbox.tally
            _reply(self.envelope.ask, self.handler, value, tally)

    def returned(self, value: object) -> None:
        """Take what the handler returned for the reply, if it is one."""
        ask = self.envelope.ask
        has_answer = value is not None or not self.has_replied
        if ask is not None and (has_answer or ask.outlet is not None):
            answer(ask, self.handler, value, self.seat.mailbox.tally)

    async def pass_on(self, items: AsyncGenerator[object]) -> None:
        """Hand *items* on, one by one, to whoever reads the stream.

        Cancellation:
            The generator is closed.
        """
        ask, handler = self.envelope.ask, self.handler
        async with aclosing(items):
            async for item in items:
                if ask is None:
                    continue
                if handler.fits is not None and not handler.fits(item):
                    ask.fail(wrong_reply(ask, handler, item))
                    return
                assert ask.outlet is not None
                await ask.outlet.put(item)

    def take_address(self) -> ReplyAddress:
        """Return where the reply can be sent to later, the same one each time."""
        self.has_replied = True
        if self._address is None:
            ask, tally = self.envelope.ask, self.seat.mailbox.tally
            if ask is not None:
                self.seat.defer(ask)
            self._address = ReplyAddress(ask, self.handler, tally)
        return self._address

    def let_go(self) -> None:
        """Leave the reply address to whoever has kept it: the handler is done."""
        self._address = None


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
        self.send_nowait(value)

    def send_nowait(self, value: object) -> None:
        """Answer the request with *value*, as `send` does, without a checkpoint."""
        if self._ask is not None:
            _reply(self._ask, self._handler, value, self._tally)

    def fail(self, error: Exception) -> None:
        """Answer the request with a failure, which is then its asker's.

        A `Rejection` reaches the asker as itself, anything else as
        `HandlerFailedError` from it.  The actor goes on.  As with `send`, only
        the first answer counts, and to an address that is closed it is no error.
        """
        if self._ask is None:
            return
        if self._ask.is_abandoned:
            self._tally.late_replies += 1
        else:
            self._ask.fail(failed_answer(self._ask, error))

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


def answer(ask: Ask, handler: Handler, value: object, tally: Tally) -> None:
    """Take what *handler* has returned for the reply to *ask*, if it is one."""
    if value is not None or handler.none_replies:
        _reply(ask, handler, value, tally)
    elif ask.outlet is not None:
        ask.reply(None)
    else:
        ask.fail(NoReplyError(ask.actor, ask.request))


def _reply(ask: Ask, handler: Handler, value: object, tally: Tally) -> None:
    if ask.is_abandoned:
        tally.late_replies += 1
    elif handler.fits is None or handler.fits(value):
        ask.reply(value)
    else:
        ask.fail(wrong_reply(ask, handler, value))


def failed_answer(
    ask: Ask, error: BaseException, *, owned_by_supervisor: bool = False
) -> BaseException:
    """Return what the asker is told of *error*, which its own handler raised."""
    verdict = judge(error)
    if isinstance(verdict, Rejection):
        return verdict
    return handler_failed(ask, error, owned_by_supervisor=owned_by_supervisor)


def handler_failed(
    ask: Ask, error: BaseException, *, owned_by_supervisor: bool
) -> HandlerFailedError:
    """Return what is told to those whose handler ended with *error*, or by it."""
    answer = HandlerFailedError(
        ask.actor,
        ask.request,
        name_of(type(judge(error))),
        owned_by_supervisor=owned_by_supervisor,
    )
    answer.__cause__ = error
    return answer


def wrong_reply(ask: Ask, handler: Handler, value: object) -> UnexpectedReplyError:
    """Return the error for *value*, which the request does not declare."""
    received = f"{name_of(type(value))} {shown(value, 80)}"
    error = UnexpectedReplyError(
        ask.actor, ask.request, name_of(handler.expects), received
    )
    if isinstance(value, CoroutineType):
        # This tells it, and better than the warning when it is collected.
        value.close()
        call = f"{spoken(value.__qualname__)}(...)"
        fault = f"{name_of(handler.function)} has returned what it did not await."
        note(error, lesson(fault, f"return {call}", f"return await {call}"))
    return error


publish_names(globals(), ["ReplyAddress"])
