"""`open_test_runtime`: a runtime that fails the test for what it leaves behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from .._base.blocks import async_block
from .._ipc.runtime import Runtime, open_runtime
from .._runtime.config import Config
from .leaks import LeakError
from .ledger import Ledger

__all__ = ["WatchedRuntime", "open_test_runtime", "open_watched_runtime"]

_GRACE = 1.0


class WatchedRuntime(NamedTuple):
    """A runtime, and what is written down of it."""

    runtime: Runtime
    ledger: Ledger


@asynccontextmanager
async def open_watched_runtime(
    config: Config | None = None, *, grace: float = _GRACE
) -> AsyncGenerator[WatchedRuntime, None]:
    """Open a runtime with a ledger, which is complete when the block was left.

    Cancellation:
        As of `open_runtime`; what is still asked then is no leak.
    """
    ledger = Ledger(grace)
    # Outside of the runtime: its end is where most leaks come to light.
    async with AsyncExitStack() as outside, open_runtime(config) as runtime:
        await outside.enter_async_context(ledger.watching(runtime))
        yield WatchedRuntime(runtime, ledger)
        await ledger.close_asks()
        ledger.note_timers()


@async_block("open_test_runtime()", "runtime")
@asynccontextmanager
async def open_test_runtime(
    config: Config | None = None, *, grace: float = _GRACE
) -> AsyncGenerator[Runtime, None]:
    """Open a runtime as `open_runtime` does, and fail for what the block leaves behind.

    Those are asks and streams that go on, scheduled sends that plain code has
    armed and that are still to come, dead letters and ends of actors by failures
    that no `expect_event` has returned, tasks and sockets that were not there
    before, and messages of probes that `Probe.must_read` names.

    Args:
        config: As for `open_runtime`.
        grace: How long asks may go on after the block, in seconds on trio's
            clock; waited only if there are any.

    Raises:
        LeakError: If something is left behind, and the block itself has not
            raised; it names each, with its actor and line.
        BaseExceptionGroup: As of `open_runtime`.

    Cancellation:
        As of `open_runtime`; nothing is checked then.
    """
    async with open_watched_runtime(config, grace=grace) as (runtime, ledger):
        yield runtime
    leaks = ledger.leaks()
    if leaks:
        raise LeakError(leaks)
