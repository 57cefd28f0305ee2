"""How often an actor may be restarted, and how long to wait before each time.

Nothing here sleeps or reads a clock: ``now`` is always a parameter, so a test
can put two failures a week apart without waiting a week.
"""

from __future__ import annotations

import math
from collections import deque
from typing import final

import attrs

from .._base.util import publish_names
from .backoff import at_least, backoff_delay

__all__ = ["RestartLimit", "RestartWindow"]


@attrs.frozen
class RestartLimit:
    """How often an actor may be restarted, and how long each restart waits; a value.

    The defaults are the reference's.
    """

    max_restarts: int = attrs.field(default=5, validator=at_least(0))
    """Restarts within `window`; one more failure is one too many."""

    window: float = attrs.field(default=60.0, validator=at_least(0))
    """Length of the sliding window, in seconds."""

    initial_backoff: float = attrs.field(default=0.1, validator=at_least(0))
    """Wait before the first restart, in seconds."""

    max_backoff: float = attrs.field(default=30.0, validator=at_least(0))
    """Longest wait, in seconds, before chance adds to it."""

    multiplier: float = attrs.field(default=2.0, validator=at_least(1))
    """Factor by which each wait is longer than the one before it."""

    jitter: float = attrs.field(default=0.0, validator=at_least(0))
    """Largest part of a wait that chance may add to it: 0.1 is a tenth."""

    enabled: bool = True
    """If not, an actor is restarted for ever, and at once."""


@final
@attrs.define(eq=False)
class RestartWindow:
    """The recent restarts of one actor; lives as long as its seat."""

    limit: RestartLimit
    # Those within the window; hardly anybody has one.
    _times: deque[float] | None = attrs.field(default=None, init=False)
    # Infinite while it does not run.
    _runs_since: float = attrs.field(default=math.inf, init=False)
    _in_a_row: int = attrs.field(default=0, init=False)

    def started(self, now: float) -> None:
        """Take note that the actor runs, from *now* on."""
        self._runs_since = now

    def count(self, now: float) -> int:
        """Return how many restarts are in the window that ends at *now*.

        A restart exactly ``window`` seconds old has left it.
        """
        times = self._times or ()
        while times and now - times[0] >= self.limit.window:
            times.popleft()
        return len(times)

    def next_backoff(self, now: float, chance: float = 0.0) -> float | None:
        """Count a restart, and return how long it waits; ``None``: one too many.

        If it has run for more than ``window`` seconds the waits begin anew.

        Args:
            now: The time of the failure, in seconds.
            chance: From 0 to 1, for the jitter.

        >>> window = RestartWindow(RestartLimit(max_restarts=3))
        >>> [window.next_backoff(now) for now in (0, 1, 2, 3)]
        [0.1, 0.2, 0.4, None]
        """
        if not self.limit.enabled:
            return 0.0
        if now - self._runs_since > self.limit.window:
            self._in_a_row = 0
        self._runs_since = math.inf
        if self.count(now) >= self.limit.max_restarts:
            return None
        if self._times is None:
            self._times = deque()
        self._times.append(now)
        self._in_a_row += 1
        return self._backoff(self._in_a_row) * (1 + self.limit.jitter * chance)

    def _backoff(self, attempt: int) -> float:
        limit = self.limit
        return backoff_delay(
            limit.initial_backoff, limit.multiplier, limit.max_backoff, attempt
        )


publish_names(globals(), ["RestartLimit"])
