"""When a sender, and an actor at work, let others have their turn.

Who uses it asks the module each time, and so does what `changed` puts in its
place: a test may have chance decide, for which no clock is good.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, final

import trio

from .._base.util import never

__all__ = [
    "Budget",
    "breathe",
    "changed",
    "may_share_a_task",
    "new_budget",
    "new_turns",
]

# A send that finds room need not switch tasks, but somebody who only ever
# sends must not keep all others from running.
_SENDS_PER_SWITCH: Final = 64

# One actor may keep the others waiting for this long, whichever comes first.
# A number of messages alone is no fairness: 64 handlers of 100 us each would
# hold everybody else up for 6 ms.
_MESSAGES_PER_SWITCH: Final = 64
_SECONDS_PER_SWITCH: Final = 0.0005

# How many are handled between two looks at the clock, which costs as much as one.
_MESSAGES_PER_LOOK: Final = 8


class Budget(Protocol):
    """What an actor may do before others have their turn; lives as long as it works."""

    def restart(self) -> None:
        """Begin anew: others had their turn."""
        ...

    def allowance(self) -> int:
        """Return how many messages may be handled before asking again."""
        ...

    def is_spent(self) -> bool:
        """Count one message, and return whether others have their turn now."""
        ...


@final
class _TimedBudget:
    """So many messages, and so much time, on the real clock."""

    __slots__ = ("_granted", "_since")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._granted = 0
        self._since = time.perf_counter()

    def allowance(self) -> int:
        if self._granted >= _MESSAGES_PER_SWITCH or (
            self._granted and time.perf_counter() - self._since >= _SECONDS_PER_SWITCH
        ):
            return 0
        self._granted += _MESSAGES_PER_LOOK
        return _MESSAGES_PER_LOOK

    def is_spent(self) -> bool:
        self._granted += 1
        return (
            self._granted >= _MESSAGES_PER_SWITCH
            or time.perf_counter() - self._since >= _SECONDS_PER_SWITCH
        )


def _counted() -> Iterator[int]:
    return itertools.cycle([*range(1, _SENDS_PER_SWITCH), 0])


async def breathe(turns: Iterator[int]) -> None:
    """Check for cancellation, and let others run when *turns* says so.

    Cancellation:
        Nothing has happened.
    """
    if next(turns):
        await trio.lowlevel.checkpoint_if_cancelled()
    else:
        await trio.lowlevel.checkpoint()


def _always() -> bool:
    return True


may_share_a_task: Callable[[], bool] = _always
"""Tell whether actors may share a task as long as they need none of their own."""

new_turns: Callable[[], Iterator[int]] = _counted
"""Make what tells each send to the actors of a runtime whether to switch tasks: at 0.

All tasks count together: whoever sends without end comes to it, too.
"""

new_budget: Callable[[], Budget] = _TimedBudget
"""Make the budget of one actor."""


@contextmanager
def changed(
    new_turns: Callable[[], Iterator[int]], new_budget: Callable[[], Budget]
) -> Generator[None, None, None]:
    """Have something else decide, for all that begins to work in this block.

    No actors share a task then, so that their order is nobody's but trio's.
    """
    names = globals()
    changes = {
        "new_turns": new_turns,
        "new_budget": new_budget,
        "may_share_a_task": never,
    }
    before = {name: names[name] for name in changes}
    names.update(changes)
    try:
        yield
    finally:
        names.update(before)
