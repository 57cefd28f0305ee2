"""What is wrong with a server after a long time, by what it took all along.

Nothing here looks at a process or a clock: samples go in, complaints come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from .service import Sample

__all__ = ["complaints_of_accounts", "complaints_of_rest", "complaints_of_samples"]

# What is not counted: until caches are full and the first of all have come.
WARM_UP: Final = 0.2

MIB: Final = 1 << 20

# How much the last third of the time may take more than the first: by medians,
# as every sample may be taken at an unusual moment.
SHARE: Final = 0.10
EXTRA: Final = 5 * MIB
EXTRA_DESCRIPTORS: Final = 10
EXTRA_TASKS: Final = 40

# Tasks of a connection, at most, beside the handlers that work for it.
_TASKS: Final = 3


def complaints_of_samples(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield what has grown, from the first third of the time to the last."""
    steady = samples[int(len(samples) * WARM_UP) :]
    third = max(len(steady) // 3, 1)

    def medians(of: Callable[[Sample], int]) -> tuple[float, float]:
        early, late = steady[:third], steady[-third:]
        return median(map(of, early)), median(map(of, late))

    before, after = medians(lambda each: each.rss)
    if after > before * (1 + SHARE) + EXTRA:
        yield f"memory grew from {before / MIB:.1f} to {after / MIB:.1f} MiB"
    before, after = medians(lambda each: each.descriptors - each.connections)
    if after > before + EXTRA_DESCRIPTORS:
        yield f"descriptors beside connections grew from {before:g} to {after:g}"
    before, after = medians(lambda each: each.tasks - _TASKS * each.connections)
    if after > before + EXTRA_TASKS:
        yield f"tasks beside those of connections grew from {before:g} to {after:g}"


def complaints_of_rest(before: Sample, after: Sample) -> Iterator[str]:
    """Yield what is left when all have gone, by samples of before they came and now."""
    for name in ("descriptors", "tasks", "connections", "in_flight"):
        then, now = getattr(before, name), getattr(after, name)
        if now > then:
            yield f"there are {now} {name} now that all have gone, {then} before"


def complaints_of_accounts(
    asked: Mapping[str, int], ends: Mapping[str, int], known: frozenset[str]
) -> Iterator[str]:
    """Yield what requests were not heard of again, or ended in a way not *known*."""
    total, ended = sum(asked.values()), sum(ends.values())
    if total != ended:
        yield f"{total} requests were sent, and {ended} ended"
    if not ends.get("answered"):
        yield "no request was answered"
    for name in ends.keys() - known - {"answered"}:
        yield f"{ends[name]} requests ended with {name}"
