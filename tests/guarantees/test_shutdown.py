"""How a runtime ends, and what it tells of that afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

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
    assert report.drained == ("boss",)


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
