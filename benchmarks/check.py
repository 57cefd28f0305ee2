"""Whether operations take more than they did, by what can be counted.

``./dev bench --check`` compares with ``expected.json``; with ``--update`` that
is written anew.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import trio
from counts import Counts, count_all

__all__ = ["Expected", "Line", "compare", "run"]

FILE: Final = Path(__file__).with_name("expected.json")
TOLERANCE: Final = 0.1


class Expected(msgspec.Struct, frozen=True):
    """What is committed."""

    python: str
    """With which it was counted: others call some functions more or less."""

    tolerance: float
    """How much more it may be, as a part of it."""

    counts: dict[str, dict[str, float]]


class Line(msgspec.Struct, frozen=True):
    """One count, next to what it was."""

    operation: str
    counted: str
    now: float
    before: float | None
    tolerance: float

    @property
    def has_grown(self) -> bool:
        """Whether it takes more than it did, by more than is tolerated."""
        before = self.before
        # Of few, one more now and then is no growth.
        return before is not None and self.now > before * (1 + self.tolerance) + 0.05

    @property
    def has_shrunk(self) -> bool:
        """Whether it takes so much less that it is worth holding on to."""
        before = self.before
        return before is not None and self.now < before * (1 - self.tolerance) - 0.05

    def __str__(self) -> str:
        before = "new" if self.before is None else f"{self.before:10.2f}"
        words = "GROWN" if self.has_grown else "less" if self.has_shrunk else ""
        name = f"{self.operation}: {self.counted}"
        return f"{name:44} {self.now:10.2f} {before:>10}  {words}".rstrip()


def compare(expected: Expected, found: Mapping[str, Counts]) -> Iterator[Line]:
    """Yield a line for each count."""
    for operation, counts in found.items():
        known = expected.counts.get(operation, {})
        for counted, now in counts.items():
            before = known.get(counted)
            yield Line(operation, counted, now, before, expected.tolerance)


def run(*, is_update: bool) -> int:
    """Count, compare and tell; return the exit code."""
    found = trio.run(count_all)
    if is_update:
        FILE.write_text(json.dumps(_record(found), indent=2) + "\n")
        print(f"{FILE.name} is as it is now")
        return 0
    expected = msgspec.json.decode(FILE.read_bytes(), type=Expected)
    lines = [*compare(expected, found)]
    print(f"{'each takes':44} {'now':>10} {'before':>10}")
    print("\n".join(map(str, lines)))
    return _verdict(lines, expected)


def _record(found: Mapping[str, Counts]) -> object:
    rounded = {
        operation: {name: round(count, 2) for name, count in counts.items()}
        for operation, counts in found.items()
    }
    python = platform.python_version()
    return {"python": python, "tolerance": TOLERANCE, "counts": rounded}


def _verdict(lines: list[Line], expected: Expected) -> int:
    grown = [f"{each.operation}: {each.counted}" for each in lines if each.has_grown]
    if not grown:
        return 0
    print(
        f"\nMore than {expected.tolerance:.0%} more than with Python {expected.python}: "
        f"{'; '.join(grown)}.\nIf it is worth it: ./dev bench --check --update"
    )
    return 1
