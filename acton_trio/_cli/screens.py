"""Where tables are shown: once, or again and again in the same place."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, final

import attrs

from .output import Output
from .rates import data_of
from .tables import Table, lines_of
from .views import Screen, View, page_of

__all__ = ["open_screen", "show_table"]

_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_HIDE_CURSOR: Final = "\x1b[?25l"
_SHOW_CURSOR: Final = "\x1b[?25h"


@final
@attrs.frozen
class _Record:
    """For scripts: a line of JSON for each view."""

    output: Output

    def show(self, view: View) -> None:
        self.output.data(data_of(view.standings, view.taken_at))


@final
@attrs.define
class _Paper:
    """Where nothing can be taken back: one view below the other."""

    output: Output
    is_begun: bool = attrs.field(default=False, init=False)

    def show(self, view: View) -> None:
        if self.is_begun:
            self.output.line()
        self.is_begun = True
        for line in page_of(view, self.output.width, None):
            self.output.line(line)


@final
@attrs.frozen
class _Terminal:
    """A terminal, and nothing else to help: each view over the one before."""

    output: Output

    def show(self, view: View) -> None:
        output = self.output
        page = page_of(view, output.width, output.height)
        # All at once, so that no half of a view is seen.
        text = "\n".join(f"{line}{_CLEAR_LINE}" for line in page)
        output.write(f"{_HOME}{text}\n{_CLEAR_BELOW}")


@contextmanager
def open_screen(output: Output) -> Generator[Screen, None, None]:
    """Have a place for views that follow one another, as long as the block."""
    if output.as_json:
        yield _Record(output)
    elif not output.is_terminal:
        yield _Paper(output)
    elif _has_rich():
        from .colours import open_live_screen  # noqa: PLC0415 - an extra

        with open_live_screen(output) as screen:
            yield screen
    else:
        output.write(_HIDE_CURSOR + _HOME + _CLEAR_BELOW)
        try:
            yield _Terminal(output)
        finally:
            output.write(_SHOW_CURSOR)


def show_table(table: Table, output: Output) -> None:
    """Show *table* once."""
    if output.has_colours and _has_rich():
        from .colours import print_table  # noqa: PLC0415 - an extra

        print_table(table, output)
        return
    for line in lines_of(table, output.width):
        output.line(line)


def _has_rich() -> bool:
    return find_spec("rich") is not None
