"""What was measured, as values: medians, spreads, ratios, a table, JSON.

Nothing here measures, or reads a clock.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
import msgspec

__all__ = [
    "EACH",
    "P50",
    "P99",
    "Answer",
    "Figure",
    "Finding",
    "Reading",
    "answer_of",
    "reading_of",
    "record_of",
    "shown",
    "table_of",
]

EACH: Final = "each"
"""What one operation took, on average, in seconds."""

P50: Final = "p50"
"""What half of the operations took at most, in seconds."""

P99: Final = "p99"
"""What all operations but one of a hundred took at most, in seconds."""

Reading = float | Sequence[float] | Mapping[str, float]
"""What one round tells: seconds per operation; a sample of every operation; or
figures by name, where names that `shown` does not know are plain counts."""


def reading_of(reading: Reading) -> Mapping[str, float]:
    """Return what one round tells as figures by name."""
    if isinstance(reading, Mapping):
        return reading
    if isinstance(reading, Sequence):
        percentiles = statistics.quantiles(reading, n=100, method="inclusive")
        mean = statistics.fmean(reading)
        return {EACH: mean, P50: percentiles[49], P99: percentiles[98]}
    return {EACH: reading}


@attrs.frozen
class Figure:
    """Names one figure of an answer."""

    contender: str
    metric: str = EACH


@attrs.frozen
class Finding:
    """What was found of one contender."""

    name: str
    rounds: dict[str, list[float]] = attrs.Factory(dict[str, "list[float]"])
    """The figures by name, one of each round."""

    skipped: str = ""
    """Why nothing was found."""

    def median(self, metric: str = EACH) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds[metric])

    def spread(self, metric: str = EACH) -> float:
        """Return what lies between the quartiles of the rounds, in their unit."""
        return _spread(self.rounds[metric])


def _spread(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return third - first


@attrs.frozen
class Answer:
    """What was found for one question, in rounds that all contenders were in."""

    question: str
    """Name of its file, without the suffix."""

    title: str
    floor: str
    """Name of the contender that the others are shown relative to."""

    findings: list[Finding]

    def find(self, name: str) -> Finding | None:
        """Return what was found of that contender, if it is one."""
        return next((each for each in self.findings if each.name == name), None)

    def ratios(self, figure: Figure, reference: Figure) -> list[float]:
        """Return how many times as large as *reference* it is, in each round.

        Empty if there is not one round that has both.
        """
        upper = self._rounds(figure)
        lower = self._rounds(reference)
        return [a / b for a, b in zip(upper, lower, strict=False) if b]

    def ratio(self, figure: Figure, reference: Figure) -> float | None:
        """Return the median of the ratios of the rounds, if there are any."""
        ratios = self.ratios(figure, reference)
        return statistics.median(ratios) if ratios else None

    def value(self, figure: Figure) -> float | None:
        """Return the median of a figure, if there is one."""
        rounds = self._rounds(figure)
        return statistics.median(rounds) if rounds else None

    def _rounds(self, figure: Figure) -> Sequence[float]:
        finding = self.find(figure.contender)
        return finding.rounds.get(figure.metric, ()) if finding else ()


# --- told to people, and to programs


def shown(value: float, metric: str) -> str:
    """Return a figure with its unit."""
    if metric == "bytes":
        return f"{value:,.0f} B"
    if metric not in {EACH, P50, P99}:
        return f"{value:,.4g}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.2f} us"


def table_of(answer: Answer) -> Iterator[str]:
    """Yield the lines of a table: each figure, its spread, its ratio to the floor.

    Where there are samples the median is theirs, and p99 is beside it.
    """
    yield f"{answer.question}: {answer.title}"
    yield f"  {'':32} {'median':>11} {'spread':>7} {'x floor':>8} {'p99':>11}"
    for finding in answer.findings:
        if finding.skipped:
            yield f"  {finding.name:32} skipped: {finding.skipped}"
        for metric in finding.rounds:
            if metric != P99 and not (metric == EACH and P50 in finding.rounds):
                yield _line(answer, finding, metric)


def _line(answer: Answer, finding: Finding, metric: str) -> str:
    name = finding.name if metric in {EACH, P50} else f"{finding.name}: {metric}"
    median = finding.median(metric)
    spread = f"{finding.spread(metric) / median:.0%}" if median else ""
    ratio = answer.ratio(Figure(finding.name, metric), Figure(answer.floor, metric))
    times = "" if ratio is None else f"{ratio:.2f}"
    p99 = shown(finding.median(P99), P99) if metric == P50 else ""
    line = f"  {name:32} {shown(median, metric):>11} {spread:>7} {times:>8} {p99:>11}"
    return line.rstrip()


def record_of(answer: Answer) -> dict[str, object]:
    """Return an answer for JSON, with what follows from it beside each figure."""
    return {
        "question": answer.question,
        "title": answer.title,
        "floor": answer.floor,
        "findings": [_finding_record(answer, each) for each in answer.findings],
    }


def _finding_record(answer: Answer, finding: Finding) -> dict[str, object]:
    if finding.skipped:
        return {"name": finding.name, "skipped": finding.skipped}
    return {
        "name": finding.name,
        "rounds": finding.rounds,
        "median": {each: finding.median(each) for each in finding.rounds},
        "spread": {each: finding.spread(each) for each in finding.rounds},
        "ratio": {
            each: answer.ratio(Figure(finding.name, each), Figure(answer.floor, each))
            for each in finding.rounds
        },
    }


def answer_of(text: bytes) -> Answer:
    """Return the answer that `record_of` has made the JSON of."""
    return msgspec.json.decode(text, type=Answer)
