"""Runs the actors of one level of the tree: starts, restarts and stops them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import final

import attrs
import trio

from .._base.errors import ActorStoppedError, DuplicateNameError, RestartLimitError
from .._kernel.activity import waiting
from .._kernel.cell import Cell, Recipe
from .._kernel.handle import ActorHandle, seat_of
from .._kernel.seat import ActorState, Seat
from .._policy.restarts import (
    RestartLimit,
    RestartPolicy,
    RestartWindow,
    TerminationReason,
    comes_back,
)
from .events import ChildRestarted, ChildTerminated, SupervisionEvent

__all__ = ["Supervisor"]


@final
@attrs.define(eq=False)
class _Child:
    """One actor of a supervisor; lives as long as its seat."""

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    policy: RestartPolicy
    window: RestartWindow
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once it has started, or failed to."""

    start_failure: BaseException | None = attrs.field(default=None, init=False)
    """What its starter is told, if it did not start."""

    failure: BaseException | None = attrs.field(default=None, init=False)
    """What went wrong in its start, if something did."""

    failed_late: bool = attrs.field(default=False, init=False)
    """Whether something went wrong after it was to end for good."""

    restarted: ChildRestarted | None = attrs.field(default=None, init=False)
    """The news to be told once the next incarnation has started."""

    @property
    def is_up(self) -> bool:
        """Whether it has started, and is not down."""
        return self.settled.is_set() and self.start_failure is None


def _ignore(_thing: object) -> None:
    pass


@final
@attrs.define(eq=False)
class Supervisor:
    """Runs actors in a nursery; lives as long as the scope around that."""

    name: str
    nursery: trio.Nursery
    give_up: Callable[[BaseException], None]
    """Takes the failure of a child that nobody below will handle."""

    announce: Callable[[SupervisionEvent], object] = _ignore
    """Takes what others may want to know of the children."""

    went_down: Callable[[ActorHandle], None] = _ignore
    """Hears of every child that is down for good."""

    is_closing: bool = attrs.field(default=False, init=False)
    """Whether no more children are taken, and none comes back."""

    _is_cancelled: bool = attrs.field(default=False, init=False)
    # In the order in which they were started; they stop in reverse.
    _children: dict[str, _Child] = attrs.field(factory=dict[str, _Child], init=False)

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of all children, of those that are starting too."""
        return tuple(each.seat for each in self._children.values())

    def handles(self) -> tuple[ActorHandle, ...]:
        """Return the children that have started and are not down, in order."""
        return tuple(each.handle for each in self._children.values() if each.is_up)

    def has(self, name: str) -> bool:
        """Return whether *name* is taken, if only by a child that is starting."""
        return name in self._children

    def find(self, name: str) -> ActorHandle | None:
        """Return the child called *name*, once it has started, until it is down."""
        child = self._children.get(name)
        return child.handle if child is not None and child.is_up else None

    # --- starting

    async def start(
        self,
        handle: ActorHandle,
        recipe: Recipe,
        policy: RestartPolicy,
        limit: RestartLimit,
    ) -> None:
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
        if self.is_closing:
            raise ActorStoppedError(seat.name, "cannot start: the runtime is stopping")
        if seat.name in self._children:
            raise DuplicateNameError(seat.name, self._children[seat.name].seat.id)
        child = _Child(seat, handle, recipe, policy, RestartWindow(limit))
        self._children[seat.name] = child
        seat.restarts_in_window = lambda: child.window.count(trio.current_time())
        self.nursery.start_soon(self._run, child, name=f"actor {seat.name}")
        try:
            with waiting(seat):
                await child.settled.wait()
        except BaseException:
            seat.cancel("its start was cancelled")
            with trio.CancelScope(shield=True):
                await seat.wait_down()
            if child.failure is not None:
                raise child.failure  # noqa: ASYNC104, B904 - the cancellation is its context
            raise
        if child.start_failure is not None:
            raise child.start_failure

    async def _run(self, child: _Child) -> None:
        """Have one incarnation after another in the seat, until none comes back."""
        while True:
            cell = await self._run_incarnation(child)
            failure = _together(child.seat.name, cell.failures)
            if not child.is_up:
                self._settle_start(child, failure)
                return
            child.seat.last_failure = failure or child.seat.last_failure
            reason = self._reason(child, failure)
            if not await self._prepare_restart(child, reason, failure):
                return

    async def _run_incarnation(self, child: _Child) -> Cell:
        cell = Cell(
            child.seat,
            child.handle,
            child.recipe,
            child.seat.generation + child.settled.is_set(),
            partial(self._started, child),
            partial(self._wait_for_turn, child),
            partial(self._note_failure, child),
        )
        child.seat.occupant = cell
        try:
            await cell.live()
        finally:
            child.seat.occupant = None
        return cell

    def _note_failure(self, child: _Child) -> None:
        # It is judged by what was ordered when it happened: whoever stops an
        # actor a moment later does not make it another failure.
        child.failed_late |= self.is_closing or child.seat.stop_ordered

    def _started(self, child: _Child) -> None:
        seat = child.seat
        if child.settled.is_set():
            seat.generation += 1
        child.settled.set()
        seat.enter(ActorState.RUNNING)
        if child.restarted is not None:
            self.announce(child.restarted)
            child.restarted = None

    def _settle_start(self, child: _Child, failure: BaseException | None) -> None:
        detail = "was stopped before it had started"
        stopped = ActorStoppedError(child.seat.name, detail)
        child.failure = failure
        child.start_failure = failure or stopped
        self._take_down(child, failure)
        child.settled.set()

    # --- ending

    def _reason(
        self, child: _Child, failure: BaseException | None
    ) -> TerminationReason:
        if failure is not None:
            return TerminationReason.FAILED
        if self.is_closing:
            return TerminationReason.PARENT_SHUTDOWN
        if child.seat.stop_ordered:
            return TerminationReason.STOPPED
        return TerminationReason.NORMAL

    async def _prepare_restart(
        self,
        child: _Child,
        reason: TerminationReason,
        failure: BaseException | None,
    ) -> bool:
        """Wait until the next incarnation is due; return whether there is one."""
        # An exception that is no Exception is nobody's to handle here.
        is_final = failure is not None and not isinstance(failure, Exception)
        if is_final or (child.failed_late and comes_back(child.policy, reason)):
            self._end(child, reason, failure, is_handled=False)
            return False
        if not comes_back(child.policy, reason):
            self._end(child, reason, failure, is_handled=True)
            return False
        backoff = child.window.next_backoff(trio.current_time(), random.random())  # noqa: S311 - jitter
        if backoff is None:
            self._end(child, reason, _limit_error(child, failure), is_handled=False)
            return False
        if not await self._back_off(child, backoff):
            self._end(child, reason, failure, is_handled=True)
            return False
        child.seat.enter(ActorState.RESTARTING)
        generation = child.seat.generation + 1
        child.restarted = ChildRestarted(
            self.name, child.seat.name, generation, reason, backoff
        )
        return True

    async def _back_off(self, child: _Child, seconds: float) -> bool:
        """Wait; return whether nothing else was ordered before or meanwhile."""
        if self.is_closing or child.seat.stop_ordered:
            return False
        child.seat.enter(ActorState.RESTART_PENDING)
        with trio.move_on_after(seconds) as wait:
            child.seat.awaken = partial(wait.cancel, reason="the actor is to stop")
            await trio.sleep_forever()
        return not child.seat.stop_ordered

    def _end(
        self,
        child: _Child,
        reason: TerminationReason,
        failure: BaseException | None,
        *,
        is_handled: bool,
    ) -> None:
        self._take_down(child, failure)
        self.announce(ChildTerminated(self.name, child.seat.name, reason, failure))
        if failure is not None and not is_handled:
            self.give_up(failure)

    def _take_down(self, child: _Child, failure: BaseException | None) -> None:
        del self._children[child.seat.name]
        self.went_down(child.handle)
        child.seat.vacate(failure)

    # --- the end of all

    async def stop_all(self) -> None:
        """Stop the children one by one, the last started first.

        Cancellation:
            Those that were not yet told to stop run on: cancel them.
        """
        self.is_closing = True
        while self._children:
            _, child = next(reversed(self._children.items()))
            child.seat.order_stop()
            await child.seat.wait_down()

    def cancel_all(self, reason: str) -> None:
        """Have all children end now: handlers are cancelled, clean-up runs."""
        self.is_closing = self._is_cancelled = True
        for child in reversed(list(self._children.values())):
            child.seat.cancel(reason)

    async def _wait_for_turn(self, child: _Child) -> None:
        """Wait, when all end at once, for those that were started later."""
        while self._is_cancelled:
            _, last = next(reversed(self._children.items()))
            if last is child:
                return
            await last.seat.wait_down()


def _limit_error(child: _Child, failure: BaseException | None) -> RestartLimitError:
    limit = child.window.limit
    error = RestartLimitError(child.seat.name, limit.max_restarts, limit.window)
    error.__cause__ = failure
    for each in getattr(failure, "__notes__", [f"in {child.seat.name}"]):
        error.add_note(each)
    return error


def _together(name: str, failures: list[BaseException]) -> BaseException | None:
    if len(failures) > 1:
        return BaseExceptionGroup(f"{name} failed more than once", failures)
    return failures[0] if failures else None
