"""What can be said to an actor: messages, questions, and questions for a stream."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import attrs
import trio

from .._base.errors import AskCycleError
from .._messages.declare import Request, StreamRequest
from . import pace
from .activity import current_activity, waiting, waiting_activity
from .checks import checked_message, checked_request, checked_stream
from .envelope import Ask, Envelope
from .seat import Seat
from .streams import Stream
from .waits import find_cycle

__all__ = ["Addressee"]

R = TypeVar("R")


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
        envelope = self._envelop(message)
        await pace.breathe()
        mailbox = self._seat.mailbox
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
        self._seat.mailbox.put_nowait(self._envelop(message))

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
        task = trio.lowlevel.current_task()
        ask = Ask(
            self.name,
            type(request).__name__,
            partial(trio.lowlevel.reschedule, task),
            trio.current_time(),
        )
        envelope = self._question(checked_request(request), ask)
        patience = self._seat.surroundings.patience

        def give_up(_: object) -> trio.lowlevel.Abort:
            ask.abandon(envelope)
            return trio.lowlevel.Abort.SUCCEEDED

        self._refuse_cycle(envelope)
        if envelope.deadline == math.inf:
            envelope.deadline = patience.watch(envelope, patience.seconds)
        try:
            with waiting(envelope):
                self._seat.mailbox.line_up(envelope)
                reply: R = await trio.lowlevel.wait_task_rescheduled(give_up)
        finally:
            patience.forget(envelope)
        return reply

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
        stream.request = envelope = self._question(checked_stream(request), ask)
        await trio.lowlevel.checkpoint()
        self._refuse_cycle(envelope)
        try:
            self._seat.mailbox.line_up(envelope)
            yield stream
        finally:
            ask.abandon(envelope)
            stream.close()

    def _question(self, request: object, ask: Ask) -> Envelope:
        envelope = self._envelop(request)
        envelope.ask = ask
        envelope.deadline = trio.current_effective_deadline()
        return envelope

    def _refuse_cycle(self, envelope: Envelope) -> None:
        """Raise `AskCycleError` if the running handler would wait for ever."""
        activity = waiting_activity()
        if activity is None or self._seat.mailbox.is_closed:
            return
        cycle = find_cycle(self._seat.mailbox.blockers(envelope), activity)
        if cycle is not None:
            raise AskCycleError((*cycle, self.name))
        assert envelope.ask is not None
        envelope.ask.asker = activity

    def _envelop(self, message: object) -> Envelope:
        checked_message(message)
        activity = current_activity.get()
        if activity is None:
            return Envelope(message)
        return Envelope(message, sender=activity.actor, headers=activity.headers)
