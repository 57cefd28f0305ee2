"""When a server is said to have grown, and when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .service import Sample
from .verdicts import (
    MIB,
    complaints_of_accounts,
    complaints_of_rest,
    complaints_of_samples,
)


def usual(**unusual: int) -> Sample:
    """Return a sample as there are many, but for what is *unusual*."""
    numbers = {
        "rss": 50 * MIB,
        "descriptors": 20,
        "tasks": 70,
        "connections": 10,
        "in_flight": 3,
    }
    return Sample(**(numbers | unusual), counted={})


def samples(of: Callable[[int], Sample]) -> list[Sample]:
    """Return those of a hundred moments."""
    return [of(moment) for moment in range(100)]


def test_what_stays_as_it_is_is_well() -> None:
    """Whatever it takes while it warms up, and at some unusual moments."""

    def sample(moment: int) -> Sample:
        if moment < 20:
            return usual(rss=moment * MIB, descriptors=5, tasks=5)
        if moment % 5 == 0:
            return usual(rss=500 * MIB, descriptors=400, tasks=900)
        return usual()

    assert not [*complaints_of_samples(samples(sample))]


def test_more_connections_take_more() -> None:
    """Descriptors and tasks that connections have are no growth."""

    def sample(moment: int) -> Sample:
        return usual(
            descriptors=10 + moment,
            tasks=40 + 3 * moment,
            connections=moment,
        )

    assert not [*complaints_of_samples(samples(sample))]


@pytest.mark.parametrize(
    ("grown", "words"),
    [
        (lambda n: usual(rss=(50 + n) * MIB), "memory grew"),
        (lambda n: usual(descriptors=20 + n), "descriptors"),
        (lambda n: usual(tasks=70 + n), "tasks"),
    ],
)
def test_what_grows_is_named(grown: Callable[[int], Sample], words: str) -> None:
    """One thing at a time."""
    (complaint,) = complaints_of_samples(samples(grown))

    assert words in complaint


def test_run_that_is_too_short_to_tell_is_well() -> None:
    """There is nothing to compare."""
    assert not [*complaints_of_samples([usual()])]


def test_what_is_left_is_named() -> None:
    """Less than before is nothing to complain of."""
    after = usual(tasks=71, descriptors=19, in_flight=4)

    assert [*complaints_of_rest(usual(), after)] == [
        "there are 71 tasks now that all have gone, 70 before",
        "there are 4 in_flight now that all have gone, 3 before",
    ]
    assert not [*complaints_of_rest(usual(), usual())]


@pytest.mark.parametrize(
    ("ends", "complaints"),
    [
        ({"answered": 2, "TARGET_BUSY": 1}, []),
        ({"answered": 2}, ["3 requests were sent, and 2 ended"]),
        ({"TARGET_BUSY": 3}, ["no request was answered"]),
        ({"answered": 2, "Oops": 1}, ["1 requests ended with Oops"]),
    ],
)
def test_requests_are_accounted_for(
    ends: dict[str, int], complaints: list[str]
) -> None:
    """Each is answered, or fails in a way that is known."""
    known = frozenset({"TARGET_BUSY"})

    assert [*complaints_of_accounts({"ask": 1, "send": 2}, ends, known)] == complaints
