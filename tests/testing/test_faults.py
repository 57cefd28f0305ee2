"""Faults that a test plants: where they strike, and what becomes of messages."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import (
    Probe,
    crash,
    expect_event,
    faults,
    open_ipc_pair,
    wait_idle,
)

from .shops import GetPrice, Ping, Shop, Unknown, Work


async def test_dropped_message_never_arrives(
    runtime: acton.Runtime, probe: Probe, autojump_clock: MockClock
) -> None:
    """Its sender is told nothing, as on a bad line."""
    with faults.drop(Ping) as fault:
        await probe.send(Ping(1))
        probe.send_nowait(Ping(2))
        await probe.send(Unknown())
    await probe.send(Ping(3))
    await wait_idle(runtime)

    assert probe.received == (Unknown(), Ping(3))
    assert fault.hits == 2


async def test_nth_message_is_dropped_alone(
    runtime: acton.Runtime, probe: Probe
) -> None:
    """One message of many can be lost, counted from 1 on."""
    with faults.drop(Ping, nth=2) as fault:
        for number in range(1, 5):
            await probe.send(Ping(number))
    await wait_idle(runtime)

    assert probe.received == (Ping(1), Ping(3), Ping(4))
    assert fault.hits == 1


async def test_fault_for_one_actor_leaves_others_alone(
    runtime: acton.Runtime, probe: Probe
) -> None:
    """The way to one actor can be bad while others can be reached."""
    shop = Shop()
    other = await runtime.start(lambda: shop)
    with faults.drop(Ping, to=other):
        await probe.send(Ping(1))
        await other.send(Ping(2))
    await wait_idle(runtime)

    assert probe.received == (Ping(1),)
    assert shop.log == []


async def test_dropped_ask_ends_with_its_deadline(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The asker waits as it would for an answer that is lost, and hears where it was."""
    shop = await runtime.start(Shop)
    with faults.drop(GetPrice):
        with trio.move_on_after(2) as patience:
            await shop.ask(GetPrice())
        with pytest.raises(
            acton.AskTimeoutError, match="a fault of the test has dropped"
        ):
            await shop.ask(GetPrice())

    assert patience.cancelled_caught
    assert trio.current_time() == 32


async def test_delayed_message_arrives_late(
    probe: Probe, autojump_clock: MockClock
) -> None:
    """Others overtake it, and its sender does not wait."""
    with faults.delay(Ping, 5, nth=1):
        await probe.send(Ping(1))
        await probe.send(Ping(2))
        assert trio.current_time() == 0
    assert await probe.expect(Ping) == Ping(2)
    assert await probe.expect(Ping, within=5) == Ping(1)
    assert trio.current_time() == 5


async def test_delayed_ask_is_answered_late(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """It takes so much longer, if the asker is patient."""
    shop = await runtime.start(Shop)
    with faults.delay(GetPrice, 5):
        with trio.move_on_after(2):
            await shop.ask(GetPrice())
        assert await shop.ask(GetPrice("rice")) == 4

    assert trio.current_time() == 7


async def test_delayed_ask_to_an_actor_that_is_down_by_then_ends(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The asker hears that the actor has stopped, when the message would arrive."""
    shop = await runtime.start(Shop)
    with faults.delay(GetPrice, 5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shop.stop)
            with pytest.raises(acton.ActorStoppedError):
                await shop.ask(GetPrice())

    assert trio.current_time() == 5


async def test_crash_before_leaves_the_message_to_the_next_incarnation(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The actor fails with the message still queued, and handles it after its restart."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    with faults.crash_before(Ping) as fault:
        await handle.send(Ping(1))
        await handle.send(Ping(2))
        await handle.wait_generation(1)
        await wait_idle(runtime)

    assert shop.log == [1, 2]
    assert fault.hits == 1
    assert handle.status.generation == 1
    failure = handle.status.last_failure
    assert isinstance(failure, faults.CrashError)
    assert str(failure) == "before Ping"


async def test_crash_before_each_message_strikes_each_once(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Every one of them costs an incarnation, none is lost."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    error = ValueError("planted")
    with faults.crash_before(Ping, error, nth=None, to=handle):
        await handle.send(Ping(1))
        await handle.send(Ping(2))
        await wait_idle(runtime)

    assert shop.log == [1, 2]
    assert handle.status.generation == 2
    assert handle.status.last_failure is error
    assert error.__notes__ == ["crashed by a test"]


async def test_crash_has_the_actor_fail_as_it_was_told(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """What it handles is cut off, and it is restarted by its supervisor."""
    shop = await runtime.start(Shop)

    async def ask() -> None:
        with pytest.raises(acton.HandlerFailedError) as raised:
            await shop.ask(Work(60))
        assert raised.value.__cause__ is error

    error = ValueError("planted")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        crash(shop, error)
    await shop.wait_generation(1)

    assert shop.status.last_failure is error


async def test_crash_of_an_actor_that_does_not_come_back(
    runtime: acton.Runtime,
) -> None:
    """Its end is told with the error, and is no leak: a test is behind it."""
    policy = acton.RestartPolicy.TEMPORARY
    shop = await runtime.start(Shop, name="shop", restart_policy=policy)
    error = ValueError("planted")
    crash(shop, error)
    event = await expect_event(runtime, acton.ChildTerminated)
    other = await runtime.start(Shop, restart_policy=policy)
    crash(other, ValueError("planted, too"))
    await other.wait_stopped()

    assert (event.child, event.error) == ("shop", error)
    with pytest.raises(acton.ActorStoppedError):
        crash(other, error)


async def test_crash_between_incarnations_is_refused(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Where nobody sits nobody fails; the test is told, not left to wonder."""
    shop = await runtime.start(Shop, name="shop")
    crash(shop, ValueError())
    await wait_idle(runtime)

    with pytest.raises(RuntimeError, match="shop is between two incarnations"):
        crash(shop, ValueError())


async def test_disconnect_cuts_the_connection(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Whoever waits for an answer hears that the peer is lost, at that time."""
    await runtime.start(Shop, name="shop", expose=True)
    async with open_ipc_pair(runtime) as (client, server):
        with faults.disconnect(client, after=3), pytest.raises(acton.PeerLostError):
            await client.actor("shop").ask(Work(10))
        assert trio.current_time() == 3
        await wait_idle(runtime)
        assert server.statistics().connections_active == 0


async def test_disconnect_does_not_outlive_its_block(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """What is over before the time of the fault is not hurt."""
    await runtime.start(Shop, name="shop", expose=True)
    async with open_ipc_pair(runtime) as (client, _):
        with faults.disconnect(client, after=3):
            await trio.sleep(2)
        await trio.sleep(2)

        assert await client.actor("shop").ask(GetPrice()) == 3


@pytest.mark.parametrize(
    ("message_type", "nth", "error"),
    [
        pytest.param(int, None, TypeError, id="no message class"),
        pytest.param(Ping, 0, ValueError, id="counts from 1"),
    ],
)
def test_fault_that_could_never_strike_is_refused(
    message_type: type, nth: int | None, error: type[Exception]
) -> None:
    """A fault that does nothing is a mistake in the test."""
    with pytest.raises(error), faults.drop(message_type, nth=nth):
        pass
