"""In which order an actor's handlers run, and a runtime's actors end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Read(acton.Request[str]):
    """Takes a while."""

    name: str
    seconds: float = 0


@acton.message
class Write(acton.Request[str]):
    """Takes a while, alone."""

    name: str
    seconds: float = 0


@acton.message
class Tick:
    """Is counted, by a plain function."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers, one a second."""

    upto: int


@acton.actor
class Clerk:
    """Writes down what begins and ends, in order."""

    log: list[str] = attrs.field(factory=list[str])
    ticks: list[int] = attrs.field(factory=list[int])

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Note both ends."""
        self.log.append("lifespan in")
        yield
        self.log.append("lifespan out")

    @acton.before_start
    def before_start(self) -> None:
        """Note it."""
        self.log.append("before_start")

    @acton.after_start
    def after_start(self) -> None:
        """Note it."""
        self.log.append("after_start")

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it."""
        self.log.append("before_stop")

    @acton.after_stop
    def after_stop(self) -> None:
        """Note it."""
        self.log.append("after_stop")

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        return await self.take_time(request)

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        return await self.take_time(request)

    async def take_time(self, request: Read | Write) -> str:
        """Note when it begins and ends."""
        self.log.append(f"+{request.name}")
        await trio.sleep(request.seconds)
        self.log.append(f"-{request.name}")
        return request.name

    @acton.mutate_on
    def tick(self, _command: Tick) -> None:
        """Count."""
        self.ticks.append(len(self.ticks))

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count the seconds."""
        for number in range(request.upto):
            await trio.sleep(1)
            yield number


@acton.actor
class Sleeper:
    """Takes a while."""

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        await trio.sleep(request.seconds)
        return request.name


def this(clerk: Clerk) -> Clerk:
    """Have the actor be one that the test can look at, without its start."""
    clerk.log.clear()
    return clerk


def messages_in(clerk: Clerk) -> list[str]:
    """Return what was noted of messages."""
    return [line for line in clerk.log if line[0] in "+-"]


async def test_messages_are_handled_in_the_order_in_which_they_came(
    autojump_clock: MockClock,
) -> None:
    """Messages leave the mailbox in the order in which they came."""
    clerk = Clerk()
    names = [str(number) for number in range(100)]

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        for index, name in enumerate(names):
            await handle.send(Read(name) if index % 3 else Write(name))

    begun = [line[1:] for line in clerk.log if line[0] == "+"]
    for index in range(0, 100, 3):
        assert begun[index] == names[index]
        assert set(begun[index + 1 : index + 3]) == set(names[index + 1 : index + 3])


async def test_act_on_handlers_overlap(autojump_clock: MockClock) -> None:
    """`act_on` handlers of one actor overlap."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        for name in "abc":
            await handle.send(Read(name, 1))

    assert trio.current_time() == pytest.approx(1)
    assert set(messages_in(clerk)[:3]) == {"+a", "+b", "+c"}


async def test_at_most_max_concurrency_act_on_handlers_overlap(
    autojump_clock: MockClock,
) -> None:
    """At most `max_concurrency` of them do, 100 if nothing else is said."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        few = await runtime.start(Clerk, max_concurrency=2)
        for _ in range(201):
            await handle.send(Read("it", 1))
        for _ in range(4):
            await few.send(Read("it", 1))
        await few.stop()
        assert trio.current_time() == pytest.approx(2)
        await handle.stop()
        assert trio.current_time() == pytest.approx(3)


async def test_where_max_concurrency_is_reached_all_wait_behind_the_head(
    autojump_clock: MockClock,
) -> None:
    """Where it is reached the head of the mailbox waits, and all behind it."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk, max_concurrency=1)
        await handle.send(Read("a", 2))
        await handle.send(Read("b", 1))
        await handle.send(Write("c"))
        await handle.send(Read("d"))

    assert messages_in(clerk) == ["+a", "-a", "+b", "-b", "+c", "-c", "+d", "-d"]


async def test_mutate_on_handler_runs_alone(autojump_clock: MockClock) -> None:
    """A `mutate_on` message waits for the running `act_on` handlers, and runs alone."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        await handle.send(Read("a", 1))
        await handle.send(Read("b", 2))
        await handle.send(Write("c", 1))
        await handle.send(Write("d", 1))

    assert messages_in(clerk)[2:] == ["-a", "-b", "+c", "-c", "+d", "-d"]


async def test_nothing_overtakes_a_mutate_on_message(
    autojump_clock: MockClock,
) -> None:
    """Only when it is done does the next message start: nothing overtakes it."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        await handle.send(Read("a", 2))
        await handle.send(Write("b", 1))
        await handle.send(Read("c"))
        assert await handle.ask(Write("d")) == "d"

    assert messages_in(clerk) == ["+a", "-a", "+b", "-b", "+c", "-c", "+d", "-d"]


async def test_stop_is_never_behind_messages_or_a_full_mailbox(
    autojump_clock: MockClock,
) -> None:
    """`stop()` takes effect at once, however full the mailbox is."""
    clerk = Clerk()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, clerk, mailbox_capacity=1)
        await handle.send(Write("a", 1))
        await wait_all_tasks_blocked()
        handle.send_nowait(Write("b", 1))
        nursery.start_soon(handle.stop)

    assert clerk.log.index("before_stop") < clerk.log.index("+b")


async def test_graceful_stop_has_a_fixed_order(autojump_clock: MockClock) -> None:
    """A graceful stop ends handlers, then `before_stop`, the queue, the lifespan."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        await handle.send(Write("running", 1))
        await wait_all_tasks_blocked()
        await handle.send(Write("queued", 1))
        await handle.stop()

    assert clerk.log == [
        "lifespan in",
        "before_start",
        "after_start",
        "+running",
        "-running",
        "before_stop",
        "+queued",
        "-queued",
        "lifespan out",
        "after_stop",
    ]


@pytest.mark.parametrize("message", [Tick(), Read("it"), Write("it")])
async def test_actor_yields_to_others_while_it_has_much_to_do(
    message: Tick | Read | Write, autojump_clock: MockClock
) -> None:
    """An actor yields to other tasks at least every 64 messages."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk, mailbox_capacity=10_000)
        for _ in range(1000):
            handle.send_nowait(message)
        seen = 0
        while seen < 1000:
            await trio.lowlevel.checkpoint()
            now = len(clerk.ticks) + sum(line[0] == "+" for line in clerk.log)
            assert now - seen <= 2 * 64
            seen = now


async def test_actor_yields_to_others_while_its_handlers_take_long() -> None:
    """It yields at least every 500 us of handling, or after each longer handler."""
    handled = 0

    def burn(_model: object, _command: Tick) -> None:
        nonlocal handled
        handled += 1
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(object).mutate_on(Tick, burn).start()
        for _ in range(30):
            handle.send_nowait(Tick())
        seen = 0
        while seen < 30:
            await trio.lowlevel.checkpoint()
            assert handled - seen <= 2
            seen = handled


async def test_stream_runs_beside_the_lock(autojump_clock: MockClock) -> None:
    """A stream starts in its turn, and `mutate_on` handlers run between its steps."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        await handle.send(Write("before", 5))
        async with handle.stream(Count(3)) as numbers:
            assert await anext(numbers) == 0
            assert trio.current_time() == pytest.approx(6)
            assert await handle.ask(Write("between")) == "between"
            assert trio.current_time() == pytest.approx(6)
            assert [number async for number in numbers] == [1, 2]


async def test_stream_does_not_count_against_max_concurrency(
    autojump_clock: MockClock,
) -> None:
    """A stream does not count against `max_concurrency`."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk, max_concurrency=1)
        async with handle.stream(Count(100)) as numbers:
            await anext(numbers)
            assert await handle.ask(Read("it", 1)) == "it"


async def test_stop_ends_a_stream_at_once(autojump_clock: MockClock) -> None:
    """`stop()` ends a stream at once: its consumer gets `ActorStoppedError`."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Clerk)
        async with handle.stream(Count(100)) as numbers:
            await anext(numbers)
            nursery.start_soon(handle.stop)
            with pytest.raises(acton.ActorStoppedError):
                await anext(numbers)

        assert trio.current_time() == pytest.approx(1)


async def test_actors_stop_in_reverse_order_of_start(
    autojump_clock: MockClock,
) -> None:
    """Leaving `open_runtime` stops actors in reverse order of start, one by one."""
    log: list[str] = []

    def note(actor: str, what: str) -> Callable[[object], None]:
        return lambda _model: log.append(f"{actor} {what}")

    async with open_test_runtime() as runtime:
        for name in "abc":
            idle = runtime.new_actor(Sleeper, name=name)
            idle.before_stop(note(name, "stops")).after_stop(note(name, "is down"))
            handle = await idle.start()
            await handle.send(Write("it", 1))

    assert log == [
        "c stops",
        "c is down",
        "b stops",
        "b is down",
        "a stops",
        "a is down",
    ]


async def test_subscriber_gets_broadcasts_in_their_order(
    autojump_clock: MockClock,
) -> None:
    """A subscriber gets broadcasts in the order in which they were made."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(Read) as events,
    ):
        for number in range(100):
            await runtime.broker.broadcast(Read(str(number)))

        assert [(await anext(events)).name for _ in range(100)] == [
            str(number) for number in range(100)
        ]


async def test_subscriber_that_blocks_gets_broadcasts_in_their_order(
    autojump_clock: MockClock,
) -> None:
    """So does one that broadcasters wait for, while several of them wait."""
    received: list[str] = []

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(
            Read, delivery=acton.Delivery.BLOCK, capacity=1
        ) as events,
        trio.open_nursery() as nursery,
    ):
        for number in range(10):
            nursery.start_soon(runtime.broker.broadcast, Read(str(number)))
            await wait_all_tasks_blocked()
        for number in range(10, 20):
            received.append((await anext(events)).name)
            nursery.start_soon(runtime.broker.broadcast, Read(str(number)))
            await trio.lowlevel.checkpoint()
        while len(received) < 20:
            received.append((await anext(events)).name)

    assert received == [str(number) for number in range(20)]


@pytest.mark.parametrize("delivery", acton.Delivery)
async def test_slow_subscriber_delays_no_other(
    delivery: acton.Delivery, autojump_clock: MockClock
) -> None:
    """A slow subscriber delays no other, whatever either's delivery is."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(
            Read, delivery=acton.Delivery.BLOCK, capacity=1
        ) as slow,
        runtime.broker.subscribe(Read, delivery=delivery, capacity=10) as quick,
        trio.open_nursery() as nursery,
    ):
        await runtime.broker.broadcast(Read("a"))
        assert (await anext(quick)).name == "a"
        nursery.start_soon(runtime.broker.broadcast, Read("b"))
        with trio.move_on_after(1) as late:
            assert (await anext(quick)).name == "b"
        assert [(await anext(slow)).name for _ in range(2)] == ["a", "b"]

        assert not late.cancelled_caught
