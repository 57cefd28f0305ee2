"""How many requests a peer may send."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from acton_trio._wire.ratelimit import TokenBucket

RATES = st.floats(0.1, 10_000)
GAPS = st.lists(st.floats(0, 2), max_size=80)


def test_full_bucket_admits_a_burst_and_no_more() -> None:
    """It is full at first."""
    bucket = TokenBucket(rate=100, burst=50, now=7.0)
    waits = [bucket.take(7.0) for _ in range(51)]

    assert waits[:50] == [0] * 50
    assert waits[50] == pytest.approx(0.01)


def test_tokens_come_back_with_time() -> None:
    """One in a hundredth of a second, at a hundred per second."""
    bucket = TokenBucket(rate=100, burst=1, now=0.0)
    assert bucket.take(0.0) == 0

    assert bucket.take(0.005) == pytest.approx(0.005)
    assert bucket.take(0.0101) == 0


def test_bucket_never_holds_more_than_a_burst() -> None:
    """However long nobody has taken any."""
    bucket = TokenBucket(rate=100, burst=2, now=0.0)

    assert [bucket.take(1e9) > 0 for _ in range(3)] == [False, False, True]


@given(RATES, st.integers(1, 60), GAPS)
def test_no_window_admits_more_than_burst_and_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    """Whenever the requests come."""
    bucket = TokenBucket(rate=rate, burst=burst, now=0.0)
    now, admitted = 0.0, 0
    for gap in gaps:
        now += gap
        admitted += bucket.take(now) == 0

    assert admitted <= burst + rate * now + 1e-6


@given(RATES, st.integers(1, 60), GAPS)
def test_who_waits_as_told_is_admitted(
    rate: float, burst: int, gaps: list[float]
) -> None:
    """Nobody is told too short a time, nor a longer one than a token takes."""
    bucket = TokenBucket(rate=rate, burst=burst, now=0.0)
    now = 0.0
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        if wait:
            now = math.nextafter(now + wait, math.inf)

            assert wait <= 1 / rate + 1e-6
            assert bucket.take(now) <= 1e-6
