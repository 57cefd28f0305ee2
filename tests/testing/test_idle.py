"""`wait_idle`: when it returns, and how time passes until then."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import crash, faults, open_probe, wait_idle

from .shops import Clerk, Ping, Shop, Work


async def test_idle_runtime_is_idle_at_once(runtime: acton.Runtime) -> None:
    """Where nothing is to do nothing is waited for; it is a checkpoint."""
    with trio.testing.assert_checkpoints():
        await wait_idle(runtime)


async def test_idle_waits_for_what_is_queued(runtime: acton.Runtime) -> None:
    """When it returns all that was sent before is handled."""
    shop = Shop()
    handle = await runtime.start(lambda: shop, mailbox_capacity=100)
    for number in range(100):
        handle.send_nowait(Ping(number))
    await wait_idle(runtime)

    assert shop.log == list(range(100))


async def test_idle_follows_messages_from_actor_to_actor(
    runtime: acton.Runtime,
) -> None:
    """What handlers send is waited for too."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    for _ in range(5):
        handle = await runtime.start(Clerk, handle)
    await handle.send(Ping(1))
    await wait_idle(runtime)

    assert shop.log == [1]


async def test_idle_waits_for_those_in_line(runtime: acton.Runtime) -> None:
    """Who waits for room in a mailbox is waited for."""
    shop = Shop()
    handle = await runtime.start(lambda: shop, mailbox_capacity=1)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(handle.send, Ping(number))
        await trio.lowlevel.checkpoint()
        await wait_idle(runtime)

        assert len(shop.log) == 5


async def test_clock_that_jumps_jumps_while_handlers_sleep(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """A handler that takes an hour takes none of the test's time."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    await handle.send(Work(3600))
    await handle.send(Work(1800))
    await wait_idle(runtime)

    assert trio.current_time() == 3600
    assert len(shop.log) == 2


async def test_clock_that_is_moved_by_the_test_is_waited_for(
    runtime: acton.Runtime, mock_clock: MockClock
) -> None:
    """Without a clock that jumps another task moves it."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    await handle.send(Work(10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_idle, runtime)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        mock_clock.jump(10)

    assert len(shop.log) == 1


async def test_real_clock_goes_on(runtime: acton.Runtime) -> None:
    """In real time it waits as long as the handlers take."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)
    await handle.send(Work(0.001))
    await wait_idle(runtime)

    assert len(shop.log) == 1


async def test_several_tasks_wait_at_once(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """They do not keep each other awake, so that the clock still jumps."""
    handle = await runtime.start(Shop)
    await handle.send(Work(60))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(wait_idle, runtime)

    assert trio.current_time() == 60


async def test_task_that_wakes_with_it_is_not_overlooked(
    runtime: acton.Runtime,
) -> None:
    """What another one does in the very moment of looking is seen."""
    shop = Shop()
    handle = await runtime.start(lambda: shop)

    async def send_when_blocked() -> None:
        await trio.testing.wait_all_tasks_blocked()
        handle.send_nowait(Ping(1))

    for _ in range(50):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_when_blocked)
            nursery.start_soon(wait_idle, runtime)
        await wait_idle(runtime)

    assert len(shop.log) == 50


async def test_actor_between_incarnations_is_idle_when_nothing_is_queued(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """A restart is waited for only if there is something to do after it."""
    limit = acton.RestartLimit(initial_backoff=10)
    handle = await runtime.start(Shop, restart_limit=limit)
    crash(handle, ValueError())
    await wait_idle(runtime)
    assert trio.current_time() == 0
    await handle.send(Ping(1))
    await wait_idle(runtime)

    assert trio.current_time() == 10


async def test_streams_and_delayed_messages_are_not_waited_for(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """What is in no mailbox, and beside all handlers, does not count."""
    async with open_probe(runtime) as probe:
        with faults.delay(Ping, 5):
            await probe.send(Ping(1))
            await wait_idle(runtime)
            assert trio.current_time() == 0
            assert probe.received == ()
            await probe.expect(Ping, within=6)
