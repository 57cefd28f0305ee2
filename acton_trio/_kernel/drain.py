"""`Drain`: takes message after message out of a mailbox, and calls plain functions.

Such a function is given the message alone, and cannot wait: nothing of it has to be
kept, and nobody can see it at work.  So there is no `Turn` for it, unless it fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from types import CoroutineType, NoneType
from typing import Any, Final, Protocol, final

import attrs

from .activity import NO_HEADERS, Activity, current_activity
from .actor import Behaviour
from .envelope import Envelope
from .gates import GATES
from .handlers import Handler
from .mailbox import Mailbox
from .pace import Budget
from .tally import Tally
from .turn import answer
from .watch import Watch

__all__ = ["Drain", "Rest"]

Rest = tuple[Handler, Envelope]
"""What is left to be awaited of a message: its function was none after all."""


class Hands(Protocol):
    """Who deals with what is not simply called."""

    latest: Handler | None
    """Of the message that was looked at last."""

    def activity_for(self, handler: Handler, envelope: Envelope) -> Activity:
        """Return who acts while *handler* has the message."""
        ...

    def may_begin(self, envelope: Envelope) -> bool:
        """Return whether nothing stands in the way of the handler for *envelope*."""
        ...

    def expire(self, envelope: Envelope) -> None:
        """Drop a message that has lost its point."""
        ...

    def failed_plainly(self, envelope: Envelope, error: BaseException) -> None:
        """Take what the function for *envelope* has raised."""
        ...


_NONE: Final[Mapping[type, Callable[..., Any]]] = {}


@final
@attrs.define(eq=False)
class Drain:
    """Calls plain functions for what is queued; lives as long as an incarnation."""

    mailbox: Mailbox
    model: object
    behaviour: Behaviour
    activity: Activity
    """Who acts meanwhile: one for all, as they cannot wait."""

    hands: Hands
    _now: Callable[[], float]
    """Tells the time on trio's clock."""

    _tally: Tally = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tally = self.mailbox.tally

    def run(self, budget: Budget) -> Rest | None:
        """Handle messages until there are no more, or there is anything else to do.

        Args:
            budget: How many, and for how long, before others have their turn.
        """
        mailbox, model, activity = self.mailbox, self.model, self.activity
        queue, tally = mailbox.queue, self._tally
        is_simple = mailbox.panel.is_quiet and not GATES
        functions = self.behaviour.plain if is_simple else _NONE
        kind: type = NoneType
        rest: Rest | None = None
        left, until = budget.left, budget.until
        while left > 0 and queue and rest is None and not mailbox.has_rung:
            if perf_counter() >= until:
                left = 0
                break
            left -= 1
            message = queue[0]
            kind = type(message)
            function = functions.get(kind)
            if function is None:
                rest = self._take_next()
                continue
            queue.popleft()
            if mailbox.line:
                mailbox.admit()
            activity.message_type = kind
            try:
                result = function(model, message)
            except BaseException as error:  # noqa: BLE001, ASYNC103 - to its owner
                self._failed(Envelope(message), error)
                result = None
            else:
                tally.handled += 1
            if result is not None and isinstance(result, CoroutineType):
                rest = self._rest_of(Envelope(message), result)
        budget.left = left
        if kind in functions:
            self.hands.latest = self.behaviour.handlers[kind]
        # A task that they have started is not about the next message.
        activity.message_type = None
        return rest

    def _take_next(self) -> Rest | None:
        """Handle what is in an envelope, or that somebody wants to hear of."""
        mailbox = self.mailbox
        envelope = mailbox.head()
        if envelope is None:
            return None
        handler = self.behaviour.handlers.get(type(envelope.message))
        is_ours = handler is not None and handler.is_plain
        may_begin = not GATES or self.hands.may_begin(envelope)
        if handler is None or not is_ours or not may_begin:
            mailbox.has_rung = True
            return None
        return self.call(handler, mailbox.take())

    def call(self, handler: Handler, envelope: Envelope) -> Rest | None:
        """Have *handler*, a plain function, handle what is in *envelope*."""
        if envelope.deadline < math.inf and envelope.deadline <= self._now():
            self.hands.expire(envelope)
            return None
        self.hands.latest, activity = handler, self.activity
        if envelope.headers is not NO_HEADERS:
            activity = self.hands.activity_for(handler, envelope)
            current_activity.set(activity)
        activity.message_type = handler.message_type
        watch = failure = None
        if self.mailbox.panel.is_watching:
            watch = Watch(self.mailbox.panel, self.mailbox.owner, handler, envelope)
        try:
            result = handler.function(self.model, envelope.message)
        except BaseException as error:  # noqa: BLE001, ASYNC103 - to its owner
            failure = error
            self._failed(envelope, error)
            rest = None
        else:
            self._tally.handled += 1
            ask = envelope.ask
            is_done = not isinstance(result, CoroutineType)
            rest = None if is_done else self._rest_of(envelope, result)
            if rest is None and ask is not None:
                answer(ask, handler, result, self._tally)
        if watch is not None:
            watch.ended(failure)
        # Its traceback leads to this very frame.
        failure = None
        if activity is not self.activity:
            current_activity.set(self.activity)
        self.activity.message_type = None
        return rest

    def _rest_of(self, envelope: Envelope, result: Any) -> Rest:
        # What is still to be awaited counts when that has ended.
        self._tally.handled -= 1
        handler = self.behaviour.handlers[type(envelope.message)]
        return handler.goes_on(result), envelope

    def _failed(self, envelope: Envelope, error: BaseException) -> None:
        self._tally.handled += 1
        self.mailbox.has_rung = True
        self.hands.failed_plainly(envelope, error)
