"""A server that is used for a long time in every way there is, as a process.

    python -m tests.soak.service SOCKET

It prints ``ready`` when it listens, serves until a signal comes, and prints in
the end what was logged that should not have been.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, final

import attrs
import trio

import acton_trio as acton
from acton_trio.ipc import (
    IpcConfig,
    IpcListener,
    IpcRateLimit,
    IpcShutdown,
    IpcTimeouts,
)

from ..ipc.hostiles import News, Prey, Quiet

__all__ = ["CHILDREN", "Add", "Count", "Fail", "Measure", "Sample"]

CHILDREN: Final = 4

# Those that stall are cut off some time; nobody else is that slow, in seconds.
CONFIG: Final = IpcConfig(
    rate_limit=IpcRateLimit(enabled=False),
    timeouts=IpcTimeouts(write_timeout=10),
    shutdown=IpcShutdown(drain_timeout=120),
)

# As often as anybody can make it fail.
GENEROUS: Final = acton.RestartLimit(
    max_restarts=100_000, window=10, initial_backoff=0.001, max_backoff=0.01
)


@acton.message(ipc=True)
class Sample:
    """What the server takes at one moment; a value."""

    rss: int
    """Memory, in bytes."""

    descriptors: int
    tasks: int
    connections: int
    in_flight: int
    counted: dict[str, int]
    """What its listener has counted so far."""


@acton.message(ipc=True)
class Measure(acton.Request[Sample]):
    """Asks what the server takes."""


@acton.message(ipc=True)
class Add(acton.Request[int]):
    """Adds to the sum, and asks for it."""

    number: int


@acton.message(ipc=True)
class Fail(acton.Request[int]):
    """Makes the actor fail, and be restarted."""


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int


@final
@acton.actor
class Sampler:
    """Tells what the server takes."""

    measure_now: Callable[[], Sample]

    @acton.act_on
    def measure(self, _request: Measure) -> Sample:
        """Tell."""
        return self.measure_now()


@final
@acton.actor
class Child:
    """Adds, counts, and fails."""

    total: int = 0

    @acton.mutate_on
    def add(self, request: Add) -> int:
        """Add."""
        self.total += request.number
        return self.total

    @acton.mutate_on
    def fail(self, _request: Fail) -> int:
        """Fail."""
        msg = "as it was told to"
        raise LookupError(msg)

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count up."""
        for number in range(request.upto):
            yield number


@final
@acton.actor
class Crew:
    """Supervises the children."""

    @acton.after_start
    async def begin(self, ctx: acton.Context) -> None:
        """Start them."""
        for number in range(CHILDREN):
            name = f"child-{number}"
            await ctx.supervise(Child, name=name, restart_limit=GENEROUS, expose=name)


def _measure(listener: IpcListener) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    counted = listener.statistics()
    return Sample(
        rss=pages * os.sysconf("SC_PAGE_SIZE"),
        descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        tasks=_tasks_below(trio.lowlevel.current_root_task()),
        connections=counted.connections_active,
        in_flight=counted.in_flight_requests,
        counted=attrs.asdict(counted),
    )


def _tasks_below(task: trio.lowlevel.Task | None) -> int:
    """Return how many there are, but for those of actors: one has it when it needs it."""
    assert task is not None
    children = [each for n in task.child_nurseries for each in n.child_tasks]
    others = (each for each in children if not each.name.startswith("actor "))
    return sum(1 for _ in others) + sum(map(_tasks_below, children))


async def _live(runtime: acton.Runtime) -> None:
    """Broadcast, and show and hide an actor, all the while."""
    quiet = runtime.find("quiet")
    assert quiet is not None
    while True:
        runtime.ipc_expose("fickle", quiet)
        await trio.sleep(0.02)
        await runtime.broker.broadcast(News("x" * 500))
        runtime.ipc_hide("fickle")
        await trio.sleep(0.02)


async def serve(path: str) -> None:
    """Serve until a signal comes."""
    errors = _Errors()
    async with acton.open_runtime() as runtime:
        await runtime.start(Prey, name="prey", expose=True)
        await runtime.start(Quiet, name="quiet", expose=True)
        await runtime.start(Crew, name="crew")
        async with acton.ipc.open_listener(runtime, CONFIG, path=path) as listener:
            measure = lambda: _measure(listener)  # noqa: E731 - no name says more
            await runtime.start(Sampler, measure, name="sampler", expose=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_live, runtime)
                say("ready")
                await runtime.wait_for_signal()
                nursery.cancel_scope.cancel()
    say(json.dumps(errors.lines))


def say(line: str) -> None:
    """Have it heard."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Errors(logging.Handler):
    """Keeps what is logged that is somebody's mistake; lives as long as the server."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())
        # Of what is less, nothing is written: the children fail all the time.
        logging.basicConfig(handlers=[self], level=logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(self.format(record))


if __name__ == "__main__":
    trio.run(serve, sys.argv[1])
