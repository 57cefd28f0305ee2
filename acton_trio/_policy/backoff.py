"""How long to wait before each try, when one after another fails.

Nothing here sleeps, reads a clock or throws dice.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from .._base.util import publish_names, shown

__all__ = ["Backoff", "at_least", "backoff_delay"]


def at_least(minimum: float) -> Any:
    """Return a validator for fields that are finite numbers from *minimum* on."""

    def check(owner: object, field: attrs.Attribute[Any], value: object) -> None:
        name = f"{type(owner).__name__}.{field.name}"
        expected = f"{name} is a number from {minimum:g} on"
        if not isinstance(value, (int, float)):
            msg = f"{expected}, not {shown(value)}"
            raise TypeError(msg)
        if not minimum <= value < math.inf:
            msg = f"{expected}, not {value!r}"
            raise ValueError(msg)

    return check


@attrs.frozen
class Backoff:
    """How long to wait before each try to connect again; a value.

    The defaults are those of `RestartLimit`.
    """

    initial: float = attrs.field(default=0.1, validator=at_least(0))
    """Wait before the first try, in seconds."""

    maximum: float = attrs.field(default=30.0, validator=at_least(0))
    """Longest wait, in seconds, before chance adds to it."""

    multiplier: float = attrs.field(default=2.0, validator=at_least(1))
    """Factor by which each wait is longer than the one before it."""

    jitter: float = attrs.field(default=0.0, validator=at_least(0))
    """Largest part of a wait that chance may add to it: 0.1 is a tenth."""

    def delay(self, attempt: int, chance: float = 0.0) -> float:
        """Return the seconds to wait before try number *attempt*, from 1 on.

        Args:
            attempt: The number of the try since the last success.
            chance: From 0 to 1, for the jitter.

        >>> [Backoff().delay(attempt) for attempt in (1, 2, 3, 10)]
        [0.1, 0.2, 0.4, 30.0]
        """
        wait = backoff_delay(self.initial, self.multiplier, self.maximum, attempt)
        return wait * (1 + self.jitter * chance)


def backoff_delay(
    initial: float, multiplier: float, maximum: float, attempt: int
) -> float:
    """Return *initial*, multiplied for each attempt after the first, up to *maximum*."""
    try:
        wait = initial * multiplier ** (attempt - 1)
    except OverflowError:
        # After a long night of failures the power no longer fits a float, and
        # nobody must die of arithmetic.
        return maximum
    return min(wait, maximum)


publish_names(globals(), ["Backoff"], "acton_trio.ipc")
