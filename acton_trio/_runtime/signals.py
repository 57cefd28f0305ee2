"""SIGINT and SIGTERM, taken over for as long as a runtime lasts."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import final

import attrs
import trio

__all__ = ["SignalWatch"]


@final
@attrs.define(eq=False)
class SignalWatch:
    """What signals have come; lives as long as its runtime."""

    cancel: Callable[[str], None]
    """Ends the runtime at once."""

    _first: signal.Signals | None = attrs.field(default=None, init=False)
    _came: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_watching: bool = attrs.field(default=False, init=False)

    async def wait(self, services: trio.Nursery) -> signal.Signals:
        """Wait for the first signal, and return which one it was.

        Args:
            services: Where the watch stands, from the first call on.

        Raises:
            RuntimeError: Outside the main thread, where there are no signals.

        Cancellation:
            Only the waiting ends.
        """
        if not self._is_watching:
            if services.cancel_scope.cancel_called:
                msg = "the runtime has ended: there is nobody to wait for signals"
                raise RuntimeError(msg)
            self._is_watching = True
            try:
                # Others may be waiting for what it sees by now.
                with trio.CancelScope(shield=True):
                    await services.start(self._watch, name="signals")
            except BaseException:
                self._is_watching = False
                raise
        await self._came.wait()
        assert self._first is not None
        return self._first

    async def _watch(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if self._first is None:
                    self._first = signal.Signals(number)
                    self._came.set()
                else:
                    self.cancel(f"{signal.Signals(number).name} came again")
