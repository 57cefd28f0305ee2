"""The command line of questions that others than ours can be left out of."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from findings import Answer, record_of
from harness import QUICK_ROUNDS

__all__ = ["parser_of", "rounds_and_seconds", "tell"]

QUICKER: Final = 4
"""How many times shorter a run is when only a look is wanted."""


def parser_of(title: str, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """Return what reads the options that such questions share."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it there")
    parser.add_argument("--quick", action="store_true", help="only a look")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="of each run")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="leave others out")
    parser.add_argument(
        "--also",
        nargs="*",
        default=[],
        metavar="NAME=FOLDER",
        help="ours as it is in another tree of this repository",
    )
    return parser


def rounds_and_seconds(options: argparse.Namespace) -> tuple[int, float]:
    """Return how many rounds there are, and how long a run is."""
    rounds: int = options.rounds
    seconds: float = options.seconds
    if options.quick:
        return min(rounds, QUICK_ROUNDS), seconds / QUICKER
    return rounds, seconds


def tell(answer: Answer, lines: Iterable[str], file: Path | None) -> None:
    """Print what was found, and write it into a file, if one is wanted."""
    print("\n".join([f"{answer.question}: {answer.title}", *lines]), flush=True)
    if file is not None:
        file.write_text(json.dumps(record_of(answer), indent=1) + "\n")
