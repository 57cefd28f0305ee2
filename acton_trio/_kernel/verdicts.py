"""What becomes of a message that is not simply answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import attrs

from .._base.errors import (
    ActorStoppedError,
    HandlerFailedError,
    UnhandledMessageError,
)
from .._base.util import name_of
from .._messages.declare import Rejection
from .._policy.ownership import Owner, judge, owner_of
from .envelope import Envelope
from .handle import ActorHandle
from .handlers import HandlerTable
from .seat import Seat
from .surroundings import DeadLetter
from .turn import Turn

__all__ = ["Verdicts"]


@final
@attrs.define(eq=False)
class Verdicts:
    """Hands failures to their owners; lives as long as an incarnation."""

    seat: Seat
    fail: Callable[[BaseException], None]
    """Takes the failure that ends the incarnation."""

    def unhandled(self, envelope: Envelope, handlers: HandlerTable) -> None:
        """Nobody handles messages of this type."""
        handled = tuple(sorted(name_of(each) for each in handlers))
        message = name_of(type(envelope.message))
        error = UnhandledMessageError(self.seat.name, message, handled)
        if envelope.ask is not None:
            envelope.ask.fail(error)
        self._dead_letter(envelope, "no handler for its type", error)

    def failed(self, turn: Turn, error: BaseException) -> None:
        """The handler raised *error*, and no `on_error` has dealt with it."""
        envelope, ask = turn.envelope, turn.envelope.ask
        verdict = judge(error)
        owner = owner_of(
            verdict,
            exclusive=turn.handler.exclusive,
            asked=ask is not None,
            asker_waits=ask is not None and ask.is_open,
            is_remote=envelope.is_remote,
        )
        if ask is not None and ask.is_open:
            ask.fail(self._answer_for(envelope, verdict, error, owner))
        if owner is Owner.SUPERVISOR:
            error.add_note(self.describe(envelope))
            self.fail(error)
        elif owner is Owner.DEAD_LETTERS:
            rejected = isinstance(verdict, Rejection)
            reason = "rejected" if rejected else "its handler failed"
            self._dead_letter(envelope, reason, error)

    def _answer_for(
        self,
        envelope: Envelope,
        verdict: BaseException,
        error: BaseException,
        owner: Owner,
    ) -> BaseException:
        if isinstance(verdict, Rejection):
            return verdict
        return self._handler_failed(
            envelope, verdict, error, owned=owner is Owner.SUPERVISOR
        )

    def _handler_failed(
        self,
        envelope: Envelope,
        verdict: BaseException,
        error: BaseException,
        *,
        owned: bool,
    ) -> HandlerFailedError:
        request = name_of(type(envelope.message))
        answer = HandlerFailedError(
            self.seat.name, request, name_of(type(verdict)), owned_by_supervisor=owned
        )
        answer.__cause__ = error
        return answer

    def cut_off(self, turn: Turn, failure: BaseException | None) -> None:
        """The handler was cancelled with its incarnation, which may have failed."""
        envelope, ask = turn.envelope, turn.envelope.ask
        if ask is None or not ask.is_open:
            return
        if failure is not None:
            verdict = judge(failure)
            ask.fail(self._handler_failed(envelope, verdict, failure, owned=True))
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
