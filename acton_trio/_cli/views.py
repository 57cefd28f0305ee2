"""Views: what is to be seen at one moment, whatever it is seen on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import attrs

from .rates import Standing
from .tables import Table, lines_of

__all__ = ["Screen", "View", "page_of"]


@attrs.frozen
class View:
    """What is to be seen at one moment."""

    headline: str
    table: Table
    standings: Sequence[Standing]
    taken_at: float
    """When, on the clock of the service."""


class Screen(Protocol):
    """Where views are shown one after another."""

    def show(self, view: View) -> None:
        """Show *view*, in place of the one before if that is possible."""
        ...


def page_of(view: View, width: int | None, height: int | None) -> Iterator[str]:
    """Yield the lines of *view* that fit in *width* columns and *height* lines."""
    yield view.headline[:width]
    # The last line is the cursor's.
    room = None if height is None else max(height - 3, 1)
    yield from lines_of(attrs.evolve(view.table, rows=view.table.rows[:room]), width)
