"""`Asker`: a task that waits for the answer to one question."""

from __future__ import annotations

from typing import Final, TypeAlias, final

import trio

from .._base.errors import ActonError
from .exchange import Answer

__all__ = ["Asker"]

_Result: TypeAlias = Answer | ActonError | TimeoutError


@final
class Asker:
    """A task that waits for the answer to one question; lives until it goes on.

    Args:
        frame: What it has asked.
        due: When it has waited too long, on trio's clock.
        is_recallable: Whether the peer is to be told if nobody waits any more.
        is_leading: Whether it reads the answer itself, so that nobody wakes it.
    """

    __slots__ = ("_result", "_task", "due", "frame", "is_leading", "is_recallable")

    def __init__(
        self, frame: bytes, due: float, *, is_recallable: bool, is_leading: bool
    ) -> None:
        self.frame: Final = frame
        self.due: Final = due
        self.is_recallable: Final = is_recallable
        self.is_leading: Final = is_leading
        self._task: Final = trio.lowlevel.current_task()
        self._result: _Result | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it has no answer yet."""
        return self._result is None

    def settle(self, result: _Result) -> None:
        """Hand *result* to it, once."""
        self._result = result
        if not self.is_leading:
            trio.lowlevel.reschedule(self._task)

    def answer(self) -> Answer:
        """Return what it was handed, or raise that."""
        result = self._result
        if isinstance(result, Answer):
            return result
        assert result is not None
        raise result
