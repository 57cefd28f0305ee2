"""What the docstrings of the package show runs."""

from __future__ import annotations

import ast
import doctest
import io
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from inspect import iscoroutinefunction
from types import CodeType
from typing import Final
from unittest.mock import patch

import pytest
import trio
from trio.testing import MockClock

from .literals import DOCSTRINGS, Docstring
from .stages import STAGES, Example

# What is drawn, not written in any language.
DRAWINGS: Final = {
    "acton_trio": "the layers",
    "acton_trio._kernel.life": "the life of an incarnation",
    "acton_trio._runtime.scope": "the tasks of a runtime",
    "acton_trio._wire.states": "the states of a connection",
}

TABLE_OF_TOML: Final = re.compile(r"\[[\w.]+\]\n")

WITH_LITERALS: Final = [each for each in DOCSTRINGS if each.literals]
OF_PYTHON: Final = [
    each
    for each in WITH_LITERALS
    if each.place not in DRAWINGS
    and not all(TABLE_OF_TOML.match(block.text) for block in each.literals)
]


@pytest.fixture(autouse=True)
def rejections() -> Iterator[None]:
    """Have no names but one's own: a rejection has its name for good."""
    with patch.dict("acton_trio._messages.declare._rejections", clear=True):
        yield


def example_of(docstring: Docstring) -> Example:
    """Return the Python of *docstring*, with the lines of the file."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: list[CodeType] = [
        compile(
            "\n" * (docstring.line + block.line - 1) + block.text,
            str(docstring.path),
            "exec",
            flags,
            dont_inherit=True,
        )
        for block in docstring.literals
        if not TABLE_OF_TOML.match(block.text)
    ]
    return Example(code)


@pytest.mark.parametrize(
    "docstring", [pytest.param(each, id=each.place) for each in OF_PYTHON]
)
def test_example_of_a_docstring_runs(docstring: Docstring) -> None:
    """With those around it that it needs, as its stage has them."""
    stage = STAGES.get(docstring.place)
    assert stage is not None, (
        f"{docstring.path}:{docstring.line} shows an example that nothing runs: "
        "give it a stage in tests/documents/stages.py, or say in DRAWINGS what it is"
    )

    if iscoroutinefunction(stage):
        trio.run(stage, example_of(docstring), clock=MockClock(autojump_threshold=0))
    else:
        stage(example_of(docstring))


@pytest.mark.parametrize("docstring", WITH_LITERALS, ids=lambda each: each.place)
def test_toml_of_a_docstring_is_toml(docstring: Docstring) -> None:
    """What begins with a table can be read."""
    for block in docstring.literals:
        if TABLE_OF_TOML.match(block.text):
            assert tomllib.loads(block.text)


@pytest.mark.parametrize("place", DRAWINGS)
def test_drawing_is_one(place: str) -> None:
    """It is there, and nothing that could be run."""
    (docstring,) = (each for each in WITH_LITERALS if each.place == place)

    with pytest.raises(SyntaxError):
        example_of(docstring)


def test_stages_are_for_examples_that_there_are() -> None:
    """None is left of a docstring that has gone."""
    assert {*STAGES} == {each.place for each in OF_PYTHON}


def test_docstrings_show_nothing_in_another_way() -> None:
    """What is no literal block, no prompt and no table would be found by nothing."""
    other = re.compile(r"```|\.\. (?:code|code-block|sourcecode|testcode)::")

    assert [each.place for each in DOCSTRINGS if other.search(each.text)] == []


PROMPTS: Final = [each for each in DOCSTRINGS if ">>>" in each.text]


@pytest.mark.parametrize(
    "docstring", [pytest.param(each, id=each.place) for each in PROMPTS]
)
def test_prompts_of_a_docstring_print_what_it_shows(docstring: Docstring) -> None:
    """Those of fields and of names that are published elsewhere, too."""
    module = import_module(docstring.place.partition(":")[0])
    test = doctest.DocTestParser().get_doctest(
        docstring.text,
        {**vars(module)},
        docstring.place,
        str(docstring.path),
        docstring.line - 1,
    )
    said = io.StringIO()
    results = doctest.DocTestRunner().run(test, out=said.write)

    assert results.attempted
    assert not results.failed, said.getvalue()
