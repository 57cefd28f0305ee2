"""What can be said to an actor: messages, questions, and questions for a stream."""

from __future__ import annotations

import math
import typing
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

import attrs
import trio

from .._base.blocks import async_block
from .._base.errors import AskCycleError
from .._base.teaching import lesson
from .._base.util import name_of, note, show_methods_as
from .._messages.declare import Request, StreamRequest
from .._policy.cadence import Beat, Cadence
from .activity import Activity, current_activity, waiting, waiting_activity
from .chains import waiting_abroad_for
from .checks import (
    checked_beat,
    checked_message,
    checked_stream,
    checked_time,
    not_a_request,
)
from .envelope import Ask, Envelope
from .scheduled import ScheduledSend
from .seat import Seat
from .streams import Stream
from .waits import find_cycle

__all__ = ["Addressee"]

R = typing.TypeVar("R")

_SELF_ASK: typing.Final = "an actor does not ask itself: it calls its own methods."


@attrs.frozen(eq=False, repr=False)
class Addressee:
    """Whom messages can be sent to; the part of a handle that is for everybody."""

    _seat: Seat

    def __repr__(self) -> str:
        return f"<ActorHandle {self.name}>"

    @property
    def name(self) -> str:
        """Path of the actor's names from the root: ``prices/alpha``."""
        return self._seat.name

    @property
    def id(self) -> str:
        """The actor's ERN; that of a child is its supervisor's and its own name."""
        return self._seat.id

    async def send(self, message: object) -> None:
        """Put *message* in the actor's mailbox, waiting while that is full.

        Nobody learns what becomes of it: use `ask` for that.  The actor's own
        handlers do not wait, since they would wait for themselves.

        Raises:
            ActorStoppedError: If the actor is down, or stops before there is
                room.
            MailboxFullError: In the actor's own handlers and hooks.
            TypeError: If it is not a message.

        Cancellation:
            The message was not put in, and will not be.
        """
        seat = self._seat
        # As `pace.breathe` does, whose own coroutine would be a tenth of the send.
        if next(seat.surroundings.turns):
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        mailbox = seat.mailbox
        if current_activity.get() is None and mailbox.put_bare(message):
            return
        envelope = self._envelop(message)
        activity = waiting_activity()
        if activity is None:
            await mailbox.put(envelope)
        elif activity.actor is self:
            mailbox.put_nowait(envelope)
        else:
            with waiting(envelope):
                await mailbox.put(envelope)

    def send_nowait(self, message: object) -> None:
        """Put *message* in the actor's mailbox if there is room.

        Raises:
            MailboxFullError: If there is none; it is a `trio.WouldBlock`.
            ActorStoppedError: If the actor is down.
            TypeError: If it is not a message.
        """
        mailbox = self._seat.mailbox
        if current_activity.get() is not None or not mailbox.put_bare(message):
            mailbox.put_nowait(self._envelop(message))

    def send_after(self, delay: float, message: object) -> ScheduledSend:
        """Have *message* sent in *delay* seconds, on trio's clock.

        It is armed when this returns.  A restart of the actor changes nothing,
        its end for good calls it off.  When it is due and the mailbox is full,
        it waits for room, as a `send` would.

        Args:
            delay: In seconds.  What is not more than 0 is due at once, and
                infinity never.
            message: What is sent.  Its sender is the actor whose code this
                is called in; nobody gets the answer to a request.

        Raises:
            ActorStoppedError: If the actor is down.
            TypeError: If it is not a message, or the delay not a number.
            ValueError: If the delay is nan.
        """
        seconds = checked_time(delay, "a delay")
        return self._schedule(message, trio.current_time() + seconds)

    def send_at(self, time: float, message: object) -> ScheduledSend:
        """Have *message* sent at *time*, on trio's clock; as `send_after` does.

        Args:
            time: On trio's clock, as `trio.current_time` tells it; at once if it
                has passed.
            message: What is sent.

        Raises:
            ActorStoppedError: If the actor is down.
            TypeError: If it is not a message, or the time not a number.
            ValueError: If the time is nan.
        """
        correct = "handle.send_at(trio.current_time() + 5.0, Tick())"
        return self._schedule(message, checked_time(time, "a time", correct))

    def send_every(
        self,
        interval: float,
        message: object,
        cadence: Cadence = Cadence.FIXED_RATE,
    ) -> ScheduledSend:
        """Have *message* sent again and again, until cancelled or the actor is down.

        It is armed and sent as by `send_after`, the first time after a whole
        interval.  While one waits for room in the mailbox no other is added,
        and all that were missed, because of that or because the program was
        busy, are made up for by one.

        Args:
            interval: In seconds.
            message: What is sent, the same object each time.
            cadence: What the time of the next one is counted from.

        Raises:
            ActorStoppedError: If the actor is down.
            TypeError: If it is not a message, or the interval not a number.
            ValueError: If the interval is not more than 0.
        """
        beat = checked_beat(trio.current_time(), interval, cadence)
        return self._schedule(message, beat.first, beat)

    async def ask(self, request: Request[R]) -> R:
        """Send *request*, and wait for its reply.

        There is no timeout parameter: the caller's own deadline travels with
        the request, and after it the request is never handled.  Without one
        the ask ends after ``timeouts.ask``, 30 seconds.

        Raises:
            AskTimeoutError: After ``timeouts.ask`` without a reply.
            HandlerFailedError: If the handler raised; from its exception.
            NoReplyError: If the handler returned without replying.
            ActorStoppedError: If the actor is down, or stops before replying.
            UnhandledMessageError: If the actor has no handler for it.
            UnexpectedReplyError: If the reply is not of the declared type.
            AskCycleError: If the answer would have to wait for the handler
                that asks.
            Rejection: If the handler raised one: that very object.
            TypeError: If it is not a request.

        Cancellation:
            A request that is still queued is taken back and never handled; a
            running `act_on` handler is cancelled; a running `mutate_on`
            handler completes.  Either way the caller leaves at once.
        """
        if not isinstance(request, Request):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
            raise TypeError(not_a_request(request))
        seat = self._seat
        now = seat.surroundings.now()
        task = trio.lowlevel.current_task()
        ask = Ask(seat.name, type(request).__name__, task, now)
        envelope = self._envelop(request, ask, trio.current_effective_deadline())
        patience = seat.surroundings.patience

        def give_up(_: object) -> trio.lowlevel.Abort:
            ask.abandon(envelope)
            return trio.lowlevel.Abort.SUCCEEDED

        # As `waiting_activity` does.
        activity = current_activity.get()
        if activity is not None and activity.is_background:
            activity = None
        if activity is not None:
            self._refuse_cycle(envelope, activity)
            activity.waits.append(envelope)
        try:
            if envelope.deadline == math.inf:
                patience.watch_usual(envelope, now)
            seat.mailbox.line_up(envelope)
            await trio.lowlevel.wait_task_rescheduled(give_up)
        finally:
            patience.forget(envelope)
            if activity is not None:
                activity.waits.remove(envelope)
        reply: R = ask.value
        return reply

    @async_block("handle.stream(...)", "replies", "reply")
    @asynccontextmanager
    async def stream(
        self, request: StreamRequest[R]
    ) -> AsyncGenerator[Stream[R], None]:
        """Send *request*, and read its replies as they come.

        ::

            async with handle.stream(Tail("log")) as lines:
                async for line in lines:
                    ...

        The handler waits while the reader is behind.  Leaving the block ends
        it, at whatever step it is.  The caller's deadline travels with the
        request; without one a stream has no end but its own.

        Raises:
            ActorStoppedError: If the actor is down; while reading, if it
                stops, which ends its streams at once.
            HandlerFailedError: While reading, if the handler raised.
            UnexpectedReplyError: While reading, if a reply is not of the
                declared type.
            UnhandledMessageError: While reading, if there is no handler.
            Rejection: While reading, if the handler raised one.
            TypeError: If it is not a stream request.

        Cancellation:
            The handler is cancelled, or the queued request taken back.
        """
        stream = Stream[R]()
        ask = Ask(
            self.name, type(request).__name__, stream.end, trio.current_time(), stream
        )
        deadline = trio.current_effective_deadline()
        envelope = self._envelop(checked_stream(request), ask, deadline)
        stream.request = envelope
        await trio.lowlevel.checkpoint()
        activity = waiting_activity()
        if activity is not None:
            self._refuse_cycle(envelope, activity)
        try:
            self._seat.mailbox.line_up(envelope)
            yield stream
        finally:
            ask.abandon(envelope)
            stream.close()

    def _schedule(
        self, message: object, due: float, beat: Beat | None = None
    ) -> ScheduledSend:
        mailbox, timetable = self._seat.mailbox, self._seat.surroundings.timetable
        is_bare = current_activity.get() is None and not mailbox.panel.message_sent
        if is_bare and type(message) in mailbox.behaviour.types:
            return timetable.arm(mailbox, message, due, beat)
        envelope = self._envelop(message)
        return timetable.arm(
            mailbox,
            message,
            due,
            beat,
            sender=envelope.sender,
            headers=envelope.headers,
        )

    def _refuse_cycle(self, envelope: Envelope, activity: Activity) -> None:
        """Raise `AskCycleError` if *activity*, which asks, would wait for ever."""
        mailbox = self._seat.mailbox
        blockers = mailbox.blockers(envelope)
        # As a rule nothing is in the way, and then nothing can lead back.  Nor can it
        # where the mailbox is closed, which is told next.
        if blockers and not mailbox.is_closed:
            self._refuse_way_back(blockers, envelope, activity)
        assert envelope.ask is not None
        envelope.ask.asker = activity

    def _refuse_way_back(
        self, blockers: Collection[Activity], envelope: Envelope, activity: Activity
    ) -> None:
        for each in (activity, *waiting_abroad_for(activity)):
            cycle = find_cycle(blockers, each)
            if cycle is not None:
                error = AskCycleError((*cycle, self.name))
                if activity.actor is self:
                    note(error, self._how_to_ask_itself(type(envelope.message)))
                raise error

    def _how_to_ask_itself(self, kind: type) -> str:
        request = f"{name_of(kind)}(...)"
        incorrect = f"await ctx.handle.ask({request})"
        handler = (self._seat.handlers or {}).get(kind)
        if handler is None:
            return lesson(_SELF_ASK, incorrect, f"await ctx.handle.send({request})")
        method = getattr(handler.function, "__name__", "handler")
        call = f"self.{method}({request}{', ctx' if handler.wants_context else ''})"
        return lesson(
            _SELF_ASK, incorrect, f"await {call}" if handler.is_async else call
        )

    def _envelop(
        self, message: object, ask: Ask | None = None, deadline: float = math.inf
    ) -> Envelope:
        mailbox = self._seat.mailbox
        if type(message) not in mailbox.bare_types:
            checked_message(message)
        activity, panel = current_activity.get(), mailbox.panel
        if panel.message_sent:
            name = name_of(type(message))
            is_asked = ask is not None
            headers = panel.headers_for(activity, self.name, name, is_asked=is_asked)
            sender = activity and activity.actor
            return Envelope(message, ask, deadline, sender, headers)
        if activity is None:
            return Envelope(message, ask, deadline)
        return Envelope(message, ask, deadline, activity.actor, activity.headers)


show_methods_as(Addressee, "ActorHandle")
