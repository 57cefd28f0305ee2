"""What `docs/howto/unit-testing.md` shows of leaks is what is said about them."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final
from unittest.mock import patch

from .pages import ROOT, Page

PAGE: Final = Page(ROOT / "docs" / "howto" / "unit-testing.md")


def test_leaks_of_the_page_are_those_that_are_found() -> None:
    """Word for word, if the reader has the actor in a file of that name."""
    [shown] = PAGE.fences("text")
    names: dict[str, Any] = {"__name__": "test_shop"}
    # A rejection has its name for good, and the page is run elsewhere, too.
    with patch.dict("acton_trio._messages.declare._rejections", clear=True):
        for each in takewhile(
            lambda each: each.line < shown.line, PAGE.fences("python")
        ):
            exec(compile(each.text, "test_shop.py", "exec", dont_inherit=True), names)

    assert f"{names['caught'].value}\n" == shown.text
