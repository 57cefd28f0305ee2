"""One actor among those that a supervisor runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, final

import attrs
import trio

from .._kernel.cell import Cell
from .._kernel.events import ActorStarted, ActorStopped
from .._kernel.handle import ActorHandle
from .._kernel.recipe import Recipe
from .._kernel.seat import ActorState, Seat
from .._kernel.spawner import Spawner
from .._kernel.statistics import ActorSnapshot
from .._policy.limits import RestartWindow
from .._policy.plan import Sibling
from .._policy.policies import TerminationReason
from .._policy.spec import ChildSpec
from .events import ChildRestarted, ChildSupervised, SupervisionEvent
from .failures import set_before

__all__ = ["Child", "Keeper"]


class Keeper(Spawner, Protocol):
    """Who runs a child now: its supervisor."""

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of all children and theirs, of those that start too."""
        ...

    def snapshots(self) -> tuple[ActorSnapshot, ...]:
        """Return how all children and theirs are now."""
        ...

    def started(self, child: Child) -> None:
        """Hear that an incarnation of the child takes messages."""
        ...

    def run(self, child: Child, cell: Cell) -> None:
        """Have the task of an incarnation of the child begin."""
        ...

    def recall(self, child: Child) -> None:
        """Call its next incarnation off, if one is waited for."""
        ...

    def comes_before(self, child: Child) -> bool:
        """Return whether it is the turn of others yet to end."""
        ...

    async def may_clean_up(self, child: Child) -> None:
        """Wait until it is its turn to run what is left of its life."""
        ...

    def make_spawner(
        self, child: Child, fail: Callable[[BaseException], None], *, is_closing: bool
    ) -> Keeper:
        """Return who runs the children of the incarnation that there is now."""
        ...

    def tell(self, event: SupervisionEvent) -> bool:
        """Give *event* to the actor whose children they are, if it handles it."""
        ...

    def ended(self, child: Child, cell: Cell) -> None:
        """Hear that the incarnation is no more."""
        ...


@final
@attrs.define(eq=False, weakref_slot=False)
class Child:
    """One actor of a supervisor; lives as long as its seat.

    Its incarnations report to whoever keeps it by then.
    """

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    spec: ChildSpec
    keeper: Keeper

    number: int = attrs.field(default=0, init=False)
    """Tells the order in which the children of one supervisor were started."""

    _window: RestartWindow | None = attrs.field(default=None, init=False)
    _runs_since: float = attrs.field(default=math.inf, init=False)
    is_settled: bool = attrs.field(default=False, init=False)
    """Whether it has started, or failed to."""

    _is_settled: trio.Event | None = attrs.field(default=None, init=False)

    start_failure: BaseException | None = attrs.field(default=None, init=False)
    """What its starter is told, if it did not start."""

    failure: BaseException | None = attrs.field(default=None, init=False)
    """What went wrong in the last incarnation, if something did."""

    # What went wrong in the last incarnation that has run.
    _began_with: BaseException | None = attrs.field(default=None, init=False)

    reason: TerminationReason = attrs.field(
        default=TerminationReason.NORMAL, init=False
    )
    """Why the last incarnation ended."""

    backoff: float | None = attrs.field(default=None, init=False)
    """How long its last restart has waited, in seconds; ``None`` before the first."""

    is_told: bool = attrs.field(default=False, init=False)
    """Whether the incarnation was told to leave, to come back along with others."""

    failed_late: bool = attrs.field(default=False, init=False)
    """Whether something went wrong after it was to end for good."""

    spawner: Keeper | None = attrs.field(default=None, init=False)
    """Who runs the children of its incarnation, if it has or had any."""

    @property
    def is_present(self) -> bool:
        """Whether there is an incarnation of it, from its factory to its last hook."""
        return self.seat.occupant is not None

    @property
    def window(self) -> RestartWindow:
        """Its recent restarts."""
        if self._window is None:
            self._window = RestartWindow(self.spec.restart_limit)
        return self._window

    @property
    def restarts_in_window(self) -> int:
        """How often it was restarted lately, as its restart limit counts."""
        return 0 if self._window is None else self._window.count(trio.current_time())

    def next_backoff(self, chance: float) -> float | None:
        """Count a restart, and return how long it waits; ``None``: one too many.

        Args:
            chance: From 0 to 1, for the jitter.
        """
        self.window.started(self._runs_since)
        self._runs_since = math.inf
        return self.window.next_backoff(trio.current_time(), chance)

    def recall(self) -> None:
        """Call the next incarnation off, if one is waited for."""
        self.keeper.recall(self)

    def settle(self) -> None:
        """Note that it has started, or failed to."""
        self.is_settled = True
        if self._is_settled is not None:
            self._is_settled.set()

    async def wait_settled(self) -> None:
        """Wait until it has started, or failed to.

        Cancellation:
            Only the waiting ends.
        """
        self._is_settled = trio.Event()
        await self._is_settled.wait()

    @property
    def has_started(self) -> bool:
        """Whether it has started, and is not down."""
        return self.is_settled and self.start_failure is None

    def as_sibling(self) -> Sibling[Child]:
        """Return what a plan for a restart has to know of it."""
        return Sibling(self, self.spec.restart_policy, self.is_present)

    def note_end(self, failure: BaseException | None, *, is_start: bool) -> None:
        """Note with what an incarnation has ended, which may never have run."""
        if failure is not None and is_start:
            set_before(failure, self._began_with)
        elif not is_start:
            self._began_with = failure
        self.failure = failure
        self.seat.last_failure = failure or self.seat.last_failure

    def tell_end(self, cell: Cell) -> None:
        """Tell those who look in that *cell*, if it has started, is no more."""
        panel, seat = self.seat.surroundings.panel, self.seat
        if panel.actor_stopped and cell.has_started:
            event = ActorStopped(
                seat.name, seat.id, cell.generation, self.reason, self.failure
            )
            panel.tell(panel.actor_stopped, event)

    def news_of_start(self, supervisor: str) -> ChildSupervised | ChildRestarted:
        """Return what others may want to know, now that it takes messages."""
        if self.backoff is None:
            policy = self.spec.restart_policy
            return ChildSupervised(supervisor, self.seat.name, policy)
        return ChildRestarted(
            supervisor,
            self.seat.name,
            self.seat.generation,
            self.reason,
            self.backoff,
            self.failure,
        )

    # --- what its incarnations report

    def started(self) -> None:
        """Note that the incarnation takes messages, the first or a later one.

        A first start that an order to stop has overtaken is none.
        """
        if self.is_settled:
            self.seat.generation += 1
        elif self.keeper.is_closing or self.seat.stop_ordered:
            return
        self.settle()
        self._runs_since = trio.current_time()
        self.seat.enter(ActorState.RUNNING)
        panel, seat = self.seat.surroundings.panel, self.seat
        if panel.actor_started:
            event = ActorStarted(seat.name, seat.id, seat.generation)
            panel.tell(panel.actor_started, event)
        self.keeper.started(self)

    def failed(self) -> None:
        """Note what was ordered when something went wrong, which is to judge it by.

        Whoever stops an actor a moment later does not make it another failure.
        """
        self.failed_late |= self.keeper.is_closing or self.seat.stop_ordered

    def run(self, cell: Cell) -> None:
        """Have the task of *cell* begin."""
        self.keeper.run(self, cell)

    @property
    def comes_later(self) -> bool:
        """Whether it is not its turn yet to run what is left of its life."""
        return self.keeper.comes_before(self)

    async def may_clean_up(self) -> None:
        """Wait until it is its turn to run what is left of its life."""
        await self.keeper.may_clean_up(self)

    def make_spawner(
        self, fail: Callable[[BaseException], None], *, is_closing: bool
    ) -> Spawner:
        """Return who runs the children of its incarnation."""
        spawner = self.keeper.make_spawner(self, fail, is_closing=is_closing)
        # One that takes no children is for those of an earlier incarnation who
        # still ask.
        if not is_closing:
            self.spawner = spawner
        return spawner
