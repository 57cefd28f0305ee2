"""A whole run, as it is committed: where, when, with what, and what was found."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec
from findings import Answer, record_of
from targets import Verdict

__all__ = ["FILE", "Machine", "Results", "Row", "dump", "load", "results_of"]

FILE: Final = Path(__file__).parent / "results" / "latest.json"
"""The run that is committed, and that the pages tell of."""

LIBRARIES: Final = (
    "acton-trio",
    "trio",
    "attrs",
    "cattrs",
    "msgspec",
    "pykka",
    "thespian",
    "xoscar",
    "uvloop",
    "grpcio",
    "pyzmq",
)


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured, and with what."""

    processor: str
    cores: int
    kernel: str
    python: str
    libraries: dict[str, str]
    """Versions by name; of those that were there."""


class Row(msgspec.Struct, frozen=True):
    """What has become of one target, in words."""

    what: str
    than: str
    shown: str
    wanted: str
    verdict: str
    least: str = ""
    """What is measured where no more is done than has to be, if it was."""


class Results(msgspec.Struct, frozen=True):
    """One run."""

    date: str
    machine: Machine
    questions: list[Answer]
    targets: list[Row]


def results_of(answers: Iterable[Answer], verdicts: Iterable[Verdict]) -> Results:
    """Return what was found here and now."""
    rows = [
        Row(
            each.target.what,
            each.target.than,
            each.shown,
            each.target.wanted,
            str(each),
            each.least.shown if each.least is not None else "",
        )
        for each in verdicts
    ]
    return Results(
        datetime.now(UTC).date().isoformat(), _this_machine(), [*answers], rows
    )


def dump(results: Results) -> bytes:
    """Return a run as JSON, with what follows from the rounds beside them."""
    record: Any = msgspec.to_builtins(results)
    record["questions"] = [record_of(each) for each in results.questions]
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def load(text: bytes) -> Results:
    """Return the run that `dump` has written."""
    return msgspec.json.decode(text, type=Results)


def _this_machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        kernel=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        libraries=_versions(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for each in LIBRARIES:
        try:
            found[each] = version(each)
        except PackageNotFoundError:
            continue
    return found
