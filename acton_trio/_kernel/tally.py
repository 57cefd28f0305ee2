"""What is counted of one actor; counters only grow."""

from __future__ import annotations

from typing import final

import attrs

__all__ = ["Tally"]


@final
@attrs.define(eq=False)
class Tally:
    """What is counted of one actor; lives as long as its seat."""

    handled: int = 0
    """Messages whose handler has ended, whichever way."""

    expired: int = 0
    """Messages that were taken back, or had lost their point, unhandled."""

    late_replies: int = 0
    """Replies that came when their asker had gone."""
