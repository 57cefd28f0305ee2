"""The pages of the documentation, and the fenced blocks that Sybil finds in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import attrs
from sybil import Document, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

__all__ = ["DOCS", "PAGES", "ROOT", "Fence", "Page"]

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

# What is built is no source, and the steps of the tutorial are files and commands:
# a test of their own follows them by copy and paste.
NOT_HERE: Final = {"_build", "tutorial"}

# The whole line behind the fence, so that one without a language is found, too.
LEXER: Final = RawFencedCodeBlockLexer(
    re.compile(r"[ \t]*(?P<language>[^\n]*?)[ \t]*\n")
)


@final
@attrs.frozen
class Fence:
    """A fenced block of a page."""

    page: str
    """The name of the page, from the root."""

    line: int
    """Where the fence opens, from 1 on."""

    language: str
    """What is written behind the fence."""

    text: str
    """What is in it."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@final
@attrs.frozen
class Page:
    """A file in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Its path, from the root."""
        return self.path.relative_to(ROOT).as_posix()

    def fences(self, language: str | None = None) -> list[Fence]:
        """Return what it shows, of one language or of all, in order."""
        document = Document.parse(str(self.path), _regions)
        fences = [
            Fence(
                self.name,
                example.line,
                example.region.lexemes["language"],
                str(example.parsed),
            )
            for example in document.examples()
        ]
        return [each for each in fences if language in {None, each.language}]


def _regions(document: Document) -> Iterator[Region]:
    """Yield the fenced blocks of *document*, as a parser of Sybil."""
    for region in LEXER(document):
        region.parsed = region.lexemes["source"]
        yield region


def _pages() -> Iterator[Page]:
    yield Page(ROOT / "README.md")
    for path in sorted(DOCS.rglob("*.md")):
        if NOT_HERE.isdisjoint(path.relative_to(DOCS).parts[:-1]):
            yield Page(path)


PAGES: Final = list(_pages())
