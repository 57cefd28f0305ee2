"""`Flusher`: one task that writes what the connections of a listener have put in.

What is put in by many, or bit by bit, gathers until it has its turn.
"""

from __future__ import annotations

import os
from typing import Final, final

import trio

from .outbox import Outbox

__all__ = ["Flusher", "send_nowait"]

# So many are written for before all other tasks have their turn.
_MOST: Final = 64


@final
class Flusher:
    """Flushes outboxes; lives as long as their listener."""

    def __init__(self) -> None:
        self._due: dict[Outbox, None] = {}
        self._is_held = False
        self._idle: trio.lowlevel.Task | None = None
        """Who flushes, as long as nothing is due."""

    def flush_soon(self, outbox: Outbox) -> None:
        """Have *outbox* flushed, and handed over if it cannot be all at once."""
        self._due[outbox] = None
        if self._idle is not None and not self._is_held:
            self._wake()

    def hold(self) -> None:
        """Let all gather until `go_on`: whoever calls this is busy until then."""
        self._is_held = True

    def go_on(self) -> None:
        """Flush what is due, now if that can be; see `Commons.go_on`."""
        self._is_held = False
        if self._idle is not None and self._due:
            self._flush_some()
            if self._due:
                self._wake()

    async def run(self) -> None:
        """Flush what is due until cancelled."""
        while True:
            if self._due:
                await trio.lowlevel.checkpoint()
            else:
                await self._wait_due()
            self._flush_some()

    def _flush_some(self) -> None:
        for outbox in [*self._due][:_MOST]:
            del self._due[outbox]
            outbox.flush()
            outbox.hand_over()

    def _wake(self) -> None:
        if self._idle is not None:
            trio.lowlevel.reschedule(self._idle)
            self._idle = None

    async def _wait_due(self) -> None:
        self._idle = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._idle = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)


def send_nowait(socket: int, data: bytes) -> int:
    """Send what can be sent at once; return how many bytes of *data* that was.

    Whoever sends the rest learns what is wrong, if anything is.

    Args:
        socket: The descriptor of a socket that does not block.
        data: What is to be sent.
    """
    try:
        return os.write(socket, data)
    except OSError:
        return 0
