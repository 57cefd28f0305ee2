"""What ``docs/explanation/anatomy.md`` tells of the code is what the code does."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import trio

import acton_trio as acton

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "anatomy.md"

# Where it is installed: a tree or a wheel.
PACKAGE = Path(next(iter(acton.__path__)))

Step = tuple[str, str]
"""A file, from the package's own folder on, and what of it is called."""


def rows(heading: str) -> list[Step]:
    """Return what the tables under *heading* name, in order."""
    _, _, rest = PAGE.read_text("utf-8").partition(f"({heading})=\n")
    part = rest.partition("\n(")[0]
    return re.findall(r"^\| `(\S+\.py)` \| `([\w.]+)` \|", part, re.MULTILINE)


def paragraphs() -> str:
    """Return the page without its program."""
    return re.sub(r"```.*?```", "", PAGE.read_text("utf-8"), flags=re.DOTALL)


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Return the classes, functions and methods of *file*, by qualified name."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name=owner):
                found.add(owner)
                found.update(
                    f"{owner}.{each.name}"
                    for each in node.body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                )
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case _:
                pass
    return frozenset(found)


def in_package(path: str) -> Path:
    """Return where the file is that the page calls *path*."""
    return PACKAGE.parent / path


@pytest.fixture
def names() -> dict[str, Any]:
    """Return what the page's program has defined."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    program = "".join(blocks).replace("trio.run(main)", "")
    defined: dict[str, Any] = {"__name__": PAGE.stem}
    exec(compile(program, str(PAGE), "exec", dont_inherit=True), defined)
    return defined


@contextmanager
def overlooked() -> Generator[list[Step], None, None]:
    """Note what code of the package is called in the block."""
    calls: list[Step] = []
    before = sys.getprofile()
    prefix = f"{PACKAGE}/"
    # Each is looked at once: there are many calls, and few functions.
    known: dict[CodeType, Step | None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call":
            if code not in known:
                file = code.co_filename
                is_ours = file.startswith(prefix)
                step = (f"acton_trio/{file.removeprefix(prefix)}", code.co_qualname)
                known[code] = step if is_ours else None
            called = known[code]
            if called is not None:
                calls.append(called)

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def assert_in_order(steps: list[Step], calls: list[Step]) -> None:
    """Check that *steps* are among *calls*, each after the one before it."""
    left: Iterator[Step] = iter(calls)
    assert steps
    for number, (file, what) in enumerate(steps, 1):
        found = any(
            where == file and (called == what or called.startswith(f"{what}."))
            for where, called in left
        )
        assert found, f"row {number}, {what} of {file}, is not called where it is named"


def test_files_that_the_page_names_exist() -> None:
    """Whatever looks like a file is one."""
    named = re.findall(r"`((?:acton_trio|tests)/[\w/]+\.py)`", paragraphs())

    assert len(named) > 20
    for path in named:
        root = ROOT if path.startswith("tests/") else PACKAGE.parent
        assert (root / path).is_file(), path


def test_functions_of_the_tables_are_in_their_files() -> None:
    """Each row names a class or a function of the file beside it."""
    headings = "one-send", "one-ask", "one-request"

    for path, what in (row for heading in headings for row in rows(heading)):
        assert what in defined_in(in_package(path)), f"{what} is not in {path}"


def test_functions_of_the_paragraphs_exist() -> None:
    """Whatever is written as a class and its method is one, somewhere."""
    defined = {each for file in PACKAGE.rglob("*.py") for each in defined_in(file)}
    methods = set(re.findall(r"`([A-Z]\w+\.\w+)`", paragraphs()))
    others = {"judge", "owner_of", "find_cycle", "Verdicts", "Child", "Supervisor"}

    assert methods <= defined
    assert others <= defined
    assert all(f"`{each}`" in paragraphs() for each in others)


async def test_send_takes_the_way_that_is_told(names: dict[str, Any]) -> None:
    """The first message to an actor without a task passes all rows, in order."""
    async with acton.open_runtime() as runtime:
        thermometer = await runtime.start(names["Thermometer"])
        with overlooked() as calls:
            await thermometer.send(names["SetDegrees"](18.5))
            await trio.testing.wait_all_tasks_blocked()

        assert_in_order(rows("one-send"), calls)
        assert await thermometer.ask(names["GetDegrees"]()) == 18.5


async def test_ask_takes_the_way_that_is_told(names: dict[str, Any]) -> None:
    """The first ask of an actor without a task passes all rows, in order."""
    async with acton.open_runtime() as runtime:
        thermometer = await runtime.start(names["Thermometer"])
        with overlooked() as calls:
            await thermometer.ask(names["GetDegrees"]())

    assert_in_order(rows("one-ask"), calls)


async def test_request_takes_the_way_that_is_told(
    names: dict[str, Any], tmp_path: Path
) -> None:
    """A request over a socket, the first one, passes all rows of both ends, in order."""
    path = tmp_path / "it.sock"
    async with acton.open_runtime() as runtime:
        await runtime.start(names["Thermometer"], name="thermometer", expose=True)
        async with (
            acton.ipc.open_listener(runtime, path=path),
            acton.ipc.open_client(path) as client,
        ):
            await trio.testing.wait_all_tasks_blocked(0.01)
            with overlooked() as calls:
                await client.actor("thermometer").ask(names["GetDegrees"]())

    assert_in_order(rows("one-request"), calls)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda steps: [*reversed(steps)], id="in the wrong order"),
        pytest.param(lambda steps: [*steps, ("x.py", "x")], id="never called"),
    ],
)
async def test_way_that_is_told_wrongly_is_found(
    names: dict[str, Any], spoil: Callable[[list[Step]], list[Step]]
) -> None:
    """The tests above can fail."""
    async with acton.open_runtime() as runtime:
        thermometer = await runtime.start(names["Thermometer"])
        with overlooked() as calls:
            await thermometer.ask(names["GetDegrees"]())

    with pytest.raises(AssertionError, match="is not called where it is named"):
        assert_in_order(spoil(rows("one-ask")), calls)
