"""When a message is due that is sent again and again.

Nothing here reads a clock: ``now`` is always a parameter.
"""

from __future__ import annotations

import enum
import math
from typing import Final, final

import attrs

from .._base.util import publish_names

__all__ = ["Beat", "Cadence"]

# Up to so many intervals after its start, a grid is exact to much less than
# one of them; the one of a millisecond for thirty thousand years.
_EXACT: Final = 2.0**50


class Cadence(enum.Enum):
    """What the time of the next message is counted from."""

    FIXED_RATE = "fixed_rate"
    """From when it was armed: the times stay on a grid, however late one is.

    What is missed is made up for by one message, not by several.
    """

    FIXED_DELAY = "fixed_delay"
    """From when the last one was delivered."""


@final
@attrs.frozen
class Beat:
    """When a message is due that is sent again and again; a value."""

    start: float
    """When it was armed."""

    interval: float
    """Seconds, more than none."""

    cadence: Cadence = Cadence.FIXED_RATE

    @property
    def first(self) -> float:
        """When it is due for the first time: after a whole interval."""
        return self.start + self.interval

    def after(self, now: float) -> float:
        """Return when it is due next, having been delivered *now*.

        That is always later than *now*.

        >>> Beat(100.0, 10.0).after(125.0)
        130.0
        >>> Beat(100.0, 10.0, Cadence.FIXED_DELAY).after(125.0)
        135.0
        """
        passed = (now - self.start) / self.interval
        if self.cadence is Cadence.FIXED_RATE and passed < _EXACT:
            whole = math.floor(max(passed, 0.0))
            # The division may have been rounded either way.
            for number in range(max(whole - 1, 1), whole + 3):
                point = self.start + number * self.interval
                if point > now:
                    return point
        # An interval may be less than the clock can tell apart.
        return max(now + self.interval, math.nextafter(now, math.inf))


publish_names(globals(), ["Cadence"])
