"""The same tables with colours, where the extra ``cli`` is installed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, final

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from .output import Output
from .tables import Row, Table, Tone, lines_of
from .views import Screen, View, page_of

__all__ = ["open_live_screen", "print_table"]

_TITLES: Final = "bold"


def print_table(table: Table, output: Output) -> None:
    """Show *table* once."""
    console = _console_for(output)
    lines = list(lines_of(table, output.width))
    console.print(_coloured(lines, table.rows, above=1), soft_wrap=True)


@contextmanager
def open_live_screen(output: Output) -> Generator[Screen, None, None]:
    """Have a place where views are seen one after another, as long as the block."""
    # Without a thread of its own: it is drawn when there is something new.
    live = Live(
        console=_console_for(output),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        yield _LiveScreen(output, live)


@final
@attrs.frozen
class _LiveScreen:
    output: Output
    live: Live

    def show(self, view: View) -> None:
        lines = list(page_of(view, self.output.width, self.output.height))
        text = _coloured(lines, view.table.rows, above=2)
        self.live.update(text, refresh=True)


def _console_for(output: Output) -> Console:
    return Console(
        file=output.out,
        no_color=not output.has_colours,
        force_terminal=True,
        width=output.width,
        height=output.height,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _coloured(lines: Sequence[str], rows: Sequence[Row], *, above: int) -> Text:
    """Return *lines* in the colours of their rows, which begin below some others."""
    text = Text(no_wrap=True, overflow="crop")
    tones = [*[None] * above, *(each.tone for each in rows)]
    for number, (line, tone) in enumerate(zip(lines, tones, strict=False)):
        text.append("\n" if number else "")
        text.append(line, _TITLES if tone is None else _style_of(tone))
    return text


def _style_of(tone: Tone) -> str | None:
    return tone.value or None
