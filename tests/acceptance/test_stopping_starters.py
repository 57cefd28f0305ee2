"""Supervisors that stop while children of theirs are about to start."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, expect_event, explore, open_test_runtime

from .families import GetGeneration, Worker
from .items import covers


@attrs.define
class Attempt:
    """A start of a child, and what came of it; lives as long as the test."""

    boss: acton.ActorHandle
    log: list[str] = attrs.field(factory=list[str])
    start_takes: float = 0
    name: str | None = None
    child: acton.ActorHandle | None = None
    refusal: acton.ActorStoppedError | None = None
    ended_at: float | None = None

    async def run(self) -> None:
        """Make it."""
        try:
            self.child = await self.boss.supervise(
                Worker, self.log, self.start_takes, name=self.name
            )
        except acton.ActorStoppedError as error:
            self.refusal = error
        self.ended_at = trio.current_time()


@covers(103)
@explore(runs=150)
async def test_start_and_stop_at_once_have_one_answer(runtime: acton.Runtime) -> None:
    """The child has run, and is down with its parent; or the starter is told so."""
    boss = await runtime.start(Worker)
    attempt = Attempt(boss, name="child")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attempt.run)
        nursery.start_soon(boss.stop)

    assert (attempt.child is None) is (attempt.refusal is not None)
    if attempt.child is not None:
        assert attempt.log.count(f"{attempt.child.name} is up") == 1
        assert attempt.child.status.state is acton.ActorState.DOWN
        with pytest.raises(acton.ActorStoppedError):
            await attempt.child.ask(GetGeneration())
    starts = [line for line in attempt.log if line.endswith("starts")]
    ends = [line for line in attempt.log if line.endswith("down")]
    assert len(ends) == len(starts) <= 1


@covers(103)
async def test_last_hook_of_a_supervisor_starts_nobody(
    autojump_clock: MockClock,
) -> None:
    """An incarnation that has ended has no more children: it is told so at once."""
    log: list[str] = []
    refusals: list[acton.ActorStoppedError] = []

    async def supervise(_model: object, ctx: acton.Context) -> None:
        try:
            await ctx.supervise(Worker, log)
        except acton.ActorStoppedError as error:
            refusals.append(error)

    async with open_test_runtime() as runtime:
        boss = await runtime.new_actor(object).after_stop(supervise).start()
        await boss.stop()

        assert len(refusals) == 1
        assert log == []


@covers(107)
async def test_all_who_wait_for_a_start_are_answered_by_a_stop(
    autojump_clock: MockClock,
) -> None:
    """However many there are, none of them waits any longer than the stop."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker, name="boss")
        attempts = [Attempt(boss, start_takes=3600) for _ in range(5)]
        for attempt in attempts:
            nursery.start_soon(attempt.run)
        await trio.sleep(1)
        await boss.stop()
        await wait_all_tasks_blocked()

        assert trio.current_time() <= 1 + 5 * 10
        for attempt in attempts:
            assert attempt.child is None
            assert attempt.refusal is not None
            assert attempt.ended_at is not None


@covers(107)
async def test_start_that_waits_for_the_next_incarnation_is_answered_by_a_stop(
    autojump_clock: MockClock,
) -> None:
    """Between two incarnations there is nobody to supervise; then there never is."""
    slowly = acton.RestartLimit(initial_backoff=3600, max_backoff=3600)

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker, restart_limit=slowly)
        crash(boss, OSError("the boss has failed"))
        await wait_all_tasks_blocked()
        attempts = [Attempt(boss) for _ in range(3)]
        for attempt in attempts:
            nursery.start_soon(attempt.run)
        await trio.sleep(1)
        assert [attempt.ended_at for attempt in attempts] == [None, None, None]
        await boss.stop()
        await wait_all_tasks_blocked()

        assert [attempt.ended_at for attempt in attempts] == [1, 1, 1]
        assert all(attempt.refusal is not None for attempt in attempts)
        assert all(attempt.log == [] for attempt in attempts)


@covers(107)
async def test_start_that_waits_for_the_next_incarnation_is_of_that(
    autojump_clock: MockClock,
) -> None:
    """If the supervisor comes back, the child starts then."""
    slowly = acton.RestartLimit(initial_backoff=10)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, restart_limit=slowly)
        crash(boss, OSError("the boss has failed"))
        await wait_all_tasks_blocked()
        child = await boss.supervise(Worker)

        assert trio.current_time() == 10
        assert boss.status.generation == 1
        assert boss.children == (child,)


@covers(109)
@pytest.mark.parametrize("start_takes", [5, 3600], ids=["soon ready", "never ready"])
async def test_child_that_starts_is_down_before_its_supervisor(
    start_takes: float, autojump_clock: MockClock
) -> None:
    """What has begun to start is brought to its end: nothing is left behind."""
    log: list[str] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker, log, name="boss")
        attempt = Attempt(boss, log, start_takes, name="child")
        nursery.start_soon(attempt.run)
        await trio.sleep(1)
        await boss.stop()

        assert log[-2:] == ["boss/child is down", "boss is down"]
        assert log.count("boss/child is down") == 1
        assert trio.current_time() <= 1 + 10


@covers(110)
@pytest.mark.parametrize("start_takes", [5, 3600], ids=["soon ready", "never ready"])
async def test_start_that_a_stop_overtakes_is_refused(
    start_takes: float, autojump_clock: MockClock
) -> None:
    """The starter has no child that is none; whoever has its handle sees the end."""
    seen: list[acton.ActorHandle] = []

    async def take_time(_model: object, ctx: acton.Context) -> None:
        seen.append(ctx.handle)
        await trio.sleep(start_takes)

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker, name="boss")
        idle = runtime.new_actor(object, name="child").before_start(take_time)
        refusals: list[acton.ActorStoppedError] = []

        async def supervise() -> None:
            try:
                await boss.supervise(idle)
            except acton.ActorStoppedError as error:
                refusals.append(error)

        nursery.start_soon(supervise)
        await trio.sleep(1)
        await boss.stop()
        await wait_all_tasks_blocked()

        assert len(refusals) == 1
        assert refusals[0].actor == "boss/child"
        (child,) = seen
        assert child.status.state is acton.ActorState.DOWN
        with pytest.raises(acton.ActorStoppedError):
            await child.wait_running()


@covers(110)
async def test_start_that_a_failure_of_the_supervisor_overtakes_is_refused(
    autojump_clock: MockClock,
) -> None:
    """A child belongs to the incarnation that it was begun under, and ends with it."""
    log: list[str] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker, log, name="boss")
        attempt = Attempt(boss, log, 5, name="child")
        nursery.start_soon(attempt.run)
        await trio.sleep(1)
        crash(boss, OSError("the boss has failed"))
        await expect_event(runtime, acton.ChildRestarted, within=60)
        await wait_all_tasks_blocked()

        assert attempt.refusal is not None
        assert [*boss.children] == []
        assert log.index("boss/child is down") < log.index("boss is down")
