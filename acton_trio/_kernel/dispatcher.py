"""Takes messages out of the mailbox and runs their handlers, in a fair order.

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

from .._base.errors import ActorStoppedError
from .._base.util import name_of, never
from .._policy.ownership import judge
from . import pace
from .activity import Activity, current_activity
from .actor import Behaviour
from .context import Context, Incarnation
from .drain import Drain, Rest
from .envelope import EXPIRED, Envelope
from .errands import Errand
from .gates import GATES, may_begin
from .handlers import Handler, find_error_handler, is_coroutine
from .instruments import Panel
from .parting import part
from .seat import Seat
from .spans import Span
from .tally import Tally
from .turn import Turn
from .verdicts import Verdicts
from .watch import Watch

__all__ = ["Dispatcher"]


def _no_function() -> None: ...


# No handler, as there is no message that may start.
_NOTHING: Final = Handler(object, _no_function, exclusive=False)


@final
@attrs.define(eq=False)
class Dispatcher:
    """Runs the handlers of one incarnation; lives as long as that."""

    seat: Seat
    incarnation: Incarnation
    model: object
    behaviour: Behaviour
    work: Span
    """Around all of it: cancelled when the incarnation is to end at once."""

    verdicts: Verdicts
    crew: trio.Nursery | None = attrs.field(default=None, init=False)
    """Where overlapping handlers run; without it only plain functions do."""

    failure: BaseException | None = attrs.field(default=None, init=False)
    """What has ended the incarnation, if something has."""

    latest: Handler | None = attrs.field(default=None, init=False)
    """Of the message that was looked at last."""

    # Invariant: `_readers` are the `act_on` handlers that run, or are about to.
    _readers: int = attrs.field(default=0, init=False)
    # Those of them that have not taken their first step, in their order.
    _to_begin: dict[Turn, None] = attrs.field(factory=dict["Turn", None], init=False)
    _running: dict[Turn, None] = attrs.field(factory=dict["Turn", None], init=False)
    _streams: dict[Turn, None] = attrs.field(factory=dict["Turn", None], init=False)
    # Failures that have an `on_error`, which has to wait until it is alone.
    _errands: list[Errand] = attrs.field(factory=list[Errand], init=False)
    # What a plain function wants to be awaited, being asynchronous after all.
    _rest: Rest | None = attrs.field(default=None, init=False)
    _until: Callable[[], bool] = attrs.field(default=never, init=False)

    # The activity of plain functions: one for all, as they cannot wait.
    _plain: Activity = attrs.field(init=False)
    _drain: Drain = attrs.field(init=False)
    _panel: Panel = attrs.field(init=False)
    _tally: Tally = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        mailbox = self.seat.mailbox
        mailbox.need_queue()
        self._plain = Activity(self.seat.name, self.incarnation.handle)
        now = self.seat.surroundings.now
        self._drain = Drain(mailbox, self.model, self.behaviour, self._plain, self, now)
        self._panel = mailbox.panel
        self._tally = mailbox.tally

    async def run(self, until: Callable[[], bool]) -> bool:
        """Handle messages until *until* says so and no handler is running.

        Returns:
            Whether it has come to that; without a crew it ends as well when one is
            needed, or the scope around it.
        """
        self._until = until
        mailbox = self.seat.mailbox
        budget = pace.new_budget()
        self.act()
        while not self._needs_more and not self._is_done():
            mailbox.has_rung = False
            budget.left -= 1
            if self._rest is not None and self.crew is not None:
                rest, self._rest = self._rest, None
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

    def step(self, budget: pace.Budget) -> None:
        """Run plain functions, outside of any task of the actor.

        If there is anything else to do the bell has rung.
        """
        self._rest = self._drain.run(budget)
        if self._rest is not None:
            self.seat.mailbox.ring()

    def act(self) -> None:
        """Have what is run in this context from now on be code of the actor."""
        current_activity.set(self._plain)

    @property
    def _needs_more(self) -> bool:
        """Whether there has to be a crew, and a scope around it, and is not yet."""
        return self.crew is None and (
            self.work.is_up() or bool(self._errands or self._rest)
        )

    async def _run_plain(self, handler: Handler, budget: pace.Budget) -> None:
        """Run plain functions, and wait for messages, until there is anything else.

        Args:
            handler: Of the first one, which may start.
            budget: How long others can wait.
        """
        mailbox = self.seat.mailbox
        rest = self._drain.call(handler, mailbox.take())
        while rest is None and not (mailbox.has_rung or self._until()):
            if not mailbox.queue:
                await mailbox.wait()
                budget.restart()
            elif not budget.is_spent():
                rest = self._drain.run(budget)
            else:
                return
        self._rest = rest

    def let_go(self) -> None:
        """Keep the model no longer: the incarnation is no more."""
        self.model = self._drain.model = None

    def turns(self) -> tuple[Turn, ...]:
        """Return the handlers at work, streams last; no plain function waits."""
        return (*self._running, *self._streams)

    def _is_over(self) -> bool:
        """Return whether not one message more may begin."""
        if self.failure is not None:
            return True
        return self.seat.stop_ordered and self.work.cancel_called

    def is_held(self) -> bool:
        """Return whether nothing starts before all that runs has ended."""
        return bool(self._errands) or self._until()

    def _is_done(self) -> bool:
        is_busy = self._readers or self._errands or self._rest
        return not is_busy and self._until()

    def _next_handler(self) -> Handler | None:
        """Return the handler of the message that may start now, or `_NOTHING`."""
        envelope = self.seat.mailbox.head()
        if envelope is None or self.is_held():
            return _NOTHING
        handler = self.latest = self.behaviour.handlers.get(type(envelope.message))
        if self._readers and handler is not None and not self._may_join(handler):
            return _NOTHING
        return handler if self.may_begin(envelope) else _NOTHING

    def may_begin(self, envelope: Envelope) -> bool:
        """Return whether nothing stands in the way of the handler for *envelope*."""
        return not GATES or may_begin(self.seat.name, envelope, self.verdicts.fail)

    def _may_join(self, handler: Handler) -> bool:
        """Return whether *handler* may start beside those that run."""
        if self._to_begin and not handler.is_async and not handler.is_stream:
            # A function would be done before they had begun.
            return False
        limit = 1 if handler.exclusive else self.seat.mailbox.max_concurrency
        return self._readers < limit

    # --- starting

    async def _start(
        self, crew: trio.Nursery, handler: Handler, envelope: Envelope
    ) -> None:
        if handler.is_stream or (handler.is_async and not handler.exclusive):
            self._readers += 1
            run = self._stream if handler.is_stream else self._overlap
            turn = self._turn(handler, envelope)
            turn.scope = trio.CancelScope(deadline=envelope.deadline)
            # Whoever gives up before its first step only has to say so.
            envelope.place = turn
            name = f"{self.seat.name}: {name_of(handler.function)}"
            self._to_begin[turn] = None
            crew.start_soon(run, turn, name=name)
        elif envelope.is_pointless(trio.current_time()):
            self.expire(envelope)
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
        self.seat.mailbox.begin(turn.activity)
        self._running[turn] = None
        try:
            await self._handle(turn, *arguments)
        finally:
            del self._running[turn]
            self.seat.mailbox.end(turn.activity)
            current_activity.set(self._plain)

    async def _overlap(self, turn: Turn) -> None:
        envelope, mailbox = turn.envelope, self.seat.mailbox
        assert turn.scope is not None
        try:
            if not self._begins(turn):
                return
            with turn.scope:
                current_activity.set(turn.activity)
                mailbox.begin(turn.activity)
                self._running[turn] = None
                await self._handle(turn, envelope.message)
            self._time_out(turn)
        finally:
            self._running.pop(turn, None)
            mailbox.end(turn.activity)
            self._readers -= 1
            mailbox.ring()

    async def _stream(self, turn: Turn) -> None:
        envelope, mailbox = turn.envelope, self.seat.mailbox
        # From its first step on it runs beside the lock.
        self._readers -= 1
        mailbox.ring()
        assert turn.scope is not None
        if not self._begins(turn):
            return
        if self.seat.stop_ordered:
            self._end_stream(turn)
            return
        self._streams[turn] = None
        try:
            with turn.scope:
                current_activity.set(turn.activity)
                await self._handle(turn, envelope.message)
            self._time_out(turn)
        finally:
            self._streams.pop(turn, None)

    def _begins(self, turn: Turn) -> bool:
        """Decide at its first step whether the message is handled now.

        Up to here it was only queued: it may have been taken back since, or
        have lost its point, or be for the next incarnation.
        """
        if trio.current_effective_deadline() <= trio.current_time():
            return False
        del self._to_begin[turn]
        if not self._to_begin:
            self.seat.mailbox.ring()
        if turn.envelope.is_pointless(trio.current_time()):
            self.expire(turn.envelope)
            return False
        return True

    def put_back(self) -> None:
        """Queue the messages again whose handlers never took their first step."""
        for turn in reversed(list(self._to_begin)):
            envelope = turn.envelope
            if envelope.ask is None or envelope.ask.is_open:
                self.seat.mailbox.put_back(envelope)
            else:
                self.seat.mailbox.tally.expired += 1
        self._to_begin.clear()

    def expire(self, envelope: Envelope) -> None:
        """Drop a message that has lost its point."""
        self.seat.mailbox.tally.expired += 1
        envelope.place = EXPIRED
        if envelope.ask is not None and envelope.ask.is_open:
            self.seat.surroundings.patience.end(envelope)

    def _time_out(self, turn: Turn) -> None:
        """Tell the asker if it was its deadline that ended the handler.

        As a rule it is gone by then, cancelled by that deadline itself.
        """
        ask, scope = turn.envelope.ask, turn.scope
        if (
            ask is not None
            and ask.is_open
            and scope is not None
            and scope.cancel_called
        ):
            ask.time_out(turn.envelope, trio.current_time() - ask.since)

    def end_streams(self) -> None:
        """End all streams at once: the actor stops."""
        for turn in self._streams:
            self._end_stream(turn)

    def _end_stream(self, turn: Turn) -> None:
        if turn.envelope.ask is not None:
            detail = "has stopped, and its streams with it"
            turn.envelope.ask.fail(ActorStoppedError(self.seat.name, detail))
        turn.give_up(turn.envelope)

    # --- running

    async def _handle(self, turn: Turn, *arguments: object) -> None:
        handler, watch = turn.handler, None
        if self._panel.is_watching:
            watch = Watch(self._panel, self.seat.name, handler, turn.envelope)
        try:
            result = handler.function(self.model, *arguments, *self._context(turn))
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
            self._time_out(turn)
            self._failed(turn, failure)
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

    def _context(self, turn: Turn) -> tuple[Context, ...]:
        if turn.handler.wants_context:
            return (Context(self.incarnation, turn),)
        return ()

    def failed_plainly(self, envelope: Envelope, error: BaseException) -> None:
        """Take what the plain function for *envelope* has raised."""
        handler = self.behaviour.handlers[type(envelope.message)]
        self._failed(self._turn(handler, envelope), error)

    def _failed(self, turn: Turn, error: BaseException) -> None:
        if turn.rescued is not None:
            turn, first = turn.rescued
            if error is not first and error is not judge(first):
                error.__cause__ = error.__cause__ or first
            self._pass_judgement(turn, error)
            return
        table = self.behaviour.error_handlers
        message = turn.envelope.message
        handler = find_error_handler(table, judge(error), message) if table else None
        if handler is None or self.failure is not None:
            self._pass_judgement(turn, error)
        else:
            errand = Errand(turn, error, handler)
            turn.envelope.place = errand
            self._errands.append(errand)
            self.seat.mailbox.ring()

    def _pass_judgement(self, turn: Turn, error: BaseException) -> None:
        self.verdicts.failed(turn, error)
        turn.let_go()

    async def _run_errand(self) -> None:
        errand = self._errands.pop(0)
        failed = errand.turn
        turn = self._turn(errand.handler, failed.envelope)
        turn.has_replied = failed.has_replied
        turn.rescued = (failed, errand.error)
        await self._alone(turn, judge(errand.error), failed.envelope.message)
        failed.let_go()

    def settle_errands(self) -> None:
        """Hand the failures on whose `on_error` will not run any more."""
        while self._errands:
            errand = self._errands.pop(0)
            self._pass_judgement(errand.turn, errand.error)
