"""How public names are declared, and how things are called to people."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections import deque
from typing import Any

import attrs
import pytest

from acton_trio._base.util import name_of, publish_names

HOME = "acton_trio"


class Plain:
    """A class whose annotation needs what only this module has."""

    queue: deque[Local]

    def method(self, item: Local) -> Local:
        """Return what it got."""
        return item

    class Inner:
        """A class within a class."""


class Local:
    """A name that no facade has."""


class Derived(Plain):
    """A class with annotations of its own, and others'."""

    more: Annotated


class Bare(Plain):
    """A class with no annotation of its own."""


class Borrowing:
    """A class that keeps another module's class as an attribute."""

    queue_type = deque


@attrs.define
class Slotted:
    """A class that attrs has made anew."""

    value: Local


Annotated = typing.Annotated[int, "in metres"]


def function(item: Local) -> Local:
    """Return what it got."""
    return item


publish_names(
    globals(),
    ["Plain", "Derived", "Bare", "Borrowing", "Slotted", "function"],
)


@pytest.mark.parametrize("cls", [Plain, Derived, Bare, Slotted])
def test_published_class_says_that_it_lives_in_the_facade(cls: type) -> None:
    """Tracebacks and pickles show the name that users type."""
    assert cls.__module__ == HOME


def test_class_within_a_published_class_says_so_too() -> None:
    """What is reached through a public name is public."""
    assert Plain.Inner.__module__ == HOME
    assert Plain.Inner.__qualname__ == "Plain.Inner"


def test_class_of_another_module_is_left_alone() -> None:
    """To keep a class as an attribute is not to be its home."""
    assert Borrowing.queue_type.__module__ == "collections"


def test_class_that_is_not_named_is_left_alone() -> None:
    """Only what is public moves."""
    assert Local.__module__ == __name__


def test_function_keeps_its_module() -> None:
    """Annotations and debuggers look for a function's globals there."""
    assert function.__module__ == __name__
    assert Plain.method.__module__ == __name__


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        pytest.param(Plain, {"queue": deque[Local]}, id="a class"),
        pytest.param(
            Derived, {"queue": deque[Local], "more": Annotated}, id="a derived class"
        ),
        pytest.param(Bare, {"queue": deque[Local]}, id="a class without any"),
        pytest.param(Slotted, {"value": Local}, id="an attrs class"),
        pytest.param(function, {"item": Local, "return": Local}, id="a function"),
        pytest.param(Plain.method, {"item": Local, "return": Local}, id="a method"),
    ],
)
def test_annotations_resolve_after_publishing(
    thing: Any, expected: dict[str, Any]
) -> None:
    """They are evaluated while the module they were written in is still known."""
    assert not hasattr(sys.modules[HOME], "Local")
    assert typing.get_type_hints(thing, include_extras=True) == expected


def test_annotations_of_a_base_are_not_copied_down() -> None:
    """A class owns what it declares, and nothing else."""
    assert inspect.get_annotations(Derived).keys() == {"more"}
    assert inspect.get_annotations(Bare) == {}


def test_published_name_that_does_not_exist_is_an_error_at_once() -> None:
    """A misspelt list is found when the module is imported."""
    with pytest.raises(KeyError, match="Missing"):
        publish_names(globals(), ["Missing"])


def test_annotation_that_cannot_be_resolved_is_an_error_at_once() -> None:
    """What is public must be known when the module has been executed."""
    broken = type("Broken", (), {"__annotations__": {"field": "Nowhere"}})
    broken.__module__ = __name__

    with pytest.raises(NameError, match="Nowhere"):
        publish_names({"Broken": broken}, ["Broken"])


def test_home_can_be_another_facade() -> None:
    """Names of the outside world live in a facade of their own."""
    cls = type("Away", (), {"__module__": __name__})

    publish_names({"Away": cls}, ["Away"], "acton_trio.ipc")

    assert cls.__module__ == "acton_trio.ipc"


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        pytest.param(int, "int", id="a class"),
        pytest.param(Plain.Inner, "Plain.Inner", id="an inner class"),
        pytest.param(print, "print", id="a builtin"),
        pytest.param(Plain().method, "Plain.method", id="a bound method"),
        pytest.param(3, "3", id="a value"),
        pytest.param("text", "'text'", id="text, in quotes"),
        pytest.param(int | None, "int | None", id="a union"),
    ],
)
def test_name_of_a_thing_is_how_people_call_it(thing: object, expected: str) -> None:
    """Classes and functions have a name; of the rest, the text is shown."""
    assert name_of(thing) == expected


def test_name_of_a_partial_is_its_text() -> None:
    """What has no name of its own is shown as Python shows it."""
    assert name_of(functools.partial(function)).startswith("functools.partial(")


def test_name_of_a_thing_with_a_strange_name_is_its_text() -> None:
    """A ``__qualname__`` that is no text is not believed."""

    class Strange:
        def __getattr__(self, name: str) -> int:
            return 3

        def __repr__(self) -> str:
            return "<strange>"

    assert name_of(Strange()) == "<strange>"
