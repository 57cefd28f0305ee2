"""A server under mixed traffic for a long time: ``python -m tests.soak.run 600``.

The server and each part of the traffic are processes of their own, at a Unix
socket.  What the server takes is looked at all the while: its memory, its
descriptors, its tasks.  In the end it is told to stop amid a request.  The exit
code is 1 if anything has grown, got lost, or is left.

Nothing depends on how fast it all goes: a slow machine does less in the time.
"""

# ruff: noqa: T201 - printing is what it does

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, final

import attrs
import trio

from acton_trio.ipc import Client, open_client

from ..ipc.hostiles import Hold
from .service import Measure, Sample
from .traffic import KNOWN
from .verdicts import (
    MIB,
    complaints_of_accounts,
    complaints_of_rest,
    complaints_of_samples,
)

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[2]

PROCESSES: Final = 2

# So many samples of a run, unless that were too often, in seconds.
SAMPLES: Final = 500
EVERY: Final = 0.2

# So long that only what hangs takes it, in seconds.
PATIENCE: Final = 300.0


@contextmanager
def process(module: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run a module of this package, and end it with the block, if nothing else has."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.soak.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@final
@attrs.define
class Soak:
    """One run; lives until the server is down."""

    path: Path
    seconds: float
    samples: list[Sample] = attrs.field(factory=list[Sample], init=False)
    asked: Counter[str] = attrs.field(factory=Counter[str], init=False)
    ends: Counter[str] = attrs.field(factory=Counter[str], init=False)
    complaints: list[str] = attrs.field(factory=list[str], init=False)

    def run(self) -> None:
        """Start the server, make traffic, stop it all, and note what is wrong."""
        with process("service", str(self.path)) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n", "the server did not start"
            trio.run(self._use, server)
            logged, _ = server.communicate(timeout=PATIENCE)
        if server.returncode:
            self.complaints.append(f"the server's exit code is {server.returncode}")
        else:
            lines: list[str] = json.loads(logged)
            self.complaints += [f"the server has logged: {each}" for each in lines]
        if self.path.exists():
            self.complaints.append("the socket is still there")

    async def _use(self, server: subprocess.Popen[str]) -> None:
        async with open_client(self.path) as client:
            before = await client.actor("sampler").ask(Measure())
            await self._make_traffic(client)
            await self._wait_for_rest(client, before)
            self.complaints += complaints_of_samples(self.samples)
            self.complaints += complaints_of_accounts(self.asked, self.ends, KNOWN)
            await self._stop_amid_a_request(client, server)

    async def _make_traffic(self, client: Client) -> None:
        with ExitStack() as stack:
            traffic = [
                stack.enter_context(process("traffic", str(self.path), f"{seed}"))
                for seed in range(PROCESSES)
            ]
            await self._look_on(client)
            for each in traffic:
                told = await trio.to_thread.run_sync(_last_words, each)
                if told is None:
                    self.complaints.append("traffic has failed, or hangs")
                else:
                    self.asked.update(told["asked"])
                    self.ends.update(told["ends"])

    async def _look_on(self, client: Client) -> None:
        """Take samples, once there is traffic."""
        sampler = client.actor("sampler")
        while (await sampler.ask(Measure())).connections < PROCESSES:  # noqa: ASYNC110
            # Nothing of this process tells that another one has begun.
            await trio.sleep(EVERY)
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            self.samples.append(await sampler.ask(Measure()))
            await trio.sleep(max(self.seconds / SAMPLES, EVERY))

    async def _wait_for_rest(self, client: Client, before: Sample) -> None:
        """Wait until nobody is left of those who have gone."""
        end = time.monotonic() + PATIENCE
        while True:
            now = await client.actor("sampler").ask(Measure())
            complaints = [*complaints_of_rest(before, now)]
            if not complaints or time.monotonic() > end:
                self.complaints += complaints
                return
            await trio.sleep(EVERY)

    async def _stop_amid_a_request(
        self, client: Client, server: subprocess.Popen[str]
    ) -> None:
        """Have it drain: what is asked already is answered."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.actor("quiet").ask, Hold(2))
            await trio.sleep(EVERY)
            server.send_signal(signal.SIGTERM)


def _last_words(traffic: subprocess.Popen[str]) -> Any:
    try:
        told, _ = traffic.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(told) if traffic.returncode == 0 else None


def report(soak: Soak) -> None:
    """Print what was seen."""
    samples = soak.samples
    tenth = max(len(samples) // 10, 1)
    print(f"{'':>8} {'MiB':>7} {'descriptors':>12} {'tasks':>6} {'connections':>12}")
    for number in range(0, len(samples), tenth):
        each = samples[number]
        print(
            f"{number / len(samples):8.0%} {each.rss / MIB:7.1f} "
            f"{each.descriptors:12} {each.tasks:6} {each.connections:12}"
        )
    for title, counted in (("sent", soak.asked), ("ended", soak.ends)):
        numbers = ", ".join(f"{name} {n}" for name, n in counted.most_common())
        print(f"{title}: {numbers}")
    last = samples[-1].counted if samples else {}
    print(f"counted: {', '.join(f'{name} {n}' for name, n in last.items())}")
    for complaint in soak.complaints:
        print(f"WRONG: {complaint}")
    print("failed" if soak.complaints else "all is well")


def main() -> int:
    """Soak for as many seconds as the command line says; return 1 if it is not well."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    if not Path("/proc/self/statm").exists():
        print("what a process takes cannot be seen here: it needs Linux")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder) / "ipc.sock", seconds)
        soak.run()
    report(soak)
    return 1 if soak.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
