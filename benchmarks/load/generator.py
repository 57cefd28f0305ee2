"""Runs the load generator, and reads what it tells."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["Load", "Shape", "load", "read"]

SOURCE: Final = Path(__file__).with_name("load.c")
"""The program; one for all servers."""

MOST_CALLS: Final = 2_000_000
"""How many calls end a run before its time is over."""

# For the start, the warm-up of a slow server and the sorting, in seconds.
_PATIENCE: Final = 30.0


class Shape(msgspec.Struct, frozen=True):
    """How a server is asked; a value."""

    connections: int
    depth: int
    """Requests in flight on each connection."""

    def __str__(self) -> str:
        return f"{self.connections}" + f" x {self.depth}" * (self.depth > 1)

    @property
    def words(self) -> str:
        """The same in words."""
        plural = "s" * (self.connections > 1)
        return f"{self.connections} connection{plural}, {self.depth} deep"

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Return what ``64x16`` or ``64`` means.

        Raises:
            ValueError: If it means nothing.
        """
        connections, _, depth = text.partition("x")
        return cls(int(connections), int(depth or 1))


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run of the load generator has seen; a value."""

    calls: int
    errors: int
    """Answers that were no success, or not what was asked for."""

    seconds: float
    calls_per_second: float

    p50_us: float
    p99_us: float
    max_us: float
    """The longest answer, or the longest wait for one that has not come yet."""

    load_cpu: float
    """Processor time of the load generator, in seconds."""

    server_cpu: float
    """Processor time of the server in the same time, in seconds."""

    @property
    def server_share(self) -> float:
        """How much of one processor the server has used: 1 is all of it."""
        return self.server_cpu / self.seconds

    @property
    def load_share(self) -> float:
        """How much of one processor the load generator has used."""
        return self.load_cpu / self.seconds


def read(output: bytes, complaint: bytes = b"") -> Load:
    """Return what the load generator has printed.

    Args:
        output: On its standard output.
        complaint: On its standard error: the first answer that was wrong.

    Raises:
        msgspec.ValidationError: If it is something else.
        ValueError: If there was not one call, or not every answer was right.
    """
    seen = msgspec.json.decode(output, type=Load)
    if not seen.calls or seen.errors:
        msg = f"{seen.errors} errors in {seen.calls} calls: {complaint.decode()}"
        raise ValueError(msg)
    return seen


def load(
    program: Path, path: Path, pid: int, shape: Shape, *, warm_up: float, seconds: float
) -> Load:
    """Ask the server *pid* at *path* for some *seconds*, after a *warm_up*.

    Raises:
        RuntimeError: If the server did not do what it should.
        subprocess.TimeoutExpired: If it took far too long.
    """
    numbers = (pid, shape.connections, shape.depth, warm_up, seconds, MOST_CALLS)
    done = subprocess.run(  # noqa: S603 - no shell, and none of it is input
        [program, path, *map(str, numbers)],
        capture_output=True,
        timeout=warm_up + seconds + _PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip())
    return read(done.stdout, done.stderr)
