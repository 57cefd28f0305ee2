"""Nothing outlives its scope: not its runtime's, and not its incarnation's."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

SHORT = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2, system_shutdown=3))


@acton.message(ipc=True)
class Work(acton.Request[int]):
    """Takes a while."""

    seconds: float = 0


@acton.message
class Shield(acton.Request[int]):
    """Takes a while, whatever happens."""

    seconds: float


@acton.message
class InThread(acton.Request[int]):
    """Takes until the test says so, in a thread."""

    begun: threading.Event
    end: threading.Event


@acton.message
class Spawn:
    """Starts a background task that never ends by itself."""


@acton.message
class Defer(acton.Request[int]):
    """Is never answered."""


@acton.message
class Fail:
    """Makes the handler raise."""


@acton.message
class Leave:
    """Makes the actor end itself."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers, one a second, without end."""


@attrs.define
class Diary:
    """What the incarnations of an actor did."""

    lines: list[str] = attrs.field(factory=list[str])
    start: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
    clean_up: float = 0


@acton.actor
class Worker:
    """Works, in every way that there is."""

    diary: Diary = attrs.field(factory=Diary)
    addresses: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Note both ends."""
        self.diary.lines.append("in")
        yield
        await trio.sleep(self.diary.clean_up)
        self.diary.lines.append("out")

    @acton.after_start
    async def after_start(self) -> None:
        """Do what the test wants."""
        await self.diary.start()

    @acton.after_stop
    def after_stop(self) -> None:
        """Note it."""
        self.diary.lines.append("down")

    @acton.mutate_on
    async def work(self, request: Work) -> int:
        """Take a while."""
        await trio.sleep(request.seconds)
        return 1

    @acton.act_on
    async def shield(self, request: Shield) -> int:
        """Take a while, and not be cancelled."""
        with trio.CancelScope(shield=True):
            await trio.sleep(request.seconds)
        return 1

    @acton.act_on
    async def in_thread(self, request: InThread) -> int:
        """Wait in a thread."""
        request.begun.set()
        await trio.to_thread.run_sync(request.end.wait)
        return 1

    @acton.act_on
    def spawn(self, _command: Spawn, ctx: acton.Context) -> None:
        """Start a background task."""
        ctx.start_soon(self.stay)

    async def stay(self) -> None:
        """Sleep until cancelled."""
        self.diary.lines.append("background begins")
        try:
            await trio.sleep_forever()
        finally:
            self.diary.lines.append("background ends")

    @acton.act_on
    def defer(self, _request: Defer, ctx: acton.Context) -> None:
        """Keep the address."""
        self.addresses.append(ctx.reply_address)

    @acton.act_on
    def leave(self, _command: Leave, ctx: acton.Context) -> None:
        """Stop."""
        ctx.stop()

    @acton.mutate_on
    def fail(self, _command: Fail) -> None:
        """Raise."""
        raise RuntimeError

    @acton.act_on
    async def count(self, _request: Count) -> AsyncIterator[int]:
        """Count the seconds."""
        number = 0
        while True:
            await trio.sleep(1)
            yield number
            number += 1


def tasks_and_timers() -> tuple[int, float]:
    """Return how many tasks there are, and when the next timer goes off."""
    statistics = trio.lowlevel.current_statistics()
    return statistics.tasks_living, statistics.seconds_to_next_deadline


async def be_busy(runtime: acton.Runtime) -> None:
    """Have all go on that can."""
    worker = await runtime.start(Worker, name="worker")
    await worker.send(Spawn())
    await worker.send(Work(100))
    await worker.send(Work(100))
    reader = await runtime.start(Worker)
    await reader.send(Defer())
    failing = await runtime.start(Worker)
    await failing.send(Fail())
    await wait_all_tasks_blocked()


async def leave(_runtime: acton.Runtime, _scope: trio.CancelScope) -> None:
    """Leave the block."""


async def leave_by_an_error(_runtime: acton.Runtime, _scope: trio.CancelScope) -> None:
    """Leave the block by an exception."""
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError


async def be_cancelled(_runtime: acton.Runtime, scope: trio.CancelScope) -> None:
    """Be cancelled from outside."""
    scope.cancel()
    await trio.sleep_forever()


async def shut_down(runtime: acton.Runtime, _scope: trio.CancelScope) -> None:
    """Stop all actors, and stay for a while."""
    await runtime.shutdown_all()
    await trio.sleep(1)


@pytest.mark.parametrize("way", [leave, leave_by_an_error, be_cancelled, shut_down])
async def test_no_task_or_timer_is_left_when_open_runtime_exits(
    way: Callable[[acton.Runtime, trio.CancelScope], Awaitable[None]],
    autojump_clock: MockClock,
) -> None:
    """When `open_runtime` exits, however it does, no task and no timer is left."""
    before = tasks_and_timers()
    scope = trio.CancelScope()

    try:
        with scope:
            async with acton.open_runtime(SHORT) as runtime:
                await be_busy(runtime)
                await way(runtime, scope)
    except ZeroDivisionError:
        assert way is leave_by_an_error

    assert tasks_and_timers() == before
    assert trio.current_time() <= 5


@pytest.mark.parametrize("way", [leave, leave_by_an_error, be_cancelled])
async def test_no_socket_file_or_lock_is_left_when_open_runtime_exits(
    way: Callable[[acton.Runtime, trio.CancelScope], Awaitable[None]],
    tmp_path: Path,
    autojump_clock: MockClock,
) -> None:
    """When `open_runtime` exits, no socket file, no lock and no task is left."""
    before = tasks_and_timers()
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    config = acton.ipc.IpcConfig(
        socket=acton.ipc.IpcSocket(path=str(folder / "socket"))
    )
    scope = trio.CancelScope()

    try:
        with scope:
            async with acton.open_runtime(SHORT) as runtime:
                await runtime.start_ipc_listener(config)
                assert list(folder.iterdir())
                await be_busy(runtime)
                await way(runtime, scope)
    except ZeroDivisionError:
        assert way is leave_by_an_error

    assert list(folder.iterdir()) == []
    assert tasks_and_timers() == before


@pytest.mark.parametrize("way", [leave, leave_by_an_error, be_cancelled])
async def test_handle_that_outlives_its_runtime_keeps_nothing_running(
    way: Callable[[acton.Runtime, trio.CancelScope], Awaitable[None]],
    autojump_clock: MockClock,
) -> None:
    """A handle that outlives its runtime is of an actor that is down."""
    handles: list[acton.ActorHandle] = []

    with trio.CancelScope() as scope:
        try:
            async with acton.open_runtime(SHORT) as runtime:
                await be_busy(runtime)
                handles.extend(runtime.actors())
                await way(runtime, scope)
        except ZeroDivisionError:
            pass

    assert handles
    for handle in handles:
        assert handle.status.state is acton.ActorState.DOWN
        await handle.wait_stopped()
        await handle.stop()


async def test_no_ask_waits_after_open_runtime_has_exited(
    autojump_clock: MockClock,
) -> None:
    """No ask of code outside waits after `open_runtime` has exited."""
    ended = trio.Event()
    addresses: list[acton.ReplyAddress] = []

    def keep(_model: object, _request: Defer, ctx: acton.Context) -> None:
        addresses.append(ctx.reply_address)

    async def ask(handle: acton.ActorHandle) -> None:
        with pytest.raises(acton.AskError):
            await handle.ask(Defer())
        ended.set()

    async with trio.open_nursery() as nursery:
        async with acton.open_runtime(SHORT) as runtime:
            keeper = await runtime.new_actor(object).act_on(Defer, keep).start()
            nursery.start_soon(ask, keeper)
            await wait_all_tasks_blocked()
        with trio.move_on_after(1000):
            await ended.wait()
        nursery.cancel_scope.cancel()

    assert ended.is_set()


async def test_handler_in_a_shield_is_waited_for(autojump_clock: MockClock) -> None:
    """For a handler in a shield of its own, leaving the block waits."""
    async with acton.open_runtime(SHORT) as runtime:
        worker = await runtime.start(Worker)
        await worker.send(Shield(100))
        await wait_all_tasks_blocked()

    assert trio.current_time() == pytest.approx(100)


async def test_handler_in_a_thread_is_waited_for(autojump_clock: MockClock) -> None:
    """For a handler in a thread, leaving the block waits."""
    begun, end = threading.Event(), threading.Event()
    left = False

    async with trio.open_nursery() as nursery:

        async def run() -> None:
            nonlocal left
            async with acton.open_runtime() as runtime:
                worker = await runtime.start(Worker)
                await worker.send(InThread(begun, end))
                await trio.to_thread.run_sync(begun.wait)
            left = True

        nursery.start_soon(run)
        await trio.to_thread.run_sync(begun.wait)
        # The clock jumps while the thread waits, over all budgets.
        await trio.sleep(1000)
        assert not left
        end.set()

    assert left


async def test_budgets_end_what_can_be_cancelled(autojump_clock: MockClock) -> None:
    """What can be cancelled is ended by the budgets, hooks included."""
    async with acton.open_runtime(SHORT) as runtime:
        for _ in range(5):
            worker = await runtime.start(Worker, Diary(clean_up=100))
            await worker.send(Work(100))

    assert trio.current_time() <= 5


async def test_background_task_dies_with_its_incarnation(
    autojump_clock: MockClock,
) -> None:
    """A background task dies with its incarnation, before the next one starts."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, diary)
        await worker.send(Spawn())
        await worker.send(Fail())
        await worker.wait_generation(1)

        assert diary.lines == [
            "in",
            "background begins",
            "background ends",
            "down",
            "in",
        ]


async def test_incarnation_starts_after_the_last_has_exited(
    autojump_clock: MockClock,
) -> None:
    """The next incarnation never starts before the last has exited."""
    diary = Diary(clean_up=5)
    at_once = acton.RestartLimit(initial_backoff=0)

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, diary, restart_limit=at_once)
        await handle.send(Shield(3))
        await handle.send(Leave())
        await handle.wait_generation(1)

        assert diary.lines == ["in", "out", "down", "in"]
        assert trio.current_time() == pytest.approx(8)


async def test_start_returns_when_after_start_has_finished(
    autojump_clock: MockClock,
) -> None:
    """`start` returns when `after_start` has finished; then the name can be found."""
    found: list[object] = []

    async with open_test_runtime() as runtime:

        async def look() -> None:
            await trio.sleep(1)
            found.append(runtime.find("worker"))

        handle = await runtime.start(Worker, Diary(start=look), name="worker")

        assert trio.current_time() == pytest.approx(1)
        assert found == [None]
        assert runtime.find("worker") is handle


async def test_cancelled_start_leaves_nothing(autojump_clock: MockClock) -> None:
    """A cancelled `start` has the half-started actor down before it leaves."""
    diary = Diary(start=trio.sleep_forever, clean_up=1)

    async with open_test_runtime() as runtime:
        before = tasks_and_timers()[0]
        with trio.move_on_after(1) as scope:
            await runtime.start(Worker, diary, name="worker")

        assert scope.cancelled_caught
        assert diary.lines[-1] == "down"
        assert runtime.actors() == ()
        assert tasks_and_timers()[0] == before
        await runtime.start(Worker, name="worker")


async def test_nothing_starts_while_the_runtime_stops(
    autojump_clock: MockClock,
) -> None:
    """While the runtime stops, `start` raises `ActorStoppedError`."""
    async with open_test_runtime() as runtime:
        await runtime.shutdown_all()
        with pytest.raises(acton.ActorStoppedError):
            await runtime.start(Worker)

    with pytest.raises(acton.ActorStoppedError):
        await runtime.start(Worker)


async def test_stream_ends_with_its_block(autojump_clock: MockClock) -> None:
    """A stream's handler ends with the block that reads it."""
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker)
        before = tasks_and_timers()[0]
        async with worker.stream(Count()) as numbers:
            await anext(numbers)
        await wait_all_tasks_blocked()

        assert tasks_and_timers()[0] == before


async def test_subscription_ends_with_its_block(autojump_clock: MockClock) -> None:
    """A subscription ends with the block that reads it."""
    async with open_test_runtime() as runtime:
        async with runtime.broker.subscribe(Fail) as events:
            assert runtime.broker.has_subscribers(Fail)
        assert not runtime.broker.has_subscribers(Fail)
        await runtime.broker.broadcast(Fail())

        assert events.statistics() == acton.SubscriptionStatistics(0, 0)


async def test_unanswered_address_that_is_dropped_ends_the_ask(
    autojump_clock: MockClock,
) -> None:
    """A reply address that nobody keeps any more ends its ask at once."""

    def forget(_model: object, _request: Defer, ctx: acton.Context) -> None:
        assert not ctx.reply_address.is_closed

    async with open_test_runtime() as runtime:
        worker = await runtime.new_actor(object).mutate_on(Defer, forget).start()
        with pytest.raises(acton.NoReplyError):
            await worker.ask(Defer())

        assert trio.current_time() == 0
