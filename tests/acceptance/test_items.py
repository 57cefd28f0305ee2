"""Every item of the reference's has its test, or a reason to have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from .items import DUE, ELSEWHERE, covered_items, postponed

HERE = Path(__file__)


def acceptance_tests() -> Iterator[Callable[..., object]]:
    """Yield the tests of the other files."""
    for path in sorted(HERE.parent.glob("test_*.py")):
        if path != HERE:
            module = import_module(f".{path.stem}", __package__)
            yield from (
                value
                for name, value in vars(module).items()
                if name.startswith("test_")
            )


def covered() -> set[int]:
    """Return the items that have a test."""
    return {item for test in acceptance_tests() for item in covered_items(test)}


def test_every_item_has_one_place() -> None:
    """An item has tests, does not apply, or is for later: one of the three."""
    places = Counter([*covered(), *ELSEWHERE, *postponed()])

    assert [item for item in DUE if places[item] != 1] == []


def test_no_place_is_for_an_item_that_there_is_not() -> None:
    """Nothing is claimed beyond what the reference asserts."""
    assert sorted({*covered(), *ELSEWHERE, *postponed()} - {*DUE}) == []


def test_every_acceptance_test_says_what_it_covers() -> None:
    """A test that covers no item is for another folder."""
    assert [
        test.__name__ for test in acceptance_tests() if not covered_items(test)
    ] == []
