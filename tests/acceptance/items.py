"""What the reference's own tests assert, and where it is held to here.

Acton for Rust asserts 214 things of itself, counted here in the order of its
test files.  Each of them is either covered by a test in this folder, in our
words and by our contract, or has its reason in one of the two tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

TestT = TypeVar("TestT", bound=Callable[..., object])

DUE: Final = range(1, 215)

# Does not apply to Python, or to trio; and why.
ELSEWHERE: Final[Mapping[int, str]] = {
    203: "no test cites a page: the pages are run as they are, and the guarantees "
    "are compared with their tests word for word",
}

# Waits for what it belongs to.
LATER: Final[Mapping[int | range, str]] = {}


def covers(*items: int) -> Callable[[TestT], TestT]:
    """Say which items a test covers, at least in part."""

    def attach(test: TestT) -> TestT:
        vars(test)["covered_items"] = items
        return test

    return attach


def covered_items(test: object) -> tuple[int, ...]:
    """Return what *test* was said to cover."""
    items: tuple[int, ...] = getattr(test, "covered_items", ())
    return items


def postponed() -> Iterator[int]:
    """Yield every item that waits for something, as often as it is named."""
    for items in LATER:
        yield from (items,) if isinstance(items, int) else items
