"""Tables of ratios: what is told to people of servers and stacks."""

from __future__ import annotations

from findings import EACH, Answer, Finding
from tables import Column, Table

ANSWER = Answer(
    "server",
    "What a server bears",
    "slow, 1",
    [
        Finding("slow, 1", {EACH: [2.0, 4.0, 2.0]}),
        Finding("fast, 1", {EACH: [1.0, 1.0, 0.5]}),
        Finding("gone, 1", skipped="it is not installed"),
    ],
)


def rows_of(*, is_speed: bool) -> list[str]:
    rows = {each: f"{each}, 1" for each in ("slow", "fast", "gone", "unknown")}
    columns = [Column("seconds", Finding.median, 1)]
    beside = ["slow", "gone", "somebody"]
    table = Table("1 connection", rows, columns, beside, EACH, is_speed=is_speed)
    return [" ".join(line.split()) for line in table.lines(ANSWER)]


def test_speeds_are_told_beside_others() -> None:
    """A row that is faster has a larger ratio: the median of those of the rounds."""
    assert rows_of(is_speed=True)[:3] == [
        "1 connection seconds x slow x gone",
        "slow 2.0 1.00 -",
        "fast 1.0 4.00 -",
    ]


def test_costs_are_told_beside_others() -> None:
    """A row that takes longer has a larger ratio."""
    assert rows_of(is_speed=False)[2] == "fast 1.0 0.25 -"


def test_whoever_is_missing_is_named() -> None:
    """A row without figures says why; nobody is left out without a word."""
    assert rows_of(is_speed=True)[3:] == [
        "gone skipped: it is not installed",
        "unknown skipped: -",
    ]
