"""One incarnation of an actor, from its factory to its last hook.

Its life, and the cancel scopes around its parts::

    whole ----------------------------------------------------- cut off last
      work ------------------------------------- cut short     .
        factory, before_start, after_start      .              .
        messages, before_stop, what is queued   .              .
                                                 after_stop    .

Cutting *work* short is how a failure or a cancellation ends an actor: its
handlers are cancelled, and the rest of its life still happens.  Cutting
*whole* off is for what does not end by itself then.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import final

import attrs
import trio

from .._base.util import name_of
from .activity import Activity, current_activity
from .actor import Behaviour, HookName
from .context import Context
from .dispatcher import Dispatcher
from .handle import ActorHandle
from .parting import part
from .seat import Seat, SeatState

__all__ = ["Cell", "Recipe"]


@final
@attrs.frozen(eq=False)
class Recipe:
    """How to make the incarnations of one actor; lives as long as its seat."""

    build: Callable[[], object]
    """Makes the model, the object that holds an incarnation's state."""

    behaviour_of: Callable[[object], Behaviour]
    """Tells what a model of this kind does, or raises `TypeError`."""

    max_concurrency: int
    """How many `act_on` handlers may overlap."""


@final
@attrs.define(eq=False)
class Cell:
    """One incarnation of an actor; lives from its factory to its last hook."""

    seat: Seat
    handle: ActorHandle
    recipe: Recipe
    failures: list[BaseException] = attrs.field(factory=list[BaseException], init=False)
    """What ended it, as it was raised; empty after a normal end."""

    has_started: bool = attrs.field(default=False, init=False)
    _behaviour: Behaviour = attrs.field(factory=Behaviour, init=False)
    _model: object = attrs.field(default=None, init=False)
    _whole: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _work: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def live(self, started: Callable[[], None]) -> None:
        """Run the incarnation to its end; look at `failures` for how it went.

        Args:
            started: Called once `after_start` is done, before any message.
        """
        current_activity.set(None)
        with self._whole:
            with self._work:
                try:
                    await self._perform(started)
                except BaseException as error:  # noqa: BLE001, ASYNC103 - it parts them
                    self._take(error)
            self._whole.deadline = self._budget_end()
            await self._last_hook()

    def cut_short(self, reason: str) -> None:
        """Cancel handlers and start hooks; clean-up still runs, bounded."""
        self._work.cancel(reason=reason)

    async def _perform(self, started: Callable[[], None]) -> None:
        self._model = self.recipe.build()
        self._behaviour = self.recipe.behaviour_of(self._model)
        self.seat.accepts = tuple(self._behaviour.handlers)
        await self._hook("before_start")
        await self._hook("after_start")
        self.has_started = True
        started()
        async with trio.open_nursery() as crew:
            # The nursery would wrap what is raised in here in a group.
            try:
                await self._serve(crew)
            except Exception as error:  # noqa: BLE001 - goes to the supervisor
                self._fail(error)

    async def _serve(self, crew: trio.Nursery) -> None:
        dispatcher = Dispatcher(
            self.seat,
            self.handle,
            self._model,
            self._behaviour.handlers,
            self.recipe.max_concurrency,
            crew,
            self._fail,
        )
        await dispatcher.run(until=lambda: self.seat.stop_ordered)
        self.seat.state = SeatState.STOPPING
        self._work.deadline = self._budget_end()
        await self._hook("before_stop")
        self.seat.mailbox.close(lambda: self.seat.stopped_error(None))
        await dispatcher.run(until=lambda: len(self.seat.mailbox) == 0)

    async def _last_hook(self) -> None:
        try:
            await self._hook("after_stop")
        except Exception as error:  # noqa: BLE001 - goes to the supervisor
            self._fail(error)

    async def _hook(self, name: HookName) -> None:
        hook = self._behaviour.hooks.get(name)
        if hook is None:
            return
        current_activity.set(Activity(self.handle))
        try:
            if hook.wants_context:
                context = Context(self.handle, self.seat.surroundings.runtime)
                result = hook.function(self._model, context)
            else:
                result = hook.function(self._model)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            error.add_note(f"in {self.seat.name}, hook {name_of(hook.function)}")
            raise
        finally:
            current_activity.set(None)

    def _take(self, error: BaseException) -> None:
        """Keep what went wrong; give trio's scopes back what is theirs."""
        cancelled, failure = part(error)
        if failure is not None:
            self._fail(failure)
        if cancelled is not None:
            raise cancelled from None

    def _fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self._work.cancel(reason=f"{self.seat.name} failed: {error!r}")

    def _budget_end(self) -> float:
        return trio.current_time() + self.seat.surroundings.actor_shutdown
