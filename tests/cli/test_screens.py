"""Views that follow one another: on a terminal, in a file, for a script."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

import attrs
import pytest

from acton_trio._cli import screens
from acton_trio._cli.failures import OutputError
from acton_trio._cli.output import Output, ReaderGoneError
from acton_trio._cli.screens import open_screen, show_table
from acton_trio._cli.tables import Column, Row, Table, Tone
from acton_trio._cli.views import View, page_of


def view(*names: str) -> View:
    """Return what is to be seen of these."""
    rows = [Row((each,), Tone.BAD) for each in names]
    return View(f"{len(names)} actors", Table((Column("ACTOR", least=4),), rows), [], 0)


def terminal(**more: Any) -> Output:
    """Return a terminal of twenty columns and six lines."""
    plain = Output(io.StringIO(), io.StringIO(), width=20, height=6, is_terminal=True)
    return attrs.evolve(plain, **more)


def shown_on(output: Output, views: Sequence[View]) -> str:
    """Return what is written for *views*."""
    with open_screen(output) as screen:
        for each in views:
            screen.show(each)
    return cast("io.StringIO", output.out).getvalue()


def test_file_has_one_view_below_the_other() -> None:
    """And nothing that only a terminal understands."""
    text = shown_on(Output(io.StringIO(), io.StringIO()), [view("a"), view("b")])

    assert text == "1 actors\nACTOR\na\n\n1 actors\nACTOR\nb\n"


def test_terminal_has_each_view_over_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lines are cleared to their ends, and what is below; the cursor comes back."""
    monkeypatch.setattr(screens, "_has_rich", lambda: False)

    text = shown_on(terminal(), [view("a", "b"), view("c")])

    first, second = text.split("\x1b[H")[2:]
    assert first == "2 actors\x1b[K\nACTOR\x1b[K\na\x1b[K\nb\x1b[K\n\x1b[J"
    assert second == "1 actors\x1b[K\nACTOR\x1b[K\nc\x1b[K\n\x1b[J\x1b[?25h"
    assert text.startswith("\x1b[?25l")


def test_cursor_comes_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is the usual end."""
    monkeypatch.setattr(screens, "_has_rich", lambda: False)
    output = terminal()

    with pytest.raises(KeyboardInterrupt), open_screen(output):
        raise KeyboardInterrupt

    assert cast("io.StringIO", output.out).getvalue().endswith("\x1b[?25h")


def test_page_has_no_more_than_fits() -> None:
    """The last line is left to the cursor."""
    page = list(page_of(view(*"abcdefgh"), 5, 6))

    assert page == ["8 act", "ACTOR", "a", "b", "c"]


def test_colours_change_nothing_but_colours() -> None:
    """Each row in that of its tone; titles and headline are bold."""
    pytest.importorskip("rich")
    plain, coloured = terminal(), terminal(has_colours=True)
    table = Table((Column("ACTOR"),), [Row(("[b]a[/b] :smile:",), Tone.BAD)])

    show_table(table, plain)
    show_table(table, coloured)

    text = cast("io.StringIO", coloured.out).getvalue()
    assert cast("io.StringIO", plain.out).getvalue() == "ACTOR\n[b]a[/b] :smile:\n"
    assert text == "\x1b[1mACTOR\x1b[0m\n\x1b[1;31m[b]a[/b] :smile:\x1b[0m\n"


def test_live_screen_shows_each_view_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lines as without rich, and only where it is a terminal."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")

    text = shown_on(terminal(has_colours=True), [view("a"), view("b")])

    assert "\x1b[1;31ma\x1b[0m\r\x1b[2K" in text
    assert text.endswith("\x1b[1;31mb\x1b[0m\n\x1b[?25h")
    assert "\x1b[1A\x1b[2K" in text


def test_live_screen_does_without_colours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who want none have it in place all the same."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")

    text = shown_on(terminal(), [view("a"), view("b")])

    assert "\x1b[1A\x1b[2K" in text
    assert "31m" not in text


class _Broken(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(BrokenPipeError(32, "Broken pipe"), ReaderGoneError, id="pipe"),
        pytest.param(OSError(28, "No space left"), OutputError, id="disk"),
    ],
)
def test_output_that_cannot_be_written_is_told_apart(
    error: OSError, expected: type[Exception]
) -> None:
    """A reader that has had enough is no error, a full disk is."""
    with pytest.raises(expected):
        Output(_Broken(error), io.StringIO()).line("x")
