"""How long things took: what contenders look at the clock with."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Self

__all__ = ["Stopwatch", "bare", "chunks", "sampled", "sampled_blocking"]

CHUNK: Final = 100
"""How many calls are one sample, where one alone is next to nothing."""


class Stopwatch:
    """Takes the time of its block.

    ::

        with Stopwatch() as watch:
            ...
        return watch.seconds / operations
    """

    seconds: float = 0.0
    _start: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start


def chunks(function: Callable[[], object], calls: int) -> list[float]:
    """Call *function* so often; return what a call took in each hundred of them.

    Whatever else the machine does falls upon a few of them, and spares the median.
    """
    samples: list[float] = []
    for _ in range(max(calls // CHUNK, 2)):
        with Stopwatch() as watch:
            for _ in range(CHUNK):
                function()
        samples.append(watch.seconds / CHUNK)
    return samples


def bare(operations: int) -> list[float]:
    """Append to a deque, take out, call a function: the floor of any actor."""
    queue: deque[int] = deque()
    samples: list[float] = []
    for _ in range(max(operations // CHUNK, 2)):
        with Stopwatch() as watch:
            for number in range(CHUNK):
                queue.append(number)
                _ignore(queue.popleft())
        samples.append(watch.seconds / CHUNK)
    return samples


def _ignore(_message: object) -> None:
    pass


async def sampled(function: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Return how long each of *times* calls took."""
    samples: list[float] = []
    clock = time.perf_counter
    for _ in range(times):
        start = clock()
        await function()
        samples.append(clock() - start)
    return samples


def sampled_blocking(function: Callable[[], object], times: int) -> list[float]:
    """Return how long each of *times* calls took."""
    samples: list[float] = []
    clock = time.perf_counter
    for _ in range(times):
        start = clock()
        function()
        samples.append(clock() - start)
    return samples
