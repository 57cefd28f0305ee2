"""Takes messages out of the mailbox and has them handled, in a fair order.

It is a read-write lock over a queue.  `act_on` handlers overlap; a
`mutate_on` message waits until they are done, runs alone, and only then the
next message starts.  Whoever is at the head waits, and all behind it: nothing
overtakes, so nothing starves.

Streams begin in their turn, and then run beside the lock: exclusive handlers
do not wait for them, and run between their steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import attrs
import trio

from .._base.util import never
from .._policy.ownership import judge
from . import pace
from .activity import Activity, current_activity
from .actor import Behaviour
from .context import Incarnation
from .drain import Drain, Rest
from .envelope import Envelope
from .errands import Errand
from .gates import GATES, may_begin
from .handlers import Handler
from .mailbox import Mailbox
from .performer import Performer
from .readers import Readers
from .seat import Seat
from .spans import Span
from .turn import Turn
from .verdicts import Verdicts

__all__ = ["Dispatcher"]


def _no_function() -> None: ...


# No handler, as there is no message that may start.
_NOTHING: Final = Handler(object, _no_function, exclusive=False)

# Most actors have no others, and these take more than the dispatcher.
_NO_READERS: Final = Readers()


@final
@attrs.define(eq=False, weakref_slot=False)
class Dispatcher:
    """Decides what one incarnation handles when; lives as long as that."""

    seat: Seat
    incarnation: Incarnation
    model: object
    behaviour: Behaviour
    work: Span
    """Around all of it: cancelled when the incarnation is to end at once."""

    verdicts: Verdicts
    crew: trio.Nursery | None = attrs.field(default=None, init=False)
    """Where overlapping handlers run; without it only plain functions do."""

    latest: Handler | None = attrs.field(default=None, init=False)
    """Of the message that was looked at last."""

    # The `act_on` handlers that run, or are about to, in tasks of their own.
    _readers: Readers = attrs.field(default=_NO_READERS, init=False)
    # What runs in this very task: an exclusive handler, or one that cannot wait.
    _sole: Turn | None = attrs.field(default=None, init=False)
    # Failures that have an `on_error`, which has to wait until it is alone.
    _errands: list[Errand] = attrs.field(factory=list[Errand], init=False)
    # What a plain function wants to be awaited, being asynchronous after all.
    rest: Rest | None = attrs.field(default=None, init=False)
    _until: Callable[[], bool] = attrs.field(default=never, init=False)

    # The activity of plain functions: one for all, as they cannot wait.
    _plain: Activity = attrs.field(init=False)
    drain: Drain = attrs.field(init=False)
    _mailbox: Mailbox = attrs.field(init=False)
    _performer: Performer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        mailbox = self._mailbox = self.seat.mailbox
        mailbox.need_queue()
        self._plain = Activity(self.seat.name, self.incarnation.handle)
        now = self.seat.surroundings.now
        self.drain = Drain(mailbox, self.model, self.behaviour, self._plain, self, now)
        self._performer = Performer(
            self.seat,
            self.incarnation,
            self.model,
            self.behaviour,
            self.work,
            self.verdicts,
            self._errands,
            mailbox.panel,
            mailbox.tally,
        )

    @property
    def failure(self) -> BaseException | None:
        """What has ended the incarnation, if something has."""
        return self._performer.failure

    @failure.setter
    def failure(self, failure: BaseException | None) -> None:
        self._performer.failure = failure

    async def run(self, until: Callable[[], bool]) -> bool:
        """Handle messages until *until* says so and no handler is running.

        Returns:
            Whether it has come to that; without a crew it ends as well when one is
            needed, or the scope around it.
        """
        self._until = until
        mailbox = self._mailbox
        budget = pace.new_budget()
        self.act()
        while not self._needs_more and not self._is_done():
            mailbox.has_rung = False
            budget.left -= 1
            if self.rest is not None and self.crew is not None:
                rest, self.rest = self.rest, None
                await self._start(self.crew, *rest)
            elif self._errands and not self._readers:
                await self._run_errand()
            elif (handler := self._next_handler()) is _NOTHING:
                # A gate may have ended it all instead.
                if not mailbox.has_rung:
                    await mailbox.wait()
                    budget.restart()
            elif handler is None:
                self.verdicts.unhandled(
                    mailbox.take(), self.behaviour.handlers, self.model
                )
            elif handler.is_plain and not self._readers:
                await self._run_plain(handler, budget)
            elif self.crew is None:
                return False
            else:
                await self._start(self.crew, handler, mailbox.take())
            if budget.is_spent() or self._is_over():
                await trio.lowlevel.checkpoint()
                budget.restart()
        return not self._needs_more

    def act(self) -> None:
        """Have what is run in this context from now on be code of the actor."""
        current_activity.set(self._plain)

    @property
    def _needs_more(self) -> bool:
        """Whether there has to be a crew, and a scope around it, and is not yet."""
        return self.crew is None and (
            self.work.is_up() or bool(self._errands or self.rest)
        )

    async def _run_plain(self, handler: Handler, budget: pace.Budget) -> None:
        """Run plain functions, and wait for messages, until there is anything else.

        Args:
            handler: Of the first one, which may start.
            budget: How long others can wait.
        """
        mailbox = self._mailbox
        rest = self.drain.call(handler, mailbox.take())
        while rest is None and not (mailbox.has_rung or self._until()):
            if not mailbox.queue:
                await mailbox.wait()
                budget.restart()
            elif not budget.is_spent():
                rest = self.drain.run(budget)
            else:
                return
        self.rest = rest

    def let_go(self) -> None:
        """Keep the model no longer: the incarnation is no more."""
        self.model = self.drain.model = self._performer.model = None

    def turns(self) -> tuple[Turn, ...]:
        """Return the handlers at work, streams last; no plain function waits."""
        sole = () if self._sole is None else (self._sole,)
        return (*self._readers.at_work, *sole, *self._readers.streams)

    def _is_over(self) -> bool:
        """Return whether not one message more may begin."""
        if self._performer.failure is not None:
            return True
        return self.seat.stop_ordered and self.work.cancel_called

    def is_held(self) -> bool:
        """Return whether nothing starts before all that runs has ended."""
        return bool(self._errands) or self._until()

    def _is_done(self) -> bool:
        is_busy = self._readers or self._errands or self.rest
        return not is_busy and self._until()

    def _next_handler(self) -> Handler | None:
        """Return the handler of the message that may start now, or `_NOTHING`."""
        envelope = self._mailbox.head()
        if envelope is None or self.is_held():
            return _NOTHING
        handler = self.latest = self.behaviour.handlers.get(type(envelope.message))
        if self._readers and handler is not None:
            limit = self._mailbox.max_concurrency
            if not self._readers.may_be_joined(handler, limit):
                return _NOTHING
        return handler if self.may_begin(envelope) else _NOTHING

    def may_begin(self, envelope: Envelope) -> bool:
        """Return whether nothing stands in the way of the handler for *envelope*."""
        return not GATES or may_begin(self.seat.name, envelope, self.verdicts.fail)

    # --- one message

    async def _start(
        self, crew: trio.Nursery, handler: Handler, envelope: Envelope
    ) -> None:
        if handler.is_stream or (handler.is_async and not handler.exclusive):
            if self._readers is _NO_READERS:
                self._readers = Readers()
            turn = self._turn(handler, envelope)
            self._readers.start(crew, turn, self._performer)
        elif envelope.is_pointless(trio.current_time()):
            self.verdicts.expired(envelope)
        else:
            await self._alone(self._turn(handler, envelope), envelope.message)

    def _turn(self, handler: Handler, envelope: Envelope) -> Turn:
        activity = self.activity_for(handler, envelope)
        return Turn(handler, envelope, activity, trio.current_time(), self.seat)

    def activity_for(self, handler: Handler, envelope: Envelope) -> Activity:
        """Return who acts while *handler* has what is in *envelope*."""
        handle = self.incarnation.handle
        return Activity(
            self.seat.name,
            handle,
            envelope.headers,
            exclusive=handler.exclusive,
            ask=envelope.ask,
            message_type=type(envelope.message),
        )

    async def _alone(self, turn: Turn, *arguments: object) -> None:
        """Run a handler in this task: an exclusive one, or one that cannot wait."""
        turn.envelope.place = turn
        current_activity.set(turn.activity)
        self._mailbox.begin(turn.activity)
        self._sole = turn
        try:
            await self._performer.perform(turn, *arguments)
        finally:
            self._sole = None
            self._mailbox.end(turn.activity)
            current_activity.set(self._plain)

    def expire(self, envelope: Envelope) -> None:
        """Drop a message that has lost its point."""
        self.verdicts.expired(envelope)

    def failed_plainly(self, envelope: Envelope, error: BaseException) -> None:
        """Take what the plain function for *envelope* has raised."""
        handler = self.behaviour.handlers[type(envelope.message)]
        self._performer.failed(self._turn(handler, envelope), error)

    async def _run_errand(self) -> None:
        errand = self._errands.pop(0)
        failed = errand.turn
        turn = self._turn(errand.handler, failed.envelope)
        turn.has_replied = failed.has_replied
        turn.rescued = (failed, errand.error)
        await self._alone(turn, judge(errand.error), failed.envelope.message)
        failed.let_go()

    # --- the end

    def end_streams(self) -> None:
        """End all streams at once: the actor stops."""
        self._readers.end_streams()

    def settle_errands(self) -> None:
        """Hand the failures on whose `on_error` will not run any more."""
        while self._errands:
            errand = self._errands.pop(0)
            self._performer.pass_judgement(errand.turn, errand.error)

    def put_back(self) -> None:
        """Queue the messages again whose handlers never took their first step."""
        self._readers.put_back()
