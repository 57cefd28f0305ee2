"""When a message is due that is sent again and again: arithmetic, and its limits."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given, strategies as st

from acton_trio._policy.cadence import Beat, Cadence

SECONDS = st.floats(0, 1e12)
INTERVALS = st.floats(1e-9, 1e12)
ANY_TIME = st.floats(allow_nan=False, allow_infinity=False)
ANY_INTERVAL = st.floats(0, exclude_min=True, allow_nan=False)


@pytest.mark.parametrize(
    ("now", "at_a_rate", "after_a_delay"),
    [
        pytest.param(110.0, 120.0, 120.0, id="in time"),
        pytest.param(112.0, 120.0, 122.0, id="a little late"),
        pytest.param(119.5, 120.0, 129.5, id="hardly before the next"),
        pytest.param(120.0, 130.0, 130.0, id="one is missed"),
        pytest.param(125.0, 130.0, 135.0, id="one and a half"),
        pytest.param(1000.0, 1010.0, 1010.0, id="many are missed"),
        pytest.param(100.0, 110.0, 110.0, id="before the first"),
    ],
)
def test_next_time_is_on_the_grid_or_an_interval_away(
    now: float, at_a_rate: float, after_a_delay: float
) -> None:
    """Armed at 100, every 10 seconds."""
    assert Beat(100.0, 10.0).first == 110
    assert Beat(100.0, 10.0, Cadence.FIXED_RATE).after(now) == at_a_rate
    assert Beat(100.0, 10.0, Cadence.FIXED_DELAY).after(now) == after_a_delay


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(0, 10**5))
def test_grid_point_is_the_first_one_after_now(
    start: int, interval: int, late: int
) -> None:
    """In whole numbers, where there is nothing to round, counting is enough."""
    now = start + late
    point = next(each for each in itertools.count(start, interval) if each > now)

    assert Beat(start, interval).after(now) == max(point, start + interval)


@given(SECONDS, INTERVALS, SECONDS)
@example(0.0, 0.1, 0.3)
@example(0.0, 0.1, 0.1 * 3)
@example(1e5, 1 / 3, 12.0)
def test_next_time_is_on_the_grid_however_it_is_rounded(
    start: float, interval: float, late: float
) -> None:
    """It is later than now, by an interval at most, and drifts by no rounding."""
    now = start + late
    point = Beat(start, interval).after(now)
    one_unit = math.ulp(max(now, interval))
    number = round((point - start) / interval)

    assert point > now
    assert point - now <= interval + 2 * one_unit
    # Beyond, no number tells the grid from what lies between.
    if number * interval < interval * 2**40 and interval > 64 * one_unit:
        assert point == start + number * interval
        assert start + (number - 1) * interval <= now


@given(ANY_TIME, ANY_INTERVAL, ANY_TIME, st.sampled_from(Cadence))
@example(0.0, math.inf, 0.0, Cadence.FIXED_RATE)
@example(0.0, 1e308, 1.7e308, Cadence.FIXED_RATE)
@example(1e300, 5e-324, 1e300, Cadence.FIXED_RATE)
@example(0.0, 5e-324, 1e300, Cadence.FIXED_RATE)
@example(1e20, 1e-3, 1e20, Cadence.FIXED_DELAY)
@example(-1.7e308, 1.0, 1.7e308, Cadence.FIXED_RATE)
def test_next_time_is_always_later(
    start: float, interval: float, now: float, cadence: Cadence
) -> None:
    """Whatever the numbers, nothing is due at once for ever, or in the past."""
    assert Beat(start, interval, cadence).after(now) > now
