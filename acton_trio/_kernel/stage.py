"""What of an actor's code handles no message: hooks, lifespan, background tasks."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
)
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVarTuple, final

import attrs
import trio

from .._base.util import name_of, note
from .activity import Activity, current_activity
from .actor import Behaviour, Hook, HookName
from .advice import advise
from .context import Context, Incarnation
from .seat import Seat

__all__ = ["Stage"]

Ts = TypeVarTuple("Ts")


@final
@attrs.define(eq=False)
class Stage:
    """Runs the hooks of one incarnation and the like; lives as long as that."""

    seat: Seat
    incarnation: Incarnation
    knows: Callable[[BaseException], bool]
    """Says whether an exception has been noted already."""

    returned: Callable[[Callable[..., Any], float], None]
    """Hears of every hook that is over, and when it began."""

    behaviour: Behaviour
    model: object
    at_work: list[tuple[Callable[..., Any], object]] = attrs.field(
        factory=list[tuple[Callable[..., Any], object]], init=False
    )
    """What waits for something, and what calling it has given."""

    async def hook(self, name: HookName) -> None:
        """Call the hook at a turn of the actor's life, if it has one."""
        hook = self.behaviour.hooks.get(name)
        if hook is None:
            return
        began = trio.current_time()
        with self._acting(), self.noting(f"hook {name_of(hook.function)}"):
            result = hook.function(self.model, *self._context(hook))
            if inspect.isawaitable(result):
                with self._working(hook.function, result):
                    await result
        self.returned(hook.function, began)

    @asynccontextmanager
    async def within(self, lifespan: Hook) -> AsyncGenerator[None, None]:
        """Have the block run at the ``yield`` of a lifespan."""
        enter = asynccontextmanager(lifespan.function)
        manager = enter(self.model, *self._context(lifespan))
        work = getattr(manager, "gen", None)
        with ExitStack() as acting, self.noting("lifespan"):
            acting.enter_context(self._acting())
            acting.enter_context(self._working(lifespan.function, work))
            async with manager:
                # Between its ends it is others who act.
                acting.close()
                try:
                    yield
                finally:
                    acting.enter_context(self._acting())
                    acting.enter_context(self._working(lifespan.function, work))

    async def background(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        args: tuple[*Ts],
        headers: Mapping[str, str],
    ) -> None:
        """Run a background task, with the headers of the message it began in."""
        name, handle = self.seat.name, self.incarnation.handle
        current_activity.set(Activity(name, handle, headers, is_background=True))
        with self.noting("background task"):
            work = async_fn(*args)
            with self._working(async_fn, work):
                await work

    @contextmanager
    def _working(
        self, function: Callable[..., Any], work: object
    ) -> Generator[None, None, None]:
        """Let it be seen, in the block, what is at work."""
        entry = function, work
        self.at_work.append(entry)
        try:
            yield
        finally:
            self.at_work.remove(entry)

    @contextmanager
    def noting(self, where: str) -> Generator[None, None, None]:
        """Have what is raised in the block say where that was."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, trio.Cancelled) and not self.knows(error):
                advise(error)
                note(error, f"in {self.seat.name}, {where}")
            raise

    @contextmanager
    def _acting(self) -> Generator[None, None, None]:
        """Say that what runs now is code of the actor, and alone."""
        activity = Activity(self.seat.name, self.incarnation.handle)
        current_activity.set(activity)
        self.seat.mailbox.begin(activity)
        try:
            yield
        finally:
            self.seat.mailbox.end(activity)
            # Tasks that it has started in a nursery of its own may go on.
            activity.is_background = True
            current_activity.set(None)

    def _context(self, hook: Hook) -> tuple[Context, ...]:
        return (Context(self.incarnation),) if hook.wants_context else ()
