"""The order in which trio runs the tasks that are ready, decided by a seed.

trio promises no order and keeps its randomness to itself: this is the one
place that reaches for it.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, final

import trio

__all__ = ["TaskOrder", "ordered"]

# How often in a row a task may be held back: every task gets its turn.
_MOST_TURNS_HELD: Final = 4


@final
class TaskOrder(random.Random):
    """Decides which of the tasks that are ready runs first; lives for one run."""

    def __init__(self, seed: int, *, holds_back: float = 0.0) -> None:
        """Make the order of *seed*.

        Args:
            seed: The same one makes the same order.
            holds_back: From 0 to 1, how likely a task that is ready has to
                wait for the next turn, as if what woke it had come later.
        """
        super().__init__(seed)
        self._holds_back = holds_back
        self._held: dict[Any, int] = {}

    def shuffle(self, x: Any) -> None:
        """Shuffle the tasks of one turn, and hold some of them back."""
        super().shuffle(x)
        if not self._holds_back:
            return
        held = {task: self._held.get(task, 0) + 1 for task in x if self._holds(task)}
        x[:] = [task for task in x if task not in held]
        # Still ready, so trio does not think that all are blocked.
        _core().GLOBAL_RUN_CONTEXT.runner.runq.extend(held)
        self._held = held

    def _holds(self, task: Any) -> bool:
        # Drawn for each, so that one limit reached changes nothing for others.
        is_held = self.random() < self._holds_back
        return is_held and self._held.get(task, 0) < _MOST_TURNS_HELD


@contextmanager
def ordered(order: random.Random) -> Generator[None, None, None]:
    """Have *order* decide in every run of trio that is in this block.

    A batch is then shuffled from an order that does not vary: what trio's own
    plugin for hypothesis switches on.
    """
    core = _core()
    before = core._r, core._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001 - see above
    core._r, core._ALLOW_DETERMINISTIC_SCHEDULING = order, True  # noqa: SLF001
    try:
        yield
    finally:
        core._r, core._ALLOW_DETERMINISTIC_SCHEDULING = before  # noqa: SLF001


def _core() -> Any:
    return trio._core._run  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]
