"""The fuzzer, by hand: ``python -m tests.fuzz.run --seconds 3600``.

Level 1 reads streams with a `Connection`, level 2 sends them to a server; with
neither named both are run, most of the frames by level 1.  Every case has a
seed, one more than the case before it.  What fails is printed with its seed,
and ``--level 1 --seed 1234 --frames 1`` runs that case alone, as long as the
grammar stays what it is.
"""

# ruff: noqa: T201 - printing is what it does

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, final

import attrs

from .dialogues import play, shrink
from .grammar import Case
from .siege import besiege

__all__ = ["Run", "main"]

# Of so many frames, the server has to read one; it takes as long for that.
SHARE: Final = 50

# After as many failures the rest would say no more.
ENOUGH: Final = 5

_LEVELS: Final[Mapping[int, Callable[[int], int]]] = {
    1: lambda seed: play(Case.of(seed)),
    2: besiege,
}


@final
@attrs.define
class Run:
    """A run of the fuzzer; lives until it has done enough."""

    seed: int
    """Of the first case, at either level."""

    frames: float
    """How many frames are enough."""

    seconds: float = float("inf")
    levels: Sequence[int] = (1, 2)
    failures: list[str] = attrs.field(factory=list[str], init=False)
    read: dict[int, int] = attrs.field(init=False)
    """How many frames were read, by level."""

    _cases: dict[int, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.read = dict.fromkeys(self.levels, 0)
        self._cases = dict.fromkeys(self.levels, 0)

    @property
    def total(self) -> int:
        """How many frames were read so far."""
        return sum(self.read.values())

    def go_on(self) -> None:
        """Run cases until there was enough of anything."""
        end = time.monotonic() + self.seconds
        while self.total < self.frames and time.monotonic() < end:
            level = self.levels[0]
            if len(self.levels) > 1 and self.read[2] * SHARE <= self.read[1]:
                level = 2
            self._run(level, self.seed + self._cases[level])
            self._cases[level] += 1
            if len(self.failures) == ENOUGH:
                return

    def _run(self, level: int, seed: int) -> None:
        try:
            self.read[level] += _LEVELS[level](seed)
        except KeyboardInterrupt:
            print(f"interrupted: level {level}, seed {seed}")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            # A case that fails counts, or nothing might ever be enough.
            self.read[level] += 1
            self.failures.append(_described(level, seed, error))
            print(self.failures[-1], flush=True)


def _described(level: int, seed: int, error: Exception) -> str:
    lines = [
        f"--- level {level}, seed {seed}",
        "".join(traceback.format_exception(error)),
        f"again: python -m tests.fuzz.run --level {level} --seed {seed} --frames 1",
    ]
    if level == 1:
        # What cannot even be made cannot be made smaller.
        with suppress(Exception):
            lines += _shortened(Case.of(seed), error)
    return "\n".join(lines)


def _shortened(case: Case, error: Exception) -> list[str]:
    shortest = shrink(case, error)
    limit = "the default" if case.limit is None else case.limit
    return [
        f"read by: the {case.role.value}, whose limit is {limit}",
        f"bytes ({len(shortest)}): {shortest[:2000].hex()}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--frames", type=float, help="stop after as many frames")
    parser.add_argument("--seconds", type=float, help="stop after as much time")
    parser.add_argument("--seed", type=int, help="of the first case; else any")
    parser.add_argument("--level", type=int, choices=[1, 2], help="one of the two")
    options = parser.parse_args(arguments)
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
    endless = float("inf")
    frames = options.frames or (endless if options.seconds else 1_000_000)
    levels = (options.level,) if options.level else (1, 2)
    run = Run(seed, frames, options.seconds or endless, levels)
    print(f"seed {seed}", flush=True)
    start = time.monotonic()
    try:
        run.go_on()
    finally:
        _report(run, time.monotonic() - start)
    return 1 if run.failures else 0


def _report(run: Run, seconds: float) -> None:
    shares = ", ".join(f"{n} at level {level}" for level, n in run.read.items())
    print(f"{run.total} frames ({shares}) in {seconds:.1f} s", end=": ")
    print(f"{run.total / seconds:.0f} frames/s, {len(run.failures)} failures")


if __name__ == "__main__":
    sys.exit(main())
