"""What a server of ours bears, beside others that speak the same frames.

All of them do the same typed work for the same load generator, one after the
other and again in the next round.  The processor time of both sides tells which
of the two was at its limit: 1.00 is one whole processor.

    python benchmarks/server.py [--rounds 5] [--seconds 0.4] [--only NAME...]
        [--shapes 64 64x16 ...] [--also NAME=FOLDER ...]

``--also`` measures our server in another tree of this repository beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Final

from findings import EACH, P50, P99, Answer
from harness import Contender, Plan, Question, measure
from load.generator import SOURCE, Load, Shape, load
from options import parser_of, rounds_and_seconds, tell
from peers import ACTON, ECHO, SERVERS, Peer
from processes import HERE, Running, compiled, end_on_sigterm, running
from tables import Column, Table

SHAPES: Final = (
    Shape(1, 1),
    Shape(8, 1),
    Shape(64, 1),
    Shape(512, 1),
    Shape(1, 16),
    Shape(64, 16),
)

ALONE: Final = SHAPES[0]
"""Under this load, one of the two sides always waits: see `Running.confine`."""

BESIDE: Final = ("asyncio streams", "Node", "uvloop Protocol")
"""Those that ratios are told to."""

ROUNDS: Final = 5
TITLE: Final = "Typed RPC over a Unix socket, 100 bytes, one load generator"

SECONDS: Final = 0.4
"""How long a run is."""

# Before its time runs.
_WARM_UP: Final = 0.1

SERVER_CPU: Final = "server CPU"
LOAD_CPU: Final = "load generator CPU"


class Field:
    """Servers that run, and a load generator; lives as long as its *stack*."""

    def __init__(self, stack: ExitStack, seconds: float) -> None:
        self._stack = stack
        self._seconds = seconds
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Compiled, or started, when they are used first.
        self._load = cache(partial(compiled, SOURCE, self._folder))
        self._server = cache(self._start)

    def _start(self, peer: Peer) -> tuple[Path, Running]:
        path = self._folder / f"{peer.name.replace(' ', '-')}.sock"
        command = peer.program.command(path)
        if peer.name == ECHO:
            command[0] = compiled(HERE / "servers" / "echo.c", self._folder)
        program = running(command, peer.program.tree)
        return path, self._stack.enter_context(program)

    def run(self, peer: Peer, shape: Shape) -> dict[str, float]:
        """Put a server under load for a while, and return what was seen."""
        path, server = self._server(peer)
        generator = self._load()
        server.confine(to_one=shape == ALONE)
        seen = load(
            generator, path, server.pid, shape, warm_up=_WARM_UP, seconds=self._seconds
        )
        return reading(seen)


def reading(seen: Load) -> dict[str, float]:
    """Return what the load generator has seen, in seconds."""
    return {
        EACH: 1 / seen.calls_per_second,
        P50: seen.p50_us / 1e6,
        P99: seen.p99_us / 1e6,
        SERVER_CPU: seen.server_share,
        LOAD_CPU: seen.load_share,
    }


def contenders(
    stack: ExitStack, peers: Sequence[Peer], shapes: Sequence[Shape], seconds: float
) -> list[Contender]:
    """Return every server under every load."""
    field = Field(stack, seconds)
    return [
        Contender(
            named(peer.name, shape),
            partial(field.run, peer, shape),
            needs=peer.modules,
            programs=("cc", *peer.programs),
        )
        for shape in shapes
        for peer in peers
    ]


def named(peer: str, shape: Shape) -> str:
    """Return what a server under a load is called."""
    return f"{peer}, {shape}"


def _everything(plan: Plan) -> list[Contender]:
    return contenders(plan.stack, SERVERS, SHAPES, SECONDS / plan.quicker)


QUESTION: Final = Question(
    "server", TITLE, named("asyncio streams", ALONE), _everything, rounds=ROUNDS
)


# --- told to people


COLUMNS: Final = (
    Column("calls/s", lambda found: 1 / found.median()),
    Column("p50 us", lambda found: found.median(P50) * 1e6, 1),
    Column("p99 us", lambda found: found.median(P99) * 1e6, 1),
    # Moves least of all with what else the machine has to do.
    Column(
        "us of CPU", lambda found: found.median(SERVER_CPU) * found.median() * 1e6, 1
    ),
    Column("server", lambda found: found.median(SERVER_CPU), 2),
    Column("load", lambda found: found.median(LOAD_CPU), 2),
)


def tables(
    answer: Answer, peers: Sequence[Peer], shapes: Sequence[Shape]
) -> Iterator[str]:
    """Yield the lines of a table for each load."""
    for shape in shapes:
        rows = {each.name: named(each.name, shape) for each in peers}
        table = Table(shape.words, rows, COLUMNS, BESIDE, EACH, is_speed=True)
        yield from table.lines(answer)
        yield ""


def other_tree(text: str) -> Peer:
    """Return our server as it is in another tree; *text* is ``NAME=FOLDER``."""
    name, _, folder = text.partition("=")
    return Peer(name, ACTON.program.in_tree(folder))


def main() -> None:
    """Do what the command line asks for."""
    parser = parser_of(TITLE, ROUNDS, SECONDS)
    parser.add_argument("--shapes", nargs="*", type=Shape.parse, default=SHAPES)
    options = parser.parse_args()
    end_on_sigterm()
    rounds, seconds = rounds_and_seconds(options)
    wanted = options.only or [each.name for each in SERVERS]
    peers = [each for each in SERVERS if each.name in wanted]
    peers += map(other_tree, options.also)
    with ExitStack() as stack:
        everybody = contenders(stack, peers, options.shapes, seconds)
        findings = measure(everybody, rounds)
    answer = Answer(QUESTION.name, TITLE, QUESTION.floor, findings)
    tell(answer, tables(answer, peers, options.shapes), options.json)


if __name__ == "__main__":
    main()
