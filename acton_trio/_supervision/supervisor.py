"""Runs the actors of one level of the tree: starts, restarts and stops them.

What becomes of an actor whose incarnation has ended is decided once, in
`Supervisor.ended`, without waiting for anything.  If it is to come back, a
`Recovery` says step by step what has to be done for that, and a task of its
own takes the steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Final, final

import attrs
import trio

from .._base.errors import (
    ActorStoppedError,
    DuplicateNameError,
    SupervisionDepthError,
    UnknownChildError,
)
from .._kernel import pace
from .._kernel.activity import Activity, waiting
from .._kernel.cell import Cell
from .._kernel.envelope import Envelope
from .._kernel.handle import ActorHandle, seat_of
from .._kernel.options import StartOptions
from .._kernel.recipe import Recipe
from .._kernel.seat import ActorState, Seat
from .._kernel.spawner import Idle
from .._kernel.statistics import ActorSnapshot
from .._policy.fates import Fate, fate_of
from .._policy.plan import plan_restart
from .._policy.policies import TerminationReason
from .._policy.spec import ChildSpec
from .._policy.strategies import Escalation
from .children import Child
from .events import (
    ChildRestarted,
    ChildSupervised,
    ChildTerminated,
    SupervisionEscalated,
    SupervisionEvent,
)
from .failures import limit_error, together
from .household import MAX_DEPTH, Household
from .recoveries import Recoveries
from .roster import Roster, own_name

__all__ = ["Supervisor"]

# What is about children of an incarnation, and no use to the one after it.
_NEWS: Final = ChildSupervised, ChildRestarted, ChildTerminated


@final
@attrs.define(eq=False)
class Supervisor:
    """Runs actors; lives as long as the incarnation whose children they are.

    The one at the root of the tree lives as long as the runtime.
    """

    name: str
    """The actor's, or the runtime's."""

    household: Household
    give_up: Callable[[BaseException], None]
    """Takes what goes wrong with a child and nobody below will handle."""

    spec: ChildSpec = attrs.field(factory=ChildSpec)
    owner: Child | None = None
    """The actor whose children they are; the runtime's are nobody's."""

    is_closing: bool = False
    """Whether no more children are taken, and none comes back."""

    _is_cancelled: bool = attrs.field(default=False, init=False)
    _roster: Roster = attrs.field(factory=Roster, init=False)
    _recoveries: Recoveries = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        shared = self.spec.strategy.is_for_groups
        nursery = self.household.nursery
        self._recoveries = Recoveries(nursery, self._start_again, shared)

    @property
    def seat(self) -> Seat | None:
        """The seat of the actor whose children they are."""
        return self.owner.seat if self.owner is not None else None

    # --- looking in

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of all children and theirs, of those that start too."""
        return self._roster.seats()

    def snapshots(self) -> tuple[ActorSnapshot, ...]:
        """Return how all children and theirs are now."""
        return self._roster.snapshots()

    def handles(self) -> tuple[ActorHandle, ...]:
        """Return the children that have started and are not down, in order."""
        return tuple(each.handle for each in self._roster if each.has_started)

    def has(self, name: str) -> bool:
        """Return whether *name* is taken, if only by a child that is starting."""
        return self._roster.named(name) is not None

    def find(self, name: str) -> ActorHandle | None:
        """Return the actor at the path *name* from here, once it has started."""
        return self._roster.find(name)

    def blockers(self) -> Collection[Activity]:
        """Return the code of children that has to return before they are down."""
        return [each for child in self._roster for each in child.seat.blockers()]

    # --- taking children

    def path_of(self, name: str) -> str:
        """Return the whole name of a child that is called *name* here.

        Raises:
            SupervisionDepthError: If there may be none so far down.
        """
        if self.seat is None:
            return name
        path = f"{self.name}/{name}"
        if path.count("/") > MAX_DEPTH:
            raise SupervisionDepthError(path, MAX_DEPTH)
        return path

    async def supervise(
        self,
        factory: Callable[..., object] | Idle,
        args: tuple[object, ...],
        options: StartOptions,
    ) -> ActorHandle:
        """Start a child as the runtime would, and return its handle."""
        return await self.household.place(self, factory, args, options)

    async def start(self, handle: ActorHandle, recipe: Recipe, spec: ChildSpec) -> None:
        """Start an actor in the seat of *handle*, and return once it takes messages.

        Raises:
            DuplicateNameError: If another child has the name.
            ActorStoppedError: If the supervisor is closing, or closes before
                the actor has started.
            Exception: Whatever the factory or a start hook raised.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        seat = seat_of(handle)
        await pace.breathe(seat.surroundings.turns)
        if self.is_closing:
            detail = f"cannot start: {self.name} is stopping"
            raise ActorStoppedError(seat.name, detail)
        holder = self._roster.named(own_name(seat))
        if holder is not None:
            raise DuplicateNameError(seat.name, holder.seat.id)
        child = Child(seat, handle, recipe, spec, self)
        self._take(child, own_name(seat))
        self._spawn(child)
        if child.is_settled:
            return
        try:
            with waiting(seat):
                await child.wait_settled()
        except BaseException:
            seat.cancel("its start was cancelled")
            with trio.CancelScope(shield=True):
                await seat.wait_down()
            if child.start_failure is not None and child.failure is not None:
                raise child.failure  # noqa: ASYNC104, B904 - the cancellation is its context
            raise
        if child.start_failure is not None:
            raise child.start_failure

    def _take(self, child: Child, name: str | None = None) -> None:
        self._roster.add(child, name)
        child.seat.supervisor = self.seat
        child.seat.holder = child

    def make_spawner(
        self, child: Child, fail: Callable[[BaseException], None], *, is_closing: bool
    ) -> Supervisor:
        """Return who runs the children of the incarnation that there is now."""
        return Supervisor(
            child.seat.name,
            self.household,
            fail,
            child.spec,
            child,
            is_closing,
        )

    # --- their incarnations

    def _spawn(self, child: Child) -> None:
        seat = child.seat
        generation = seat.generation + child.is_settled
        cell = Cell(seat, generation, child)
        child.is_told = False
        seat.occupant = cell
        cell.begin(child.recipe)

    def run(self, child: Child, cell: Cell) -> None:
        """Have the task of *cell* begin."""
        name = f"actor {child.seat.name}"
        self.household.nursery.start_soon(self._live, child, cell, name=name)

    async def _live(self, child: Child, cell: Cell) -> None:
        try:
            await cell.live()
        finally:
            child.seat.occupant = child.spawner = None
        child.keeper.ended(child, cell)

    def started(self, child: Child) -> None:
        """Tell who wants to know; if it was restarted, go on with the others."""
        self._recoveries.started(child)
        self._announce(child.news_of_start(self.name))

    def ended(self, child: Child, cell: Cell) -> None:
        """Decide what becomes of a child whose incarnation is no more."""
        failure = together(child.seat.name, cell.failures)
        self._recoveries.ended(child)
        if not child.has_started:
            self._settle_start(child, failure)
        elif failure is None and not cell.has_started:
            # It was cut off before it ran: what it was started for still counts.
            self._have_back(child, [child])
        else:
            child.note_end(failure, is_start=not cell.has_started)
            child.reason = self._reason(child)
            child.tell_end(cell)
            self._decide(child)

    def _decide(self, child: Child) -> None:
        fate = fate_of(
            child.spec.restart_policy,
            child.reason,
            error=child.failure,
            failed_late=child.failed_late,
            is_told=child.is_told,
        )
        match fate:
            case Fate.RESTART:
                self._restart(child)
            case Fate.RETURN:
                self._have_back(child, [child])
            case Fate.DOWN:
                self._end(child)
            case Fate.GIVE_UP:
                self._end(child, owned_by_supervisor=True)
                assert child.failure is not None
                self.give_up(child.failure)

    def _reason(self, child: Child) -> TerminationReason:
        if child.failure is not None:
            return TerminationReason.FAILED
        if self.is_closing:
            return TerminationReason.PARENT_SHUTDOWN
        if child.seat.stop_ordered or child.is_told:
            return TerminationReason.STOPPED
        return TerminationReason.NORMAL

    # --- coming back

    def _restart(self, child: Child) -> None:
        chance = random.random()  # noqa: S311 - jitter
        backoff = child.next_backoff(chance)
        if backoff is None:
            self._escalate(child)
            return
        group = self.spec.strategy.is_for_groups
        siblings = [*self._roster] if group else [child]
        plan = plan_restart(
            [each.as_sibling() for each in siblings if each.has_started],
            child,
            self.spec.strategy,
        )
        self._have_back(child, {*plan.stop, *plan.start}, backoff)

    def _have_back(
        self, child: Child, others: Collection[Child], backoff: float = 0
    ) -> None:
        """Have *child*, which is down, come back with *others*."""
        if self.is_closing or child.seat.stop_ordered:
            self._end(child)
            return
        child.seat.enter(ActorState.RESTART_PENDING)
        self._recoveries.have_back(child, others, backoff)

    def _start_again(self, child: Child) -> None:
        child.seat.enter(ActorState.RESTARTING)
        self._spawn(child)

    def recall(self, child: Child) -> None:
        """Call the next incarnation off, if one is waited for."""
        if not child.is_present and child.has_started:
            self._end(child)

    # --- going down

    def _settle_start(self, child: Child, failure: BaseException | None) -> None:
        detail = "was stopped before it had started"
        stopped = ActorStoppedError(child.seat.name, detail)
        child.failure = failure
        child.start_failure = failure or stopped
        self._take_down(child, child.failure)
        child.settle()

    def _end(self, child: Child, *, owned_by_supervisor: bool = False) -> None:
        self._take_down(child, child.failure)
        self._announce(
            ChildTerminated(
                self.name,
                child.seat.name,
                child.reason,
                child.failure,
                owned_by_supervisor=owned_by_supervisor,
            )
        )

    def _escalate(self, child: Child) -> None:
        """Give *child* up, which has failed more often than its limit allows."""
        name, reason = child.seat.name, child.reason
        error = limit_error(child.window.limit, name, child.failure)
        restarts = child.restarts_in_window
        self._take_down(child, error, ActorState.ESCALATED)
        news = SupervisionEscalated(self.name, name, reason, restarts, error)
        goes_on = self.spec.escalation is Escalation.NOTIFY_PARENT
        owned, told = True, None
        if goes_on and self.owner is not None:
            owned = self.owner.keeper.tell(news)
            told = self.owner.seat.supervisor if owned else None
        self._announce(
            ChildTerminated(self.name, name, reason, error, owned_by_supervisor=owned)
        )
        self.household.announce(news, told)
        if not goes_on or self.owner is None:
            self.give_up(error)

    def _take_down(
        self,
        child: Child,
        failure: BaseException | None,
        state: ActorState = ActorState.DOWN,
    ) -> None:
        self._let_go(child)
        self.household.went_down(child.handle)
        child.seat.vacate(failure, state)

    def _let_go(self, child: Child) -> float:
        """Forget *child*; return how long it was still to wait for its restart."""
        self._roster.remove(child)
        return self._recoveries.drop(child)

    def unsupervise(self, child: ActorHandle) -> None:
        """Order a child to stop for good.

        Raises:
            UnknownChildError: If it is none.
        """
        self._known(child).seat.order_stop()

    def release(self, child: ActorHandle) -> None:
        """Leave a child to the runtime, running as it is.

        Raises:
            UnknownChildError: If it is none, or has not started yet.
        """
        known = self._known(child)
        if not known.has_started:
            raise UnknownChildError(self.name, child.name)
        self.household.adopt(known, self._let_go(known))

    def adopt(self, child: Child, backoff: float) -> None:
        """Supervise *child* from now on, which another one did.

        Args:
            child: It has no name here, if only because its own is a path.
            backoff: When it comes back if it is down, in seconds from now.
        """
        child.keeper, child.failed_late = self, False
        self._take(child)
        if not child.is_present:
            self._have_back(child, [child], backoff)

    def _known(self, handle: ActorHandle) -> Child:
        child = self._roster.of(seat_of(handle))
        if child is None:
            raise UnknownChildError(self.name, handle.name)
        return child

    # --- the end of all

    def close(self) -> None:
        """Take no more children, and have none come back that is down now."""
        self.is_closing = True
        for child in reversed([*self._roster]):
            self.recall(child)

    async def stop_all(self) -> None:
        """Stop the children one by one, the last started first.

        Cancellation:
            Those that were not yet told to stop run on: cancel them.
        """
        self.close()
        while (child := self._roster.last()) is not None:
            child.seat.order_stop()
            await child.seat.wait_down()
        if self.seat is not None:
            self.seat.mailbox.drop_urgent(lambda each: isinstance(each, _NEWS))

    def cancel_all(self, reason: str) -> None:
        """Have all children end now: handlers are cancelled, clean-up runs."""
        self._is_cancelled = True
        self.close()
        for child in reversed([*self._roster]):
            child.seat.cancel(reason)

    def comes_before(self, child: Child) -> bool:
        """Return whether, as all end at once, one that was started later is there."""
        return self._is_cancelled and self._roster.last() not in {None, child}

    async def may_clean_up(self, child: Child) -> None:
        """Wait, when all end at once, for those that were started later."""
        while self.comes_before(child):
            last = self._roster.last()
            assert last is not None
            await last.seat.wait_down()

    # --- telling

    def _announce(self, event: SupervisionEvent) -> None:
        # An incarnation that ends has no use for it, nor has the next one.
        is_told = not self.is_closing and self.tell(event)
        self.household.announce(event, self.seat if is_told else None)

    def tell(self, event: SupervisionEvent) -> bool:
        """Give *event* to the actor whose children they are, if it handles it."""
        if self.seat is None or type(event) not in self.seat.accepts:
            return False
        return self.seat.mailbox.put_urgent(Envelope(event))
