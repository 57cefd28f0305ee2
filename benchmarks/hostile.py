"""What a well-behaved client has to bear while two hundred others do harm.

The server, the crowd and the client are processes of their own, at a Unix
socket, with the limits that a server has by default.  The crowd is of one kind
at a time, and has the lowest priority: what is measured is what it makes the
server do, not what it does itself.

    python benchmarks/hostile.py [--json] [--crowd 200] [--seconds 3] [KIND...]

The exit code tells nothing of the verdicts: they are for the reader.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

import acton_trio as acton

ROOT: Final = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from tests.ipc.hostiles import KINDS, GetNumber, News, Prey, Quiet  # noqa: E402 - just found

WORST: Final = 3.0
"""How many times as long as in a quiet hour its answers may take it."""

# Well below what one connection may ask in a second by default, in seconds.
PAUSE: Final = 0.011

# Until a crowd is at its worst, and until the server has got rid of it.
WARM_UP: Final = 1.0
PATIENCE: Final = 60.0

NEWS_EVERY: Final = 0.05


@attrs.frozen
class Ordeal:
    """What the well-behaved client saw of one kind of crowd; a value."""

    kind: str
    answers: int
    failures: int
    """Asks that were not answered, or not in a minute."""

    p50: float
    """Half of the answers came in this time, in seconds."""

    p99: float
    """All answers but one of a hundred came in this time, in seconds."""

    server_load: float
    """How much of one processor the server used: 1 is all of it."""

    stretch: float
    """How long the server worked before it looked who else has said something.

    All such stretches but one of a hundred were shorter, in seconds of its
    processor: unlike the times above, it does not grow with what else the
    machine has to do.
    """


@attrs.frozen
class Verdict:
    """An ordeal compared with a quiet hour; a value."""

    ordeal: Ordeal
    ratio50: float
    ratio99: float

    @classmethod
    def of(cls, ordeal: Ordeal, quiet: Ordeal) -> Verdict:
        """Compare *ordeal* with *quiet*."""
        return cls(ordeal, ordeal.p50 / quiet.p50, ordeal.p99 / quiet.p99)

    @property
    def is_good(self) -> bool:
        """Whether the client may not complain."""
        return self.ratio99 <= WORST and not self.ordeal.failures


# --- the server


@acton.message(ipc=True)
class GetStretch(acton.Request[float]):
    """Asks how long the server worked at a stretch, since it was asked before."""


@acton.actor
class Stretches(trio.abc.Instrument):
    """Tells how long the server works before it looks at its sockets again."""

    since: float = 0.0
    seen: list[float] = attrs.field(factory=list[float])

    def after_io_wait(self, timeout: float) -> None:
        """Begin to count."""
        del timeout
        self.since = time.thread_time()

    def before_io_wait(self, timeout: float) -> None:
        """End."""
        del timeout
        self.seen.append(time.thread_time() - self.since)

    @acton.mutate_on
    def get_stretch(self, _request: GetStretch) -> float:
        """Tell, and begin anew."""
        seen, self.seen = sorted(self.seen), []
        return seen[len(seen) * 99 // 100]


async def serve(path: str) -> None:
    """Serve the prey until killed, with something to broadcast."""
    stretches = Stretches()
    trio.lowlevel.add_instrument(stretches)
    async with acton.open_runtime() as runtime:
        await runtime.start(lambda: stretches, name="stretches", expose=True)
        await runtime.start(Prey, name="prey", expose=True)
        await runtime.start(Quiet, name="quiet", expose=True)
        async with acton.ipc.open_listener(runtime, path=path):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while True:
                await trio.sleep(NEWS_EVERY)
                await runtime.broker.broadcast(News("x" * 1000))


# --- the processes


@contextmanager
def process(*command: str) -> Generator[subprocess.Popen[str]]:
    """Run Python with *command* from the root of the tree, and kill it in the end."""
    with subprocess.Popen(  # noqa: S603 - no shell, and none of it is input
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as running:
        try:
            yield running
            assert running.poll() is None, f"it has ended: {command}"
        finally:
            running.kill()


@contextmanager
def server(path: str) -> Generator[Callable[[], float]]:
    """Run a server; yield what tells how long it has used a processor, in seconds."""
    with process(__file__, "--serve", path) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield lambda: _used(running.pid)


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the client


async def measure(
    path: str, kind: str, seconds: float, used: Callable[[], float]
) -> Ordeal:
    """Ask again and again for some *seconds*, and tell how long each answer took."""
    times: list[float] = []
    failures = 0
    async with acton.ipc.open_client(path) as client:
        quiet = client.actor("quiet")
        await quiet.ask(GetNumber())
        await trio.sleep(WARM_UP)
        await client.actor("stretches").ask(GetStretch())
        begin, load = time.perf_counter(), used()
        while time.perf_counter() < begin + seconds:
            start = time.perf_counter()
            try:
                with trio.fail_after(PATIENCE):
                    await quiet.ask(GetNumber())
            except (acton.AskError, trio.TooSlowError):
                failures += 1
            times.append(time.perf_counter() - start)
            await trio.sleep(PAUSE)
        load = (used() - load) / (time.perf_counter() - begin)
        stretch = await client.actor("stretches").ask(GetStretch())
    percentiles = statistics.quantiles([*times, *times], n=100, method="inclusive")
    p50, p99 = percentiles[49], percentiles[98]
    return Ordeal(kind, len(times) - failures, failures, p50, p99, load, stretch)


def undergo(kinds: Sequence[str], crowd: int, seconds: float) -> Generator[Verdict]:
    """Measure a quiet hour, and then each kind of crowd, each with a new server."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/ipc.sock"
        with server(path) as used:
            quiet = trio.run(measure, path, "quiet", 2 * seconds, used)
        yield Verdict.of(quiet, quiet)
        for kind in kinds:
            hostiles = ("-m", "tests.ipc.hostiles", path, kind, str(crowd))
            with server(path) as used, process(*hostiles):
                yield Verdict.of(trio.run(measure, path, kind, seconds, used), quiet)
        # What this machine makes of it without anybody's doing harm.
        with server(path) as used:
            again = trio.run(measure, path, "quiet again", seconds, used)
        yield Verdict.of(again, quiet)


# --- what is told of it


HEADER: Final = (
    f"{'':16} {'answers':>7} {'p50 ms':>8} {'p99 ms':>8} {'x p50':>7} {'x p99':>7} "
    f"{'server':>6} {'stretch ms':>10}"
)


def line_of(verdict: Verdict) -> str:
    """Return a verdict as a line of the table."""
    ordeal = verdict.ordeal
    words = "good" if verdict.is_good else f"over {WORST:g}x"
    if ordeal.failures:
        words = f"{ordeal.failures} not answered"
    return (
        f"{ordeal.kind:16} {ordeal.answers:7} {ordeal.p50 * 1e3:8.2f} "
        f"{ordeal.p99 * 1e3:8.2f} {verdict.ratio50:7.1f} {verdict.ratio99:7.1f} "
        f"{ordeal.server_load:6.0%} {ordeal.stretch * 1e3:10.2f}  {words}"
    )


def record_of(verdict: Verdict) -> Mapping[str, object]:
    """Return a verdict as a record of the JSON output."""
    ratios = {"ratio50": verdict.ratio50, "ratio99": verdict.ratio99}
    return attrs.asdict(verdict.ordeal) | ratios | {"good": verdict.is_good}


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", action="store_true", help="print records, not a table"
    )
    parser.add_argument("--crowd", type=int, default=200, help="how many there are")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each kind")
    parser.add_argument("--serve", metavar="SOCKET", help=argparse.SUPPRESS)
    parser.add_argument("kinds", metavar="KIND", nargs="*", help=", ".join(KINDS))
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, options.serve)
        return
    verdicts = undergo(options.kinds or [*KINDS], options.crowd, options.seconds)
    if options.json:
        print(json.dumps([record_of(each) for each in verdicts], indent=2))
        return
    print(HEADER)
    for each in verdicts:
        print(line_of(each), flush=True)


if __name__ == "__main__":
    main()
