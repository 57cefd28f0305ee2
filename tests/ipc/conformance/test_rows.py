"""Every row of the protocol's description has its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from .rows import ROWS, rows_of

HERE = Path(__file__)


def conformance_tests() -> Iterator[Callable[..., object]]:
    """Yield the tests of the other files."""
    for path in sorted(HERE.parent.glob("test_*.py")):
        if path != HERE:
            module = import_module(f".{path.stem}", __package__)
            yield from (
                value
                for name, value in vars(module).items()
                if name.startswith("test_")
            )


def prefix_of(number: str) -> str:
    """Return how the name of a test of row *number* begins."""
    section, _, rest = number.partition(".")
    if section == "0":
        return f"test_row_{int(rest or 0):02}_"
    if section in "67":
        return f"test_rule_{section}_{rest[0]}_"
    return f"test_rule_{section}_"


def test_every_row_has_a_test() -> None:
    """What no test is about, nobody would miss."""
    about = {number for test in conformance_tests() for number in rows_of(test)}

    assert [number for number in ROWS if number not in about] == []


def test_no_test_is_about_a_row_that_there_is_not() -> None:
    """Nothing is held to what nobody promised."""
    about = {number for test in conformance_tests() for number in rows_of(test)}

    assert sorted(about - {*ROWS}) == []


def test_every_test_is_named_after_its_row() -> None:
    """A failure tells which promise was broken."""
    assert [
        test.__name__
        for test in conformance_tests()
        if not any(
            test.__name__.startswith(prefix_of(number)) for number in rows_of(test)
        )
    ] == []
