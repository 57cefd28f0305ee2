"""What a call costs where both ends are Python, beside other stacks.

Each end is a process of its own, and stays for all rounds.

    python benchmarks/stack.py [--rounds 5] [--seconds 0.3] [--only NAME...]
        [--also NAME=FOLDER ...]

``--also`` measures both of our ends in another tree of this repository beside them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Final

from findings import EACH, P50, P99, Answer
from harness import Contender, Plan, Question, measure
from options import parser_of, rounds_and_seconds, tell
from peers import STACKS, Stack
from processes import Running, end_on_sigterm, running
from tables import Column, Table

ROUNDS: Final = 5
TITLE: Final = "Whole stacks, both ends in Python, 100 bytes"
SEQUENTIAL: Final = "sequential"
FLIGHT: Final = "64 in flight"

SECONDS: Final = 0.3
"""How long a run is."""

BESIDE: Final = ("blocking sockets", "asyncio streams", "zmq REQ/REP", "gRPC")
BESIDE_FLIGHT: Final = ("gRPC", "zmq DEALER", "asyncio streams")
"""Those that ratios are told to."""

CLIENT_CPU: Final = "client CPU"
SERVER_CPU: Final = "server CPU"


class Field:
    """Servers and their clients, which run; lives as long as its *stack*."""

    def __init__(self, stack: ExitStack, seconds: float) -> None:
        self._stack = stack
        self._seconds = seconds
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._ends = cache(self._start)

    def _start(self, stack: Stack) -> tuple[Running, Running]:
        name = stack.name.translate(str.maketrans(" /", "--"))
        path = self._folder / f"{name}.sock"
        server, client = (
            self._stack.enter_context(running(each.command(path), each.tree))
            for each in (stack.server, stack.client)
        )
        return server, client

    def run(self, stack: Stack, how: str) -> dict[str, float]:
        """Have a client call as it is told, and return what it has told."""
        server, client = self._ends(stack)
        for end in (server, client):
            end.confine(to_one=how == SEQUENTIAL)
        start, used = time.perf_counter(), server.cpu()
        client.write(f"{how} {self._seconds}\n")
        told: dict[str, float] = json.loads(client.read_line(self._seconds))
        share = (server.cpu() - used) / (time.perf_counter() - start)
        cpu = {CLIENT_CPU: told.pop("cpu"), SERVER_CPU: share}
        return {**told, **cpu}


def contenders(
    stack: ExitStack, stacks: Sequence[Stack], seconds: float
) -> list[Contender]:
    """Return every stack, with one call after the other and with many in flight."""
    field = Field(stack, seconds)
    sequential = [
        Contender(each.name, partial(field.run, each, SEQUENTIAL), each.modules)
        for each in stacks
        if each.sequential
    ]
    flight = [
        Contender(
            in_flight(each.name), partial(field.run, each, "flight"), each.modules
        )
        for each in stacks
        if each.flight
    ]
    return sequential + flight


def in_flight(name: str) -> str:
    """Return what a stack with many calls in flight is called."""
    return f"{name}, {FLIGHT}"


def _everything(plan: Plan) -> list[Contender]:
    return contenders(plan.stack, STACKS, SECONDS / plan.quicker)


QUESTION: Final = Question(
    "stack", TITLE, "blocking sockets", _everything, rounds=ROUNDS
)


# --- told to people


_P50: Final = Column("p50 us", lambda found: found.median(P50) * 1e6, 1)
_P99: Final = Column("p99 us", lambda found: found.median(P99) * 1e6, 1)
_SPEED: Final = Column("calls/s", lambda found: 1 / found.median())
_CPU: Final = (
    Column("client", lambda found: found.median(CLIENT_CPU), 2),
    Column("server", lambda found: found.median(SERVER_CPU), 2),
)


def tables(answer: Answer, stacks: Sequence[Stack]) -> Iterator[str]:
    """Yield the lines of two tables: times of single calls, and speeds of many."""
    single = {each.name: each.name for each in stacks if each.sequential}
    many = {each.name: in_flight(each.name) for each in stacks if each.flight}
    columns = (_P50, _P99, *_CPU)
    yield from Table("one after the other", single, columns, BESIDE, P50).lines(answer)
    yield ""
    yield from Table(
        FLIGHT, many, (_SPEED, *_CPU), BESIDE_FLIGHT, EACH, is_speed=True
    ).lines(answer)


def other_tree(text: str) -> Stack:
    """Return our stack as it is in another tree; *text* is ``NAME=FOLDER``."""
    name, _, folder = text.partition("=")
    ends = (STACKS[0].server.in_tree(folder), STACKS[0].client.in_tree(folder))
    return Stack(name, *ends)


def main() -> None:
    """Do what the command line asks for."""
    options = parser_of(TITLE, ROUNDS, SECONDS).parse_args()
    end_on_sigterm()
    rounds, seconds = rounds_and_seconds(options)
    wanted = options.only or [each.name for each in STACKS]
    stacks = [each for each in STACKS if each.name in wanted]
    stacks += map(other_tree, options.also)
    with ExitStack() as stack:
        findings = measure(contenders(stack, stacks, seconds), rounds)
    answer = Answer(QUESTION.name, TITLE, QUESTION.floor, findings)
    tell(answer, tables(answer, stacks), options.json)


if __name__ == "__main__":
    main()
