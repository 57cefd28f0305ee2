"""How many requests a peer may send: a bucket of tokens, one for each request."""

from __future__ import annotations

import math
from typing import Final, final

__all__ = ["TokenBucket"]


@final
class TokenBucket:
    """Tokens that are used up and come back; lives as long as a connection.

    It is full at first.  The caller says what time it is.

    >>> bucket = TokenBucket(rate=100, burst=1, now=0.0)
    >>> bucket.take(0.0), bucket.take(0.004), bucket.take(0.01)
    (0.0, 0.006, 0.0)
    """

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        self._rate: Final = rate
        self._burst: Final = float(burst)
        self._tokens = self._burst
        self._since = now

    @property
    def has_token(self) -> bool:
        """Whether there was one left when the last one was taken."""
        return self._tokens >= 1

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one to be taken."""
        gained = (now - self._since) * self._rate
        tokens = min(self._tokens + gained, self._burst)
        self._since = now
        if tokens >= 1:
            self._tokens = tokens - 1
            return 0.0
        self._tokens = tokens
        # Rounded so that there is one indeed: a float may be a hair short.
        return math.ceil((1 - tokens) / self._rate * 1e9) / 1e9
