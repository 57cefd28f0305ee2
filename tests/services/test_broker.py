"""Publish and subscribe: order, and what happens to who is behind."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Price:
    """Is broadcast."""

    cents: int


@pytest.mark.parametrize(
    ("delivery", "expected", "dropped"),
    [
        (acton.Delivery.DROP_OLDEST, [3, 4], 3),
        (acton.Delivery.DROP_NEWEST, [0, 1], 3),
        (acton.Delivery.LATEST, [4], 4),
    ],
)
async def test_reader_who_is_behind_loses_what_was_agreed(
    autojump_clock: MockClock,
    delivery: acton.Delivery,
    expected: list[int],
    dropped: int,
) -> None:
    """Nobody waits for it, and what it lost is counted."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(Price, delivery=delivery, capacity=2) as prices,
    ):
        for cents in range(5):
            await runtime.broker.broadcast(Price(cents))
        got = [(await anext(prices)).cents for _ in expected]

        assert got == expected
        assert prices.statistics().dropped == dropped
        assert prices.statistics().delivered == len(expected)


async def test_broadcast_waits_for_who_wants_to_be_waited_for(
    autojump_clock: MockClock,
) -> None:
    """And for nobody else; who has left is not waited for."""
    got: list[int] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        block = acton.Delivery.BLOCK
        subscription = runtime.broker.subscribe(Price, delivery=block, capacity=1)
        prices = await subscription.__aenter__()

        async def broadcast() -> None:
            for cents in range(4):
                await runtime.broker.broadcast(Price(cents))
            got.append(-1)

        nursery.start_soon(broadcast)
        await wait_all_tasks_blocked()
        got.append((await anext(prices)).cents)
        got.append((await anext(prices)).cents)
        await wait_all_tasks_blocked()
        await subscription.__aexit__(None, None, None)
    assert got == [0, 1, -1]


async def test_what_is_no_message_is_a_type_error(autojump_clock: MockClock) -> None:
    """The mistake is named where it is made."""
    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match="@message"):
            await runtime.broker.broadcast(3)
        with pytest.raises(TypeError, match="not a message class"):
            await runtime.broker.subscribe(int).__aenter__()
        assert not runtime.broker.has_subscribers(Price)
