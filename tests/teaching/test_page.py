"""The page on common mistakes."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"


def test_page_on_mistakes_shows_what_is_said() -> None:
    """Each block of text on the page is what the program above it prints."""
    names: dict[str, object] = {"__name__": "mistakes"}
    blocks = re.findall(
        r"^```(python|text)\n(.*?)^```",
        PAGE.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    printed = ""

    for kind, block in blocks:
        if kind == "text":
            assert printed == block
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
        printed = re.sub(r"\(\S+:\d+\)", "(app.py:1)", out.getvalue())
