"""One incarnation of an actor, from its factory to its last hook.

An actor without hooks is built where it is started, and has no task before there is
something to do that takes one: plain functions are called in a task that actors share.
All that takes more is its `Life`, which is made when it is needed.
"""

from __future__ import annotations

import typing
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Mapping,
)
from contextvars import Context
from typing import Any, TypeVarTuple, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import note, shown
from .activity import NO_HEADERS, Activity
from .actor import NO_BEHAVIOUR, Behaviour
from .dispatcher import Dispatcher
from .handle import ActorHandle
from .life import Life
from .pace import Budget
from .recipe import Recipe
from .seat import ActorState, Seat
from .spans import Spans
from .spawner import Parent, Spawner
from .turn import Turn
from .verdicts import Verdicts

__all__ = ["Cell"]

Ts = TypeVarTuple("Ts")


@final
@attrs.define(eq=False, weakref_slot=False)
class Cell:
    """One incarnation of an actor; lives from its factory to its last hook."""

    seat: Seat
    generation: int
    """How many incarnations of the actor have run before this one."""

    parent: Parent
    failures: tuple[BaseException, ...] = attrs.field(default=(), init=False)
    """What ended it, as it was raised; empty after a normal end."""

    has_started: bool = attrs.field(default=False, init=False)
    """Whether its start hooks are done."""

    behaviour: Behaviour = attrs.field(default=NO_BEHAVIOUR, init=False)
    """What it does."""

    model: object = attrs.field(default=None, init=False)
    """What does it."""

    _context: Context | None = attrs.field(default=None, init=False)
    """What its factory ran in, and its task will."""

    _spawner: Spawner | None = attrs.field(default=None, init=False)
    _is_childless: bool = attrs.field(default=False, init=False)
    """Whether it takes no children any more."""

    _is_leaving: bool = attrs.field(default=False, init=False)
    """Whether it is to end, and the seat is kept."""

    dispatcher: Dispatcher | None = attrs.field(default=None, init=False)
    """Who runs its handlers, once any has run."""

    _made_spans: Spans | None = attrs.field(default=None, init=False)
    _made_life: Life | None = attrs.field(default=None, init=False)

    @property
    def _life(self) -> Life:
        if self._made_life is None:
            self._made_life = Life(self)
        return self._made_life

    @property
    def spans(self) -> Spans:
        """The scopes around the parts of its life."""
        if self._made_spans is None:
            self._made_spans = Spans(self.seat.surroundings.actor_shutdown)
        return self._made_spans

    # --- what others may have it do

    @property
    def handle(self) -> ActorHandle:
        """The actor's handle."""
        handle: ActorHandle = self.parent.handle
        return handle

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
        return self.dispatcher.turns() if self.dispatcher is not None else ()

    def at_work(self) -> list[tuple[Callable[..., Any], object]]:
        """Return the handlers or the hook at work, each with what calling it gave."""
        turns = [(each.handler.function, each.work) for each in self.turns()]
        life = self._made_life
        return turns if life is None else [*turns, *life.at_work]

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
        self._life.bound_work()
        self.stop()

    def stop_ordered(self) -> None:
        """Look up: the seat is to be vacated."""
        # From now on: what runs and what is queued share the time.
        self._life.bound_work()
        self._look_up()

    @property
    def due(self) -> float:
        """When it is to have ended, once that was ordered."""
        return self._life.due

    def _look_up(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.end_streams()
        self.seat.mailbox.ring()

    def cut_short(self, reason: str) -> None:
        """Cancel handlers and start hooks; clean-up still runs, bounded."""
        self._cut(reason)
        self.spans.bound_end()
        self._life.must_end_by(self.spans.last.deadline)
        if self._spawner is not None:
            self._spawner.cancel_all(reason)

    def fail(self, error: BaseException) -> None:
        """End now, with *error*; handlers are cancelled, clean-up still runs."""
        self.failures = (*self.failures, error)
        self.seat.last_failure = error
        self.parent.failed()
        # What goes wrong in a cancellation is not what ended the others.
        if self.dispatcher is not None and not self.spans.work.cancel_called:
            self.dispatcher.failure = error
        self._cut(f"{self.seat.name} failed: {shown(error)}")

    def _cut(self, reason: str) -> None:
        self._refuse_children()
        if self.seat.state is ActorState.RUNNING:
            self.seat.enter(ActorState.STOPPING)
        self.spans.work.cancel(reason=reason)
        if self._made_life is not None and self._made_life.is_entering:
            self.spans.whole.cancel(reason=reason)
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
        # Who has left the seat has no life any more.
        if self.seat.occupant is not self or self._life.has_worked:
            raise ActorStoppedError(self.seat.name, "has ended, and starts no tasks")
        self._life.start_soon(async_fn, args, headers)

    # --- its life

    def begin(self, recipe: Recipe) -> None:
        """Build the model; take messages at once if no hook is to run before that."""
        newborn = recipe.make()
        self._context, self.model = newborn.context, newborn.model
        if newborn.failure is not None:
            self._life.birth_failure = newborn.failure
            note(newborn.failure, f"in {self.seat.name}, its factory")
        if newborn.behaviour is not None:
            self.behaviour = newborn.behaviour
            self.seat.learn(newborn.behaviour)
        if newborn.failure is not None or self.behaviour.has_start_hooks:
            self._begin_task()
            return
        self.seat.mailbox.serve(self.behaviour)
        self.note_start()
        self.seat.mailbox.attend(self)
        if self.is_to_end() or len(self.seat.mailbox):
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
        context, dispatcher = self._context, self.dispatcher
        mailbox = self.seat.mailbox
        if context is None:
            return False
        if dispatcher is None:
            dispatcher = self.dispatch(None)
            context.run(dispatcher.act)
        rest = context.run(dispatcher.drain.run, budget)
        if rest is not None or mailbox.has_rung:
            dispatcher.rest = rest
            self._begin_task()
            return False
        if mailbox.queue:
            return True
        mailbox.attend(self)
        return False

    def _begin_task(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.run(self.parent.run, self)

    async def live(self) -> None:
        """Run it to its end, in a task of its own; `failures` tell how it went."""
        await self._life.live()
        self.seat.surroundings.overseer.ended(self)
        # What it has kept, reply addresses too, goes with it.
        if self.dispatcher is not None:
            self.dispatcher.let_go()
        self.model = self.dispatcher = self._made_life = None
        self.seat.mailbox.serve(self.behaviour)

    # --- what its life needs

    def _refuse_children(self) -> None:
        self._is_childless = True
        if self._spawner is not None:
            self._spawner.close()

    async def end_children(self) -> None:
        """Stop the children, each in its own time; nothing cuts the wait short."""
        self._refuse_children()
        if self._spawner is None:
            return
        self.seat.hold(self._spawner)
        with trio.CancelScope(shield=True):
            await self._spawner.stop_all()
        self.seat.lift_hold()

    def dispatch(self, crew: trio.Nursery | None) -> Dispatcher:
        """Return who runs the handlers: overlapping ones in *crew*, if there is one."""
        if self.dispatcher is None:
            self.dispatcher = Dispatcher(
                self.seat,
                self,
                self.model,
                self.behaviour,
                self.spans.work,
                Verdicts(self.seat, self.fail),
            )
            self.dispatcher.failure = self.failures[0] if self.failures else None
            self.seat.mailbox.serve(self.behaviour, self.dispatcher.is_held)
        self.dispatcher.crew = crew
        return self.dispatcher

    def note_start(self) -> None:
        """Note that its start hooks are done."""
        self.has_started = True
        self.parent.started()

    def is_to_end(self) -> bool:
        """Return whether it is to end, in its own time."""
        return self._is_leaving or self.seat.stop_ordered

    # --- what goes wrong in it

    def knows(self, error: BaseException) -> bool:
        """Return whether *error* is old news, wrapped or not."""
        if any(each is error for each in self.failures):
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        group = typing.cast("BaseExceptionGroup[BaseException]", error)
        return all(map(self.knows, group.exceptions))
