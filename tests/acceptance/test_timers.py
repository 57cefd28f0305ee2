"""Messages that are sent later, once or again and again."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers

HOUR = 3600

BOTH = pytest.mark.parametrize("cadence", acton.Cadence)


@acton.message
class Tick:
    """Is sent later."""

    name: str = ""


@acton.actor
class Clock:
    """Writes down what comes, and when."""

    ticks: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    def tick(self, message: Tick) -> None:
        """Note it."""
        self.ticks.append(f"{message.name}{trio.current_time():g}")


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[acton.ActorHandle, list[str]]]:
    """Have a clock, and what it has written down."""
    ticks: list[str] = []
    async with open_test_runtime() as runtime:
        yield await runtime.start(Clock, ticks, name="clock"), ticks


async def jump(clock: MockClock, seconds: float) -> None:
    """Have so much time pass in one go, and see what comes of it."""
    clock.jump(seconds)
    await wait_all_tasks_blocked()


@covers(58)
async def test_message_comes_at_its_deadline(mock_clock: MockClock) -> None:
    """It is armed when the call returns; nine tenths of the way nothing has come."""
    async with running() as (clock, ticks):
        send = clock.send_after(10, Tick())
        assert (send.due_at, send.outcome, send.deliveries) == (10, None, 0)

        await jump(mock_clock, 9)
        assert (ticks, send.outcome) == ([], None)

        await jump(mock_clock, 1)
        assert ticks == ["10"]
        assert (send.outcome, send.deliveries) == (acton.Outcome.DELIVERED, 1)


@covers(59)
async def test_cancelled_before_its_deadline_nothing_is_sent(
    autojump_clock: MockClock,
) -> None:
    """However long one waits for it."""
    async with running() as (clock, ticks):
        send = clock.send_after(10, Tick())
        await trio.sleep(9)
        send.cancel()
        assert send.outcome is acton.Outcome.CANCELLED

        await trio.sleep(10)
        assert (ticks, send.deliveries) == ([], 0)
        assert send.outcome is acton.Outcome.CANCELLED


@covers(60)
async def test_cancelled_after_its_deadline_it_was_delivered(
    autojump_clock: MockClock,
) -> None:
    """What has come has come."""
    async with running() as (clock, ticks):
        send = clock.send_after(10, Tick())
        await trio.sleep(11)
        send.cancel()

        assert send.outcome is acton.Outcome.DELIVERED
        assert ticks == ["10"]


@covers(61)
async def test_stop_does_not_wait_for_what_is_due_later(
    autojump_clock: MockClock,
) -> None:
    """It is abandoned, and no time has passed."""
    async with running() as (clock, ticks):
        send = clock.send_after(HOUR, Tick())
        await clock.stop()

        assert send.outcome is acton.Outcome.ABANDONED
        assert (trio.current_time(), ticks) == (0, [])


@covers(62)
async def test_deadline_that_has_passed_is_now(mock_clock: MockClock) -> None:
    """Nobody has to wait for it, or to move the clock."""
    async with running() as (clock, ticks):
        await jump(mock_clock, 10)
        send = clock.send_at(3, Tick())
        await wait_all_tasks_blocked()

        assert ticks == ["10"]
        assert send.outcome is acton.Outcome.DELIVERED


@covers(63)
async def test_what_is_due_first_comes_first(mock_clock: MockClock) -> None:
    """Whatever was armed first, and though all is due when the clock has jumped."""
    async with running() as (clock, ticks):
        clock.send_after(3, Tick("third at "))
        clock.send_after(1, Tick("first at "))
        clock.send_at(2, Tick("second at "))
        await jump(mock_clock, 5)

    assert ticks == ["first at 5", "second at 5", "third at 5"]


async def send_soon(name: str) -> tuple[float, float]:
    """Have a message come after a hundredth of a second; return how long it took."""
    began, began_really = trio.current_time(), time.monotonic()
    async with running() as (clock, ticks):
        send = clock.send_after(0.01, Tick(name))
        assert await send.wait_for_deliveries(1) == 1
        took = trio.current_time() - began
        await wait_all_tasks_blocked()
        assert [each.startswith(name) for each in ticks] == [True]
    return took, time.monotonic() - began_really


@covers(64)
async def test_time_is_real_unless_a_test_says_otherwise() -> None:
    """It is trio's clock, and that is the real one by default."""
    took, really = await send_soon("real")

    assert 0.01 <= took <= really


@covers(65)
async def test_same_code_runs_on_a_virtual_clock(autojump_clock: MockClock) -> None:
    """No handle has a clock of its own: what is run has one, and it is in all of it."""
    took, _ = await send_soon("virtual")

    assert took == pytest.approx(0.01)


@covers(66)
async def test_stop_ends_what_comes_every_hour(autojump_clock: MockClock) -> None:
    """Promptly, and abandoned."""
    async with running() as (clock, ticks):
        send = clock.send_every(HOUR, Tick())
        await trio.sleep(2.5 * HOUR)
        await clock.stop()

        assert trio.current_time() == 2.5 * HOUR
        assert (send.outcome, send.deliveries) == (acton.Outcome.ABANDONED, 2)
        assert ticks == ["3600", "7200"]


@covers(67)
@BOTH
async def test_first_one_comes_after_a_whole_interval(
    cadence: acton.Cadence, mock_clock: MockClock
) -> None:
    """Not at once."""
    async with running() as (clock, ticks):
        await jump(mock_clock, 3)
        send = clock.send_every(10, Tick(), cadence)
        await jump(mock_clock, 9)
        assert ticks == []

        await jump(mock_clock, 1)
        assert ticks == ["13"]
        send.cancel()


@covers(68)
@BOTH
async def test_repeated_message_keeps_coming(
    cadence: acton.Cadence, autojump_clock: MockClock
) -> None:
    """Five have come, and nothing is settled by that."""
    async with running() as (clock, ticks):
        send = clock.send_every(10, Tick(), cadence)

        assert await send.wait_for_deliveries(5) == 5
        await wait_all_tasks_blocked()
        assert ticks == ["10", "20", "30", "40", "50"]
        assert send.outcome is None
        send.cancel()


@covers(69)
@BOTH
async def test_three_missed_intervals_are_one_message(
    cadence: acton.Cadence, mock_clock: MockClock
) -> None:
    """Whichever cadence it has."""
    async with running() as (clock, ticks):
        send = clock.send_every(10, Tick(), cadence)
        await jump(mock_clock, 30)

        assert ticks == ["30"]
        assert (send.deliveries, send.due_at) == (1, 40)
        send.cancel()


@covers(70)
async def test_late_message_moves_a_delay_and_not_a_rate(
    mock_clock: MockClock,
) -> None:
    """Half an interval late: with a rate the next one comes in half an interval."""
    async with running() as (clock, ticks):
        rate = clock.send_every(10, Tick("rate "), acton.Cadence.FIXED_RATE)
        delay = clock.send_every(10, Tick("delay "), acton.Cadence.FIXED_DELAY)
        await jump(mock_clock, 15)
        await jump(mock_clock, 5)
        assert ticks == ["rate 15", "delay 15", "rate 20"]

        await jump(mock_clock, 5)
        assert ticks[3:] == ["delay 25"]
        rate.cancel()
        delay.cancel()


@covers(71)
async def test_cancelled_repeat_comes_no_more(autojump_clock: MockClock) -> None:
    """What had come before stays counted."""
    async with running() as (clock, ticks):
        send = clock.send_every(10, Tick())
        await trio.sleep(25)
        send.cancel()
        await trio.sleep(100)

        assert ticks == ["10", "20"]
        assert (send.outcome, send.deliveries) == (acton.Outcome.CANCELLED, 2)
        assert await send.wait_for_deliveries(3) == 2


@covers(72)
async def test_time_of_the_next_one_moves_along_the_grid(
    mock_clock: MockClock,
) -> None:
    """There is none when all is settled."""
    async with running() as (clock, _):
        await jump(mock_clock, 5)
        send = clock.send_every(10, Tick())
        times = [send.due_at]
        for seconds in (10, 10, 25, 5):
            await jump(mock_clock, seconds)
            times.append(send.due_at)
        send.cancel()

        assert times == [15, 25, 35, 55, 65]
        assert send.due_at is None
