"""How a runtime ends, and what it tells of that afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, open_test_runtime

SHORT = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2, system_shutdown=5))


@acton.message
class Sleep(acton.Request[None]):
    """Takes a while."""

    seconds: float


@acton.message
class SleepWell(Sleep):
    """Takes a while, and will not be woken."""


@acton.message
class Block(acton.Request[None]):
    """Takes a while, in which nothing else can run."""

    seconds: float


@acton.message
class Tick:
    """Is broadcast."""


@acton.actor
class Sleeper:
    """Does as little as it can."""

    clock: MockClock | None = None
    after: float = 0
    ticks: list[int] = attrs.field(factory=list[int])

    @acton.mutate_on
    async def sleep(self, request: Sleep) -> None:
        """Take a while."""
        await trio.sleep(request.seconds)

    @acton.act_on
    async def sleep_well(self, request: SleepWell) -> None:
        """Take a while, whatever happens."""
        with trio.CancelScope(shield=True):
            await trio.sleep(request.seconds)

    @acton.mutate_on
    def block(self, request: Block) -> None:
        """Let time pass without a checkpoint."""
        assert self.clock is not None
        self.clock.jump(request.seconds)

    @acton.mutate_on(subscribe=True)
    async def tick(self, _tick: Tick) -> None:
        """Count it, slowly."""
        await trio.sleep(0.125)
        self.ticks.append(len(self.ticks))

    @acton.after_stop
    async def after_stop(self) -> None:
        """Take a while, whatever happens."""
        with trio.CancelScope(shield=True):
            await trio.sleep(self.after)


def line_in(function: Callable[..., Any], text: str) -> str:
    """Return where *text* is in *function*."""
    lines, first = inspect.getsourcelines(function)
    number = next(n for n, line in enumerate(lines) if text in line)
    return f"{__file__}:{first + number}"


async def ask(handle: acton.ActorHandle, request: acton.Request[None]) -> None:
    """Ask, and take whatever comes of it."""
    with suppress(acton.ActorStoppedError):
        await handle.ask(request)


async def end_with(
    config: acton.Config, *requests: acton.Request[None], **state: Any
) -> acton.ShutdownReport:
    """Return the report of a runtime that ends while an actor does these."""
    async with open_test_runtime(config) as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(lambda: Sleeper(**state), name="sleeper")
        await runtime.start(Sleeper, name="other")
        assert runtime.shutdown_report is None
        for request in requests:
            nursery.start_soon(ask, handle, request)
            await wait_all_tasks_blocked()
        await runtime.shutdown_all()
        report = runtime.shutdown_report
    assert report is not None
    return report


async def test_report_names_those_that_drained(autojump_clock: MockClock) -> None:
    """`shutdown_report` names those that drained, in the order in which they ended."""
    report = await end_with(SHORT, Sleep(1), Sleep(0.5))

    assert report == acton.ShutdownReport(("other", "sleeper"), (), (), forced=False)


async def test_report_names_what_was_cancelled_and_where(
    autojump_clock: MockClock,
) -> None:
    """It names every handler that was cancelled, and the line in which it was."""
    report = await end_with(SHORT, Sleep(100))

    line = line_in(Sleeper.sleep, "await trio.sleep")
    assert report.cancelled == (
        acton.CutOff("sleeper", "Sleep", "Sleeper.sleep", line),
    )
    assert report.drained == ("other",)
    assert report.overran == ()


async def test_report_names_who_overran_and_where(autojump_clock: MockClock) -> None:
    """It names who took longer than it may, by how much, and where it was then."""
    report = await end_with(SHORT, SleepWell(10))

    (late,) = report.overran
    assert (late.actor, late.handler) == ("sleeper", "Sleeper.sleep_well")
    assert late.line == line_in(Sleeper.sleep_well, "await trio.sleep")
    assert late.seconds == pytest.approx(8)
    assert report.drained == ("other",)


async def test_report_names_the_hook_that_overran(autojump_clock: MockClock) -> None:
    """It names a hook that took longer than it may, too."""
    report = await end_with(SHORT, after=10)

    (late,) = report.overran
    assert late.handler == "Sleeper.after_stop"
    assert late.line == line_in(Sleeper.after_stop, "await trio.sleep")


async def test_report_names_the_handler_that_held_up_everything(
    autojump_clock: MockClock,
) -> None:
    """A handler that let nothing else run is named by the line of its definition."""
    async with open_test_runtime(SHORT) as runtime:
        clock = autojump_clock
        handle = await runtime.start(lambda: Sleeper(clock), name="sleeper")
        await handle.send(Sleep(1))
        handle.send_nowait(Block(10))

    report = runtime.shutdown_report
    assert report is not None
    (late,) = report.overran
    assert (late.actor, late.handler) == ("sleeper", "Sleeper.block")
    assert late.line == line_in(Sleeper.block, "@acton.mutate_on")


async def test_report_is_there_after_a_cancellation(autojump_clock: MockClock) -> None:
    """It is there after a cancellation too, and tells of all generations."""
    runtimes: list[acton.Runtime] = []

    with trio.move_on_after(1):
        async with open_test_runtime(SHORT) as runtime:
            runtimes.append(runtime)
            boss = await runtime.start(Sleeper, name="boss")
            child = await boss.supervise(Sleeper, name="child")
            await child.send(Sleep(100))
            await trio.sleep_forever()

    report = runtimes[0].shutdown_report
    assert report is not None
    assert [each.actor for each in report.cancelled] == ["boss/child"]
    assert report.drained == ()


async def test_time_of_children_is_no_overrun_of_their_supervisor(
    autojump_clock: MockClock,
) -> None:
    """The time of children is no overrun of their supervisor."""
    async with open_test_runtime(SHORT) as runtime:
        boss = await runtime.start(Sleeper, None, 1.5, name="boss")
        await boss.supervise(Sleeper, None, 1.5, name="child")

    assert runtime.shutdown_report is not None
    assert runtime.shutdown_report.drained == ("boss/child", "boss")


async def test_nothing_starts_once_the_runtime_ends(autojump_clock: MockClock) -> None:
    """Nothing but children of those that drain starts once the runtime ends."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Sleeper)
        await handle.send(Sleep(1))
        nursery.start_soon(runtime.shutdown_all)
        await wait_all_tasks_blocked()
        with pytest.raises(acton.ActorStoppedError, match="is stopping"):
            await runtime.start(Sleeper)
        child = await handle.supervise(Sleeper)

        await child.wait_stopped()


async def test_what_is_broadcast_is_handled_before_actors_stop(
    autojump_clock: MockClock,
) -> None:
    """What is broadcast is in the mailboxes before any actor stops."""
    ticks: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        await runtime.start(lambda: Sleeper(ticks=ticks), mailbox_capacity=1)
        for _ in range(6):
            nursery.start_soon(runtime.broker.broadcast, Tick())
        await wait_all_tasks_blocked()
        await runtime.shutdown_all()

    assert len(ticks) == 6


async def test_actor_that_was_cut_short_has_not_drained(
    autojump_clock: MockClock,
) -> None:
    """Who was cut short has not drained, if only in a hook."""

    async def stop_slowly(_model: Sleeper) -> None:
        await trio.sleep(100)

    async with open_test_runtime(SHORT) as runtime:
        await runtime.start(Sleeper, name="good")
        await runtime.new_actor(Sleeper, name="slow").before_stop(stop_slowly).start()

    assert runtime.shutdown_report is not None
    assert runtime.shutdown_report.drained == ("good",)


async def test_actor_is_named_once_however_often_it_was_restarted(
    autojump_clock: MockClock,
) -> None:
    """Only the last incarnation of an actor counts, and is told of once."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Sleeper, name="boss")
        child = await boss.supervise(Sleeper, name="child")
        await boss.send(Sleep(5))
        nursery.start_soon(runtime.shutdown_all)
        await wait_all_tasks_blocked()
        crash(child, ValueError())
        await child.wait_generation(1)

    assert runtime.shutdown_report is not None
    assert runtime.shutdown_report.drained == ("boss/child", "boss")


async def test_handler_that_orders_the_end_of_all_is_refused(
    autojump_clock: MockClock,
) -> None:
    """A handler that would wait for the end of all actors gets `AskCycleError`."""
    caught: list[acton.AskCycleError] = []

    async def end(_model: Sleeper, _request: Block, ctx: acton.Context) -> None:
        try:
            await ctx.runtime.shutdown_all()
        except acton.AskCycleError as error:
            caught.append(error)

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Sleeper, name="sleeper").mutate_on(Block, end)
        handle = await idle.start()
        await handle.ask(Block(0))

        assert caught[0].path == ("runtime", "sleeper", "runtime")
        assert runtime.actors() == (handle,)


async def test_background_task_can_order_the_end_of_all(
    autojump_clock: MockClock,
) -> None:
    """An actor's background task can order it, and it goes on without that task."""

    def end(_model: Sleeper, _request: Block, ctx: acton.Context) -> None:
        ctx.start_soon(ctx.runtime.shutdown_all)

    async with open_test_runtime() as runtime:
        first = await runtime.start(Sleeper)
        idle = runtime.new_actor(Sleeper).mutate_on(Block, end)
        await (await idle.start()).send(Block(0))
        await first.wait_stopped()

        assert runtime.actors() == ()


async def test_wait_for_the_end_of_all_can_be_cancelled(
    autojump_clock: MockClock,
) -> None:
    """Whoever stops waiting for the end of all actors does not stop it."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Sleeper)
        await handle.send(Sleep(5))
        with trio.move_on_after(1):
            await runtime.shutdown_all()
        await handle.wait_stopped()

        assert trio.current_time() == 5


async def test_interrupt_while_the_block_is_left_cancels_the_rest(
    autojump_clock: MockClock,
) -> None:
    """KeyboardInterrupt while the block is left cancels the rest, and leaves alone."""
    ends: list[float] = []

    async def stop(_model: Sleeper) -> None:
        await trio.sleep(1)
        ends.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        with pytest.raises(KeyboardInterrupt):
            async with acton.open_runtime() as runtime:
                handle = await runtime.new_actor(Sleeper).after_stop(stop).start()
                await handle.send(Sleep(5))
                nursery.start_soon(_interrupt, trio.lowlevel.current_task(), 2)

    assert ends == [3]


async def _interrupt(task: trio.lowlevel.Task, after: float) -> None:
    """Have a task that waits see KeyboardInterrupt, as trio itself would."""
    await trio.sleep(after)

    def raise_it() -> NoReturn:
        raise KeyboardInterrupt

    # What trio does when the signal comes.
    task._attempt_abort(raise_it)
