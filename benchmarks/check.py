"""Whether operations take more than they did, by what can be counted.

Steps of tasks, calls of functions, blocks of memory and, where there is
callgrind and the very Python of the file, instructions of the processor.

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
from instructions import count_instructions, hindrance

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
        before = "new" if self.before is None else f"{self.before:12,.2f}"
        words = "GROWN" if self.has_grown else "less" if self.has_shrunk else ""
        name = f"{self.operation}: {self.counted}"
        return f"{name:44} {self.now:12,.2f} {before:>12}  {words}".rstrip()


def compare(expected: Expected, found: Mapping[str, Counts]) -> Iterator[Line]:
    """Yield a line for each count."""
    for operation, counts in found.items():
        known = expected.counts.get(operation, {})
        for counted, now in counts.items():
            before = known.get(counted)
            yield Line(operation, counted, now, before, expected.tolerance)


def run(*, is_update: bool) -> int:
    """Count, compare and tell; return the exit code."""
    found = {name: {**each} for name, each in trio.run(count_all).items()}
    reason = hindrance() or ("" if is_update else _stranger())
    if reason:
        print(f"instructions are not counted: {reason}")
    for name, count in ({} if reason else count_instructions()).items():
        found[name]["instructions"] = count
    if is_update:
        FILE.write_text(json.dumps(_record(found), indent=2) + "\n")
        print(f"{FILE.name} is as it is now")
        return 0
    expected = _expected()
    lines = [*compare(expected, found)]
    print(f"{'each takes':44} {'now':>12} {'before':>12}")
    print("\n".join(map(str, lines)))
    return _verdict(lines, expected)


def _expected() -> Expected:
    return msgspec.json.decode(FILE.read_bytes(), type=Expected)


def _stranger() -> str:
    """Return why instructions of this Python are no measure; empty if they are."""
    known, this = _expected().python, platform.python_version()
    return "" if known == this else f"{FILE.name} is of Python {known}"


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
        f"\nOver {expected.tolerance:.0%} more than {FILE.name} has, counted with "
        f"Python {expected.python}: {'; '.join(grown)}.\n"
        "If it is worth that: ./dev bench --check --update"
    )
    return 1
