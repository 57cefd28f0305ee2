"""A watchdog: an async test that hangs fails, and says where its tasks were.

It counts real time, so it sees a hang under a clock that jumps as well, and
it cancels from within trio, so that the next test finds nothing left over.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, TypeAlias

import pytest
import trio

AsyncFunction: TypeAlias = Callable[..., Awaitable[object]]

# No test takes this long on any machine; in seconds.
PATIENCE: Final = 60

# Frames of a task that are shown: those further out are the runner's.
_INNERMOST: Final = 6

# Where all tasks wait in the end, whatever they wait for.
_CORE: Final = "/trio/_core/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the watchdog around every async test."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        # pytest-trio runs the examples of a property by trio.run, whatever the
        # marker says: the watchdog goes inside.
        inner = getattr(item.obj, "hypothesis", None)
        if iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.trio(run=run_with_watchdog), append=False)
        elif inner is not None and iscoroutinefunction(inner.inner_test):
            inner.inner_test = watched(inner.inner_test)


def run_with_watchdog(
    async_fn: AsyncFunction,
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> object:
    """Run one test with its fixtures, as `trio.run` does, for a limited time."""
    return trio.run(watched(async_fn), clock=clock, instruments=instruments)


def watched(async_fn: AsyncFunction) -> AsyncFunction:
    """Return *async_fn*, made to fail when it takes longer than any test."""
    if getattr(async_fn, "is_watched", False):
        # The parameters of a property test share one function.
        return async_fn

    @wraps(async_fn)
    async def in_limited_time(*args: Any, **options: Any) -> None:
        hang = ""

        def bite() -> None:
            nonlocal hang
            hang = f"hung for {PATIENCE} seconds, in these tasks:\n{where_all_are()}"
            scope.cancel(reason="the watchdog of the tests")

        scope = trio.CancelScope()
        timer = threading.Timer(
            PATIENCE, _call_soon, [trio.lowlevel.current_trio_token(), bite]
        )
        timer.daemon = True
        timer.start()
        try:
            with scope:
                await async_fn(*args, **options)
        finally:
            timer.cancel()
            timer.join()
            if hang:
                # Whatever else came of the cancellation is its context.
                raise AssertionError(hang)

    # On the function, where it is seen through the wrappers of pytest-trio.
    in_limited_time.is_watched = True  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return in_limited_time


def _call_soon(token: trio.lowlevel.TrioToken, bite: Callable[[], None]) -> None:
    # The test may end in this very moment.
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(bite)


def where_all_are() -> str:
    """Return every task of this run with the lines that it waits at."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return "\n".join(where_is(task) for task in below(root))


def below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """Yield the tasks that *task* has started, and those they have."""
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda each: each.name):
            yield child
            yield from below(child)


def where_is(task: trio.lowlevel.Task) -> str:
    """Return the name of *task*, and the lines that it waits at."""
    stack = traceback.StackSummary.extract(task.iter_await_frames())
    frames = [each for each in stack if _CORE not in each.filename]
    return "".join([f"{task.name}\n", *traceback.format_list(frames[-_INNERMOST:])])
