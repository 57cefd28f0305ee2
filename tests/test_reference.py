"""The reference: every public name on one page, and no other name on any."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from acton_trio import pytest_plugin

from .public import FACADES, function_of, public_things

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
PAGES = sorted(FOLDER.glob("*.md"))


@attrs.frozen
class Entry:
    """What a page has autodoc write down."""

    page: str
    module: str
    name: str
    signature: str
    options: dict[str, str]

    @property
    def thing(self) -> Any:
        """What it is about."""
        return pkgutil.resolve_name(f"{self.module}.{self.name}")


def entries() -> list[Entry]:
    """Return what all pages have autodoc write down."""
    found: list[Entry] = []
    for page in PAGES:
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\.\. (?:current)?module:: (.+)", line):
                module = match[1]
            elif match := re.match(r"\.\. auto\w+:: (\w+)(.*)", line):
                found.append(Entry(page.name, module, match[1], match[2], {}))
            elif match := re.match(r"   :([\w-]+): ?(.*)", line):
                found[-1].options[match[1]] = match[2]
    return found


ENTRIES = entries()
PARAMETERS = [pytest.param(each, id=f"{each.module}.{each.name}") for each in ENTRIES]
DECORATORS = [pytest.param(each, id=each.name) for each in ENTRIES if each.signature]


def modules() -> set[str]:
    """Return the modules that pages say they are about."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    return set(re.findall(r"^\.\. module:: (.+)$", text, re.MULTILINE))


def test_every_public_name_is_on_exactly_one_page() -> None:
    """A name that several modules have is described once, where it lives."""
    public = {
        id(thing): path
        for path, _, thing in public_things()
        if not isinstance(thing, ModuleType)
    }
    described = Counter(id(each.thing) for each in ENTRIES)

    assert [path for key, path in public.items() if described[key] != 1] == []
    assert [each.name for each in ENTRIES if id(each.thing) not in public] == []


def test_every_public_module_is_linked_to_a_page() -> None:
    """What docstrings say of a module leads somewhere."""
    public = {
        thing.__name__ if thing in FACADES else path
        for path, _, thing in public_things()
        if isinstance(thing, ModuleType)
    }

    # What supervision has is in the package itself, and described as such.
    described = modules() | {"acton_trio.supervision"}
    assert public <= described


@pytest.mark.parametrize("entry", PARAMETERS)
def test_what_is_left_out_is_there(entry: Entry) -> None:
    """A member that is for the package itself is named as long as there is one."""
    left_out = entry.options.get("exclude-members", "")
    fields = attrs.fields_dict(entry.thing) if attrs.has(entry.thing) else {}

    for name in filter(None, left_out.split(", ")):
        member = inspect.getattr_static(entry.thing, name, None)
        assert name in fields or function_of(member) is not None, name


@pytest.mark.parametrize("entry", DECORATORS)
def test_signature_that_is_written_out_is_the_real_one(entry: Entry) -> None:
    """A decorator is shown without what it decorates, and with all of its options."""
    shown = re.findall(r"(\w+)=", entry.signature)
    options = [
        each.name
        for each in inspect.signature(entry.thing).parameters.values()
        if each.kind is each.KEYWORD_ONLY
    ]

    assert shown == options


@pytest.mark.parametrize("name", ["runtime", "probe"])
def test_fixture_is_described_as_it_describes_itself(name: str) -> None:
    """Fixtures are no names to import, and have a page all the same."""
    fixture: Any = getattr(pytest_plugin, name)
    text = " ".join((FOLDER / "fixtures.md").read_text(encoding="utf-8").split())

    assert f"`{name}`" in text
    assert fixture.__doc__.rstrip(".") in text
