"""Takes messages out of the mailbox and runs their handlers, in a fair order.

It is a read-write lock over a queue.  `act_on` handlers overlap; a
`mutate_on` message waits until they are done, runs alone, and only then the
next message starts.  Whoever is at the head waits, and all behind it: nothing
overtakes, so nothing starves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, final

import attrs
import trio

from .._base.errors import (
    ActorStoppedError,
    HandlerFailedError,
    UnhandledMessageError,
)
from .._base.util import name_of
from .._messages.declare import Rejection
from .._policy.ownership import Owner, judge, owner_of
from .activity import Activity, current_activity
from .context import Context
from .envelope import Envelope
from .handle import ActorHandle
from .handlers import Handler
from .parting import part
from .seat import Seat
from .surroundings import DeadLetter
from .turn import Turn

__all__ = ["Dispatcher"]

# One actor may keep the others waiting for this long, whichever comes first.
# A number of messages alone is no fairness: 64 handlers of 100 us each would
# hold everybody else up for 6 ms.
_MESSAGES_PER_SWITCH: Final = 64
_SECONDS_PER_SWITCH: Final = 0.0005


@final
@attrs.define(eq=False)
class Dispatcher:
    """Runs the handlers of one incarnation; lives as long as that."""

    seat: Seat
    handle: ActorHandle
    model: object
    handlers: Mapping[type, Handler]
    max_concurrency: int
    crew: trio.Nursery
    """Where overlapping handlers run."""

    fail: Callable[[BaseException], None]
    """Takes the failure that ends the incarnation, at once."""

    _readers: int = attrs.field(default=0, init=False)
    """How many `act_on` handlers run."""

    async def run(self, until: Callable[[], bool]) -> None:
        """Handle messages until *until* says so and no handler is running."""
        mailbox = self.seat.mailbox
        handled, since = 0, time.perf_counter()
        while not until():
            envelope = mailbox.head()
            if envelope is None or not self._may_start(envelope):
                await mailbox.wait()
                handled, since = 0, time.perf_counter()
                continue
            mailbox.take()
            await self._start(envelope)
            handled += 1
            if (
                handled >= _MESSAGES_PER_SWITCH
                or time.perf_counter() - since >= _SECONDS_PER_SWITCH
            ):
                await trio.lowlevel.checkpoint()
                handled, since = 0, time.perf_counter()
        while self._readers:
            await mailbox.wait()

    def _may_start(self, envelope: Envelope) -> bool:
        handler = self.handlers.get(type(envelope.message))
        if handler is None:
            return True
        limit = 1 if handler.exclusive else self.max_concurrency
        return self._readers < limit

    async def _start(self, envelope: Envelope) -> None:
        handler = self.handlers.get(type(envelope.message))
        if handler is None:
            self._refuse(envelope)
        elif handler.is_async and not handler.exclusive:
            self._readers += 1
            name = f"{self.seat.name}: {name_of(handler.function)}"
            self.crew.start_soon(self._overlap, handler, envelope, name=name)
        elif envelope.deadline <= trio.current_time():
            self.seat.mailbox.expired += 1
        else:
            await self._alone(handler, envelope)

    async def _alone(self, handler: Handler, envelope: Envelope) -> None:
        turn = Turn(handler, envelope, trio.current_time())
        envelope.place = turn
        current_activity.set(Activity(self.handle, envelope.headers))
        try:
            await self._handle(turn)
        finally:
            current_activity.set(None)

    async def _overlap(self, handler: Handler, envelope: Envelope) -> None:
        scope = trio.CancelScope(deadline=envelope.deadline)
        turn = Turn(handler, envelope, trio.current_time(), scope)
        try:
            with scope:
                # Up to here the message was only queued: it may have been
                # taken back since, or have lost its point.
                if _is_pointless(envelope):
                    self.seat.mailbox.expired += 1
                    return
                envelope.place = turn
                current_activity.set(Activity(self.handle, envelope.headers))
                await self._handle(turn)
            if scope.cancelled_caught and envelope.ask is not None:
                # The asker has moved its own deadline since it asked.
                envelope.ask.time_out(envelope, trio.current_time() - turn.since)
        finally:
            self._readers -= 1
            self.seat.mailbox.ring()

    async def _handle(self, turn: Turn) -> None:
        handler, envelope = turn.handler, turn.envelope
        try:
            if handler.wants_context:
                context = Context(self.handle, self.seat.surroundings.runtime, turn)
                result = handler.function(self.model, envelope.message, context)
            else:
                result = handler.function(self.model, envelope.message)
            if handler.is_async:
                result = await result
        except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
            cancelled, failure = part(error)
            if failure is not None:
                self._failed(turn, failure)
            if cancelled is not None:
                self._cut_off(turn)
                raise cancelled from None  # noqa: ASYNC104 - it is
        else:
            turn.returned(result)
        envelope.place = None

    # --- what becomes of a message that is not simply answered

    def _refuse(self, envelope: Envelope) -> None:
        handled = tuple(sorted(name_of(each) for each in self.handlers))
        message = name_of(type(envelope.message))
        error = UnhandledMessageError(self.seat.name, message, handled)
        if envelope.ask is not None:
            envelope.ask.fail(error)
        self._dead_letter(envelope, "no handler for its type", error)

    def _failed(self, turn: Turn, error: BaseException) -> None:
        envelope = turn.envelope
        ask = envelope.ask
        verdict = judge(error)
        owner = owner_of(
            verdict,
            exclusive=turn.handler.exclusive,
            asked=ask is not None,
            asker_waits=ask is not None and ask.is_open,
            is_remote=envelope.is_remote,
        )
        if ask is not None:
            supervised = owner is Owner.SUPERVISOR
            ask.fail(self._answer_for(turn, verdict, error, supervised=supervised))
        if owner is Owner.SUPERVISOR:
            error.add_note(self._describe(envelope))
            self.fail(error)
        elif owner is Owner.DEAD_LETTERS:
            rejected = isinstance(verdict, Rejection)
            reason = "rejected" if rejected else "its handler failed"
            self._dead_letter(envelope, reason, error)

    def _answer_for(
        self,
        turn: Turn,
        verdict: BaseException,
        error: BaseException,
        *,
        supervised: bool,
    ) -> BaseException:
        if isinstance(verdict, Rejection):
            return verdict
        request = name_of(type(turn.envelope.message))
        answer = HandlerFailedError(
            self.seat.name, request, name_of(type(verdict)), supervised
        )
        answer.__cause__ = error
        return answer

    def _cut_off(self, turn: Turn) -> None:
        ask = turn.envelope.ask
        if ask is None or not ask.is_open or _is_over(turn.scope):
            return
        detail = "was stopped before it had answered"
        ask.fail(ActorStoppedError(self.seat.name, detail))

    def _dead_letter(
        self, envelope: Envelope, reason: str, error: BaseException | None
    ) -> None:
        letter = DeadLetter(envelope.message, self.seat.name, reason, error)
        self.seat.surroundings.dead_letter(letter)

    def _describe(self, envelope: Envelope) -> str:
        sender = envelope.sender
        origin = "another process" if envelope.is_remote else "plain code"
        if isinstance(sender, ActorHandle):
            origin = sender.name
        message = name_of(type(envelope.message))
        return f"in {self.seat.name}, handling {message} from {origin}"


def _is_pointless(envelope: Envelope) -> bool:
    if envelope.ask is not None and not envelope.ask.is_open:
        return True
    return trio.current_effective_deadline() <= trio.current_time()


def _is_over(scope: trio.CancelScope | None) -> bool:
    return scope is not None and scope.deadline <= trio.current_time()
