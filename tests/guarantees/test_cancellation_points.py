"""Whatever is awaited may be cancelled, wherever it waits, and keeps its promise.

Each test makes one call over and over: cancelled where it first gives way to
other tasks, where it does so for the second time, and so on until the call
returns before it would be cancelled.  A task can be cancelled while it is
blocked, and when it has just been woken: then what it waited for has happened,
and trio lets it go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

SHORT = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2, system_shutdown=5))

Moment = Literal["blocks", "wakes"]


@attrs.define(eq=False)
class Watch(trio.abc.Instrument):
    """Cancels a scope at the n-th time that a task blocks, or is woken."""

    task: trio.lowlevel.Task
    scope: trio.CancelScope
    moment: Moment
    times_left: int

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count where the task blocks."""
        if self.moment == "blocks":
            self.count(task)

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Count where the task is woken."""
        if self.moment == "wakes":
            self.count(task)

    def count(self, task: trio.lowlevel.Task) -> None:
        """Count if it is this task; cancel at the last."""
        if task is self.task:
            self.times_left -= 1
            if self.times_left == 0:
                self.scope.cancel(reason=f"the test, when the task {self.moment}")


@attrs.define
class Cancellation:
    """Where a call is to be cancelled, and whether that came to pass."""

    moment: Moment
    times: int
    is_reached: bool = False
    """Whether the call had not returned by then."""

    is_caught: bool = False
    """Whether the call ended by it."""

    @contextmanager
    def here(self) -> Generator[None, None, None]:
        """Cancel what is in this block, in its time."""
        with trio.CancelScope() as scope:
            task = trio.lowlevel.current_task()
            watch = Watch(task, scope, self.moment, self.times)
            trio.lowlevel.add_instrument(watch)
            try:
                yield
            finally:
                trio.lowlevel.remove_instrument(watch)
        self.is_reached = scope.cancel_called
        self.is_caught = scope.cancelled_caught


async def cancel_everywhere(
    attempt: Callable[[Cancellation], Awaitable[None]], *, at_least: int = 1
) -> None:
    """Run *attempt* cancelled at its 1st, 2nd, ... point; each leaves no task."""
    for moment in ("blocks", "wakes"):
        times = 0
        is_over = False
        while not is_over:
            times += 1
            cancellation = Cancellation(moment, times)
            before = trio.lowlevel.current_statistics().tasks_living
            await in_limited_time(attempt, cancellation)
            await wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().tasks_living == before
            is_over = not cancellation.is_reached
        assert times > at_least


async def in_limited_time(
    attempt: Callable[[Cancellation], Awaitable[None]], cancellation: Cancellation
) -> None:
    """Run *attempt*; if it hangs, lift all shields so that its end can be seen."""
    is_hung = False

    async def guard() -> None:
        nonlocal is_hung
        await trio.sleep(10_000)
        is_hung = True
        lift_shields()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(guard)
        await attempt(cancellation)
        nursery.cancel_scope.cancel()
    assert not is_hung, f"hung after {cancellation}"


def lift_shields() -> None:
    """Let cancellations in everywhere: all else would leave the test hanging."""
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root else []
    while tasks:
        task = tasks.pop()
        status: Any = task._cancel_status
        while status is not None:
            status._scope.shield = False
            status = status._parent
        tasks.extend(
            child for each in task.child_nurseries for child in each.child_tasks
        )


@acton.message
class Read(acton.Request[str]):
    """Takes a while."""

    name: str = ""
    seconds: float = 0


@acton.message
class Write(acton.Request[str]):
    """Takes a while, alone."""

    name: str = ""
    seconds: float = 0


@acton.message
class Defer(acton.Request[str]):
    """Is answered when the test says so."""


@acton.message
class Fail:
    """Makes the handler raise."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers."""

    upto: int
    pause: float = 0


@attrs.define
class Diary:
    """What the incarnations of an actor did."""

    lines: list[str] = attrs.field(factory=list[str])
    addresses: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    def count(self, line: str) -> int:
        """Return how often *line* was written."""
        return self.lines.count(line)


@acton.actor
class Worker:
    """Writes down what it does."""

    diary: Diary = attrs.field(factory=Diary)

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Take a while at both ends."""
        await trio.sleep(0.125)
        self.diary.lines.append("in")
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.125)
            self.diary.lines.append("out")

    @acton.after_start
    async def after_start(self) -> None:
        """Take a while."""
        await trio.sleep(0.125)

    @acton.after_stop
    async def after_stop(self) -> None:
        """Take a while."""
        await trio.sleep(0.125)
        self.diary.lines.append("down")

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        return await self.take_time(request)

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        return await self.take_time(request)

    async def take_time(self, request: Read | Write) -> str:
        """Take a while, and write down how that went."""
        self.diary.lines.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.diary.lines.append(f"x{request.name}")
            raise
        self.diary.lines.append(f"-{request.name}")
        return request.name

    @acton.act_on
    def defer(self, _request: Defer, ctx: acton.Context) -> None:
        """Keep the address."""
        self.diary.addresses.append(ctx.reply_address)

    @acton.mutate_on
    def fail(self, _command: Fail) -> None:
        """Raise."""
        raise RuntimeError

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count."""
        self.diary.lines.append("+count")
        try:
            for number in range(request.upto):
                await trio.sleep(request.pause)
                yield number
        finally:
            self.diary.lines.append("-count")


async def test_send_with_room(autojump_clock: MockClock) -> None:
    """A `send` with room that is cancelled has put nothing in."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, sent = Diary(), 0
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary)
            with cancellation.here():
                for _ in range(200):
                    await handle.send(Write())
                    sent += 1

        assert diary.count("-") == sent

    await cancel_everywhere(attempt, at_least=3)


async def test_send_waiting_for_room(autojump_clock: MockClock) -> None:
    """A `send` that waits for room and is cancelled has put nothing in."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, sent = Diary(), 0
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary, mailbox_capacity=1)
            with cancellation.here():
                for _ in range(5):
                    await handle.send(Write(seconds=1))
                    sent += 1

        assert diary.count("-") == sent

    await cancel_everywhere(attempt, at_least=3)


async def test_cancelled_wait_for_room_leaves_the_line_to_others(
    autojump_clock: MockClock,
) -> None:
    """A cancelled wait for room takes no room from those who wait behind it."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, sent = Diary(), 0
        async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
            handle = await runtime.start(Worker, diary, mailbox_capacity=1)
            await handle.send(Write("first", 1))
            await wait_all_tasks_blocked()
            await handle.send(Write("second", 1))

            async def push_in() -> None:
                nonlocal sent
                with cancellation.here():
                    await handle.send(Write("third"))
                    sent += 1

            nursery.start_soon(push_in)
            await wait_all_tasks_blocked()
            nursery.start_soon(handle.send, Write("fourth"))

        assert diary.count("-third") == sent
        assert diary.count("-fourth") == 1

    await cancel_everywhere(attempt)


async def test_ask_that_is_queued(autojump_clock: MockClock) -> None:
    """A queued `ask` that is cancelled is never handled."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, replies = Diary(), list[str]()
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary)
            await handle.send(Write("first", 1))
            with cancellation.here():
                replies.append(await handle.ask(Write("it")))

        assert diary.count("+it") == len(replies) == diary.count("-it")

    await cancel_everywhere(attempt)


@pytest.mark.parametrize("full", [True, False])
async def test_ask_that_waits_for_room(
    full: bool,  # noqa: FBT001 - pytest names its parameters
    autojump_clock: MockClock,
) -> None:
    """An `ask` that is cancelled while it waits for room is never handled."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, replies = Diary(), list[str]()
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary, mailbox_capacity=1)
            await handle.send(Write("first", 1))
            await wait_all_tasks_blocked()
            if full:
                await handle.send(Write("second", 1))
            with cancellation.here():
                replies.append(await handle.ask(Write("it")))
            await handle.ask(Write("last"))

        assert diary.count("+it") == len(replies) == diary.count("-it")

    await cancel_everywhere(attempt)


async def test_ask_whose_act_on_handler_runs(autojump_clock: MockClock) -> None:
    """An `ask` that is cancelled cancels its running `act_on` handler, and leaves."""

    async def attempt(cancellation: Cancellation) -> None:
        diary = Diary()
        async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
            handle = await runtime.start(Worker, diary)
            nursery.start_soon(trio.sleep, 0.5)
            began = trio.current_time()
            with cancellation.here():
                await trio.lowlevel.checkpoint()
                await handle.ask(Read("it", 1))
            if cancellation.is_caught:
                assert trio.current_time() == began
            await wait_all_tasks_blocked()
            ended = diary.count("-it"), diary.count("xit")
            assert sum(ended) == diary.count("+it")
            assert ended[0] == (not cancellation.is_caught)
            assert handle.status.generation == 0

    await cancel_everywhere(attempt, at_least=2)


async def test_ask_whose_mutate_on_handler_runs(autojump_clock: MockClock) -> None:
    """An `ask` that is cancelled lets its running `mutate_on` handler complete."""

    async def attempt(cancellation: Cancellation) -> None:
        diary = Diary()
        async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
            handle = await runtime.start(Worker, diary)

            async def ask() -> None:
                with cancellation.here():
                    # As many points as it takes to have the handler run.
                    await handle.ask(Write("first", 0.5))
                    await handle.ask(Write("it", 1))

            nursery.start_soon(ask)
            await trio.sleep(5)
            assert handle.status.generation == 0

        for name in ("first", "it"):
            assert diary.count(f"-{name}") == diary.count(f"+{name}")
        assert diary.count("xit") == 0

    await cancel_everywhere(attempt, at_least=2)


async def test_entering_a_stream(autojump_clock: MockClock) -> None:
    """A stream that is cancelled while it is entered has no handler left."""

    async def attempt(cancellation: Cancellation) -> None:
        diary = Diary()
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary)
            before = trio.lowlevel.current_statistics().tasks_living
            with cancellation.here():
                async with handle.stream(Count(3)) as numbers:
                    assert [number async for number in numbers] == [0, 1, 2]
            await wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().tasks_living == before

        assert diary.count("+count") == diary.count("-count")

    await cancel_everywhere(attempt, at_least=2)


@pytest.mark.parametrize("pause", [0, 1])
async def test_next_of_a_stream(pause: float, autojump_clock: MockClock) -> None:
    """The next of a stream that is cancelled loses no reply: the next call has it."""

    async def attempt(cancellation: Cancellation) -> None:
        received: list[int] = []
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker)
            async with handle.stream(Count(3, pause)) as numbers:
                with cancellation.here():
                    while len(received) < 3:
                        received.append(await anext(numbers))
                received.extend([number async for number in numbers])

        assert received == [0, 1, 2]

    await cancel_everywhere(attempt)


async def test_stop(autojump_clock: MockClock) -> None:
    """A `stop` that is cancelled stops the actor all the same."""

    async def attempt(cancellation: Cancellation) -> None:
        diary = Diary()
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, diary)
            await handle.send(Write("running", 1))
            await wait_all_tasks_blocked()
            await handle.send(Write("queued", 1))
            with cancellation.here():
                await handle.stop()
            with pytest.raises(acton.ActorStoppedError), trio.fail_after(50):
                await handle.wait_stopped()
                await handle.send(Write())

        assert diary.lines[-2:] == ["out", "down"]
        assert diary.count("-queued") == 1

    await cancel_everywhere(attempt)


async def test_wait_stopped(autojump_clock: MockClock) -> None:
    """A `wait_stopped` that is cancelled ends only the waiting."""

    async def attempt(cancellation: Cancellation) -> None:
        async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
            handle = await runtime.start(Worker)

            async def wait() -> None:
                with cancellation.here():
                    await handle.wait_stopped()

            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            assert await handle.ask(Read("it")) == "it"
            await handle.stop()

    await cancel_everywhere(attempt)


async def test_wait_generation(autojump_clock: MockClock) -> None:
    """A `wait_generation` that is cancelled ends only the waiting."""

    async def attempt(cancellation: Cancellation) -> None:
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker)
            await handle.send(Fail())
            with cancellation.here():
                await handle.wait_generation(1)
            await handle.wait_generation(1)
            await handle.wait_running()

    await cancel_everywhere(attempt)


async def test_send_of_a_reply_address(autojump_clock: MockClock) -> None:
    """The `send` of a reply address that is cancelled has sent nothing."""

    async def attempt(cancellation: Cancellation) -> None:
        diary, replies = Diary(), list[str]()
        async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
            handle = await runtime.start(Worker, diary)

            async def ask() -> None:
                replies.append(await handle.ask(Defer()))

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            with cancellation.here():
                await diary.addresses[0].send("reply")
            await wait_all_tasks_blocked()
            assert replies == ([] if cancellation.is_caught else ["reply"])
            await diary.addresses[0].send("reply")

        assert replies == ["reply"]

    await cancel_everywhere(attempt)


async def test_broadcast(autojump_clock: MockClock) -> None:
    """A `broadcast` that is cancelled reaches nobody twice, and delays nobody."""

    async def attempt(cancellation: Cancellation) -> None:
        async with (
            open_test_runtime() as runtime,
            runtime.broker.subscribe(Read) as quick,
            runtime.broker.subscribe(
                Read, delivery=acton.Delivery.BLOCK, capacity=1
            ) as slow,
            trio.open_nursery() as nursery,
        ):
            sent = 0

            async def broadcast() -> None:
                nonlocal sent
                with cancellation.here():
                    for number in range(3):
                        await runtime.broker.broadcast(Read(str(number)))
                        sent += 1

            nursery.start_soon(broadcast)
            received = list[str]()
            with trio.move_on_after(1):
                async for event in slow:
                    received.append(event.name)
            seen = list[str]()
            with trio.move_on_after(1):
                async for event in quick:
                    seen.append(event.name)
            await runtime.broker.broadcast(Read("last"))

            assert received == ["0", "1", "2"][: len(received)]
            assert len(received) in {sent, sent + 1}
            assert seen == ["0", "1", "2"][: len(seen)]
            assert len(seen) in {sent, sent + 1}
            assert await anext(slow) == await anext(quick) == Read("last")

    await cancel_everywhere(attempt)


async def test_subscribe(autojump_clock: MockClock) -> None:
    """A `subscribe` that is cancelled has subscribed to nothing."""

    async def attempt(cancellation: Cancellation) -> None:
        async with open_test_runtime() as runtime:
            with cancellation.here():
                async with runtime.broker.subscribe(Read, Write) as events:
                    await runtime.broker.broadcast(Read("it"))
                    assert await anext(events) == Read("it")
            assert not runtime.broker.has_subscribers(Read)
            assert not runtime.broker.has_subscribers(Write)

    await cancel_everywhere(attempt)


async def test_next_of_a_subscription(autojump_clock: MockClock) -> None:
    """The next of a subscription that is cancelled loses no message."""

    async def attempt(cancellation: Cancellation) -> None:
        received: list[str] = []
        async with (
            open_test_runtime() as runtime,
            runtime.broker.subscribe(
                Read, delivery=acton.Delivery.BLOCK, capacity=1
            ) as events,
            trio.open_nursery() as nursery,
        ):

            async def broadcast() -> None:
                for number in range(4):
                    await runtime.broker.broadcast(Read(str(number)))
                    await trio.sleep(number % 2)

            nursery.start_soon(broadcast)
            with cancellation.here():
                while len(received) < 4:
                    received.append((await anext(events)).name)
            while len(received) < 4:
                received.append((await anext(events)).name)

        assert received == ["0", "1", "2", "3"]

    await cancel_everywhere(attempt, at_least=4)


async def test_start(autojump_clock: MockClock) -> None:
    """A `start` that is cancelled has the half-started actor down when it leaves."""

    async def attempt(cancellation: Cancellation) -> None:
        diary = Diary()
        async with open_test_runtime() as runtime:
            before = trio.lowlevel.current_statistics().tasks_living
            with cancellation.here():
                await runtime.start(Worker, diary, name="worker")
            if cancellation.is_caught:
                assert runtime.actors() == ()
                assert runtime.find("worker") is None
                assert diary.count("in") == diary.count("out")
                assert trio.lowlevel.current_statistics().tasks_living == before
                await runtime.start(Worker, diary, name="worker")
            handle = runtime.find("worker")
            assert handle is not None
            assert await handle.ask(Read("it")) == "it"

    await cancel_everywhere(attempt)


async def test_start_of_an_exposed_actor(autojump_clock: MockClock) -> None:
    """A cancelled `start` leaves no name behind that peers could reach."""

    async def attempt(cancellation: Cancellation) -> None:
        async with open_test_runtime() as runtime:
            with cancellation.here():
                await runtime.start(Worker, name="worker", expose=True)
            if cancellation.is_caught:
                assert runtime.ipc_hide("worker") is None
                await runtime.start(Worker, name="worker", expose=True)
            assert runtime.ipc_hide("worker") is not None

    await cancel_everywhere(attempt)


async def test_shutdown_all(autojump_clock: MockClock) -> None:
    """A `shutdown_all` that is cancelled leaves the end of its scope what it was."""

    async def attempt(cancellation: Cancellation) -> None:
        diaries = [Diary(), Diary(), Diary()]
        async with acton.open_runtime(SHORT) as runtime:
            handles = [await runtime.start(Worker, diary) for diary in diaries]
            for handle in handles:
                await handle.send(Write("it", 1))
            with cancellation.here():
                await runtime.shutdown_all()

        for diary in diaries:
            assert diary.count("-it") == 1
            assert diary.lines[-2:] == ["out", "down"]

    await cancel_everywhere(attempt)


async def test_cancelled_shutdown_all_lets_the_others_run_on(
    autojump_clock: MockClock,
) -> None:
    """The actors that a cancelled `shutdown_all` has not yet told run on."""

    async def attempt(cancellation: Cancellation) -> None:
        async with acton.open_runtime(SHORT) as runtime:
            first = await runtime.start(Worker)
            last = await runtime.start(Worker)
            await last.send(Write("it", 1))
            await wait_all_tasks_blocked()
            with cancellation.here():
                await runtime.shutdown_all()
            if cancellation.is_caught and (
                last.status.state is not acton.ActorState.DOWN
            ):
                assert await first.ask(Read("it")) == "it"

    await cancel_everywhere(attempt)


async def test_open_runtime_in_a_cancelled_scope(autojump_clock: MockClock) -> None:
    """Entered in a scope that is cancelled, `open_runtime` is left at once."""

    async def attempt(cancellation: Cancellation) -> None:
        with cancellation.here(), trio.CancelScope() as scope:
            scope.cancel()
            async with open_test_runtime():
                pass

    await cancel_everywhere(attempt)


async def test_open_runtime(autojump_clock: MockClock) -> None:
    """Cancelled anywhere, `open_runtime` is left with all down and cleaned up."""

    async def attempt(cancellation: Cancellation) -> None:
        diaries = [Diary(), Diary()]
        with cancellation.here():
            async with acton.open_runtime(SHORT) as runtime:
                for diary in diaries:
                    handle = await runtime.start(Worker, diary)
                    await handle.send(Write("it", 0.5))
                    await handle.send(Write("it", 0.5))

        for diary in diaries:
            assert diary.count("in") == diary.count("out") <= diary.count("down")
            assert diary.count("+it") == diary.count("-it") + diary.count("xit")
            if diary.lines:
                assert diary.lines[-1] == "down"

    await cancel_everywhere(attempt, at_least=3)


async def test_open_runtime_with_a_failure(autojump_clock: MockClock) -> None:
    """Cancelled anywhere, `open_runtime` drops no failure that nobody handles."""

    async def attempt(cancellation: Cancellation) -> None:
        never = acton.RestartLimit(max_restarts=0)
        diary, failed, is_sent = Diary(), False, False
        try:
            with cancellation.here():
                async with acton.open_runtime(SHORT) as runtime:
                    handle = await runtime.start(Worker, diary, restart_limit=never)
                    await handle.send(Fail())
                    is_sent = True
                    with suppress(acton.ActorStoppedError):
                        await handle.wait_stopped()
        except* (acton.RestartLimitError, RuntimeError):
            failed = True
        assert is_sent or not failed
        if not cancellation.is_reached:
            assert failed

    await cancel_everywhere(attempt)
