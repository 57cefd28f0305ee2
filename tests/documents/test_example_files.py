"""Every file in `examples/` is run by `tests/test_examples.py`, and shown in its list."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from .pages import ROOT

EXAMPLES: Final = ROOT / "examples"
TESTS: Final = (ROOT / "tests" / "test_examples.py").read_text("utf-8")

# Built or fetched; tested by `npm test`; followed with the tutorial's pages.
NOT_HERE: Final = {"dist", "node_modules", "src", "test", "tutorial"}

# What is no example but used by the tests of its library, which are run.
OF_A_LIBRARY: Final = {
    "ipc_client_libraries/python/acton_ipc.py",
    "ipc_client_libraries/python/real_service.py",
    "ipc_client_libraries/python/scripted_server.py",
}


def files() -> list[Path]:
    """Return the files that are there."""
    return [
        path
        for path in sorted(EXAMPLES.rglob("*"))
        if path.suffix in {".cjs", ".js", ".mjs", ".py", ".sh", ".ts"}
        and NOT_HERE.isdisjoint(path.relative_to(EXAMPLES).parts[:-1])
    ]


PROGRAMS: Final = [
    path
    for path in files()
    if path.relative_to(EXAMPLES).as_posix() not in OF_A_LIBRARY
    and not path.name.startswith("test_")
]


def runs(function: ast.AST, path: Path) -> bool:
    """Return whether *function* names the file in code, and reads what it prints."""
    nodes = [*ast.walk(function)]
    return any(
        isinstance(each, ast.Constant) and each.value == path.name for each in nodes
    ) and any(
        isinstance(each, ast.Attribute) and each.attr == "stdout" for each in nodes
    )


@pytest.mark.parametrize(
    "path", [pytest.param(each, id=each.name) for each in PROGRAMS]
)
def test_example_is_run_and_compared(path: Path) -> None:
    """A test has it in a command, and looks at its output."""
    functions = [
        each for each in ast.parse(TESTS).body if isinstance(each, ast.FunctionDef)
    ]

    assert any(runs(each, path) for each in functions), (
        f"nothing runs {path.name}: have tests/test_examples.py compare what it prints"
    )


def test_parts_of_a_library_are_used_by_its_tests() -> None:
    """Each of them, and the tests are run."""
    for name in OF_A_LIBRARY:
        path = EXAMPLES / name
        tests = [each.read_text("utf-8") for each in path.parent.glob("test_*.py")]

        assert any(re.search(rf"\b{path.stem}\b", each) for each in tests)
    assert "def test_python_library_passes_its_own_tests()" in TESTS


@pytest.mark.parametrize(
    "path",
    [pytest.param(each, id=each.name) for each in PROGRAMS if each.parent == EXAMPLES],
)
def test_example_is_in_the_list(path: Path) -> None:
    """A reader of the folder is told what it shows."""
    assert f"`{path.name}`" in (EXAMPLES / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "path",
    [pytest.param(each, id=each.name) for each in files() if each.suffix == ".py"],
)
def test_command_at_the_top_of_an_example_is_of_one(path: Path) -> None:
    """What its docstring says to type, there or at the root, names a file that is run."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    commands: list[str] = re.findall(r"^ +python (\S+)", docstring, re.MULTILINE)

    assert [
        each
        for each in commands
        if {ROOT / each, path.parent / each}.isdisjoint(PROGRAMS)
    ] == []
