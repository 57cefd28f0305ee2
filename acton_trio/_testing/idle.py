"""`wait_idle`: until actors have nothing to do, without looking again and again.

A task is woken only when another one has been: so a clock that jumps when all
wait still jumps.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar, final

import trio
import trio.testing

from .._runtime.runtime import RuntimeCore

__all__ = ["find_within", "settle", "wait_idle", "wait_until"]

T = TypeVar("T")

# Who waits here wakes nobody else who does: they would keep each other awake.
_waiting: Final[weakref.WeakSet[trio.lowlevel.Task]] = weakref.WeakSet()

# Steps of tasks after which it is plain that some never come to rest.
_MOST_STEPS: Final = 20_000


async def wait_idle(runtime: RuntimeCore) -> None:
    """Wait until every mailbox is empty and no handler or hook runs.

    An actor that waits for its restart is idle if nothing is queued.  Streams
    and background tasks are not waited for, nor what `faults.delay` holds.
    Time passes meanwhile if it passes at all: a clock that jumps does, a
    ``mock_clock`` waits for another task to move it.

    Cancellation:
        Only the waiting ends.
    """
    await wait_until(lambda: _is_idle(runtime))


def _is_idle(runtime: RuntimeCore) -> bool:
    mailboxes = [seat.mailbox for seat in runtime.root.seats()]
    # What waits for room waits for a mailbox that is full.
    return not any(len(mailbox) or mailbox.running for mailbox in mailboxes)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds while all tasks are blocked.

    Cancellation:
        Only the waiting ends.
    """
    with _stirring() as stir:
        while True:
            # From before all are blocked: what was woken in the same turn as
            # this task is not woken again, and may be all that ever happens.
            stir.event = trio.Event()
            await trio.testing.wait_all_tasks_blocked()
            if condition():
                return
            await stir.event.wait()


async def find_within(
    seconds: float, find: Callable[[], T | None], news: Callable[[], Awaitable[object]]
) -> T | None:
    """Return what *find* does as soon as that is not ``None``, or ``None``.

    Args:
        seconds: How long to look, on trio's clock.
        find: Looks.
        news: Waits until it is worth looking again.

    Cancellation:
        Nothing was found.
    """
    await trio.lowlevel.checkpoint()
    with trio.move_on_after(seconds):
        while (found := find()) is None:
            await news()
        return found
    # What comes at the last instant has come in time.
    await settle()
    return find()


async def settle() -> None:
    """Wait until all tasks are blocked, or it is plain that they never are.

    Cancellation:
        Only the waiting ends.
    """
    scope = trio.CancelScope()
    bound = _Bound(scope)
    trio.lowlevel.add_instrument(bound)
    try:
        with scope:
            await trio.testing.wait_all_tasks_blocked()
    finally:
        with suppress(KeyError):
            trio.lowlevel.remove_instrument(bound)


@final
class _Bound(trio.abc.Instrument):
    """Cancels a scope when many steps of tasks have been taken."""

    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope
        self._steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - any
        """Count it."""
        self._steps += 1
        if self._steps == _MOST_STEPS:
            self._scope.cancel(reason="some task never waits")


@final
class _Stir(trio.abc.Instrument):
    """Sets its event when a task is woken that does not itself wait for that."""

    def __init__(self) -> None:
        self.event = trio.Event()

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Notice it."""
        if task not in _waiting:
            self.event.set()


@contextmanager
def _stirring() -> Generator[_Stir, None, None]:
    task, stir = trio.lowlevel.current_task(), _Stir()
    _waiting.add(task)
    trio.lowlevel.add_instrument(stir)
    try:
        yield stir
    finally:
        _waiting.discard(task)
        trio.lowlevel.remove_instrument(stir)
