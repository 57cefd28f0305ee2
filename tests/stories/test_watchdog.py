"""The watchdog: what hangs fails with where it was, and trio is left sound."""

from __future__ import annotations

import re
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from acton_trio.testing import HangError, run_with_watchdog, watchdog


async def sleeps() -> None:
    await trio.sleep_forever()


async def quick(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return number


LINE = sleeps.__code__.co_firstlineno + 1


def test_run_that_hangs_fails_with_the_lines_of_its_tasks() -> None:
    """Whoever reads it sees which task waits where."""
    with pytest.raises(HangError) as raised:
        run_with_watchdog(sleeps, patience=0.05)

    text = str(raised.value)
    assert text.startswith("hung for 0.05 seconds, in these tasks:\n")
    assert re.search(rf'test_watchdog.py", line {LINE}, in sleeps', text)


def test_run_under_a_clock_that_jumps_is_watched_in_real_time() -> None:
    """Virtual hours pass in no time, and are no hang."""
    clock = MockClock(autojump_threshold=0)
    run_with_watchdog(partial(trio.sleep, 10_000), patience=30, clock=clock)


def test_run_gives_what_the_function_gives() -> None:
    """Arguments and the result are passed on, as trio.run does."""
    assert run_with_watchdog(quick, 3, patience=30) == 3
    assert trio.run(quick, 4) == 4


async def test_block_that_hangs_is_cancelled_alone() -> None:
    """What is around the block goes on, and clean-up in it has run."""
    cleaned = False
    with pytest.raises(HangError, match=r"hung for 0\.01 seconds"), watchdog(0.01):
        try:
            await trio.sleep_forever()
        finally:
            cleaned = True
    await trio.lowlevel.checkpoint()

    assert cleaned


async def test_block_that_fails_fails_as_itself() -> None:
    """A watchdog that has not bitten changes nothing."""
    with pytest.raises(ZeroDivisionError), watchdog(30):
        await trio.lowlevel.checkpoint()
        _ = 1 / 0
