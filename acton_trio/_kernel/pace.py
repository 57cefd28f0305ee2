"""When a sender, and an actor at work, let others have their turn.

Who uses it asks the module each time, and so does what `changed` puts in its
place: a test may have chance decide, for which no clock is good.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, Protocol, final

import attrs
import trio

__all__ = ["Budget", "breathe", "changed", "new_budget"]

# A send that finds room need not switch tasks, but somebody who only ever
# sends must not keep all others from running.
_SENDS_PER_SWITCH: Final = 64

# One actor may keep the others waiting for this long, whichever comes first.
# A number of messages alone is no fairness: 64 handlers of 100 us each would
# hold everybody else up for 6 ms.
_MESSAGES_PER_SWITCH: Final = 64
_SECONDS_PER_SWITCH: Final = 0.0005


@attrs.define(eq=False)
class _Streak:
    """How often the same task has sent without another one sending between."""

    task: int = 0
    """The task's `id`: the task itself would be kept when it is long gone."""

    length: int = 0


_streak: Final = _Streak()


async def _breathe() -> None:
    task = id(trio.lowlevel.current_task())
    if task != _streak.task:
        _streak.task, _streak.length = task, 0
    _streak.length += 1
    if _streak.length < _SENDS_PER_SWITCH:
        await trio.lowlevel.checkpoint_if_cancelled()
    else:
        _streak.length = 0
        await trio.lowlevel.checkpoint()


class Budget(Protocol):
    """What an actor may do before others have their turn; lives as long as it works."""

    def restart(self) -> None:
        """Begin anew: others had their turn."""
        ...

    def is_spent(self) -> bool:
        """Count one message more, and return whether that was enough."""
        ...


@final
class _TimedBudget:
    """So many messages, and so much time, on the real clock."""

    __slots__ = ("_handled", "_since")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._handled = 0
        self._since = time.perf_counter()

    def is_spent(self) -> bool:
        self._handled += 1
        return (
            self._handled >= _MESSAGES_PER_SWITCH
            or time.perf_counter() - self._since >= _SECONDS_PER_SWITCH
        )


breathe: Callable[[], Awaitable[None]] = _breathe
"""Check for cancellation, and let others run at every 64th call of a task.

A call of another task in between means that others did run, and counts from
the start again.
"""

new_budget: Callable[[], Budget] = _TimedBudget
"""Make the budget of one actor."""


@contextmanager
def changed(
    breathe: Callable[[], Awaitable[None]], new_budget: Callable[[], Budget]
) -> Generator[None, None, None]:
    """Have something else decide, for all that begins to work in this block."""
    names = globals()
    before = {name: names[name] for name in ("breathe", "new_budget")}
    names.update(breathe=breathe, new_budget=new_budget)
    try:
        yield
    finally:
        names.update(before)
