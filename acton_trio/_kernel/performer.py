"""`Performer`: runs one handler to its end, and sees to what that is.

It may be an answer, a failure, or a cancellation: of the incarnation, or of the
handler alone, as nobody waits for its reply any more.
"""

from __future__ import annotations

from typing import final

import attrs

from .._policy.ownership import judge
from .actor import Behaviour
from .context import Context, Incarnation
from .errands import Errand
from .handlers import find_error_handler, is_coroutine
from .instruments import Panel
from .parting import part
from .seat import Seat
from .spans import Span
from .tally import Tally
from .turn import Turn
from .verdicts import Verdicts
from .watch import Watch

__all__ = ["Performer"]


@final
@attrs.define(eq=False, weakref_slot=False)
class Performer:
    """Runs the handlers of one incarnation, each as a `Turn`; lives as long as that."""

    seat: Seat
    incarnation: Incarnation
    model: object
    behaviour: Behaviour
    work: Span
    """Around all of it: cancelled when the incarnation is to end at once."""

    verdicts: Verdicts
    _errands: list[Errand]
    """Where failures go that have an `on_error`, which has to wait until it is alone."""

    _panel: Panel
    _tally: Tally
    failure: BaseException | None = attrs.field(default=None, init=False)
    """What has ended the incarnation, if something has."""

    async def perform(self, turn: Turn, *arguments: object) -> None:
        """Call the handler with *arguments*, and await what it has to wait for."""
        handler, watch = turn.handler, None
        if self._panel.is_watching:
            watch = Watch(self._panel, self.seat.name, handler, turn.envelope)
        try:
            has_context = handler.wants_context
            context = (Context(self.incarnation, turn),) if has_context else ()
            result = handler.function(self.model, *arguments, *context)
            turn.work = result
            if handler.is_stream:
                await turn.pass_on(result)
                result = None
            elif is_coroutine(result):
                if not handler.is_async:
                    # Nobody knew, so this task runs it and can do nothing else.
                    turn.activity.exclusive = True
                result = await result
        except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
            cancelled = self._broke_off(turn, error, watch)
            if cancelled is not None:
                raise cancelled from None  # noqa: ASYNC104 - it is
        else:
            self._tally.handled += 1
            turn.returned(result)
            turn.let_go()
            if watch is not None:
                watch.ended()
        if turn.envelope.place is turn:
            turn.envelope.place = None

    def failed(self, turn: Turn, error: BaseException) -> None:
        """Take what the handler has raised, and look for an `on_error` for it."""
        if turn.rescued is not None:
            turn, first = turn.rescued
            if error is not first and error is not judge(first):
                error.__cause__ = error.__cause__ or first
            self.pass_judgement(turn, error)
            return
        table = self.behaviour.error_handlers
        message = turn.envelope.message
        handler = find_error_handler(table, judge(error), message) if table else None
        if handler is None or self.failure is not None:
            self.pass_judgement(turn, error)
        else:
            errand = Errand(turn, error, handler)
            turn.envelope.place = errand
            self._errands.append(errand)
            self.seat.mailbox.ring()

    def pass_judgement(self, turn: Turn, error: BaseException) -> None:
        """Hand on what the handler has raised: no `on_error` deals with it."""
        self.verdicts.failed(turn, error)
        turn.let_go()

    def _broke_off(
        self, turn: Turn, error: BaseException, watch: Watch | None
    ) -> BaseException | None:
        """Take what a handler has ended with, and return what of it is trio's."""
        self._tally.handled += 1
        cancelled, failure = part(error)
        is_cut = self.work.cancel_called and not turn.is_given_up
        if cancelled is not None or (is_cut and failure is not self.failure):
            self._note_cut(turn, error)
        if failure is not None:
            turn.time_out()
            self.failed(turn, failure)
        if cancelled is not None:
            self._cut_off(turn)
        if watch is not None:
            watch.ended(failure or cancelled)
        return cancelled

    def _note_cut(self, turn: Turn, error: BaseException) -> None:
        if not turn.is_given_up:
            message, function = turn.envelope.message, turn.handler.function
            overseer = self.seat.surroundings.overseer
            overseer.cut_off(self.seat.name, message, function, error)

    def _cut_off(self, turn: Turn) -> None:
        if turn.rescued is not None:
            # What it was to deal with is still there.
            self.verdicts.failed(*turn.rescued)
        elif not turn.is_given_up:
            is_known = self.failure is not None or self.work.cancel_called
            self.verdicts.cut_off(turn, self.failure, is_known=is_known)
        turn.let_go()
