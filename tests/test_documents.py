"""What the pages show runs, and what they say of the project is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_python_of_the_page_runs(page: Path) -> None:
    """The blocks of a page are one program, and it runs."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {"__name__": page.stem}

    for block in blocks:
        exec(compile(block, str(page), "exec", dont_inherit=True), names)


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
