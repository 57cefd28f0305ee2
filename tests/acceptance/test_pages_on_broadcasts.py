"""What the reference's pages show of broadcasts, and of a system as a whole."""

from __future__ import annotations

from collections.abc import Collection

import attrs
import pytest
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class PriceUpdate:
    """What something costs now."""

    symbol: str
    price: float


@acton.message
class UserLoggedIn:
    """Somebody has come."""

    name: str


@acton.message
class UserLoggedOut:
    """Somebody has gone."""

    name: str


@acton.message
class Observe:
    """Has somebody broadcast what it has seen."""

    symbol: str
    price: float


@acton.message
class GetSeen(acton.Request[tuple[object, ...]]):
    """Asks for all that somebody has seen."""


@acton.actor
class Observer:
    """Writes down what it sees of the symbols it is for."""

    symbols: Collection[str] = ("ACME", "TECH", "FOOD")
    seen: list[object] = attrs.field(factory=list[object])

    @acton.mutate_on
    def see(self, event: PriceUpdate | UserLoggedIn | UserLoggedOut) -> None:
        """Write it down."""
        if not isinstance(event, PriceUpdate) or event.symbol in self.symbols:
            self.seen.append(event)

    @acton.mutate_on
    async def observe(self, command: Observe, ctx: acton.Context) -> None:
        """Tell all who want to know."""
        update = PriceUpdate(command.symbol, command.price)
        await ctx.broker.broadcast(update)

    @acton.act_on
    def get_seen(self, _request: GetSeen) -> tuple[object, ...]:
        """Tell."""
        return tuple(self.seen)


@acton.actor
class Alarm:
    """Goes off above a price, and tells when it ends."""

    above: float
    ends: list[bool]
    has_gone_off: bool = False

    @acton.mutate_on(subscribe=True)
    def check(self, update: PriceUpdate) -> None:
        """Go off, if it is time."""
        self.has_gone_off |= update.price > self.above

    @acton.after_stop
    def tell(self) -> None:
        """Tell."""
        self.ends.append(self.has_gone_off)


async def start_observer(
    runtime: acton.Runtime, *message_types: type
) -> acton.ActorHandle:
    """Start one that sees these types."""
    observer = await runtime.start(Observer)
    for each in message_types:
        observer.subscribe(each)
    return observer


async def counts(*observers: acton.ActorHandle) -> list[int]:
    """Return how much each of them has seen."""
    return [len(await each.ask(GetSeen())) for each in observers]


@covers(212, 213)
@pytest.mark.parametrize(("subscribers", "updates"), [(1, 1), (2, 2), (3, 1)])
async def test_each_subscriber_gets_each_update(
    subscribers: int, updates: int, autojump_clock: MockClock
) -> None:
    """In the order in which they were broadcast, with what is in them."""
    expected = [PriceUpdate("ACME", 123.0 + number) for number in range(updates)]

    async with open_test_runtime() as runtime:
        observers = [
            await start_observer(runtime, PriceUpdate) for _ in range(subscribers)
        ]
        for update in expected:
            await runtime.broker.broadcast(update)

        for each in observers:
            assert await each.ask(GetSeen()) == tuple(expected)


@covers(212)
async def test_one_who_has_unsubscribed_keeps_what_it_has(
    autojump_clock: MockClock,
) -> None:
    """What was broadcast before stays seen, and nothing is added."""
    async with open_test_runtime() as runtime:
        observer = await start_observer(runtime, PriceUpdate)
        await runtime.broker.broadcast(PriceUpdate("ACME", 1))
        observer.unsubscribe(PriceUpdate)
        await runtime.broker.broadcast(PriceUpdate("ACME", 2))

        assert await observer.ask(GetSeen()) == (PriceUpdate("ACME", 1),)


@covers(212)
async def test_types_are_counted_by_who_has_subscribed_to_them(
    autojump_clock: MockClock,
) -> None:
    """One gets both types, two others one each, and none what it has not named."""
    events = [UserLoggedIn("ann"), UserLoggedIn("bob"), UserLoggedOut("ann")]

    async with open_test_runtime() as runtime:
        coming = await start_observer(runtime, UserLoggedIn)
        going = await start_observer(runtime, UserLoggedOut)
        both = await start_observer(runtime, UserLoggedIn, UserLoggedOut)
        idle = await start_observer(runtime)
        for event in events:
            await runtime.broker.broadcast(event)

        assert await counts(coming, going, both, idle) == [2, 1, 3, 0]
        assert await both.ask(GetSeen()) == tuple(events)


@covers(212)
async def test_subscriber_picks_what_is_for_it(autojump_clock: MockClock) -> None:
    """One subscribes to a type; which of its values matter is the handler's business."""
    async with open_test_runtime() as runtime:
        observer = await runtime.start(Observer, ("ACME", "TECH"))
        observer.subscribe(PriceUpdate)
        for symbol in ("ACME", "FOOD", "TECH", "FOOD"):
            await runtime.broker.broadcast(PriceUpdate(symbol, 1))

        assert await observer.ask(GetSeen()) == (
            PriceUpdate("ACME", 1),
            PriceUpdate("TECH", 1),
        )


@covers(212)
async def test_bus_of_events_knows_nobody(autojump_clock: MockClock) -> None:
    """Who broadcasts names no receiver, and is no worse off if there is none."""
    async with open_test_runtime() as runtime:
        await runtime.broker.broadcast(UserLoggedIn("nobody sees this one"))
        journal = await start_observer(runtime, UserLoggedIn, UserLoggedOut)
        first = await start_observer(runtime, UserLoggedIn)
        second = await start_observer(runtime, UserLoggedOut)
        await runtime.broker.broadcast(UserLoggedIn("ann"))
        await runtime.broker.broadcast(UserLoggedOut("ann"))

        assert await counts(journal, first, second) == [2, 1, 1]


@covers(212)
@pytest.mark.parametrize(("price", "expected"), [(99.0, [False]), (101.0, [True])])
async def test_alarm_goes_off_by_what_it_hears(
    price: float, expected: list[bool], autojump_clock: MockClock
) -> None:
    """A subscription may be declared where the handler is."""
    ends: list[bool] = []

    async with open_test_runtime() as runtime:
        await runtime.start(Alarm, 100, ends)
        await runtime.broker.broadcast(PriceUpdate("ACME", price))

    assert ends == expected


@covers(212)
async def test_handler_broadcasts_to_others_and_to_its_own_actor(
    autojump_clock: MockClock,
) -> None:
    """Whoever broadcasts gets it too, if it has subscribed: in its own turn."""
    async with open_test_runtime() as runtime:
        source = await start_observer(runtime, PriceUpdate)
        other = await start_observer(runtime, PriceUpdate)
        await source.send(Observe("ACME", 5))
        await source.ask(GetSeen())

        for each in (source, other):
            assert await each.ask(GetSeen()) == (PriceUpdate("ACME", 5),)


@covers(213)
async def test_message_to_one_is_seen_by_one(autojump_clock: MockClock) -> None:
    """What is sent is for its receiver, what is broadcast for all subscribers."""
    async with open_test_runtime() as runtime:
        one = await start_observer(runtime, PriceUpdate)
        other = await start_observer(runtime, PriceUpdate)
        await one.send(PriceUpdate("ACME", 1))
        await runtime.broker.broadcast(PriceUpdate("ACME", 2))

        assert await counts(one, other) == [2, 1]


@covers(213)
async def test_handle_is_passed_on_and_means_the_same_actor(
    autojump_clock: MockClock,
) -> None:
    """Actors have names, by which they are found; all who hold one reach it."""
    async with open_test_runtime() as runtime:
        observer = await runtime.start(Observer, name="observer")
        found = runtime.find("observer")
        assert found is not None
        for each in (observer, found, *runtime.actors()):
            await each.send(UserLoggedIn("ann"))

        assert found is observer
        assert await counts(observer) == [3]


@covers(213)
async def test_shutdown_runs_the_hooks_of_the_end(autojump_clock: MockClock) -> None:
    """Whether it is asked for, or the block is left."""
    ends: list[bool] = []

    async with open_test_runtime() as runtime:
        await runtime.start(Alarm, 100, ends)
        await runtime.broker.broadcast(PriceUpdate("ACME", 101))
        await runtime.shutdown_all()
        assert ends == [True]
    assert ends == [True]
