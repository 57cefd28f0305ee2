"""Measures contenders side by side, in interleaved rounds.

Absolute times move with the machine and its other tenants.  The ratio of two
contenders moves far less if each round has both, and no round begins with the
same one: that is what is compared.

A question is one file::

    def contenders(plan: Plan) -> list[Contender]:
        count = plan.count(50_000)
        return [
            Contender("bare", partial(bare, count)),
            Contender("send", in_trio(sends, count)),
            Contender("pykka", partial(pykka_tells, count), needs=["pykka"]),
        ]


    QUESTION = Question("send", "What a send costs", "bare", contenders)

    if __name__ == "__main__":
        QUESTION.main()
"""

from __future__ import annotations

import argparse
import asyncio  # noqa: TID251 - peers live there
import gc
import importlib.util
import json
import shutil
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, ParamSpec

import attrs
import trio
from findings import Answer, Finding, Reading, reading_of, record_of, table_of

__all__ = [
    "Contender",
    "Plan",
    "Question",
    "in_asyncio",
    "in_trio",
    "measure",
]

P = ParamSpec("P")

ROUNDS: Final = 7
"""How often each contender is measured."""

QUICK_ROUNDS: Final = 3
QUICKER: Final = 10
"""How many times less is done in a round when only a look is wanted."""


@attrs.frozen
class Contender:
    """One thing to be measured; built without doing anything yet."""

    name: str
    run: Callable[[], Reading]
    """Is one round: seconds per operation, a sample of each operation, or more.

    It looks at the clock itself, so that nothing is counted but what is meant; with
    what is in `samples`.
    """

    needs: Sequence[str] = ()
    """Modules without which it is skipped."""

    programs: Sequence[str] = ()
    """Programs without which it is skipped."""

    def hindrance(self) -> str:
        """Return why it cannot run here; empty if it can."""
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed"
        for program in self.programs:
            if shutil.which(program) is None:
                return f"there is no {program} here"
        return ""


@attrs.frozen
class Plan:
    """How a question is asked this time; lives as long as that takes."""

    stack: ExitStack
    """Closes what contenders have opened for all their rounds, as servers."""

    quicker: int = 1
    """How many times less is done in a round, where a look is enough."""

    def count(self, operations: int) -> int:
        """Return how many operations a round is, *operations* as a rule."""
        return max(operations // self.quicker, 2)


@attrs.frozen
class Question:
    """What a file of this folder asks, and the contenders that answer it."""

    name: str
    """The file's, without its suffix."""

    title: str
    floor: str
    """Name of the contender that the others are shown relative to."""

    contenders: Callable[[Plan], Sequence[Contender]]
    rounds: int = ROUNDS

    def answer(self, rounds: int | None = None, quicker: int = 1) -> Answer:
        """Measure all contenders, in interleaved rounds."""
        with ExitStack() as stack:
            contenders = self.contenders(Plan(stack, quicker))
            findings = measure(contenders, rounds or self.rounds)
        return Answer(self.name, self.title, self.floor, findings)

    def main(self) -> None:
        """Answer as the command line asks for: a table, and perhaps JSON."""
        parser = argparse.ArgumentParser(description=self.title)
        parser.add_argument("--json", type=Path, metavar="FILE", help="write it there")
        parser.add_argument("--quick", action="store_true", help="only a look")
        parser.add_argument("--rounds", type=int, help=f"instead of {self.rounds}")
        options = parser.parse_args()
        rounds = min(self.rounds, QUICK_ROUNDS) if options.quick else self.rounds
        quicker = QUICKER if options.quick else 1
        answer = self.answer(options.rounds or rounds, quicker)
        print("\n".join(table_of(answer)), flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(record_of(answer), indent=1) + "\n")


def measure(contenders: Sequence[Contender], rounds: int) -> list[Finding]:
    """Have each contender run once in each round; no round begins with the same.

    What cannot run here, or fails, is left out, and its finding says why.
    """
    findings = [Finding(each.name, skipped=each.hindrance()) for each in contenders]
    able = [each for each in contenders if not each.hindrance()]
    found = {each.name: each for each in findings}
    for number in range(rounds):
        start = number % len(able) if able else 0
        for each in [*able[start:], *able[:start]]:
            if not found[each.name].skipped:
                found[each.name] = _with_round(found[each.name], each)
    return list(found.values())


def _with_round(finding: Finding, contender: Contender) -> Finding:
    try:
        with _tidy():
            reading = reading_of(contender.run())
    except Exception as error:  # noqa: BLE001 - the others go on
        traceback.print_exc()
        words = " ".join(str(error).split())[:60]
        return Finding(finding.name, skipped=f"failed, {type(error).__name__}: {words}")
    rounds = dict(finding.rounds)
    for metric, value in reading.items():
        rounds[metric] = [*rounds.get(metric, ()), value]
    return attrs.evolve(finding, rounds=rounds)


@contextmanager
def _tidy() -> Generator[None]:
    """Let nobody pay for the garbage of others, and everybody for their own."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


# --- what contenders are written with


def in_trio(
    run: Callable[P, Awaitable[Reading]], *args: P.args, **kwargs: P.kwargs
) -> Callable[[], Reading]:
    """Return what runs an async function, with these arguments, in a new trio run."""

    async def main() -> Reading:
        return await run(*args, **kwargs)

    return lambda: trio.run(main)


def in_asyncio(
    run: Callable[P, Coroutine[object, object, Reading]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Callable[[], Reading]:
    """Return what runs an async function in a new event loop of asyncio."""
    return lambda: asyncio.run(run(*args, **kwargs))
