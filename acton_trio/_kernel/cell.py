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

All of that is opened when it is needed.  An actor without hooks is built where it is
started, and has no task before there is something to do; as long as it runs plain
functions only, its task has neither scopes nor a nursery.
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
from contextvars import Context
from functools import partial
from typing import Any, TypeVarTuple, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import name_of, note, shown
from .activity import NO_HEADERS, Activity, current_activity
from .actor import NO_BEHAVIOUR, Behaviour, Hook
from .background import Background
from .dispatcher import Dispatcher
from .handle import ActorHandle
from .pace import Budget
from .parting import part
from .recipe import Recipe
from .seat import ActorState, Seat
from .spans import Spans
from .spawner import Parent, Spawner
from .stage import Stage
from .turn import Turn
from .verdicts import Verdicts

__all__ = ["Cell"]

Ts = TypeVarTuple("Ts")


@final
@attrs.define(eq=False, weakref_slot=False)
class Cell:
    """One incarnation of an actor; lives from its factory to its last hook."""

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    generation: int
    """How many incarnations of the actor have run before this one."""

    parent: Parent
    failures: tuple[BaseException, ...] = attrs.field(default=(), init=False)
    """What ended it, as it was raised; empty after a normal end."""

    has_started: bool = attrs.field(default=False, init=False)
    _behaviour: Behaviour = attrs.field(default=NO_BEHAVIOUR, init=False)
    _model: object = attrs.field(default=None, init=False)
    _context: Context | None = attrs.field(default=None, init=False)
    """What its factory ran in, and its task will."""

    _birth_failure: BaseException | None = attrs.field(default=None, init=False)
    """What the factory has raised."""

    _spawner: Spawner | None = attrs.field(default=None, init=False)
    _is_childless: bool = attrs.field(default=False, init=False)
    """Whether it takes no children any more."""

    _is_leaving: bool = attrs.field(default=False, init=False)
    """Whether it is to end, and the seat is kept."""

    _is_entering: bool = attrs.field(default=False, init=False)
    """Whether a lifespan is being entered, which only *whole* is around."""

    _has_worked: bool = attrs.field(default=False, init=False)
    _made_background: Background | None = attrs.field(default=None, init=False)
    _due: float = attrs.field(default=math.inf, init=False)
    _awaits_children: bool = attrs.field(default=False, init=False)
    _made_stage: Stage | None = attrs.field(default=None, init=False)
    _dispatcher: Dispatcher | None = attrs.field(default=None, init=False)
    _made_spans: Spans | None = attrs.field(default=None, init=False)

    @property
    def _stage(self) -> Stage:
        if self._made_stage is None:
            self._made_stage = Stage(
                self.seat,
                self,
                self._knows,
                self._has_returned,
                self._behaviour,
                self._model,
            )
        return self._made_stage

    @property
    def _tasks(self) -> Background:
        if self._made_background is None:
            self._made_background = Background()
        return self._made_background

    @property
    def _spans(self) -> Spans:
        if self._made_spans is None:
            self._made_spans = Spans(self.seat.surroundings.actor_shutdown)
        return self._made_spans

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
        stage = self._made_stage
        return turns if stage is None else [*turns, *stage.at_work]

    @property
    def has_drained(self) -> bool:
        """Whether it has ended in its own time, with nothing left to handle."""
        is_cut = self._made_spans is not None and self._made_spans.were_cut
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
        spans = self._spans
        self._must_end_by(spans.budget_end())
        spans.bound(spans.whole if self._is_entering else spans.work)

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
        self._spans.bound_end()
        self._must_end_by(self._spans.last.deadline)
        if self._spawner is not None:
            self._spawner.cancel_all(reason)

    def fail(self, error: BaseException) -> None:
        """End now, with *error*; handlers are cancelled, clean-up still runs."""
        self.failures = (*self.failures, error)
        self.seat.last_failure = error
        self.parent.failed()
        # What goes wrong in a cancellation is not what ended the others.
        if self._dispatcher is not None and not self._spans.work.cancel_called:
            self._dispatcher.failure = error
        self._cut(f"{self.seat.name} failed: {shown(error)}")

    def _cut(self, reason: str) -> None:
        self._refuse_children()
        if self.seat.state is ActorState.RUNNING:
            self.seat.enter(ActorState.STOPPING)
        self._spans.work.cancel(reason=reason)
        if self._is_entering:
            self._spans.whole.cancel(reason=reason)
        # It may wait where no scope is around it.
        self.seat.mailbox.ring()

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
        work = partial(self._stage.background, async_fn, args, headers)
        name = f"{self.seat.name}: {name_of(async_fn)}"
        self._tasks.start(partial(self._parted, work), name)

    # --- its life

    def begin(self) -> None:
        """Build the model; take messages at once if no hook is to run before that."""
        newborn = self.recipe.make()
        self._context, self._model = newborn.context, newborn.model
        if newborn.failure is not None:
            self._birth_failure = newborn.failure
            note(newborn.failure, f"in {self.seat.name}, its factory")
        if newborn.behaviour is not None:
            self._behaviour = newborn.behaviour
            self.seat.learn(newborn.behaviour)
        if self._birth_failure or self._behaviour.has_start_hooks:
            self._begin_task()
            return
        self.seat.mailbox.serve(self._behaviour)
        self._note_start()
        self.seat.mailbox.attend(self)
        if self._is_to_end() or len(self.seat.mailbox):
            self.seat.mailbox.ring()

    def rouse(self) -> None:
        """Have the next message handled, or what else there is to do."""
        commons = self.seat.surroundings.commons
        if commons is None or self.seat.mailbox.has_rung:
            self._begin_task()
        else:
            commons.add(self)

    def step(self, budget: Budget) -> bool:
        """Handle messages, as far as that needs no task; return whether to go on.

        If there is anything else to do, it has a task of its own from now on.
        """
        context, dispatcher = self._context, self._dispatcher
        if context is None:
            return False
        if dispatcher is None:
            dispatcher = self._dispatch(None)
            context.run(dispatcher.act)
        context.run(dispatcher.step, budget)
        if self.seat.mailbox.has_rung:
            self._begin_task()
            return False
        if self.seat.mailbox.queue:
            return True
        self.seat.mailbox.attend(self)
        return False

    def _begin_task(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.run(self.parent.run, self)

    async def live(self) -> None:
        """Run the incarnation to its end; look at `failures` for how it went."""
        current_activity.set(None)
        has_ended = False
        if self.has_started:
            # Not by way of others: it waits here for most of its life.
            try:
                has_ended = await self._works_lightly()
            except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
                self._part(error)
        await self._parted(self._whole_life, has_ended)
        # Again, as the lifespan may not have come to its `yield`.
        await self._end_children()
        if self._dispatcher is not None:
            self._dispatcher.verdicts.decide(self.failures)
        if "after_stop" in self._behaviour.hooks:
            with self._spans.last:
                await self._parted(self._stage.hook, "after_stop")
        self.seat.surroundings.overseer.ended(self)
        # What it has kept, reply addresses too, goes with it.
        if self._dispatcher is not None:
            self._dispatcher.let_go()
        self._model = self._made_stage = self._dispatcher = None
        self.seat.mailbox.serve(self._behaviour)

    async def _whole_life(self, has_ended: bool) -> None:  # noqa: FBT001 - passed on
        if self._birth_failure is not None:
            error, self._birth_failure = self._birth_failure, None
            raise error
        lifespan = self._behaviour.hooks.get("lifespan")
        if lifespan is None:
            await self._working_life(has_ended=has_ended)
            return
        with self._spans.whole:
            await self._parted(self._life_within, lifespan)

    async def _life_within(self, lifespan: Hook) -> None:
        self._is_entering = True
        async with self._stage.within(lifespan):
            self._is_entering = False
            self._spans.begin_work()
            await self._working_life(has_ended=False)
            # At the `yield` it shows; swallowing it there changes nothing.
            if self.failures:
                raise self.failures[0]

    async def _working_life(self, *, has_ended: bool) -> None:
        if not has_ended:
            with self._spans.work:
                async with trio.open_nursery() as crew:
                    self._tasks.begin(crew)
                    # The nursery would wrap what is raised in here in a group.
                    await self._parted(self._work_through, crew)
                    crew.cancel_scope.cancel(reason=f"{self.seat.name} has ended")
        self._has_worked = True
        if self._dispatcher is not None:
            self._dispatcher.settle_errands()
            self._dispatcher.put_back()
        self._note_overrun()
        began, self._awaits_children = trio.current_time(), True
        await self._end_children()
        self._awaits_children = False
        spent = trio.current_time() - began
        self._spans.bound_end(spent)
        # What was cut short has its time to clean up, what was not has the rest.
        is_cut = self._spans.work.cancel_called
        self._due = self._spans.last.deadline if is_cut else self._due + spent
        self.seat.surroundings.overseer.is_due(self)
        if self.parent.comes_later:
            await self._let_others_clean_up()

    async def _let_others_clean_up(self) -> None:
        if "lifespan" in self._behaviour.hooks:
            await self.parent.may_clean_up()
        else:
            with self._spans.whole:
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

    def _dispatch(self, crew: trio.Nursery | None) -> Dispatcher:
        """Return who runs the handlers: overlapping ones in *crew*, if there is one."""
        if self._dispatcher is None:
            self._dispatcher = Dispatcher(
                self.seat,
                self,
                self._model,
                self._behaviour,
                self._spans.work,
                Verdicts(self.seat, self.fail),
            )
            self._dispatcher.failure = self.failures[0] if self.failures else None
            self.seat.mailbox.serve(self._behaviour, self._dispatcher.is_held)
        self._dispatcher.crew = crew
        return self._dispatcher

    async def _works_lightly(self) -> bool:
        """Run handlers outside of scopes and nurseries, as long as they need none.

        Returns:
            Whether that was all there was to do.
        """
        dispatcher = self._dispatch(None)
        if not await dispatcher.run(until=self._is_to_end):
            return False
        if "before_stop" in self._behaviour.hooks:
            return False
        self._begin_to_stop()
        if not self.seat.stop_ordered:
            return True
        self.seat.close()
        if self._has_nothing_queued():
            return True
        return await dispatcher.run(until=self._has_nothing_queued)

    async def _work_through(self, crew: trio.Nursery) -> None:
        dispatcher = self._dispatch(crew)
        if not self.has_started:
            await self._stage.hook("before_start")
            await self._stage.hook("after_start")
            self._note_start()
        # It may have been cut short when no scope was around it yet.
        await trio.lowlevel.checkpoint_if_cancelled()
        await dispatcher.run(until=self._is_to_end)
        # A handler that ends in a cancellation wakes the dispatcher as any
        # other does: what follows is for a graceful end alone.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._begin_to_stop()
        await self._stage.hook("before_stop")
        if self.seat.stop_ordered:
            self.seat.close()
            await dispatcher.run(until=self._has_nothing_queued)

    def _note_start(self) -> None:
        self.has_started = True
        self.parent.started()

    def _begin_to_stop(self) -> None:
        self.seat.enter(ActorState.STOPPING)
        self._spans.bound(self._spans.work)

    def _has_nothing_queued(self) -> bool:
        return len(self.seat.mailbox) == 0

    def _is_to_end(self) -> bool:
        return self._is_leaving or self.seat.stop_ordered

    # --- what goes wrong in it

    async def _parted(
        self, async_fn: Callable[[*Ts], Awaitable[object]], *args: *Ts
    ) -> None:
        """Keep what goes wrong; give trio's scopes back what is theirs."""
        try:
            await async_fn(*args)
        except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
            self._part(error)

    def _part(self, error: BaseException) -> None:
        """Keep what of *error* is a failure, and raise what of it is trio's."""
        cancelled, failure = part(error)
        if failure is not None and not self._knows(failure):
            self.fail(failure)
        if cancelled is not None:
            raise cancelled from None

    def _knows(self, error: BaseException) -> bool:
        """Return whether *error* is old news, wrapped or not."""
        if any(each is error for each in self.failures):
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        group = typing.cast("BaseExceptionGroup[BaseException]", error)
        return all(map(self._knows, group.exceptions))
