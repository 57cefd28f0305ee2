"""What must hold for the car park, and takes hours of nobody's time."""

import pytest
import trio
from car_park import STAY, CarPark, Enter, FreePlaces, Full, Leave, Print, Printer
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import Probe, crash


async def test_place_is_free_after_half_an_hour(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Until then, another car has to wait."""
    car_park = await runtime.start(CarPark, 1)
    await car_park.ask(Enter("AB 1"))

    await trio.sleep(STAY - 1)
    with pytest.raises(Full):
        await car_park.ask(Enter("CD 2"))
    await trio.sleep(2)

    assert await car_park.ask(Enter("CD 2")) == 2


async def test_news_come_when_a_car_has_come_or_gone(
    runtime: acton.Runtime, probe: Probe, autojump_clock: MockClock
) -> None:
    """And none when the time is up of one that has gone before."""
    probe.subscribe(FreePlaces)
    car_park = await runtime.start(CarPark, 2)
    ticket = await car_park.ask(Enter("AB 1"))
    await car_park.send(Leave(ticket))

    assert await probe.expect(FreePlaces) == FreePlaces(1)
    assert await probe.expect(FreePlaces) == FreePlaces(2)
    await probe.expect_nothing(within=2 * STAY)


async def test_tickets_wait_for_the_printer(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Even if somebody has to come to repair it."""
    slowly = acton.RestartLimit(initial_backoff=30 * 60, max_backoff=30 * 60)
    printer = await runtime.start(Printer, restart_limit=slowly)
    crash(printer, OSError("no paper"))

    with trio.fail_after(60 * 60):
        assert await printer.ask(Print("hello")) == "[ hello ]"

    assert trio.current_time() == 30 * 60
