"""One incarnation of an actor, from its factory to its last hook.

Its life, and the cancel scopes around its parts::

    whole -------------------------------------------------
    | factory, lifespan in
    |   work -------------------------------------------
    |   | before_start, after_start
    |   | messages and background tasks
    |   | before_stop, what is queued
    |   ------------------------------------------------
    | the children end, [shield]
    | lifespan out
    -------------------------------------------------------
    last: after_stop

Cutting *work* short is how a failure or a cancellation ends an actor: its
handlers are cancelled, and the rest of its life still happens, bounded by the
deadlines of *whole* and *last*.  *work* lies within the lifespan: a generator
that holds scopes of its own can only be resumed outside of any opened since.
"""

from __future__ import annotations

import math
import typing
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Mapping,
)
from functools import partial
from typing import Any, TypeVarTuple, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import name_of, shown
from .activity import NO_HEADERS, Activity, current_activity
from .actor import Behaviour
from .dispatcher import Dispatcher
from .handle import ActorHandle
from .parting import part
from .seat import ActorState, Seat
from .spawner import Parent, Spawner
from .stage import Stage
from .turn import Turn
from .verdicts import Verdicts

__all__ = ["Cell", "Recipe"]

Ts = TypeVarTuple("Ts")


@final
@attrs.frozen(eq=False)
class Recipe:
    """How to make the incarnations of one actor; lives as long as its seat."""

    build: Callable[[], object]
    """Makes the model, the object that holds an incarnation's state."""

    behaviour_of: Callable[[object], Behaviour]
    """Tells what a model of this kind does, or raises `TypeError`."""


@final
@attrs.define(eq=False)
class Cell:
    """One incarnation of an actor; lives from its factory to its last hook."""

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    generation: int
    """How many incarnations of the actor have run before this one."""

    parent: Parent
    failures: list[BaseException] = attrs.field(factory=list[BaseException], init=False)
    """What ended it, as it was raised; empty after a normal end."""

    has_started: bool = attrs.field(default=False, init=False)
    _spawner: Spawner | None = attrs.field(default=None, init=False)
    _is_childless: bool = attrs.field(default=False, init=False)
    """Whether it takes no children any more."""

    _stage: Stage = attrs.field(init=False)
    _is_leaving: bool = attrs.field(default=False, init=False)
    """Whether it is to end, and the seat is kept."""

    _is_entering: bool = attrs.field(default=False, init=False)
    """Whether a lifespan is being entered, which only *whole* is around."""

    _has_worked: bool = attrs.field(default=False, init=False)
    # Background tasks of a lifespan that is being entered.
    _early: list[Callable[[trio.Nursery], None]] = attrs.field(
        factory=list["Callable[[trio.Nursery], None]"], init=False
    )
    _due: float = attrs.field(default=math.inf, init=False)
    _awaits_children: bool = attrs.field(default=False, init=False)
    _dispatcher: Dispatcher | None = attrs.field(default=None, init=False)
    _crew: trio.Nursery | None = attrs.field(default=None, init=False)
    _whole: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _work: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _last: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self._stage = Stage(self.seat, self, self._knows, self._has_returned)

    def _has_returned(self, function: Callable[..., Any], began: float) -> None:
        """Note that a hook is over, which may be when its time was up."""
        if began <= self.due < trio.current_time():
            self.seat.surroundings.overseer.overran(self, function)

    # --- what others may have it do

    @property
    def runtime(self) -> Any:
        """The `Runtime` it runs in."""
        return self.seat.surroundings.runtime

    @property
    def spawner(self) -> Spawner:
        """Who runs its children."""
        if self._spawner is None:
            self._spawner = self.parent.make_spawner(
                self.fail, is_closing=self._is_childless
            )
        return self._spawner

    def descendants(self) -> Collection[Activity]:
        """Return the code of its children, and theirs, that runs now."""
        return self._spawner.blockers() if self._spawner is not None else ()

    def turns(self) -> tuple[Turn, ...]:
        """Return its handlers at work now."""
        return self._dispatcher.turns() if self._dispatcher is not None else ()

    def at_work(self) -> list[tuple[Callable[..., Any], object]]:
        """Return the handlers or the hook at work, each with what calling it gave."""
        turns = [(each.handler.function, each.work) for each in self.turns()]
        return [*turns, *self._stage.at_work]

    @property
    def has_drained(self) -> bool:
        """Whether it has ended in its own time, with nothing left to handle."""
        scopes = self._whole, self._work, self._last
        is_cut = any(each.cancelled_caught for each in scopes)
        is_sound = self.has_started and not self.failures
        return is_sound and not is_cut and not len(self.seat.mailbox)

    def stop(self) -> None:
        """End normally, as soon as no handler runs."""
        self._is_leaving = True
        self._look_up()

    def leave(self) -> None:
        """End as with `stop`, but within the time there is for that."""
        self._bound_work()
        self.stop()

    def stop_ordered(self) -> None:
        """Look up: the seat is to be vacated."""
        # From now on: what runs and what is queued share the time.
        self._bound_work()
        self._look_up()

    def _bound_work(self) -> None:
        self._must_end_by(self._budget_end())
        self._bound(self._whole if self._is_entering else self._work)

    def _must_end_by(self, due: float) -> None:
        """Note when it is to have ended, without the time of its children."""
        self._due = min(self._due, due)
        self.seat.surroundings.overseer.is_due(self)

    @property
    def due(self) -> float:
        """When it is to have ended, once that was ordered."""
        return math.inf if self._awaits_children else self._due

    def _look_up(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.end_streams()
        self.seat.mailbox.ring()

    def cut_short(self, reason: str) -> None:
        """Cancel handlers and start hooks; clean-up still runs, bounded."""
        self._cut(reason)
        self._bound_end()
        self._must_end_by(self._last.deadline)
        if self._spawner is not None:
            self._spawner.cancel_all(reason)

    def fail(self, error: BaseException) -> None:
        """End now, with *error*; handlers are cancelled, clean-up still runs."""
        self.failures.append(error)
        self.seat.last_failure = error
        self.parent.failed()
        # What goes wrong in a cancellation is not what ended the others.
        if self._dispatcher is not None and not self._work.cancel_called:
            self._dispatcher.failure = error
        self._cut(f"{self.seat.name} failed: {shown(error)}")

    def _cut(self, reason: str) -> None:
        self._refuse_children()
        if self.seat.state is ActorState.RUNNING:
            self.seat.enter(ActorState.STOPPING)
        self._work.cancel(reason=reason)
        if self._is_entering:
            self._whole.cancel(reason=reason)

    def start_soon(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        args: tuple[*Ts],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Start a task that dies with the incarnation, once its lifespan is in.

        Raises:
            ActorStoppedError: If the incarnation has ended.
        """
        if self._has_worked:
            raise ActorStoppedError(self.seat.name, "has ended, and starts no tasks")
        task = partial(self._start_background, async_fn, args, headers)
        if self._crew is not None:
            task(self._crew)
        else:
            self._early.append(task)

    def _start_background(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        args: tuple[*Ts],
        headers: Mapping[str, str],
        crew: trio.Nursery,
    ) -> None:
        name = f"{self.seat.name}: {name_of(async_fn)}"
        crew.start_soon(
            self._parted, self._stage.background, async_fn, args, headers, name=name
        )

    # --- its life

    async def live(self) -> None:
        """Run the incarnation to its end; look at `failures` for how it went."""
        current_activity.set(None)
        with self._whole:
            await self._parted(self._whole_life)
        # Again, as the lifespan may not have come to its `yield`.
        await self._end_children()
        if self._dispatcher is not None:
            self._dispatcher.verdicts.decide(self.failures)
        with self._last:
            await self._parted(self._stage.hook, "after_stop")
        self.seat.surroundings.overseer.ended(self)
        # What it has kept, reply addresses too, goes with it.
        self._stage.model = self._dispatcher = None
        self.seat.mailbox.serve(self._stage.behaviour)

    async def _whole_life(self) -> None:
        with self._stage.noting("its factory"):
            self._stage.model = self.recipe.build()
            self._stage.behaviour = self.recipe.behaviour_of(self._stage.model)
        self._note_behaviour()
        lifespan = self._stage.behaviour.hooks.get("lifespan")
        if lifespan is None:
            await self._working_life()
            return
        self._is_entering = True
        async with self._stage.within(lifespan):
            self._has_entered()
            await self._working_life()
            # At the `yield` it shows; swallowing it there changes nothing.
            if self.failures:
                raise self.failures[0]

    def _note_behaviour(self) -> None:
        """Have the seat know what this incarnation handles, and subscribes to.

        What is declared is subscribed to once: it survives restarts, as does
        what was made of it since.
        """
        handlers, seat = self._stage.behaviour.handlers, self.seat
        seat.accepts = tuple(handlers)
        seat.handles = lambda message_type: handlers.get(message_type) is not None
        for message_type, handler in handlers.items():
            if handler.terms is not None and message_type not in seat.declared:
                seat.declared.add(message_type)
                exchange = seat.surroundings.exchange
                exchange.subscribe_actor(seat, message_type, handler.terms)

    def _has_entered(self) -> None:
        """Let what bounds the life so far bound its work from now on."""
        self._is_entering = False
        self._work.deadline = min(self._work.deadline, self._whole.deadline)
        self._whole.deadline = math.inf

    async def _working_life(self) -> None:
        with self._work:
            async with trio.open_nursery() as self._crew:
                while self._early:
                    self._early.pop(0)(self._crew)
                # The nursery would wrap what is raised in here in a group.
                await self._parted(self._work_through, self._crew)
                self._crew.cancel_scope.cancel(reason=f"{self.seat.name} has ended")
        self._crew, self._has_worked = None, True
        if self._dispatcher is not None:
            self._dispatcher.settle_errands()
            self._dispatcher.put_back()
        self._note_overrun()
        began, self._awaits_children = trio.current_time(), True
        await self._end_children()
        self._awaits_children = False
        spent = trio.current_time() - began
        self._bound_end(spent)
        # What was cut short has its time to clean up, what was not has the rest.
        is_cut = self._work.cancel_called
        self._due = self._last.deadline if is_cut else self._due + spent
        self.seat.surroundings.overseer.is_due(self)
        await self.parent.may_clean_up()

    def _note_overrun(self) -> None:
        """Note who it was, if a handler has let nobody else look meanwhile."""
        latest = self._dispatcher.latest if self._dispatcher is not None else None
        if latest is not None and trio.current_time() > self.due:
            self.seat.surroundings.overseer.overran(self, latest.function)

    def _refuse_children(self) -> None:
        self._is_childless = True
        if self._spawner is not None:
            self._spawner.close()

    async def _end_children(self) -> None:
        """Stop the children, each in its own time; nothing cuts the wait short."""
        self._refuse_children()
        if self._spawner is None:
            return
        self.seat.hold(self._spawner)
        with trio.CancelScope(shield=True):
            await self._spawner.stop_all()
        self.seat.lift_hold()

    async def _work_through(self, crew: trio.Nursery) -> None:
        self._dispatcher = Dispatcher(
            self.seat,
            self,
            self._stage.model,
            self._stage.behaviour,
            crew,
            self._work,
            Verdicts(self.seat, self.fail),
        )
        self.seat.mailbox.serve(self._stage.behaviour, self._dispatcher.is_held)
        await self._stage.hook("before_start")
        await self._stage.hook("after_start")
        self.has_started = True
        self.parent.started()
        await self._dispatcher.run(until=self._is_to_end)
        # A handler that ends in a cancellation wakes the dispatcher as any
        # other does: what follows is for a graceful end alone.
        await trio.lowlevel.checkpoint_if_cancelled()
        self.seat.enter(ActorState.STOPPING)
        self._bound(self._work)
        await self._stage.hook("before_stop")
        if self.seat.stop_ordered:
            self.seat.close()
            await self._dispatcher.run(until=lambda: len(self.seat.mailbox) == 0)

    def _is_to_end(self) -> bool:
        return self._is_leaving or self.seat.stop_ordered

    def _bound_end(self, with_children: float = 0) -> None:
        """Begin the time in which all that is left has to be done.

        What ends gracefully has one budget for its work and for this; what was
        cut short gets another one to clean up.

        Args:
            with_children: How much of the time since its work is theirs.
        """
        end = min(self._last.deadline, self._budget_end())
        if not self._work.cancel_called:
            end = min(end, self._work.deadline + with_children)
        self._whole.deadline = self._last.deadline = end

    def _bound(self, scope: trio.CancelScope) -> None:
        scope.deadline = min(scope.deadline, self._budget_end())

    def _budget_end(self) -> float:
        return trio.current_time() + self.seat.surroundings.actor_shutdown

    # --- what goes wrong in it

    async def _parted(
        self, async_fn: Callable[[*Ts], Awaitable[object]], *args: *Ts
    ) -> None:
        """Keep what goes wrong; give trio's scopes back what is theirs."""
        try:
            await async_fn(*args)
        except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
            cancelled, failure = part(error)
            if failure is not None and not self._knows(failure):
                self.fail(failure)
            if cancelled is not None:
                raise cancelled from None  # noqa: ASYNC104 - it is

    def _knows(self, error: BaseException) -> bool:
        """Return whether *error* is old news, wrapped or not."""
        if any(each is error for each in self.failures):
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        group = typing.cast("BaseExceptionGroup[BaseException]", error)
        return all(map(self._knows, group.exceptions))
