"""Actors for the siege: one that streams, and one for the well-behaved alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

import acton_trio as acton

__all__ = ["Count", "Counting", "Quiet", "Raise"]


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Is answered with numbers."""

    upto: int
    pause: float = 0


@acton.actor
class Counting:
    """Answers many times."""

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count, but not for ever."""
        for number in range(min(request.upto, 100)):
            await trio.sleep(request.pause)
            yield number


@acton.message(ipc=True)
class Raise(acton.Request[int]):
    """Asks for a number to grow, and for what it is then."""

    by: int


@acton.actor
class Quiet:
    """Answers the well-behaved, whom no other peer knows of."""

    value: int = 0

    @acton.mutate_on
    def handle(self, request: Raise) -> int:
        """Let the number grow."""
        self.value += request.by
        return self.value
