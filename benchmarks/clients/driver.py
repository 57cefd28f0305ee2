"""What every client of the comparison does when it is told to, and what it tells.

A client is started with the path of a socket, says ``ready``, and then reads one
line after the other: ``sequential 0.3``, one call after the other for so many
seconds, or ``flight 0.3``, always `IN_FLIGHT` calls.  It answers each line with one
line of JSON, and ends with its input.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

from servers.desk import report_ready

__all__ = [
    "IN_FLIGHT",
    "Window",
    "WrongAnswerError",
    "drive",
    "time_calls",
    "wait_calls",
]

IN_FLIGHT: Final = 64
"""Calls that one client has in flight, where it has many."""

# What does not count at the beginning of each turn, in seconds.
_WARM_UP: Final = 0.05


class WrongAnswerError(ValueError):
    """An answer was wrong."""


class Window:
    """Counts what is answered in a span of time, and tells when that is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls = 0
        self._begin = time.perf_counter() + _WARM_UP
        self._end = self._begin + seconds

    def count(self, quantity: int) -> bool:
        """Count an answer; return whether to go on.

        Raises:
            WrongAnswerError: If that is not what is answered.
        """
        check(quantity)
        now = time.perf_counter()
        self.calls += self._begin <= now < self._end
        return now < self._end


def check(quantity: int) -> None:
    """Look whether an order was really handled."""
    if quantity != 8:
        msg = f"a quantity of {quantity}"
        raise WrongAnswerError(msg)


def time_calls(call: Callable[[], int], seconds: float) -> list[float]:
    """Return how long each of many calls has taken, in seconds."""
    begin = time.perf_counter() + _WARM_UP
    samples: list[float] = []
    while True:
        start = time.perf_counter()
        check(call())
        end = time.perf_counter()
        if end > begin + seconds:
            return samples
        if start >= begin:
            samples.append(end - start)


async def wait_calls(call: Callable[[], Awaitable[int]], seconds: float) -> list[float]:
    """Do the same with an async function."""
    begin = time.perf_counter() + _WARM_UP
    samples: list[float] = []
    while True:
        start = time.perf_counter()
        check(await call())
        end = time.perf_counter()
        if end > begin + seconds:
            return samples
        if start >= begin:
            samples.append(end - start)


def drive(
    sequential: Callable[[float], list[float]],
    flight: Callable[[float], Window] | None = None,
) -> None:
    """Do what the standard input says, until it ends.

    Args:
        sequential: Calls for some seconds, and returns what `time_calls` does.
        flight: Has many calls in flight for some seconds.
    """
    report_ready()
    for line in sys.stdin:
        what, _, seconds = line.partition(" ")
        cpu = time.process_time()
        if what == "sequential":
            told = _told(sequential(float(seconds)))
        elif flight is not None:
            window = flight(float(seconds))
            told = {"each": window.seconds / window.calls}
        else:
            raise ValueError(what)
        told["cpu"] = (time.process_time() - cpu) / (float(seconds) + _WARM_UP)
        print(json.dumps(told), flush=True)


def _told(samples: list[float]) -> dict[str, float]:
    percentiles = statistics.quantiles(samples, n=100, method="inclusive")
    return {
        "each": statistics.fmean(samples),
        "p50": percentiles[49],
        "p99": percentiles[98],
    }
