"""Draws how costs grow: per message, with actors, types and connections.

::

    python benchmarks/plots.py    # of the committed run, into docs/plots/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs
from findings import Answer
from results import FILE, Results, load

__all__ = ["FOLDER", "Curve", "Plot", "draw", "of"]

FOLDER: Final = Path(__file__).parents[1] / "docs" / "plots"


@attrs.frozen
class Curve:
    """What one contender costs, the more there are."""

    name: str
    points: Sequence[tuple[int, float]]
    """How many there are, and what an operation costs, in microseconds."""


@attrs.frozen
class Plot:
    """What is drawn into one file."""

    name: str
    """The file's, without its suffix."""

    title: str
    of_what: str
    """What there are more and more of."""

    curves: Sequence[Curve]


def of(results: Results) -> Iterator[Plot]:
    """Yield what can be drawn of a run."""
    answers = {each.question: each for each in results.questions}
    for name, question, title, pattern in _PLOTS:
        answer = answers.get(question)
        curves = _curves(answer, pattern) if answer is not None else []
        if curves:
            yield Plot(name, title, name, curves)


# By name: the question, a title, and what names of contenders look like.
_PLOTS: Final = (
    (
        "actors",
        "scaling",
        "Cost of a message, by number of actors",
        re.compile(r"()([\d,]+) actors"),
    ),
    (
        "types",
        "scaling",
        "Cost of a message, by number of its types",
        re.compile(r"()([\d,]+) types?"),
    ),
    (
        "connections",
        "server",
        "Cost of a call, by number of connections",
        re.compile(r"(.+), ([\d,]+)"),
    ),
)


def _curves(answer: Answer, pattern: re.Pattern[str]) -> list[Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for finding in answer.findings:
        match = pattern.fullmatch(finding.name)
        if match is not None and "each" in finding.rounds:
            many = int(match[2].replace(",", ""))
            cost = finding.median() * 1e6
            points.setdefault(match[1] or "acton_trio", []).append((many, cost))
    return [Curve(name, sorted(each)) for name, each in points.items() if len(each) > 1]


def draw(plot: Plot, file: Path) -> None:
    """Write *plot* as SVG: the same bytes for the same numbers."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    pyplot: Any = import_module("matplotlib.pyplot")
    points = [point for curve in plot.curves for point in curve.points]
    numbers = sorted({number for number, _ in points})
    with pyplot.rc_context({"svg.hashsalt": plot.name, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
        for curve in plot.curves:
            axes.plot(*zip(*curve.points, strict=True), marker="o", label=curve.name)
        axes.set(
            xscale="log", xlabel=plot.of_what, ylabel="microseconds", title=plot.title
        )
        axes.set_ylim(0, 1.1 * max(cost for _, cost in points))
        axes.set_xticks(numbers, [f"{each:,}" for each in numbers])
        axes.minorticks_off()
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        figure.savefig(file, metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    """Draw all that can be drawn of the committed run."""
    FOLDER.mkdir(exist_ok=True)
    for plot in of(load(FILE.read_bytes())):
        draw(plot, FOLDER / f"{plot.name}.svg")
        print(f"{plot.name}.svg")


if __name__ == "__main__":
    main()
