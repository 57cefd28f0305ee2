"""What an incarnation does in a task of its own, from its first hook to its last.

Its life, and the cancel scopes around its parts::

    whole -------------------------------------------------
    | lifespan in
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

All of that is opened when it is needed: as long as an actor runs plain functions
only, its task has neither scopes nor a nursery.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol, TypeVarTuple, final

import attrs
import trio

from .._base.util import name_of
from .activity import current_activity
from .actor import Behaviour, Hook
from .background import Background
from .context import Incarnation
from .dispatcher import Dispatcher
from .handlers import Handler
from .parting import part
from .seat import ActorState, Seat
from .spans import Spans
from .spawner import Parent
from .stage import Stage

__all__ = ["Life"]

Ts = TypeVarTuple("Ts")


class Living(Incarnation, Protocol):
    """Whose life it is."""

    @property
    def seat(self) -> Seat:
        """Where it sits."""
        ...

    @property
    def parent(self) -> Parent:
        """Whom it reports to."""
        ...

    @property
    def failures(self) -> tuple[BaseException, ...]:
        """What has ended it."""
        ...

    @property
    def has_started(self) -> bool:
        """Whether its start hooks are done."""
        ...

    @property
    def behaviour(self) -> Behaviour:
        """What it does."""
        ...

    @property
    def model(self) -> object:
        """What does it."""
        ...

    @property
    def dispatcher(self) -> Dispatcher | None:
        """Who runs its handlers, if any has run."""
        ...

    @property
    def spans(self) -> Spans:
        """The scopes around the parts of its life."""
        ...

    def dispatch(self, crew: trio.Nursery | None) -> Dispatcher:
        """Return who runs the handlers: overlapping ones in *crew*, if there is one."""
        ...

    def note_start(self) -> None:
        """Note that its start hooks are done."""
        ...

    def is_to_end(self) -> bool:
        """Return whether it is to end, in its own time."""
        ...

    def knows(self, error: BaseException) -> bool:
        """Return whether *error* is old news, wrapped or not."""
        ...

    def fail(self, error: BaseException) -> None:
        """End now, with *error*."""
        ...

    async def end_children(self) -> None:
        """Stop the children, each in its own time; nothing cuts the wait short."""
        ...


@final
@attrs.define(eq=False, weakref_slot=False)
class Life:
    """The life of one incarnation, as far as it takes more than plain functions."""

    _cell: Living
    birth_failure: BaseException | None = attrs.field(default=None, init=False)
    """What its factory has raised."""

    is_entering: bool = attrs.field(default=False, init=False)
    """Whether a lifespan is being entered, which only *whole* is around."""

    has_worked: bool = attrs.field(default=False, init=False)
    """Whether no task may begin in it any more."""

    _made_tasks: Background | None = attrs.field(default=None, init=False)
    _due: float = attrs.field(default=math.inf, init=False)
    _awaits_children: bool = attrs.field(default=False, init=False)
    _made_stage: Stage | None = attrs.field(default=None, init=False)
    _seat: Seat = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._seat = self._cell.seat

    @property
    def _stage(self) -> Stage:
        cell = self._cell
        if self._made_stage is None:
            self._made_stage = Stage(
                cell.seat,
                cell,
                cell.knows,
                self._has_returned,
                cell.behaviour,
                cell.model,
            )
        return self._made_stage

    @property
    def _tasks(self) -> Background:
        if self._made_tasks is None:
            self._made_tasks = Background()
        return self._made_tasks

    @property
    def at_work(self) -> Collection[tuple[Callable[..., Any], object]]:
        """The hooks and the like at work, each with what calling it gave."""
        return () if self._made_stage is None else self._made_stage.at_work

    # --- when it ends

    @property
    def due(self) -> float:
        """When it is to have ended, once that was ordered."""
        return math.inf if self._awaits_children else self._due

    def bound_work(self) -> None:
        """Have it come to its end within the time there is for that."""
        spans = self._cell.spans
        self.must_end_by(spans.budget_end())
        spans.bound(spans.whole if self.is_entering else spans.work)

    def must_end_by(self, due: float) -> None:
        """Note when it is to have ended, without the time of its children."""
        self._due = min(self._due, due)
        self._seat.surroundings.overseer.is_due(self._cell)

    def _has_returned(self, function: Callable[..., Any], began: float) -> None:
        """Note that a hook is over, which may be when its time was up."""
        if began <= self.due < trio.current_time():
            self._seat.surroundings.overseer.overran(self._cell, function)

    # --- from its first hook to its last

    async def live(self) -> None:
        """Live it; what goes wrong is told to whose life it is."""
        cell, has_ended = self._cell, False
        current_activity.set(None)
        if cell.has_started:
            # Not by way of others: it waits here for most of its life.
            try:
                has_ended = await self._works_lightly()
            except BaseException as error:  # noqa: BLE001, ASYNC103 - parted
                self._part(error)
        await self._parted(self._whole_life, has_ended)
        # Also if it has failed before its work.
        self.has_worked = True
        # Again, as the lifespan may not have come to its `yield`.
        await cell.end_children()
        if cell.dispatcher is not None:
            cell.dispatcher.verdicts.decide(cell.failures)
        if "after_stop" in cell.behaviour.hooks:
            with cell.spans.last:
                await self._parted(self._stage.hook, "after_stop")
        # It knows the model, and this knows it: nobody would let go of either.
        self._made_stage = None

    async def _whole_life(self, has_ended: bool) -> None:  # noqa: FBT001 - passed on
        if self.birth_failure is not None:
            error, self.birth_failure = self.birth_failure, None
            raise error
        lifespan = self._cell.behaviour.hooks.get("lifespan")
        if lifespan is None:
            await self._working_life(has_ended=has_ended)
            return
        with self._cell.spans.whole:
            await self._parted(self._life_within, lifespan)

    async def _life_within(self, lifespan: Hook) -> None:
        self.is_entering = True
        async with self._stage.within(lifespan):
            self.is_entering = False
            self._cell.spans.begin_work()
            await self._working_life(has_ended=False)
            # At the `yield` it shows; swallowing it there changes nothing.
            if self._cell.failures:
                raise self._cell.failures[0]

    async def _working_life(self, *, has_ended: bool) -> None:
        cell = self._cell
        if not has_ended:
            with cell.spans.work:
                async with trio.open_nursery() as crew:
                    self._tasks.begin(crew)
                    # The nursery would wrap what is raised in here in a group.
                    await self._parted(self._work_through, crew)
                    crew.cancel_scope.cancel(reason=f"{self._seat.name} has ended")
        self.has_worked = True
        if cell.dispatcher is not None:
            cell.dispatcher.settle_errands()
            cell.dispatcher.put_back()
            self._note_overrun(cell.dispatcher.latest)
        began, self._awaits_children = trio.current_time(), True
        await cell.end_children()
        self._awaits_children = False
        spent = trio.current_time() - began
        cell.spans.bound_end(spent)
        # What was cut short has its time to clean up, what was not has the rest.
        is_cut = cell.spans.work.cancel_called
        self._due = cell.spans.last.deadline if is_cut else self._due + spent
        self._seat.surroundings.overseer.is_due(cell)
        if cell.parent.comes_later:
            await self._let_others_clean_up()

    async def _let_others_clean_up(self) -> None:
        cell = self._cell
        if "lifespan" in cell.behaviour.hooks:
            await cell.parent.may_clean_up()
        else:
            with cell.spans.whole:
                await cell.parent.may_clean_up()

    def _note_overrun(self, latest: Handler | None) -> None:
        """Note who it was, if a handler has let nobody else look meanwhile."""
        if latest is not None and trio.current_time() > self.due:
            self._seat.surroundings.overseer.overran(self._cell, latest.function)

    async def _works_lightly(self) -> bool:
        """Run handlers outside of scopes and nurseries, as long as they need none.

        Returns:
            Whether that was all there was to do.
        """
        dispatcher = self._cell.dispatch(None)
        if not await dispatcher.run(until=self._cell.is_to_end):
            return False
        if "before_stop" in self._cell.behaviour.hooks:
            return False
        self._begin_to_stop()
        if not self._seat.stop_ordered:
            return True
        self._seat.close()
        if self._has_nothing_queued():
            return True
        return await dispatcher.run(until=self._has_nothing_queued)

    async def _work_through(self, crew: trio.Nursery) -> None:
        dispatcher = self._cell.dispatch(crew)
        if not self._cell.has_started:
            await self._stage.hook("before_start")
            await self._stage.hook("after_start")
            self._cell.note_start()
        # It may have been cut short when no scope was around it yet.
        await trio.lowlevel.checkpoint_if_cancelled()
        await dispatcher.run(until=self._cell.is_to_end)
        # A handler that ends in a cancellation wakes the dispatcher as any
        # other does: what follows is for a graceful end alone.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._begin_to_stop()
        await self._stage.hook("before_stop")
        if self._seat.stop_ordered:
            self._seat.close()
            await dispatcher.run(until=self._has_nothing_queued)

    def _begin_to_stop(self) -> None:
        self._seat.enter(ActorState.STOPPING)
        self._cell.spans.bound(self._cell.spans.work)

    def _has_nothing_queued(self) -> bool:
        return len(self._seat.mailbox) == 0

    # --- what else it does, and what goes wrong

    def start_soon(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        args: tuple[*Ts],
        headers: Mapping[str, str],
    ) -> None:
        """Start a task that dies with it, once its lifespan is in."""
        work = partial(self._stage.background, async_fn, args, headers)
        name = f"{self._seat.name}: {name_of(async_fn)}"
        self._tasks.start(partial(self._parted, work), name)

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
        if failure is not None and not self._cell.knows(failure):
            self._cell.fail(failure)
        if cancelled is not None:
            raise cancelled from None
