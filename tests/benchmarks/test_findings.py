"""What was measured, as values: the arithmetic of it."""

from __future__ import annotations

import json

import pytest
from findings import (
    EACH,
    P50,
    P99,
    Answer,
    Figure,
    Finding,
    answer_of,
    reading_of,
    record_of,
    shown,
    table_of,
)


def answer(**rounds: list[float]) -> Answer:
    """Return an answer with these contenders, the first of which is the floor."""
    findings = [Finding(name, {EACH: each}) for name, each in rounds.items()]
    return Answer("question", "a title", next(iter(rounds)), findings)


def test_one_number_is_what_each_operation_took() -> None:
    """A contender may tell no more than seconds per operation."""
    assert reading_of(0.5) == {EACH: 0.5}


def test_samples_have_percentiles() -> None:
    """A contender that tells of each operation has its mean, p50 and p99."""
    reading = reading_of([float(each) for each in range(1, 102)])

    assert reading == {EACH: 51.0, P50: 51.0, P99: 100.0}


def test_figures_by_name_stay_as_they_are() -> None:
    """A contender may tell whatever it has counted."""
    assert reading_of({"bytes": 10.0}) == {"bytes": 10.0}


def test_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    """A slow round is slow for both, and says nothing of their ratio."""
    found = answer(floor=[1.0, 10.0, 2.0], other=[2.0, 20.0, 6.0])

    assert found.ratio(Figure("other"), Figure("floor")) == 2.0


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(Figure("nobody"), id="contender"),
        pytest.param(Figure("floor", P99), id="metric"),
    ],
)
def test_no_ratio_to_what_was_not_measured(figure: Figure) -> None:
    """What is missing has no ratio, and is no error."""
    assert answer(floor=[1.0]).ratio(figure, Figure("floor")) is None


def test_nothing_is_a_multiple_of_nothing() -> None:
    """A round in which the reference is 0 has no ratio."""
    assert answer(floor=[0.0]).ratio(Figure("floor"), Figure("floor")) is None


def test_spread_lies_between_the_quartiles() -> None:
    """One round of many may be far off, and the spread stays what it is."""
    finding = Finding("each", {EACH: [1.0, 2.0, 3.0, 4.0, 1000.0]})

    assert (finding.median(), finding.spread()) == (3.0, 2.0)


def test_answer_survives_its_json() -> None:
    """What was written is read again, whatever else was written beside it."""
    skipped = Finding("peer", skipped="peer is not installed")
    found = Answer("ask", "a title", "a", [Finding("a", {P50: [1.0, 2.0]}), skipped])

    assert answer_of(json.dumps(record_of(found)).encode()) == found


def test_table_names_who_was_skipped() -> None:
    """Nobody is left out silently."""
    skipped = Finding("peer", skipped="peer is not installed")
    lines = [*table_of(Answer("ask", "a title", "a", [skipped]))]

    assert " ".join(lines[-1].split()) == "peer skipped: peer is not installed"


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        pytest.param(1.5, EACH, "1.50 s", id="seconds"),
        pytest.param(0.0025, P99, "2.50 ms", id="milliseconds"),
        pytest.param(0.0000005, P50, "0.50 us", id="microseconds"),
        pytest.param(16928.0, "bytes", "16,928 B", id="bytes"),
        pytest.param(3.0, "tasks", "3", id="a count"),
    ],
)
def test_figure_has_its_unit(value: float, metric: str, text: str) -> None:
    """A number is shown as people would say it."""
    assert shown(value, metric) == text
