"""Writes what the committed run has found into ``docs/performance.md``.

Between two markers, so that the page says what was measured and nothing else::

    ./dev bench --json benchmarks/results/latest.json
    python benchmarks/report.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import plots
from findings import HEADING, Answer, rows_of
from results import FILE, Results, load

__all__ = ["BEGIN", "END", "PAGE", "render", "replaced"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"

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
        (each.what, each.than, each.shown, each.wanted, each.verdict)
        for each in results.targets
    ]
    heading = ("what", "next to", "measured", "wanted (ambitious)", "verdict")
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
    """Write the page anew."""
    results = load(FILE.read_bytes())
    page = PAGE.read_text("utf-8")
    PAGE.write_text(replaced(page, render(results)), "utf-8")


if __name__ == "__main__":
    main()
