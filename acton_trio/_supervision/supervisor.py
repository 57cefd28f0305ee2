"""Runs the actors of one level of the tree, and stops them in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import attrs
import trio

from .._base.errors import ActorStoppedError, DuplicateNameError
from .._kernel.cell import Cell, Recipe
from .._kernel.handle import ActorHandle
from .._kernel.seat import Seat, SeatState

__all__ = ["Child", "Supervisor"]


def _ignore(_handle: ActorHandle) -> None:
    pass


@final
@attrs.define(eq=False)
class Child:
    """One actor of a supervisor; lives as long as its seat."""

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once it has started, or failed to."""

    start_failure: BaseException | None = attrs.field(default=None, init=False)


@final
@attrs.define(eq=False)
class Supervisor:
    """Runs actors in a nursery; lives as long as the scope around that."""

    nursery: trio.Nursery
    give_up: Callable[[BaseException], None]
    """Takes the failure of a child that nobody below will handle."""

    went_down: Callable[[ActorHandle], None] = attrs.field(default=_ignore)
    """Hears of every child that is down for good."""

    is_closing: bool = attrs.field(default=False, init=False)
    """Whether no more children are taken."""

    # In the order in which they were started; they stop in reverse.
    _children: dict[str, Child] = attrs.field(factory=dict[str, Child], init=False)

    def handles(self) -> tuple[ActorHandle, ...]:
        """Return the children that have started and are not down, in order."""
        children = self._children.values()
        return tuple(child.handle for child in children if _is_up(child))

    def find(self, name: str) -> ActorHandle | None:
        """Return the child called *name*, once it has started, until it is down."""
        child = self._children.get(name)
        return child.handle if child is not None and _is_up(child) else None

    async def start(self, seat: Seat, recipe: Recipe) -> ActorHandle:
        """Start an actor in *seat*, and return once it takes messages.

        Raises:
            DuplicateNameError: If another child has the name.
            ActorStoppedError: If the supervisor is closing, or closes before
                the actor has started.
            Exception: Whatever the factory or a start hook raised.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        if self.is_closing:
            raise ActorStoppedError(seat.name, "cannot start: the runtime is stopping")
        if seat.name in self._children:
            raise DuplicateNameError(seat.name, self._children[seat.name].seat.id)
        child = Child(seat, ActorHandle(seat), recipe)
        self._children[seat.name] = child
        self.nursery.start_soon(self._run, child, name=f"actor {seat.name}")
        try:
            await child.settled.wait()
        except BaseException:
            seat.cancel("its start was cancelled")
            with trio.CancelScope(shield=True):
                await seat.wait_down()
            raise
        if child.start_failure is not None:
            raise child.start_failure
        return child.handle

    async def _run(self, child: Child) -> None:
        cell = Cell(child.seat, child.handle, child.recipe)
        child.seat.occupy(cell.cut_short)

        def started() -> None:
            child.seat.state = SeatState.RUNNING
            child.settled.set()

        await cell.live(started)
        del self._children[child.seat.name]
        failure = _together(child.seat.name, cell.failures)
        self.went_down(child.handle)
        child.seat.vacate(failure)
        if not cell.has_started:
            detail = "was stopped before it had started"
            stopped = ActorStoppedError(child.seat.name, detail)
            child.start_failure = failure or stopped
            child.settled.set()
        elif failure is not None:
            self.give_up(failure)

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
        self.is_closing = True
        for child in reversed(self._children.values()):
            child.seat.cancel(reason)


def _is_up(child: Child) -> bool:
    return child.settled.is_set() and child.start_failure is None


def _together(name: str, failures: list[BaseException]) -> BaseException | None:
    if len(failures) > 1:
        return BaseExceptionGroup(f"{name} failed more than once", failures)
    return failures[0] if failures else None
