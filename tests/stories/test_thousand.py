"""A service of a thousand actors under load is told to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import attrs
import trio

import acton_trio as acton
from acton_trio.ipc import open_client

from .thousand import Add

SERVICE = Path(__file__).with_name("thousand.py")
ACTORS = 1000
CLIENTS = 8

# So long that only what hangs takes it, in seconds.
PATIENCE = 120


@attrs.define
class Process:
    """The service, as a process."""

    path: Path
    popen: subprocess.Popen[str]
    output: IO[str]

    def end(self) -> dict[str, Any]:
        """Wait for its end, and return what it tells of it."""
        told: dict[str, Any] = json.loads(self.output.read())
        assert self.popen.wait(PATIENCE) == 0
        assert not self.path.exists()
        return told


@contextmanager
def service(folder: Path, *arguments: str) -> Generator[Process]:
    """Run the service, and end it with the block, if nothing else has."""
    path = folder / "ipc.sock"
    command = [sys.executable, str(SERVICE), str(path), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        try:
            assert popen.stdout.readline() == "ready\n"
            yield Process(path, popen, popen.stdout)
        finally:
            popen.kill()


async def ask_on(
    path: Path, first: int, outcomes: Counter[str], many: trio.Event
) -> None:
    """Ask one actor after another, until the service answers no more."""
    async with open_client(path) as client:
        number = first
        while True:
            outcomes["asked"] += 1
            try:
                await client.actor(f"a{number % ACTORS}").ask(Add(1))
            except acton.AskError as error:
                outcomes[type(error).__name__] += 1
                if isinstance(error, acton.PeerLostError):
                    return
            else:
                outcomes["answered"] += 1
                if outcomes["answered"] >= ACTORS:
                    many.set()
            number += 1


async def test_every_ask_is_answered_or_told_why(tmp_path: Path) -> None:
    """SIGTERM under load: no ask is left alone, and no answer is made up."""
    outcomes, many = Counter[str](), trio.Event()

    with service(tmp_path, str(ACTORS)) as process, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            for number in range(CLIENTS):
                first = number * ACTORS // CLIENTS
                nursery.start_soon(ask_on, process.path, first, outcomes, many)
            await many.wait()
            process.popen.send_signal(signal.SIGTERM)
        told = process.end()

    told_why = sum(count for name, count in outcomes.items() if name.endswith("Error"))
    assert outcomes["asked"] == outcomes["answered"] + told_why
    assert outcomes["answered"] <= told["handled"]
    # What was handled and could not be answered: at most what was under way.
    assert told["handled"] - outcomes["answered"] <= CLIENTS
    assert len(told["report"]["drained"]) == ACTORS
    assert told["report"]["overran"] == []


def test_handler_that_refuses_to_end_is_waited_for_and_named(
    tmp_path: Path,
) -> None:
    """The service ends when it does; the report names it, its line, and the time."""
    with service(tmp_path, "3", "2.5") as process:
        process.popen.send_signal(signal.SIGTERM)
        report = process.end()["report"]

    (late,) = report["overran"]
    assert (late["actor"], late["handler"]) == ("a2", "Adder.refuse")
    assert late["line"].partition(":")[0] == str(SERVICE)
    assert late["seconds"] >= 2.4
    assert report["drained"] == ["a1", "a0"]
