"""The document and the tests say the same: a sentence each, word for word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "guarantees.md"

# A list item and, on a line of its own, the test that holds it.
PROMISE = re.compile(
    r"^\* (?P<sentence>(?:(?!^\* ).)+?)\n"
    r"  `tests/guarantees/(?P<file>\w+\.py)::(?P<test>\w+)`$",
    re.MULTILINE | re.DOTALL,
)


def written() -> dict[str, str]:
    """Return the sentences of the document by the tests that are named there."""
    return {
        f"{each['file']}::{each['test']}": " ".join(each["sentence"].split())
        for each in PROMISE.finditer(DOCUMENT.read_text(encoding="utf-8"))
    }


def held() -> dict[str, str]:
    """Return the docstrings of all tests in this folder but those of this file."""
    return {
        f"{path.name}::{node.name}": ast.get_docstring(node) or ""
        for path in sorted(HERE.glob("test_*.py"))
        if path != Path(__file__)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if node.name.startswith("test_")
    }


def test_every_test_that_the_document_names_exists() -> None:
    """No promise is without its test."""
    assert sorted(written().keys() - held().keys()) == []


def test_every_test_is_named_in_the_document() -> None:
    """No test is for a promise that is not made."""
    assert sorted(held().keys() - written().keys()) == []


def test_every_test_says_the_sentence_that_it_holds() -> None:
    """The docstring of a test is the sentence, word for word."""
    sentences, docstrings = written(), held()
    for name in sentences.keys() & docstrings.keys():
        assert docstrings[name] == sentences[name]


def test_every_test_is_named_once() -> None:
    """The document names no test twice, and none outside of the list of promises."""
    text = DOCUMENT.read_text(encoding="utf-8")
    names = re.findall(r"tests/guarantees/(\w+\.py::\w+)", text)

    assert sorted(names) == sorted(written())
