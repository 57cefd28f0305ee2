"""What is broadcast: to whom, in which order, and what happens to who is behind."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, open_test_runtime

OLDEST, NEWEST = acton.Delivery.DROP_OLDEST, acton.Delivery.DROP_NEWEST
LATEST, BLOCK = acton.Delivery.LATEST, acton.Delivery.BLOCK


@acton.message
class Price:
    """Is broadcast."""

    cents: int


@acton.message
class Other:
    """Is broadcast, and handled by nobody."""


@acton.message
class Pause(acton.Request[None]):
    """Takes a while, alone."""

    seconds: float


@acton.message
class Shout(acton.Request[None]):
    """Makes the actor broadcast prices."""

    count: int


@acton.actor
class Buyer:
    """Writes down the prices that it handles."""

    prices: list[int]
    takes: float = 0

    @acton.mutate_on
    async def see(self, price: Price) -> None:
        """Write it down, after a while."""
        await trio.sleep(self.takes)
        self.prices.append(price.cents)

    @acton.mutate_on
    async def pause(self, request: Pause) -> None:
        """Take a while, alone."""
        await trio.sleep(request.seconds)

    @acton.mutate_on
    async def shout(self, request: Shout, ctx: acton.Context) -> None:
        """Broadcast."""
        for cents in range(request.count):
            await ctx.broker.broadcast(Price(cents))


@acton.actor
class Declared:
    """Has subscribed by declaration, and writes down who has sent what."""

    prices: list[int]
    senders: list[acton.ActorHandle | None] = attrs.field(
        factory=list["acton.ActorHandle | None"]
    )

    @acton.mutate_on(subscribe=True)
    def see(self, price: Price, ctx: acton.Context) -> None:
        """Write it down."""
        self.prices.append(price.cents)
        self.senders.append(ctx.sender)


async def broadcast(runtime: acton.Runtime, *prices: int) -> None:
    """Broadcast prices, one after another."""
    for cents in prices:
        await runtime.broker.broadcast(Price(cents))


async def test_broadcast_goes_to_all_who_have_subscribed_to_its_type(
    autojump_clock: MockClock,
) -> None:
    """A broadcast goes to all who have subscribed to exactly its type, and no others."""
    first, second, third = list[int](), list[int](), list[int]()

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(Price) as prices,
    ):
        (await runtime.start(Buyer, first)).subscribe(Price)
        await runtime.start(Declared, second)
        await runtime.start(Buyer, third)
        await broadcast(runtime, 1, 2)
        await runtime.broker.broadcast(Other())
        got = [(await anext(prices)).cents for _ in range(2)]

    assert first == second == got == [1, 2]
    assert third == []


async def test_order_of_each_subscriber_is_the_order_of_the_broadcasts(
    autojump_clock: MockClock,
) -> None:
    """Each subscriber gets messages in the order in which they were broadcast."""
    prices: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        buyer = await runtime.start(Buyer, prices, 1, mailbox_capacity=2)
        buyer.subscribe(Price)
        for cents in range(10):
            nursery.start_soon(broadcast, runtime, cents)
            await wait_all_tasks_blocked()

    assert prices == [*range(10)]


async def test_slow_subscriber_delays_no_other(autojump_clock: MockClock) -> None:
    """A subscriber that is behind delays no other one."""
    slow, quick = list[int](), list[int]()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        (await runtime.start(Buyer, slow, 1, mailbox_capacity=1)).subscribe(Price)
        (await runtime.start(Buyer, quick)).subscribe(Price)
        for cents in range(5):
            nursery.start_soon(broadcast, runtime, cents)
            await wait_all_tasks_blocked()

        assert quick == [*range(5)]
        assert slow == []


async def test_broadcast_waits_for_room_with_those_who_want_that(
    autojump_clock: MockClock,
) -> None:
    """A broadcast returns when those who are to be waited for have room."""
    async with open_test_runtime() as runtime:
        buyer = await runtime.start(Buyer, [], 2, mailbox_capacity=1)
        buyer.subscribe(Price)
        await broadcast(runtime, 1)
        await wait_all_tasks_blocked()
        await broadcast(runtime, 2)
        assert trio.current_time() == 0
        await broadcast(runtime, 3)

        assert trio.current_time() == 2


@pytest.mark.parametrize(
    ("delivery", "kept"), [(OLDEST, [4, 5]), (NEWEST, [1, 2]), (LATEST, [5])]
)
async def test_actor_that_is_behind_loses_what_was_agreed(
    delivery: acton.Delivery, kept: list[int], autojump_clock: MockClock
) -> None:
    """An actor that is behind loses what its subscription says, and that is counted."""
    prices: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        buyer = await runtime.start(Buyer, prices)
        subscription = buyer.subscribe(Price, delivery=delivery, capacity=2)
        nursery.start_soon(buyer.ask, Pause(5))
        await wait_all_tasks_blocked()
        await broadcast(runtime, 1, 2, 3, 4, 5)
        assert trio.current_time() == 0
        await buyer.ask(Pause(0))

        assert prices == kept
        counted = subscription.statistics()
        assert (counted.delivered, counted.dropped) == (len(kept), 5 - len(kept))


async def test_subscription_survives_restarts(autojump_clock: MockClock) -> None:
    """Subscriptions of an actor survive its restarts; what comes meanwhile waits."""
    prices: list[int] = []

    async with open_test_runtime() as runtime:
        buyer = await runtime.start(Buyer, prices)
        buyer.subscribe(Price)
        declared = await runtime.start(Declared, prices)
        crash(buyer, ValueError())
        crash(declared, ValueError())
        await wait_all_tasks_blocked()
        await broadcast(runtime, 1)
        assert prices == []
        await buyer.wait_generation(1)
        await declared.wait_generation(1)
        await broadcast(runtime, 2)

    assert sorted(prices) == [1, 1, 2, 2]


async def test_subscription_ends_with_its_actor(autojump_clock: MockClock) -> None:
    """Subscriptions end with their actor, whatever ended it, and hold up nobody."""
    once = acton.RestartPolicy.TEMPORARY

    async with open_test_runtime() as runtime:
        stopped = await runtime.start(Declared, [])
        failed = await runtime.start(Declared, [], restart_policy=once)
        await stopped.stop()
        crash(failed, ValueError())
        await failed.wait_stopped()

        assert not runtime.broker.has_subscribers(Price)
        with pytest.raises(acton.ActorStoppedError):
            stopped.subscribe(Price)


async def test_unsubscribed_actor_gets_no_more(autojump_clock: MockClock) -> None:
    """`unsubscribe` calls off what the actor has not in its mailbox yet."""
    prices: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        buyer = await runtime.start(Buyer, prices, 1, mailbox_capacity=1)
        buyer.subscribe(Price)
        for cents in range(4):
            nursery.start_soon(broadcast, runtime, cents)
            await wait_all_tasks_blocked()
        buyer.unsubscribe(Price)
        await broadcast(runtime, 9)

    assert prices == [0, 1]


async def test_flush_waits_until_all_is_where_it_is_handled(
    autojump_clock: MockClock,
) -> None:
    """`flush` waits until all that was broadcast is in the mailboxes."""
    prices: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        buyer = await runtime.start(Buyer, prices, 1, mailbox_capacity=2)
        buyer.subscribe(Price)
        for cents in range(6):
            nursery.start_soon(broadcast, runtime, cents)
        await wait_all_tasks_blocked()
        await runtime.broker.flush()
        assert trio.current_time() == 3
        await buyer.ask(Pause(0))

        assert sorted(prices) == [*range(6)]


async def test_leaving_handles_what_was_broadcast(autojump_clock: MockClock) -> None:
    """What was broadcast before the block is left is handled before actors stop."""
    prices: list[int] = []

    async with open_test_runtime() as runtime:
        (await runtime.start(Buyer, prices, 0.1)).subscribe(Price)
        await broadcast(runtime, *range(20))

    assert prices == [*range(20)]


async def test_broadcaster_is_the_sender(autojump_clock: MockClock) -> None:
    """The sender of what is broadcast is the actor that broadcast it."""
    prices: list[int] = []
    senders: list[acton.ActorHandle | None] = []

    async with open_test_runtime() as runtime:
        await runtime.start(Declared, prices, senders)
        shouter = await runtime.start(Buyer, [])
        await shouter.ask(Shout(1))
        await broadcast(runtime, 1)

    assert senders == [shouter, None]


async def test_actor_does_not_wait_for_itself(autojump_clock: MockClock) -> None:
    """An actor that broadcasts what it has subscribed to does not wait for itself."""
    prices: list[int] = []

    async with open_test_runtime() as runtime:
        shouter = await runtime.start(Buyer, prices, mailbox_capacity=1)
        shouter.subscribe(Price)
        await shouter.ask(Shout(5))

    assert prices == [*range(5)]


async def test_events_of_children_reach_a_subscribed_supervisor_once(
    autojump_clock: MockClock,
) -> None:
    """A supervisor that has subscribed to events of children gets each of them once."""
    heard: list[str] = []

    def hear(_model: Buyer, event: acton.ChildRestarted) -> None:
        heard.append(event.child)

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Buyer, [], name="boss")
        idle = idle.mutate_on(acton.ChildRestarted, hear, subscribe=True)
        boss = await idle.start()
        own = await boss.supervise(Buyer, [], name="own")
        other = await runtime.start(Buyer, [], name="other")
        for child in (own, other):
            crash(child, ValueError())
            await child.wait_generation(1)

    assert heard == ["boss/own", "other"]
