"""The tutorial can be followed by somebody who only copies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from .reader import Reader, blocks_of, changed, looks_like
from .test_examples import NODEJS, no_node

ROOT: Final = Path(__file__).parents[1]
TUTORIAL: Final = ROOT / "docs" / "tutorial"
WRITTEN: Final = ROOT / "examples" / "tutorial"

# In the order of the contents, after the page that lists them.
NAMES: Final = [
    "index",
    *re.findall(
        r"^[\w-]+$",
        re.findall(
            r"```{toctree}\n(.*?)```", (TUTORIAL / "index.md").read_text(), re.DOTALL
        )[0],
        re.MULTILINE,
    ),
]

# All that is not typed by the tests.  They run where the package is installed, and
# the client library of Node.js is linked where npm would put it.
INSTALLING: Final = frozenset(
    {
        "mkdir car-park",
        "cd car-park",
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install '../acton_trio[test]'",
        "(cd ../acton_trio/examples/ipc_client_libraries/nodejs && npm ci)",
        "npm install ../acton_trio/examples/ipc_client_libraries/nodejs",
    }
)


def page(name: str) -> str:
    """Return the text of a page."""
    return (TUTORIAL / f"{name}.md").read_text("utf-8")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Return a reader who has installed everything, and done nothing yet."""
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "acton-ipc").symlink_to(NODEJS)
    return Reader(tmp_path, INSTALLING)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name, marks=no_node if name == "node-client" else ())
        for name in NAMES
    ],
)
def test_page_can_be_followed_after_those_before_it(reader: Reader, name: str) -> None:
    """Every file is saved, every command is typed, and prints what is shown."""
    for earlier in NAMES[: NAMES.index(name)]:
        reader.copy_files(page(earlier))

    reader.follow(page(name))

    assert "\n".join(reader.wrong) == ""


def test_who_has_read_everything_has_the_files_of_the_examples(reader: Reader) -> None:
    """All of them, to the letter."""
    for name in NAMES:
        reader.copy_files(page(name))

    copied = {
        each.name: each.read_text("utf-8")
        for each in reader.folder.iterdir()
        if each.is_file()
    }

    assert copied == {
        each.name: each.read_text("utf-8")
        for each in WRITTEN.iterdir()
        if each.is_file()
    }


def test_every_page_of_the_folder_is_in_the_contents() -> None:
    """None is left out, by the tests either."""
    assert sorted(NAMES) == sorted(each.stem for each in TUTORIAL.glob("*.md"))


def test_only_the_installation_is_not_typed() -> None:
    """What the tests leave out is on the pages, and nothing else is left out."""
    typed = [
        command
        for name in NAMES
        for block in blocks_of(page(name))
        if block.language == "console"
        for command in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)
    ]

    assert set(typed) >= INSTALLING


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("1\n3\n", id="another line"),
        pytest.param("1\n", id="too little"),
        pytest.param("1\n2\n3\n", id="too much"),
        pytest.param("1\n...\n3\n", id="another end"),
    ],
)
def test_reader_sees_what_is_printed_otherwise_than_shown(
    tmp_path: Path, shown: str
) -> None:
    """Whatever is different; only what ``...`` stands for may be."""
    reader = Reader(tmp_path)

    reader.follow(f"Run it:\n\n```console\n$ printf '1\\n2\\n'\n{shown}```\n")

    assert reader.wrong == ["$ printf '1\\n2\\n'\n1\n2\n"]
    assert looks_like("1\n2\n", "1\n...\n")


def test_reader_does_not_know_what_to_do_with_code_that_nothing_is_said_of(
    tmp_path: Path,
) -> None:
    """It could be anything, and would be run by nobody."""
    with pytest.raises(AssertionError, match="nothing says what this is for"):
        Reader(tmp_path).follow("Look:\n\n```python\npass\n```\n")


def test_reader_does_not_leave_a_service_alone(tmp_path: Path) -> None:
    """A page that has started one says how it ends."""
    (tmp_path / "serve.py").write_text("print('open')\nimport time\ntime.sleep(999)\n")
    start = (
        "Start it in the first terminal:\n\n```console\n$ python serve.py\nopen\n```\n"
    )

    with pytest.raises(AssertionError, match="leaves its service running"):
        Reader(tmp_path).follow(start)


def test_code_is_put_where_its_page_says() -> None:
    """Decorators belong to what they decorate."""
    old = "import x\n\n\n@x\nclass A:\n    @x\n    def f(self): ...\n\n\nprint()\n"

    assert changed(old, "in place of", "A", "class B: ...\n") == (
        "import x\n\n\nclass B: ...\n\n\nprint()\n"
    )
    assert changed(old, "in place of", "A.f", "    def g(self): ...\n") == (
        "import x\n\n\n@x\nclass A:\n    def g(self): ...\n\n\nprint()\n"
    )
    assert changed(old, "above", "A", "b = 1\n") == (
        "import x\n\n\nb = 1\n\n\n@x\nclass A:\n    @x\n    def f(self): ...\n"
        "\n\nprint()\n"
    )
    assert changed(old, "at the end of", "A", "    def g(self): ...\n") == (
        "import x\n\n\n@x\nclass A:\n    @x\n    def f(self): ...\n\n"
        "    def g(self): ...\n\n\nprint()\n"
    )
