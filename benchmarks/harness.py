"""Measures things side by side, in interleaved rounds, and prints ratios.

Absolute times move with the machine and its other tenants; the ratio to a bare
reference, measured in the same round, moves far less.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

__all__ = ["Measure", "bare", "compare"]

ROUNDS: Final = 7
"""How often each thing is measured; the median is shown."""


@attrs.frozen
class Measure:
    """One thing to be measured."""

    name: str
    operations: int
    """How many operations one run is."""

    run: Callable[[int], Awaitable[None]]
    """Does as many operations as it is told."""


async def bare(operations: int) -> None:  # noqa: ASYNC124 - run as the others
    """Append to a deque, take out, call a function: the floor of any actor."""
    queue: deque[int] = deque()
    for number in range(operations):
        queue.append(number)
        _ignore(queue.popleft())


def _ignore(_number: int) -> None:
    pass


def compare(reference: Measure, measures: list[Measure]) -> None:
    """Measure all, and print each median and its ratio to the reference."""
    everything = [reference, *measures]
    seconds: dict[str, list[float]] = {each.name: [] for each in everything}
    for _ in range(ROUNDS):
        for each in everything:
            seconds[each.name].append(trio.run(_timed, each))
    floor = statistics.median(seconds[reference.name])
    print(f"{'':32} {'us':>8} {'x':>7}")
    for each in everything:
        median = statistics.median(seconds[each.name])
        print(f"{each.name:32} {median * 1e6:8.2f} {median / floor:7.1f}")


async def _timed(measure: Measure) -> float:
    start = time.perf_counter()
    await measure.run(measure.operations)
    return (time.perf_counter() - start) / measure.operations
