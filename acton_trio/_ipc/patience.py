"""`Patience`: how long whoever asks waits, by its own deadline or by default."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import trio

from .exchange import DEFAULT_TIMEOUT

__all__ = ["Patience"]


class Patience(NamedTuple):
    """How long a task waits for an answer; made when it asks."""

    seconds: float
    """From then on; what the peer is told."""

    by_default: float
    """The same if it has no deadline that ends its waiting; for ever if it has."""

    @staticmethod
    def of_caller() -> Patience:
        """Return that of the task that is running."""
        deadline = trio.current_effective_deadline()
        if deadline == math.inf:
            return _BY_DEFAULT
        return Patience(max(deadline - trio.current_time(), 0), math.inf)


_BY_DEFAULT: Final = Patience(DEFAULT_TIMEOUT, DEFAULT_TIMEOUT)
