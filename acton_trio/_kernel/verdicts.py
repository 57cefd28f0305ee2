"""What becomes of a message that is not simply answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import attrs

from .._base.errors import (
    ActorStoppedError,
    UnhandledMessageError,
)
from .._base.util import name_of, note
from .._messages.declare import Rejection
from .._policy.ownership import Owner, judge, owner_of
from .advice import advise, advise_on_unhandled
from .envelope import EXPIRED, Ask, Envelope
from .handle import ActorHandle
from .handlers import HandlerTable
from .seat import Seat
from .surroundings import DeadLetter
from .turn import Turn, failed_answer, handler_failed

__all__ = ["Verdicts"]


@final
@attrs.define(eq=False)
class Verdicts:
    """Hands failures to their owners; lives as long as an incarnation."""

    seat: Seat
    fail: Callable[[BaseException], None]
    """Takes the failure that ends the incarnation."""

    _undecided: list[Ask] = attrs.field(factory=list[Ask], init=False)

    def unhandled(
        self, envelope: Envelope, handlers: HandlerTable, model: object
    ) -> None:
        """Nobody handles messages of this type."""
        handled = tuple(sorted(name_of(each) for each in handlers))
        message = name_of(type(envelope.message))
        error = UnhandledMessageError(self.seat.name, message, handled)
        advise_on_unhandled(error, type(model), type(envelope.message))
        if envelope.ask is not None:
            envelope.ask.fail(error)
        self._dead_letter(envelope, "no handler for its type", error)

    def expired(self, envelope: Envelope) -> None:
        """The message has lost its point before a handler began, and is dropped."""
        self.seat.mailbox.tally.expired += 1
        envelope.place = EXPIRED
        if envelope.ask is not None and envelope.ask.is_open:
            self.seat.surroundings.patience.end(envelope)

    def failed(self, turn: Turn, error: BaseException) -> None:
        """The handler raised *error*, and no `on_error` has dealt with it."""
        envelope, ask = turn.envelope, turn.envelope.ask
        verdict = judge(error)
        if not isinstance(verdict, Rejection):
            advise(error, turn.handler.function)
        owner = owner_of(
            verdict,
            exclusive=turn.handler.exclusive,
            asked=ask is not None,
            asker_waits=ask is not None and ask.is_open,
            is_remote=envelope.is_remote,
        )
        if ask is not None and ask.is_open:
            owned = owner is Owner.SUPERVISOR
            ask.fail(failed_answer(ask, error, owned_by_supervisor=owned))
        if owner is Owner.SUPERVISOR:
            note(error, self.describe(envelope))
            self.fail(error)
        elif owner is Owner.DEAD_LETTERS:
            rejected = isinstance(verdict, Rejection)
            reason = "rejected" if rejected else "its handler failed"
            self._dead_letter(envelope, reason, error)

    def cut_off(
        self, turn: Turn, failure: BaseException | None, *, is_known: bool
    ) -> None:
        """The handler was cancelled with its incarnation, which may have failed.

        Args:
            turn: What was cancelled.
            failure: Why, if it has failed.
            is_known: Whether that is known yet: what fails in a nursery of a
                lifespan cancels all before it shows.
        """
        ask = turn.envelope.ask
        if ask is None or not ask.is_open:
            return
        if is_known:
            self._tell_why(ask, failure)
        else:
            self._undecided.append(ask)

    def decide(self, failures: Sequence[BaseException]) -> None:
        """Tell those who were cut off before it was known why: for *failures*.

        What has failed will not keep its promises to answer later either.  One
        that ends otherwise takes those along that it has kept for itself.
        """
        failure = failures[0] if failures else None
        promised = self.seat.deferred if failure is not None else None
        for ask in [*self._undecided, *(promised or ())]:
            self._tell_why(ask, failure)
        self._undecided.clear()
        self.seat.deferred = None

    def _tell_why(self, ask: Ask, failure: BaseException | None) -> None:
        if failure is not None:
            ask.fail(handler_failed(ask, failure, owned_by_supervisor=True))
        else:
            detail = "was stopped before it had answered"
            ask.fail(ActorStoppedError(self.seat.name, detail))

    def describe(self, envelope: Envelope) -> str:
        """Return the note for what went wrong with the message of *envelope*."""
        sender = envelope.sender
        origin = "another process" if envelope.is_remote else "plain code"
        if isinstance(sender, ActorHandle):
            origin = sender.name
        message = name_of(type(envelope.message))
        return f"in {self.seat.name}, handling {message} from {origin}"

    def _dead_letter(
        self, envelope: Envelope, reason: str, error: BaseException | None
    ) -> None:
        letter = DeadLetter(envelope.message, self.seat.name, reason, error)
        self.seat.surroundings.dead_letter(letter)
