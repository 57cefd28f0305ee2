"""Text that a terminal shows as it is, in as many columns as it was given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from acton_trio._cli.text import clean, clipped, json_of, padded, width_of

TEXTS = st.text(st.characters())  # surrogates, too: Python has them in file names


@given(TEXTS)
def test_clean_text_is_one_printable_line(text: str) -> None:
    """Nothing in it moves a cursor, is unseen, or ends the line."""
    shown = clean(text)

    assert shown.isprintable()
    assert text == shown or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("till", "till", id="plain"),
        pytest.param("Größe 価格 😀", "Größe 価格 😀", id="letters"),
        pytest.param("\x1b[31m", r"\x1b[31m", id="escape"),
        pytest.param("\x9b31m", r"\x9b31m", id="C1"),
        pytest.param("a\rb\nc\td", r"a\rb\nc\td", id="lines"),
        pytest.param("\x7f\0", r"\x7f\x00", id="DEL and NUL"),
        pytest.param("\u202egnp", r"\u202egnp", id="direction"),
        pytest.param("a\u200bb\u2028c", r"a\u200bb\u2028c", id="unseen"),
        pytest.param("\ud800", r"\ud800", id="surrogate"),
        pytest.param("\U000e0041", r"\U000e0041", id="tag"),
    ],
)
def test_what_is_not_plainly_seen_is_escaped(text: str, shown: str) -> None:
    """And what is seen is left alone."""
    assert clean(text) == shown


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists))
def test_json_that_is_shown_means_the_same(value: Any) -> None:
    """It is escaped as JSON itself escapes."""
    text = json_of(value)

    assert text.isprintable()
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\xff\0", id="bytes"),
        pytest.param({(1, 2): 3}, id="key"),
        pytest.param(object(), id="object"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(2**70, id="number"),
    ],
)
@pytest.mark.parametrize("indent", [0, 2])
def test_what_json_has_no_word_for_is_shown_all_the_same(
    value: object, indent: int
) -> None:
    """An answer that was given is worth being seen."""
    json.loads(json_of([value], indent=indent))


def test_json_as_deep_as_it_goes_is_shown_all_the_same() -> None:
    """As little of it as there is room for."""
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]

    assert json_of(deep)


@given(st.text(), st.integers(0, 20))
def test_clipped_text_fits(text: str, width: int) -> None:
    """And is the text if that does."""
    shown = clipped(clean(text), width)

    assert width_of(shown) <= width
    assert shown == clean(text) or width_of(clean(text)) > width


@given(st.text(), st.integers(0, 20), st.booleans())
def test_padded_text_takes_exactly_its_width(
    text: str,
    width: int,
    to_right: bool,  # noqa: FBT001 - drawn
) -> None:
    """Whatever letters it is made of."""
    assert width_of(padded(clean(text), width, to_right=to_right)) == width
