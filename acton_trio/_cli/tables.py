"""Tables: rows of cells, made into lines that fit a width.

Nothing here knows what a terminal is; `screens` does.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from .text import clipped, padded, width_of

__all__ = ["Column", "Row", "Table", "Tone", "lines_of"]

_GAP: Final = "  "


class Tone(enum.Enum):
    """What is to be seen of a row at a glance, where there are colours."""

    PLAIN = ""
    BUSY = "cyan"
    IDLE = "dim"
    BAD = "bold red"
    CHANGING = "yellow"


@attrs.frozen
class Column:
    """What stands one below the other."""

    title: str
    is_number: bool = False
    least: int = 0
    """To how many columns of text it shrinks where there is no room; 0: it does not."""


@attrs.frozen
class Row:
    """What stands side by side: a cell for each column."""

    cells: tuple[str, ...]
    tone: Tone = Tone.PLAIN


@attrs.frozen
class Table:
    """Titles, and what stands below; the cells are `clean`."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]

    def without_empty(self, *titles: str) -> Table:
        """Return it without the columns of these titles that nothing stands in."""
        kept = [
            number
            for number, each in enumerate(self.columns)
            if each.title not in titles or any(row.cells[number] for row in self.rows)
        ]
        return Table(
            tuple(self.columns[number] for number in kept),
            [
                attrs.evolve(row, cells=tuple(row.cells[number] for number in kept))
                for row in self.rows
            ],
        )


def lines_of(table: Table, width: int | None = None) -> Iterator[str]:
    """Yield the lines of *table*, none of them wider than *width*.

    Args:
        table: What is to be shown.
        width: How many columns of text there are; by default as many as it takes.
    """
    titles = Row(tuple(each.title for each in table.columns))
    widths = _widths_of([titles, *table.rows])
    if width is not None:
        _shrink(widths, table.columns, width)
    for row in [titles, *table.rows]:
        cells = (
            padded(cell, each, to_right=column.is_number)
            for cell, each, column in zip(row.cells, widths, table.columns, strict=True)
        )
        line = _GAP.join(cells).rstrip()
        yield line if width is None else clipped(line, width)


def _widths_of(rows: Sequence[Row]) -> list[int]:
    columns = zip(*(row.cells for row in rows), strict=True)
    return [max(map(width_of, column)) for column in columns]


def _shrink(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Take what is too much from those columns that have it, the last one first."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for number in reversed(range(len(columns))):
        least = columns[number].least
        if excess > 0 and 0 < least < widths[number]:
            taken = min(excess, widths[number] - least)
            widths[number] -= taken
            excess -= taken
