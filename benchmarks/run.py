"""Asks all questions, or some by name, and prints what has become of the targets.

Each question runs in a process of its own: ``./dev bench [NAME...]``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import check
from findings import Answer, answer_of
from results import dump, results_of
from targets import TARGETS, Mark, Verdict, verdict

__all__ = ["OTHERS", "QUESTIONS", "judge", "lines_of", "main"]

HERE: Final = Path(__file__).parent

QUESTIONS: Final = (
    "send",
    "ask",
    "spawn",
    "memory",
    "fairness",
    "broadcast",
    "timers",
    "codec",
    "server",
    "stack",
    "scaling",
    "imports",
)
"""All that is asked when nothing is named, in that order."""

OTHERS: Final = ("hostile",)
"""Asked only by name, and no target is theirs: they tell what they find themselves."""


def ask(question: str, *, is_quick: bool) -> Answer | str:
    """Run the file of *question*; return its answer, or why there is none."""
    if not (HERE / f"{question}.py").exists():
        return f"there is no {question}.py"
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "answer.json"
        options = ["--quick"] if is_quick else []
        code = execute(question, "--json", str(told), *options)
        if not told.exists():
            return f"{question}.py has ended with {code}"
        return answer_of(told.read_bytes())


def execute(question: str, *options: str) -> int:
    """Run the file of *question* until it ends; return its exit code."""
    command = [sys.executable, str(HERE / f"{question}.py"), *options]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - no shell, and none of it is input


def lines_of(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the lines of the table of targets."""
    yield f"{'target':40} {'than':28} {'measured':>10}  {'wanted':24} verdict"
    for each in verdicts:
        target = each.target
        yield (
            f"{target.what:40} {target.than:28} {each.shown:>10}  "
            f"{target.wanted:24} {each}"
        )
    counts = {mark: sum(each.mark is mark for each in verdicts) for mark in Mark}
    yield ", ".join(f"{count} {mark}" for mark, count in counts.items())


def judge(
    answers: Mapping[str, Answer], failures: Mapping[str, str], asked: Sequence[str]
) -> list[Verdict]:
    """Return a verdict of each target whose question was asked."""
    return [
        verdict(each, answers)
        if each.question not in failures
        else Verdict(each, Mark.SKIPPED, reason=failures[each.question])
        for each in TARGETS
        if each.question in asked
    ]


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    known = [*QUESTIONS, *OTHERS]
    names = ", ".join(known)
    parser.add_argument("names", metavar="NAME", nargs="*", help=names)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all there")
    parser.add_argument("--quick", action="store_true", help="only a look")
    parser.add_argument("--check", action="store_true", help="count: has it grown?")
    parser.add_argument("--update", action="store_true", help="so it is, with --check")
    options = parser.parse_args(words)
    if options.update and not options.check:
        parser.error("--update belongs to --check")
    strange = [each for each in options.names if each not in known]
    if strange:
        parser.error(f"there is no {' or '.join(strange)}, only {names}")
    return options


def ask_all(
    names: Sequence[str], *, is_quick: bool
) -> tuple[dict[str, Answer], dict[str, str]]:
    """Return the answers by question, and why there is none to the others."""
    answers: dict[str, Answer] = {}
    failures: dict[str, str] = {}
    for name in names:
        answer = ask(name, is_quick=is_quick)
        if isinstance(answer, str):
            failures[name] = answer
        else:
            answers[name] = answer
        print(flush=True)
    return answers, failures


def main() -> None:
    """Do what the command line asks for; exit with 1 if a question has failed."""
    options = options_of()
    if options.check:
        sys.exit(check.run(is_update=options.update))
    for name in set(OTHERS) & {*options.names}:
        execute(name)
    names = [each for each in options.names or QUESTIONS if each not in OTHERS]
    start = time.monotonic()
    answers, failures = ask_all(names, is_quick=options.quick)
    verdicts = judge(answers, failures, names)
    if verdicts:
        print("\n".join(lines_of(verdicts)))
        print(f"in {time.monotonic() - start:.0f} seconds")
    if options.json is not None:
        options.json.write_bytes(dump(results_of(answers.values(), verdicts)))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
