"""`ActorHandle`: what others hold of an actor."""

from __future__ import annotations

import math
import typing
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import attrs
import trio

from .._base.errors import AskCycleError
from .._base.util import name_of, publish_names
from .._messages.declare import Request, StreamRequest, is_message
from . import pace
from .activity import current_activity, waiting, waiting_activity
from .envelope import Ask, Envelope
from .seat import ActorState, Seat
from .streams import Stream
from .waits import find_cycle

__all__ = ["ActorHandle", "ActorStatus", "seat_of"]

R = TypeVar("R")


@attrs.frozen
class ActorStatus:
    """How an actor is; a snapshot."""

    state: ActorState
    generation: int
    """How often it was restarted."""

    restarts_in_window: int
    """How often lately, as its restart limit counts."""

    last_failure: BaseException | None
    """What ended the last incarnation that failed."""


@attrs.frozen(eq=False, repr=False)
class ActorHandle:
    """What others hold of an actor; valid as long as anybody keeps it.

    It names the actor's seat, not the incarnation that sits there: it stays
    valid across restarts.  Once the actor is down for good, every use of it
    raises `ActorStoppedError`.  A seat has one handle, so two that are the same
    object are of the same actor.
    """

    _seat: Seat

    def __repr__(self) -> str:
        return f"<ActorHandle {self.name}>"

    @property
    def name(self) -> str:
        """Path of the actor's names from the root: ``prices/alpha``."""
        return self._seat.name

    @property
    def id(self) -> str:
        """The actor's ERN, which no other actor ever has."""
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
        envelope = self._question(_checked(request), ask)
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
        stream.request = envelope = self._question(_checked_stream(request), ask)
        await trio.lowlevel.checkpoint()
        self._refuse_cycle(envelope)
        try:
            self._seat.mailbox.line_up(envelope)
            yield stream
        finally:
            ask.abandon(envelope)
            stream.close()

    async def stop(self) -> None:
        """Stop the actor for good, and wait until it is down.

        What is queued is handled first, within ``timeouts.actor_shutdown``.
        No policy restarts it.

        Raises:
            AskCycleError: In the actor's own handlers and hooks, which would
                wait for themselves; ``ctx.stop()`` is meant there.

        Cancellation:
            The actor stops all the same; only the waiting ends.
        """
        self._refuse_self()
        self._seat.order_stop()
        with waiting(self._seat):
            await self._seat.wait_down()

    @property
    def status(self) -> ActorStatus:
        """How the actor is now; a snapshot."""
        seat = self._seat
        return ActorStatus(
            seat.state, seat.generation, seat.restarts_in_window(), seat.last_failure
        )

    async def wait_running(self) -> None:
        """Wait until the actor takes messages.

        Raises:
            ActorStoppedError: If it is down for good.

        Cancellation:
            Only the waiting ends.
        """
        await self._seat.wait_running(0)

    async def wait_generation(self, generation: int) -> None:
        """Wait until the actor was restarted that often, or more, and runs.

        Raises:
            ActorStoppedError: If it is down for good before that.
            AskCycleError: In the actor's own handlers and hooks, which would
                wait for their own end.

        Cancellation:
            Only the waiting ends.
        """
        if generation > self._seat.generation:
            self._refuse_self()
        with waiting(self._seat):
            await self._seat.wait_running(generation)

    async def wait_stopped(self) -> None:
        """Wait until the actor is down for good.

        Raises:
            AskCycleError: In the actor's own handlers and hooks.

        Cancellation:
            Only the waiting ends.
        """
        self._refuse_self()
        with waiting(self._seat):
            await self._seat.wait_down()

    def _refuse_self(self) -> None:
        activity = waiting_activity()
        if activity is not None and activity.actor is self:
            raise AskCycleError((self.name, self.name))

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

    def _envelop(self, message: object) -> Envelope:
        if not is_message(type(message)):
            raise TypeError(_not_a_message(message))
        activity = current_activity.get()
        if activity is None:
            return Envelope(message)
        return Envelope(message, sender=activity.actor, headers=activity.headers)


def _checked(request: object) -> object:
    if not isinstance(request, Request):
        raise TypeError(_not_a_request(request))
    return typing.cast("object", request)


def _checked_stream(request: object) -> object:
    if not isinstance(request, StreamRequest):
        raise TypeError(_not_a_stream_request(request))
    return typing.cast("object", request)


def seat_of(handle: ActorHandle) -> Seat:
    """Return the seat that *handle* names, for those who run actors."""
    return handle._seat  # noqa: SLF001 - the other half of this module's secret


def _not_a_message(thing: object) -> str:
    if is_message(thing):
        name = name_of(thing)
        return (
            f"{name} is a message class, not a message.\n"
            f"  incorrect: await handle.send({name})\n"
            f"  correct:   await handle.send({name}(...))"
        )
    name = type(thing).__qualname__
    return (
        f"{thing!r} is not a message: decorate its class with @message.\n"
        f"  @message\n  class {name}: ..."
    )


def _not_a_stream_request(thing: object) -> str:
    if not is_message(type(thing)):
        return _not_a_message(thing).replace("handle.send", "handle.stream")
    name = type(thing).__name__
    return (
        f"{name} is not answered with a stream.\n"
        f"  incorrect: class {name}(Request[int]): ...\n"
        f"  correct:   class {name}(StreamRequest[int]): ..."
    )


def _not_a_request(thing: object) -> str:
    if not is_message(type(thing)):
        return _not_a_message(thing).replace("handle.send", "handle.ask")
    name = type(thing).__name__
    if isinstance(thing, StreamRequest):
        return (
            f"{name} is answered with a stream.\n"
            f"  incorrect: await handle.ask({name}(...))\n"
            f"  correct:   async with handle.stream({name}(...)) as replies: ..."
        )
    return (
        f"{name} is a message without a reply: send() it, or declare what it is "
        "answered with.\n"
        f"  incorrect: class {name}: ...\n"
        f"  correct:   class {name}(Request[int]): ..."
    )


publish_names(globals(), ["ActorHandle", "ActorStatus"])
