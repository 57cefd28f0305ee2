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
    "HEADING",
    "P50",
    "P99",
    "Answer",
    "Figure",
    "Finding",
    "Reading",
    "answer_of",
    "reading_of",
    "record_of",
    "rows_of",
    "shown",
    "table_of",
    "times",
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


def times(ratio: float) -> str:
    """Return a ratio with the digits that matter."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def shown(value: float, metric: str) -> str:
    """Return a figure with its unit."""
    if metric == "bytes":
        return f"{value:,.0f} B"
    if metric not in {EACH, P50, P99}:
        return f"{value:,.4g}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.2f} us"


HEADING: Final = ("", "each", "p50", "p99", "spread", "x floor")
"""What the cells of a row are."""


def rows_of(answer: Answer) -> Iterator[Sequence[str]]:
    """Yield the cells of each row: a contender, or a count of one.

    Spread and ratio are of the median where there are samples, which moves less
    with what else the machine has to do than the mean.
    """
    for finding in answer.findings:
        if finding.skipped:
            yield (finding.name, f"skipped: {finding.skipped}")
        if EACH in finding.rounds:
            yield _times(answer, finding)
        for metric in finding.rounds:
            if metric not in {EACH, P50, P99}:
                yield _count(answer, finding, metric)


def table_of(answer: Answer) -> Iterator[str]:
    """Yield the lines of a table for people."""
    yield f"{answer.question}: {answer.title}"
    for name, *cells in (HEADING, *rows_of(answer)):
        yield f"  {name:32}{' '.join(f'{each:>11}' for each in cells)}".rstrip()


def _times(answer: Answer, finding: Finding) -> Sequence[str]:
    medians = {each: finding.median(each) for each in finding.rounds}
    metric = P50 if P50 in finding.rounds else EACH
    return (
        finding.name,
        *(
            shown(medians[each], each) if each in medians else ""
            for each in (EACH, P50, P99)
        ),
        *_relations(answer, finding, metric),
    )


def _count(answer: Answer, finding: Finding, metric: str) -> Sequence[str]:
    count = shown(finding.median(metric), metric)
    relations = _relations(answer, finding, metric)
    return (f"{finding.name}: {metric}", count, "", "", *relations)


def _relations(answer: Answer, finding: Finding, metric: str) -> Sequence[str]:
    median = finding.median(metric)
    ratio = answer.ratio(Figure(finding.name, metric), Figure(answer.floor, metric))
    if ratio is None and metric == P50:
        ratio = answer.ratio(Figure(finding.name, P50), Figure(answer.floor, EACH))
    return (
        f"{finding.spread(metric) / median:.0%}" if median else "",
        "" if ratio is None else times(ratio),
    )


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
