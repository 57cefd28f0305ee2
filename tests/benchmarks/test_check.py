"""What is counted, and when it has grown."""

from __future__ import annotations

import msgspec
import pytest
from check import FILE, Expected, Line, compare
from counts import HELD, OPERATIONS, count_all


def line(now: float, before: float | None) -> Line:
    """Return a count next to what it was, of which a tenth more is tolerated."""
    return Line("ask", "calls", now, before, 0.1)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        pytest.param(109.0, 100.0, "", id="a little more"),
        pytest.param(111.0, 100.0, "GROWN", id="more"),
        pytest.param(89.0, 100.0, "less", id="less"),
        pytest.param(100.0, None, "new", id="new"),
        pytest.param(0.05, 0.02, "", id="next to nothing"),
    ],
)
def test_growth_is_more_than_is_tolerated(
    now: float, before: float | None, words: str
) -> None:
    """A count may waver; a little of next to nothing is no growth either."""
    found = line(now, before)

    assert (found.has_grown, found.has_shrunk) == (words == "GROWN", words == "less")
    assert str(found).endswith(words)


def test_all_that_is_counted_is_compared() -> None:
    """What was not known before is told as new."""
    expected = Expected("3.11", 0.1, {"ask": {"steps": 2.0}})

    lines = [*compare(expected, {"ask": {"steps": 2.0, "calls": 9.0}})]

    assert [(each.counted, each.before) for each in lines] == [
        ("steps", 2.0),
        ("calls", None),
    ]


def test_committed_counts_are_of_what_is_counted() -> None:
    """The file has each operation, and none that is gone."""
    expected = msgspec.json.decode(FILE.read_bytes(), type=Expected)

    assert {*expected.counts} == {*OPERATIONS, *HELD}


async def test_everything_can_be_counted() -> None:
    """Each operation takes something, however often it is done."""
    found = await count_all(times=8)

    assert {*found} == {*OPERATIONS, *HELD}
    assert all(each > 0 for counts in found.values() for each in counts.values())
