"""Writes what the committed run has found into the pages that tell of it.

Between two markers, so that the page says what was measured and nothing else::

    ./dev bench --json benchmarks/results/latest.json
    python benchmarks/report.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import plots
from findings import EACH, HEADING, P50, Answer, Figure, rows_of, shown
from results import FILE, Results, load

__all__ = ["BEGIN", "END", "PAGE", "README", "render", "replaced", "summary"]

_ROOT: Final = Path(__file__).parents[1]

PAGE: Final = _ROOT / "docs" / "performance.md"
README: Final = _ROOT / "README.md"

BEGIN: Final = "<!-- written by benchmarks/report.py: begin -->"
END: Final = "<!-- written by benchmarks/report.py: end -->"


def render(results: Results) -> str:
    """Return what the page says of a run: targets, plots, and all figures."""
    parts = [
        _origin(results),
        "### What was aimed at",
        _targets(results),
        *(f"![{plot.title}](plots/{plot.name}.svg)" for plot in plots.of(results)),
        "### What was measured",
        *(part for answer in results.questions for part in _question(answer)),
    ]
    return "\n\n".join(parts)


PEERS: Final = ("asyncio.Queue", "textbook trio", "pykka", "xoscar")
"""Actors that the first table of the summary has beside ours."""

INSIDE: Final = (
    ("a message sent and handled", "send", "send", P50),
    ("a question asked and answered", "ask", "ask", P50),
    ("an actor started, asked and stopped", "spawn", "start, ask, stop", P50),
    ("memory of an actor in use", "memory", "used", "bytes"),
)
"""Its rows: what, which question, which contender is ours, which figure."""

STACKS: Final = (
    "acton_trio",
    "acton_trio BlockingClient",
    "asyncio streams",
    "zmq REQ/REP",
    "gRPC",
)
SERVERS: Final = ("acton_trio", "asyncio streams", "uvloop streams", "Node")
"""What the second table has, with both ends in Python, and under one load."""


def summary(results: Results) -> str:
    """Return what the front page says of a run."""
    return "\n\n".join(
        [
            _origin(results),
            "\n".join(_inside(results)),
            "\n".join(_between(results)),
        ]
    )


def _inside(results: Results) -> Iterator[str]:
    rows = [
        [
            what,
            *(
                _median(results, question, each, metric)
                for each in (ours, *(_named(peer, metric) for peer in PEERS))
            ),
        ]
        for what, question, ours, metric in INSIDE
    ]
    yield from _table(["in one process", "acton_trio", *PEERS], rows)


def _named(peer: str, metric: str) -> str:
    return f"{peer}, used" if metric == "bytes" else peer


def _between(results: Results) -> Iterator[str]:
    calls = [
        (f"a call, both ends in Python: {each}", _median(results, "stack", each, P50))
        for each in STACKS
    ]
    loads = [
        (
            f"a call from one of 64 connections, at the server: {each}",
            _median(results, "server", f"{each}, 64", EACH),
        )
        for each in SERVERS
    ]
    yield from _table(["between processes", "takes"], [*calls, *loads])


def _median(results: Results, question: str, contender: str, metric: str) -> str:
    for answer in results.questions:
        if answer.question == question:
            value = answer.value(Figure(contender, metric))
            if value is not None:
                return shown(value, metric)
    return "-"


def replaced(page: str, block: str) -> str:
    """Return *page* with *block* between its markers.

    Raises:
        ValueError: If it has not both.
    """
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        msg = f"the page has no {END if found else BEGIN}"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def _origin(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {each}" for name, each in machine.libraries.items())
    return (
        f"Measured on {results.date}: {machine.processor}, {machine.cores} cores, "
        f"{machine.kernel}, Python {machine.python}; {versions}."
    )


def _targets(results: Results) -> str:
    rows = [
        (each.what, each.than, each.shown, each.least, each.wanted, each.verdict)
        for each in results.targets
    ]
    heading = (
        "what",
        "next to",
        "measured",
        "the least",
        "wanted (ambitious)",
        "verdict",
    )
    return "\n".join(_table(heading, rows))


def _question(answer: Answer) -> Iterator[str]:
    yield f"**{answer.question}**: {answer.title}"
    # What is counted beside the times is for those who ask themselves.
    rows = [
        [*cells, *[""] * (len(HEADING) - len(cells))]
        for cells in rows_of(answer)
        if ": " not in cells[0] or cells[0].endswith(": bytes")
    ]
    yield "\n".join(_table(HEADING, rows))


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(each.replace('|', '/') for each in row)} |"


def main() -> None:
    """Write both pages anew."""
    results = load(FILE.read_bytes())
    for path, block in (PAGE, render(results)), (README, summary(results)):
        path.write_text(replaced(path.read_text("utf-8"), block), "utf-8")


if __name__ == "__main__":
    main()
