"""A seat: the place of an actor, which outlives its incarnations."""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable, Collection
from typing import Any, Protocol, final

import attrs
import trio

from .._base.errors import ActorStoppedError, AskCycleError
from .._base.util import publish_names
from .activity import Activity, Wait
from .actor import Behaviour
from .envelope import Ask
from .handlers import HandlerTable
from .mailbox import Mailbox
from .spawner import Spawner
from .subscription import ActorSubscription
from .surroundings import DeadLetter, Surroundings
from .waits import find_cycle

__all__ = ["ActorState", "Holder", "Occupant", "Seat"]


class ActorState(enum.Enum):
    """How far the life of an actor has come."""

    STARTING = "starting"
    """It was not up yet; its first start hooks may run."""

    RUNNING = "running"
    """It takes messages."""

    RESTART_PENDING = "restart_pending"
    """It is to start again: once its backoff is over, and its siblings are down."""

    RESTARTING = "restarting"
    """It starts again; its start hooks may run."""

    STOPPING = "stopping"
    """An incarnation ends, for good or to make room for the next one."""

    DOWN = "down"
    """For good."""

    ESCALATED = "escalated"
    """Down for good, having failed more often than its limit allows."""

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self is ActorState.DOWN or self is ActorState.ESCALATED


class Occupant(Protocol):
    """Who sits in a seat now."""

    @property
    def spawner(self) -> Spawner:
        """Who runs its children."""
        ...

    def descendants(self) -> Collection[Activity]:
        """Return the code of its children, and theirs, that runs now."""
        ...

    def turns(self) -> tuple[Any, ...]:
        """Return the `Turn` of each handler at work, built from what is built here."""
        ...

    def leave(self) -> None:
        """End normally, as soon as no handler runs: the seat is kept."""
        ...

    def stop_ordered(self) -> None:
        """Look up: the seat is to be vacated."""
        ...

    def cut_short(self, reason: str) -> None:
        """End now: handlers are cancelled, clean-up still runs."""
        ...

    def fail(self, error: BaseException) -> None:
        """End now, with *error*."""
        ...


class Holder(Protocol):
    """Who has incarnations sit in a seat."""

    @property
    def restarts_in_window(self) -> int:
        """How often there was a new one lately, as its restart limit counts."""
        ...

    def recall(self) -> None:
        """Call off the next incarnation, if one is waited for."""
        ...


@final
@attrs.define(eq=False, weakref_slot=False)
class Seat:
    """A named place with a mailbox, where one incarnation after another sits."""

    name: str
    """Path of names from the root, for example ``prices/alpha``."""

    _id: str | Callable[[str], str]
    """Its ERN, or what makes that of the name when somebody asks for it."""

    mailbox: Mailbox
    surroundings: Surroundings
    supervisor: Seat | None = attrs.field(default=None, init=False)
    """The actor's whose child it is, unless it is the runtime's."""

    state: ActorState = attrs.field(default=ActorState.STARTING, init=False)
    generation: int = attrs.field(default=0, init=False)
    """How many incarnations have run before the last one that did."""

    handlers: HandlerTable | None = attrs.field(default=None, init=False)
    """What its actor handles; nothing is known before it was built."""

    stop_ordered: bool = attrs.field(default=False, init=False)
    """Whether the seat is to be vacated for good."""

    last_failure: BaseException | None = attrs.field(default=None, init=False)
    """What ended the last incarnation that failed."""

    deferred: weakref.WeakSet[Ask] | None = attrs.field(default=None, init=False)
    """What the incarnation that sits here has promised to answer, if anything."""

    occupant: Occupant | None = attrs.field(default=None, init=False)
    """Who sits here; nobody between two incarnations."""

    subscriptions: dict[type, ActorSubscription] | None = attrs.field(
        default=None, init=False
    )
    """What its actor gets of what is broadcast, by type, if anything."""

    holder: Holder | None = attrs.field(default=None, init=False)
    """Who has incarnations sit here, until it is empty for good."""

    # The message types that its actor has once subscribed to by declaration.
    _declared: set[type] | None = attrs.field(default=None, init=False)
    _news: trio.lowlevel.ParkingLot | None = attrs.field(default=None, init=False)

    @property
    def id(self) -> str:
        """The same as an ERN; a child has it of its parent's, so it may come again."""
        if not isinstance(self._id, str):
            self._id = self._id(self.name)
        return self._id

    @property
    def accepts(self) -> tuple[type, ...]:
        """The message types that its actor handles."""
        return tuple(self.handlers or ())

    @property
    def restarts_in_window(self) -> int:
        """How often its actor was restarted lately, as its restart limit counts."""
        return 0 if self.holder is None else self.holder.restarts_in_window

    def learn(self, behaviour: Behaviour) -> None:
        """Take note of what an incarnation handles, and subscribes to.

        What is declared is subscribed to once: it survives restarts, as does
        what was made of it since.
        """
        self.handlers = behaviour.handlers
        for message_type, handler in behaviour.handlers.items():
            if handler.terms is not None and self._is_new(message_type):
                exchange = self.surroundings.exchange
                exchange.subscribe_actor(self, message_type, handler.terms)

    def _is_new(self, message_type: type) -> bool:
        if self._declared is None:
            self._declared = set()
        is_new = message_type not in self._declared
        self._declared.add(message_type)
        return is_new

    def order_stop(self) -> None:
        """Have the actor stop: it handles what is queued, and ends."""
        self.stop_ordered = True
        if self.occupant is not None:
            self.occupant.stop_ordered()
        self._recall()

    def cancel(self, reason: str) -> None:
        """Have the actor end now: handlers are cancelled, clean-up still runs."""
        self.stop_ordered = True
        if self.occupant is not None:
            self.occupant.cut_short(reason)
        self._recall()

    def _recall(self) -> None:
        if self.holder is not None and not self.state.is_final:
            self.holder.recall()

    def defer(self, ask: Ask) -> None:
        """Note that the reply to *ask* may come when its handler has returned."""
        if self.deferred is None:
            self.deferred = weakref.WeakSet()
        self.deferred.add(ask)
        self.surroundings.patience.defer(ask)

    def hold(self, wait: Wait) -> None:
        """Note what has to end before what is queued here can be handled.

        Asks in whose way is the very handler that asks end with `AskCycleError`.
        """
        self.mailbox.hold = Activity(self.name, None)
        self.mailbox.hold.waits.append(wait)
        self.refuse_cycles()

    def lift_hold(self) -> None:
        """Note that nothing is in the way any more."""
        self.mailbox.hold = None

    def refuse_cycles(self) -> None:
        """End the asks queued here that can never be answered any more."""
        for envelope, asker in self.mailbox.questions():
            cycle = find_cycle(self.mailbox.blockers(envelope), asker)
            if cycle is not None and envelope.ask is not None:
                envelope.ask.fail(AskCycleError((*cycle, self.name)))
                self.mailbox.give_up(envelope)

    def enter(self, state: ActorState) -> None:
        """Note how far things have come, and tell those who wait for it."""
        self.state = state
        if self._news is not None:
            self._news.unpark_all()

    def close(self, cause: BaseException | None = None) -> None:
        """Take no more messages, neither now nor when they would be due."""
        self.mailbox.close(lambda: self.stopped_error(cause))
        self.surroundings.timetable.abandon(self.mailbox)

    def vacate(
        self, cause: BaseException | None, state: ActorState = ActorState.DOWN
    ) -> None:
        """Declare the seat empty for good, and answer whoever still waits."""
        self.last_failure = cause or self.last_failure
        if self.subscriptions:
            self.surroundings.exchange.forget(self)
        self.close(cause)
        for envelope in self.mailbox.empty():
            if envelope.ask is not None:
                envelope.ask.fail(self.stopped_error(cause))
            letter = DeadLetter(
                envelope.message, self.name, "the actor has stopped", cause
            )
            self.surroundings.dead_letter(letter)
        self.enter(state)

    def stopped_error(self, cause: BaseException | None) -> ActorStoppedError:
        """Return the error for a message that comes too late."""
        error = ActorStoppedError(self.name)
        error.__cause__ = cause
        return error

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before the seat can be empty."""
        if self.occupant is None:
            return self.mailbox.running
        return [*self.mailbox.running, *self.occupant.descendants()]

    async def _wait_news(self) -> None:
        if self._news is None:
            self._news = trio.lowlevel.ParkingLot()
        await self._news.park()

    async def wait_down(self) -> None:
        """Wait until the seat is empty for good.

        Cancellation:
            Only the waiting ends.
        """
        if self.state.is_final:
            await trio.lowlevel.checkpoint()
        while not self.state.is_final:
            await self._wait_news()

    async def wait_running(self, generation: int) -> None:
        """Wait until an incarnation runs that is the *generation*-th, or later.

        Raises:
            ActorStoppedError: If there will be none.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        while self.state is not ActorState.RUNNING or self.generation < generation:
            if self.state.is_final:
                raise self.stopped_error(self.last_failure)
            await self._wait_news()

    async def wait_spawner(self) -> Spawner:
        """Wait until somebody sits here who takes children.

        Raises:
            ActorStoppedError: If nobody will.

        Cancellation:
            Only the waiting ends.
        """
        while True:
            if self.state.is_final:
                raise self.stopped_error(self.last_failure)
            if self.occupant is not None and not self.occupant.spawner.is_closing:
                return self.occupant.spawner
            await self._wait_news()


publish_names(globals(), ["ActorState"])
