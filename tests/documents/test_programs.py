"""Blocks with `await` outside of a function run, beside those that run trio."""

from __future__ import annotations

import pytest
import trio

from .pages import Fence
from .programs import Program


def program(*blocks: str) -> Program:
    """Return a program of *blocks*, which stand in lines 10, 20 and so on."""
    fences = [
        Fence("page.md", 10 * number, "python", text)
        for number, text in enumerate(blocks, 1)
    ]
    return Program(fences, "page")


def test_blocks_with_await_share_one_run_of_trio() -> None:
    """What the first has opened still lives in the last, and plain ones are inside."""
    page = program(
        "import trio\nseen = []",
        "await trio.lowlevel.checkpoint()\nseen.append(trio.lowlevel.current_task())",
        "seen.append(trio.lowlevel.current_task())",
        "async with trio.open_nursery():\n    pass\n"
        "seen.append(trio.lowlevel.current_task())",
    )

    page.run()

    assert len(page.names["seen"]) == 3
    assert len({*page.names["seen"]}) == 1


def test_block_that_runs_trio_itself_is_not_inside_of_it() -> None:
    """Before it a run ends, and after it another begins."""
    page = program(
        "import trio\nawait trio.sleep(0)\nfirst = trio.lowlevel.current_root_task()",
        "trio.run(trio.sleep, 0)",
        "await trio.sleep(0)\nsecond = trio.lowlevel.current_root_task()",
    )

    page.run()

    assert page.names["first"] is not page.names["second"]
    with pytest.raises(RuntimeError, match="async context"):
        trio.lowlevel.current_task()


def test_what_was_not_called_is_missed() -> None:
    """Methods and inner functions too; what was called is not, async or not."""
    page = program(
        "class A:\n    def called(self): 'Says it.'\n    def missed(self): ...",
        "async def outer():\n    def inner(): ...\n    A().called()",
        "await outer()",
    )

    page.run()

    assert page.missed == ["A.missed", "outer.inner"]


def test_error_names_the_line_of_the_page() -> None:
    """The block begins below its fence."""
    page = program("fine = 1", "\nasync def wrong():\n    1 / 0", "await wrong()")

    with pytest.raises(ZeroDivisionError) as caught:
        page.run()

    frames = [(each.path, each.lineno + 1) for each in caught.traceback[-2:]]
    assert [line for _, line in frames] == [31, 23]
