"""What the reference's pages show of actors: their state, and their lives."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class IncrementBy:
    """Is added."""

    amount: int = 1


@acton.message
class GetCount(acton.Request[int]):
    """Asks for the sum."""


@acton.message
class GetCountLater(acton.Request[int]):
    """Asks for the sum, with time."""

    seconds: float


@acton.actor
class Counter:
    """Adds up."""

    count: int = 0

    @acton.mutate_on
    def increment(self, command: IncrementBy) -> None:
        """Add."""
        self.count += command.amount

    @acton.act_on
    def get(self, _request: GetCount) -> int:
        """Tell at once."""
        return self.count

    @acton.act_on
    async def get_later(self, request: GetCountLater) -> int:
        """Tell after a while."""
        await trio.sleep(request.seconds)
        return self.count


@covers(206, 208)
@pytest.mark.parametrize(
    ("amounts", "count"),
    [([1, 1, 1], 3), ([5, 10], 15), ([3, 4, 5], 12), ([1, 2, 3], 6), ([], 0)],
)
async def test_counter_counts(
    amounts: list[int], count: int, autojump_clock: MockClock
) -> None:
    """Messages are handled one after another, and a question comes after them."""
    async with open_test_runtime() as runtime:
        counter = await runtime.start(Counter)
        for amount in amounts:
            await counter.send(IncrementBy(amount))

        assert await counter.ask(GetCount()) == count


@covers(206)
async def test_handler_answers_at_once_or_later(autojump_clock: MockClock) -> None:
    """Whether a handler waits or not makes no difference to who asks but time."""
    async with open_test_runtime() as runtime:
        counter = await runtime.start(Counter, 42)

        assert await counter.ask(GetCount()) == 42
        assert await counter.ask(GetCount()) == 42
        assert trio.current_time() == 0
        assert await counter.ask(GetCountLater(1)) == 42
        assert trio.current_time() == 1


@covers(206, 211)
async def test_state_begins_as_the_class_or_the_starter_says(
    autojump_clock: MockClock,
) -> None:
    """A field has its default, unless `start` was given a value for it."""
    async with open_test_runtime() as runtime:
        default = await runtime.start(Counter)
        given = await runtime.start(Counter, 8)

        assert await default.ask(GetCount()) == 0
        assert await given.ask(GetCount()) == 8


@covers(208)
async def test_actors_share_no_state(autojump_clock: MockClock) -> None:
    """Two actors of a class count for themselves."""
    async with open_test_runtime() as runtime:
        first = await runtime.start(Counter)
        second = await runtime.start(Counter)
        for counter in (first, first, second):
            await counter.send(IncrementBy())

        assert await first.ask(GetCount()) == 2
        assert await second.ask(GetCount()) == 1


@covers(208)
async def test_many_actors_live_side_by_side(autojump_clock: MockClock) -> None:
    """A thousand actors start, answer, and are gone with their runtime."""
    async with open_test_runtime() as runtime:
        counters = [await runtime.start(Counter, number) for number in range(1000)]
        assert len(runtime.actors()) == 1000
        assert len({counter.id for counter in counters}) == 1000
        for number, counter in enumerate(counters):
            assert await counter.ask(GetCount()) == number

    for counter in counters:
        assert counter.status.state is acton.ActorState.DOWN


@covers(208)
async def test_reader_sees_what_was_written_before(autojump_clock: MockClock) -> None:
    """A value that a message has changed is the one that the next reader has."""
    async with open_test_runtime() as runtime:
        counter = await runtime.start(Counter, 1)

        assert await counter.ask(GetCount()) == 1
        await counter.send(IncrementBy(41))
        assert await counter.ask(GetCount()) == 42


@acton.message
class Heartbeat:
    """Is what the actor sends itself as it starts."""


@acton.message
class IsReady(acton.Request[bool]):
    """Asks whether the actor has all it needs."""


@acton.actor
class Service:
    """Writes down what happens in its life."""

    log: list[str]
    is_ready: bool = False
    beats: int = 0

    @acton.before_start
    async def before_start(self) -> None:
        """Note it."""
        self.log.append("before_start")

    @acton.after_start
    async def after_start(self, ctx: acton.Context) -> None:
        """Get ready, and take the first message from itself."""
        self.log.append("after_start")
        await ctx.handle.send(Heartbeat())
        await trio.sleep(1)
        self.is_ready = True

    @acton.mutate_on
    def beat(self, _message: Heartbeat) -> None:
        """Count it."""
        assert self.is_ready
        self.beats += 1
        self.log.append("heartbeat")

    @acton.act_on
    def answer(self, _request: IsReady) -> bool:
        """Tell."""
        return self.is_ready

    @acton.before_stop
    async def before_stop(self) -> None:
        """Clean up."""
        self.is_ready = False
        self.log.append("before_stop")

    @acton.after_stop
    def after_stop(self) -> None:
        """Note how it was in the end."""
        self.log.append(f"after_stop: {self.beats} beats, ready: {self.is_ready}")


@covers(214)
async def test_life_of_an_actor_has_its_order(autojump_clock: MockClock) -> None:
    """Two hooks before the first message, two around the end; each runs once."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        service = await runtime.start(Service, log)
        for _ in range(2):
            await service.send(Heartbeat())
        assert await service.ask(IsReady())

    assert log == [
        "before_start",
        "after_start",
        "heartbeat",
        "heartbeat",
        "heartbeat",
        "before_stop",
        "after_stop: 3 beats, ready: False",
    ]


@covers(214)
async def test_started_actor_is_ready(autojump_clock: MockClock) -> None:
    """`start` returns when `after_start` is done, and no message is handled before."""
    async with open_test_runtime() as runtime:
        service = await runtime.start(Service, [])

        assert trio.current_time() == 1
        assert await service.ask(IsReady())


@covers(214)
async def test_actor_sends_itself_a_message_as_it_starts(
    autojump_clock: MockClock,
) -> None:
    """What `after_start` sends to its actor is the first message it handles."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        await runtime.start(Service, log)
        await wait_all_tasks_blocked()

        assert log == ["before_start", "after_start", "heartbeat"]
