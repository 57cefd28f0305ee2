"""A watchdog: an async test that hangs fails, and says where its tasks were.

It counts real time, so it sees a hang under a clock that jumps as well, and
it cancels from within trio, so that the next test finds nothing left over.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, Final, TypeAlias, final

import attrs
import trio

from .._base.util import publish_names

__all__ = [
    "AsyncFunction",
    "HangError",
    "run_with_watchdog",
    "watchdog",
    "watched",
    "where_all_are",
]

AsyncFunction: TypeAlias = Callable[..., Awaitable[object]]

# Frames of a task that are shown: those further out are the runner's.
_INNERMOST: Final = 6

# Where all tasks wait in the end, whatever they wait for.
_CORE: Final = "/trio/_core/"

_IS_WATCHED: Final = "__acton_is_watched__"


class HangError(AssertionError):
    """A test has taken longer than any test may, and was cancelled."""


@final
@attrs.define(eq=False)
class _Dog:
    """Cancels a scope when its patience is at an end; lives as long as that."""

    patience: float
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    hang: str | None = attrs.field(default=None, init=False)
    """Where all tasks were when it bit, if it has."""

    def bite(self) -> None:
        """Cancel, and remember where all tasks are."""
        where = where_all_are()
        self.hang = f"hung for {self.patience:g} seconds, in these tasks:\n{where}"
        self.scope.cancel(reason="the watchdog of the tests")


@contextmanager
def watchdog(patience: float) -> Generator[None, None, None]:
    """Cancel the block if it takes longer than so many seconds of real time.

    Args:
        patience: How long it may take, whatever trio's clock says.

    Raises:
        HangError: If it was cancelled; says where all tasks were by then.
    """
    dog = _Dog(patience)
    token = trio.lowlevel.current_trio_token()
    timer = threading.Timer(patience, _call_soon, [token, dog.bite])
    timer.daemon = True
    timer.start()
    try:
        with dog.scope:
            yield
    finally:
        timer.cancel()
        timer.join()
        if dog.hang is not None:
            # Whatever else came of the cancellation is its context.
            raise HangError(dog.hang)


def _call_soon(token: trio.lowlevel.TrioToken, bite: Callable[[], None]) -> None:
    # The test may end in this very moment.
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(bite)


def watched(async_fn: AsyncFunction, patience: float) -> AsyncFunction:
    """Return *async_fn*, made to fail when it takes longer than *patience*."""
    if getattr(async_fn, _IS_WATCHED, False):
        # The parameters of a property test share one function.
        return async_fn

    @wraps(async_fn)
    async def in_limited_time(*args: Any, **options: Any) -> object:
        with watchdog(patience):
            return await async_fn(*args, **options)

    # On the function, where it is seen through the wrappers of pytest-trio.
    setattr(in_limited_time, _IS_WATCHED, True)
    return in_limited_time


def run_with_watchdog(
    async_fn: AsyncFunction,
    *args: object,
    patience: float,
    run: Callable[..., object] | None = None,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> object:
    """Run *async_fn* as `trio.run` does, for a limited time.

    ``pytest.mark.trio(run=partial(run_with_watchdog, patience=60))`` is what the
    plugin's ``acton_watchdog`` does for every test.

    Args:
        async_fn: What is run.
        *args: What it is called with.
        patience: How long it may take, in seconds of real time.
        run: What runs it; `trio.run` if not given.
        clock: As of `trio.run`.
        instruments: As of `trio.run`.

    Raises:
        HangError: If it takes longer; says where all tasks were by then.
    """
    limited = watched(async_fn, patience)
    return (run or trio.run)(limited, *args, clock=clock, instruments=instruments)


def where_all_are() -> str:
    """Return every task of this run with the lines that it waits at."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return "\n".join(_where_is(task) for task in _below(root))


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """Yield the tasks that *task* has started, and those they have."""
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda each: each.name):
            yield child
            yield from _below(child)


def _where_is(task: trio.lowlevel.Task) -> str:
    """Return the name of *task*, and the lines that it waits at."""
    stack = traceback.StackSummary.extract(task.iter_await_frames())
    frames = [each for each in stack if _CORE not in each.filename]
    return "".join([f"{task.name}\n", *traceback.format_list(frames[-_INNERMOST:])])


publish_names(globals(), ["HangError"], "acton_trio.testing")
