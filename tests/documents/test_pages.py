"""What the pages show runs, and what they say of the project is true."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest

from .callers import CALLERS, WRONG
from .pages import PAGES, ROOT, Fence, Page
from .programs import REACHED, Program

# Text that is not printed by the program of its page: what it begins with there, and
# the test that compares it with the code.
TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "docs/configuration.md": {
        r"/home/me/.config/acton/config.toml: ": (
            "ipc/test_config_page.py::test_error_of_the_page_is_the_one_that_comes"
        ),
        r"ACTON_TIMEOUTS_": (
            "ipc/test_config_page.py::test_variables_of_the_page_are_known"
        ),
    },
    "docs/mistakes.md": {
        r"LeakError: the test has left something behind:": (
            "stories/test_plugin.py"
            "::test_page_on_mistakes_shows_a_forgotten_await_as_it_is_told"
        ),
        r"TypeError: @act_on Vague.get_value \(app.py:1\)": (
            "teaching/test_page.py::test_page_on_mistakes_shows_what_is_said"
        ),
    },
    "docs/howto/unit-testing.md": {
        r"the test has left something behind:": (
            "documents/test_unit_testing.py"
            "::test_leaks_of_the_page_are_those_that_are_found"
        ),
    },
    "docs/supervision.md": {
        r"runtime\n└─ shop ": (
            "supervision/test_page.py::test_drawing_of_the_page_is_its_program"
        ),
        r"ValueError: ": (
            "supervision/test_page.py"
            "::test_traceback_of_the_page_is_what_its_program_raises"
        ),
    },
    "docs/testing.md": {
        r"probe-0 expected ": (
            "testing/test_page.py::test_failures_of_the_page_are_those_that_come"
        ),
        r"explore: run ": (
            "testing/test_page.py::test_failures_of_the_page_are_those_that_come"
        ),
        r"the test has left something behind:|live timer: ": (
            "testing/test_page.py::test_failures_of_the_page_are_those_that_come"
        ),
    },
    "docs/wire-protocol.md": {
        r"(?s:[0-9a-f\s]+\Z)": (
            "wire/test_wire_page.py::test_every_block_of_bytes_is_an_example"
        ),
    },
}

# Text that nothing can run.
PSEUDOCODE: Final = {("docs/wire-protocol.md", "connect(path):")}

# What a page with tests begins with when pytest runs it.
PRELUDE: Final = f"""
def {REACHED}(name, _file="reached"):
    with open(_file, "a") as file:
        print(name, file=file)
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no files, variables and names but the page's own."""
    for name in [each for each in os.environ if each.startswith(("ACTON_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    # A rejection has its name for good, and pages may be run elsewhere, too.
    with patch.dict("acton_trio._messages.declare._rejections", clear=True):
        yield


@pytest.mark.parametrize(
    "page",
    [pytest.param(each, id=each.name) for each in PAGES if each.fences("python")],
)
def test_page_runs_to_its_last_function(
    page: Page,
    tmp_path: Path,
    pytester: pytest.Pytester,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its blocks are one program; what it defines is called, and what it prints shown.

    A function that nothing on the page calls is called by one of `callers.py`, and
    those called `test_...` are run by pytest.
    """
    program = Program(page.fences("python"), page.path.stem)
    program.run()
    if program.tests:
        program.reached |= run_tests(program, pytester)
    if page.name in CALLERS:
        CALLERS[page.name](program.names, tmp_path)

    assert program.missed == WRONG.get(page.name, []), (
        f"{page.name} shows functions that nothing calls: "
        "call them on the page, or in tests/documents/callers.py"
    )
    printed = capsys.readouterr().out
    strange = [
        f"{each}: {each.text}"
        for each in page.fences("text")
        if each.text not in printed and not is_held_elsewhere(each)
    ]
    assert strange == [], (
        "not printed by the page's program: have a test compare it, named in TEXTS"
    )


def run_tests(program: Program, pytester: pytest.Pytester) -> set[str]:
    """Run the tests of a page as its reader would; return what they have called."""
    pytester.makepyfile(test_page=PRELUDE + program.source)
    pytester.makeini("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")

    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=len(program.tests))
    return set((pytester.path / "reached").read_text("utf-8").split())


def is_held_elsewhere(fence: Fence) -> bool:
    """Return whether something else compares the text, or nothing can."""
    return (fence.page, fence.text.partition("\n")[0]) in PSEUDOCODE or any(
        re.match(beginning, fence.text) for beginning in TEXTS.get(fence.page, ())
    )


@pytest.mark.parametrize(
    "test", sorted({test for texts in TEXTS.values() for test in texts.values()})
)
def test_test_that_compares_a_text_exists(test: str) -> None:
    """What is said to be held elsewhere is."""
    path, _, name = test.partition("::")

    assert f"def {name}(" in (ROOT / "tests" / path).read_text("utf-8")


def test_pages_without_python_show_no_text() -> None:
    """It would be compared with nothing."""
    silent = [each for each in PAGES if not each.fences("python")]

    assert [
        str(fence)
        for page in silent
        for fence in page.fences("text")
        if not is_held_elsewhere(fence)
    ] == []


def test_callers_are_for_pages_that_need_them() -> None:
    """None is left of a page that has gone."""
    assert {*CALLERS} <= {each.name for each in PAGES}


def test_changelog_begins_with_what_is_not_released() -> None:
    """The newest heading is the version, or what will be the next one."""
    headings = re.findall(
        r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert headings[0] == "Unreleased"


def test_readme_names_both_commands_first() -> None:
    """A newcomer needs no more than the first screen."""
    screen = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:25])

    assert "./dev demo" in screen
    assert "./dev test" in screen
