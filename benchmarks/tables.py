"""Tables for people: one row for each contender, and its ratios to some others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
from findings import Answer, Figure, Finding

__all__ = ["Column", "Table"]


@attrs.frozen
class Column:
    """One number of each row."""

    title: str
    number: Callable[[Finding], float]
    digits: int = 0

    @property
    def width(self) -> int:
        """How many characters it takes."""
        return max(len(self.title), 8)

    def shown(self, finding: Finding) -> str:
        """Return the number."""
        return f"{self.number(finding):{self.width}.{self.digits}f}"


@attrs.frozen
class Table:
    """Some of what was found, and how it is shown."""

    title: str
    rows: Mapping[str, str]
    """What each row is called, and which contender it is."""

    columns: Sequence[Column]
    beside: Sequence[str]
    """The rows that ratios are told to; those that are not there are left out."""

    metric: str
    """What the ratios are of."""

    is_speed: bool = False
    """Whether a ratio is told of how fast it is, not of how long it takes."""

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the table, line by line."""
        beside = [name for name in self.beside if name in self.rows]
        titles = [f"{each.title:>{each.width}}" for each in self.columns]
        titles += [f"x {name}" for name in beside]
        yield "  ".join([f"{self.title:26}", *titles])
        for name, contender in self.rows.items():
            finding = answer.find(contender)
            if finding is None or self.metric not in finding.rounds:
                yield f"{name:26}  skipped: {finding.skipped if finding else '-'}"
                continue
            cells = [each.shown(finding) for each in self.columns]
            cells += [self._ratio(answer, contender, other) for other in beside]
            yield "  ".join([f"{name:26}", *cells])

    def _ratio(self, answer: Answer, contender: str, other: str) -> str:
        pair = (contender, self.rows[other])
        upper, lower = reversed(pair) if self.is_speed else pair
        ratio = answer.ratio(Figure(upper, self.metric), Figure(lower, self.metric))
        text = "-" if ratio is None else f"{ratio:.2f}"
        return f"{text:>{len(other) + 2}}"
