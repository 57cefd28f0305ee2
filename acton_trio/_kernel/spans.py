"""`Span`: a part of a life that may have to end, whether it has begun or not."""

from __future__ import annotations

import math
from types import TracebackType
from typing import final

import trio

__all__ = ["Span", "Spans"]


@final
class Span:
    """A part of one life, with a deadline; its cancel scope is made when it begins.

    It begins once at most, with ``with``.
    """

    __slots__ = ("_deadline", "_reason", "_scope")

    def __init__(self) -> None:
        self._deadline = math.inf
        self._reason: str | None = None
        self._scope: trio.CancelScope | None = None

    @property
    def deadline(self) -> float:
        """When it has to end, on trio's clock."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if self._scope is not None:
            self._scope.deadline = deadline

    def cancel(self, reason: str) -> None:
        """Have it end at once, or as soon as it begins."""
        self._reason = self._reason or reason
        if self._scope is not None:
            self._scope.cancel(reason=reason)

    @property
    def cancel_called(self) -> bool:
        """Whether it was cancelled, or its time is up."""
        if self._scope is not None:
            return self._scope.cancel_called
        return self._reason is not None

    def is_up(self) -> bool:
        """Return whether it has to end now, also if it has not begun yet."""
        if self.cancel_called:
            return True
        return self._deadline < math.inf and self._deadline <= trio.current_time()

    @property
    def cancelled_caught(self) -> bool:
        """Whether something in it was cancelled, and has ended by that."""
        return self._scope is not None and self._scope.cancelled_caught

    def __enter__(self) -> None:
        self._scope = trio.CancelScope(deadline=self._deadline)
        if self._reason is not None:
            self._scope.cancel(reason=self._reason)
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._scope is not None
        return self._scope.__exit__(kind, error, traceback)


@final
class Spans:
    """The parts of one life, see `Life`; live as long as that.

    Args:
        budget: How long its end may take, in seconds.
    """

    __slots__ = ("_budget", "last", "whole", "work")

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self.whole: Span = Span()
        self.work: Span = Span()
        self.last: Span = Span()

    @property
    def were_cut(self) -> bool:
        """Whether one of them has cancelled what was in it."""
        spans = self.whole, self.work, self.last
        return any(each.cancelled_caught for each in spans)

    def budget_end(self) -> float:
        """Return when that has to be done which is ordered now."""
        return trio.current_time() + self._budget

    def bound(self, span: Span) -> None:
        """Have *span* end within the budget from now."""
        span.deadline = min(span.deadline, self.budget_end())

    def begin_work(self) -> None:
        """Let what bounds the life so far bound its work from now on."""
        self.work.deadline = min(self.work.deadline, self.whole.deadline)
        self.whole.deadline = math.inf

    def bound_end(self, with_children: float = 0) -> None:
        """Begin the time in which all that is left has to be done.

        What ends gracefully has one budget for its work and for this; what was
        cut short gets another one to clean up.

        Args:
            with_children: How much of the time since its work is theirs.
        """
        end = min(self.last.deadline, self.budget_end())
        if not self.work.cancel_called:
            end = min(end, self.work.deadline + with_children)
        self.whole.deadline = self.last.deadline = end
