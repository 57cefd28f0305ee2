"""`ActorHandle`: what others hold of an actor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Unpack

import attrs
import trio

from .._base.errors import AskCycleError, UnknownChildError
from .._base.teaching import lesson
from .._base.util import name_of, note, publish_names, shown
from .._policy.delivery import Delivery, Terms
from .activity import waiting, waiting_activity
from .addressee import Addressee
from .checks import checked_type
from .options import StartOptions
from .seat import ActorState, Seat
from .spawner import Idle, Spawner
from .subscription import ActorSubscription

__all__ = ["ActorHandle", "ActorStatus", "seat_of"]


@attrs.frozen
class ActorStatus:
    """How an actor is; a snapshot."""

    state: ActorState
    """How far its life has come."""

    generation: int
    """How often it was restarted."""

    restarts_in_window: int
    """How often lately, as its restart limit counts."""

    last_failure: BaseException | None
    """What ended the last incarnation that failed."""


@attrs.frozen(eq=False, repr=False)
class ActorHandle(Addressee):
    """What others hold of an actor; valid as long as anybody keeps it.

    It names the actor's seat, not the incarnation that sits there: it stays
    valid across restarts.  Once the actor is down for good, every message to it
    raises `ActorStoppedError`.  A seat has one handle, so two that are the same
    object are of the same actor.
    """

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
        self._refuse_self("await ctx.handle.stop()")
        self._seat.order_stop()
        with _held_up_by(self._seat):
            await self._seat.wait_down()

    # --- its children

    @property
    def children(self) -> tuple[ActorHandle, ...]:
        """The actors that it supervises and that run, in the order of start."""
        spawner = self._spawner
        return spawner.handles() if spawner is not None else ()

    def find_child(self, name: str) -> ActorHandle | None:
        """Return the child called *name*, if it runs; ``alpha/beta`` is one of its."""
        spawner = self._spawner
        child: ActorHandle | None = spawner.find(name) if spawner is not None else None
        return child

    async def supervise(
        self,
        factory: Callable[..., object] | Idle,
        *args: object,
        **options: Unpack[StartOptions],
    ) -> ActorHandle:
        """Start a child of the actor, and return its handle once it takes messages.

        The child ends at the latest with the incarnation of the actor that it
        was started under; between two incarnations this waits for the next.
        Its name is the actor's and its own: ``prices/alpha``.

        Args:
            factory: As of ``runtime.start``, or what ``runtime.new_actor``
                returned; that has its options already.
            *args: As of ``runtime.start``.
            **options: As of ``runtime.start``: ``name``, ``restart_policy``
                and so on.

        Raises:
            DuplicateNameError: If another child of the actor has the name.
            SupervisionDepthError: If the child would be further down than 10.
            ActorStoppedError: If the actor is down, or stops before the child
                has started.
            AskCycleError: In the actor's own stop hooks, between whose end
                and the next incarnation it would have to wait.
            Exception: Whatever the factory or a start hook raised; it is
                never retried, and the name is free again.

        Cancellation:
            The half-started child is down before this leaves.
        """
        await trio.lowlevel.checkpoint()
        spawner = self._spawner
        if spawner is None or spawner.is_closing:
            self._refuse_self()
            with _held_up_by(self._seat):
                spawner = await self._seat.wait_spawner()
        child: ActorHandle = await spawner.supervise(factory, args, options)
        return child

    async def unsupervise(self, child: ActorHandle) -> None:
        """Stop a child for good, wait until it is down, and free its name.

        What it has queued is handled first, as with its own `stop`.

        Raises:
            UnknownChildError: If it is not a child of the actor.
            TypeError: If it is not a handle.
            AskCycleError: In the child's own handlers and hooks, which would
                wait for themselves.

        Cancellation:
            The child stops all the same; only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        _check_handle(child)
        child._refuse_self()
        seat = child._seat
        if seat.state.is_final and seat.supervisor is self._seat:
            return
        spawner = self._spawner
        if spawner is None:
            raise UnknownChildError(self.name, child.name)
        spawner.unsupervise(child)
        with _held_up_by(seat):
            await seat.wait_down()

    async def release(self, child: ActorHandle) -> ActorHandle:
        """Leave a child to the runtime, running as it is; return its handle.

        The actor neither restarts nor stops it any more, and its name is free
        for another child.  Its own name, its policy and its limit stay: it is
        the runtime that supervises it now, as if it had been started there.

        Raises:
            UnknownChildError: If it is not a child of the actor, or down.
            TypeError: If it is not a handle.

        Cancellation:
            Nothing has changed.
        """
        await trio.lowlevel.checkpoint()
        _check_handle(child)
        spawner = self._spawner
        if spawner is None:
            raise UnknownChildError(self.name, child.name)
        spawner.release(child)
        return child

    @property
    def _spawner(self) -> Spawner | None:
        occupant = self._seat.occupant
        return occupant.spawner if occupant is not None else None

    # --- what is broadcast

    def subscribe(
        self,
        message_type: type,
        *,
        delivery: Delivery = Delivery.BLOCK,
        capacity: int | None = None,
    ) -> ActorSubscription:
        """Have the actor get what is broadcast of exactly that type.

        Until it is called off, or the actor is down for good: it survives
        restarts.  An actor has one subscription to a type; a second call only
        changes how.

        Args:
            message_type: A message class that the actor handles.
            delivery: What happens to a message while the actor is behind.
            capacity: How many may wait to be handled, if others are dropped
                for them; by default as many as its mailbox holds, and one of
                `Delivery.LATEST`.

        Raises:
            TypeError: If it is no message class, or the actor has no handler
                for it.
            ActorStoppedError: If the actor is down.
        """
        handlers = self._seat.handlers
        if handlers is not None and handlers.get(checked_type(message_type)) is None:
            name = name_of(message_type)
            msg = f"{self.name} has no handler for {name}, and would do nothing with it"
            raise TypeError(msg)
        if self._seat.state.is_final:
            raise self._seat.stopped_error(self._seat.last_failure)
        exchange = self._seat.surroundings.exchange
        terms = Terms(delivery, capacity)
        return exchange.subscribe_actor(self._seat, checked_type(message_type), terms)

    def unsubscribe(self, message_type: type) -> None:
        """Have the actor get no more of that type, if it has subscribed to it.

        What is in its mailbox already is handled; whoever waits for room there
        to broadcast it waits no more.
        """
        exchange = self._seat.surroundings.exchange
        exchange.unsubscribe_actor(self._seat, checked_type(message_type))

    # --- how it is

    @property
    def status(self) -> ActorStatus:
        """How the actor is now; a snapshot."""
        seat = self._seat
        return ActorStatus(
            seat.state, seat.generation, seat.restarts_in_window, seat.last_failure
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
        self._refuse_self("await ctx.handle.wait_stopped()")
        with waiting(self._seat):
            await self._seat.wait_down()

    def _refuse_self(self, incorrect: str = "") -> None:
        """Raise `AskCycleError` if the actor cannot end before this code does.

        Args:
            incorrect: What the actor must not say of itself, if `ctx.stop` is meant.
        """
        activity = waiting_activity()
        if activity is None:
            return
        if activity.actor is self:
            error = AskCycleError((self.name, self.name))
            if incorrect:
                fault = "an actor does not wait for its own end: it ends itself."
                note(error, lesson(fault, incorrect, "ctx.stop()"))
            raise error
        if activity in self._seat.blockers():
            raise AskCycleError((self.name, activity.name, self.name))


@contextmanager
def _held_up_by(seat: Seat) -> Generator[None, None, None]:
    """Let it be seen, in the block, that the running handler waits for *seat*.

    Whoever has asked its actor and is waited for now hears of it.
    """
    activity = waiting_activity()
    with waiting(seat):
        if activity is not None and isinstance(activity.actor, ActorHandle):
            seat_of(activity.actor).refuse_cycles()
        yield


def _check_handle(child: object) -> None:
    if not isinstance(child, ActorHandle):
        msg = (
            f"a child is named by its handle, not by {shown(child)}.\n"
            "  correct: handle.find_child(name)"
        )
        raise TypeError(msg)


def seat_of(handle: ActorHandle) -> Seat:
    """Return the seat that *handle* names, for those who run actors."""
    return handle._seat  # noqa: SLF001 - the other half of this module's secret


publish_names(globals(), ["ActorHandle", "ActorStatus"])
