"""No block of a page is there unchecked, whatever it is written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fences import CHECKS, FOREIGN, NODE, TYPED, WHOLE_PAGE, check_console, check_toml
from .pages import PAGES, ROOT, Fence

FENCES = [fence for page in PAGES for fence in page.fences()]


def is_foreign(fence: Fence) -> bool:
    """Return whether a block shows something to compare with, where that is done."""
    return any(
        fence.page.startswith(folder) and fence.language in languages
        for folder, languages in FOREIGN.items()
    )


@pytest.mark.parametrize(
    "fence",
    [pytest.param(each, id=str(each)) for each in FENCES if each.language in CHECKS],
)
def test_block_is_what_it_says(fence: Fence) -> None:
    """Whatever reads or runs its language takes it."""
    if fence.language == "js" and NODE is None:
        pytest.skip("needs Node.js")

    CHECKS[fence.language](fence)


def test_no_block_is_in_a_language_that_nothing_checks() -> None:
    """Directives of Sphinx, in braces, are the business of its build."""
    unchecked = [
        f"{fence}: {fence.language or 'no language'}"
        for fence in FENCES
        if fence.language not in {*CHECKS, *WHOLE_PAGE}
        and not (fence.language.startswith("{") and "}" in fence.language)
        and not is_foreign(fence)
    ]

    assert unchecked == [], "name the language, and have it checked in fences.py"


@pytest.mark.parametrize(("page", "test"), TYPED.items())
def test_commands_of_a_page_are_typed_by_its_test(page: str, test: str) -> None:
    """It is there, and reads the page."""
    source = (ROOT / test).read_text("utf-8")

    assert f'"{Path(page).name}"' in source
    assert "```console" in source or 'fences("console")' in source


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("./dev fly", id="no command of dev"),
        pytest.param("./dev bench everything", id="no question"),
        pytest.param("python examples/nothing.py", id="no example"),
        pytest.param("rm -rf somewhere", id="nothing runs it"),
        pytest.param("pip install \\\n  x\n# rm -rf somewhere", id="as root"),
    ],
)
def test_command_that_nothing_runs_is_found(command: str) -> None:
    """The check of the commands can fail."""
    with pytest.raises(AssertionError):
        check_console(Fence("page.md", 1, "console", f"$ {command}\n"))


def test_file_without_a_name_is_found() -> None:
    """What is shown as TOML says for whom it is."""
    with pytest.raises(AssertionError, match="which file"):
        check_toml(Fence("page.md", 1, "toml", "[limits]\n"))
