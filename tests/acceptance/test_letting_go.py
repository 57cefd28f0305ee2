"""Children that are stopped for good, and children that are let go."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import expect_event, open_test_runtime

from .families import (
    Fail,
    GetGeneration,
    Leave,
    Worker,
    fail_and_return,
    state_of,
    supervise_all,
    told,
    turns,
)
from .items import covers


@covers(104)
async def test_only_children_can_be_unsupervised(autojump_clock: MockClock) -> None:
    """An actor has no power over others, nor over its children's children."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        other = await runtime.start(Worker, name="other")
        child = await boss.supervise(Worker, name="child")
        grandchild = await child.supervise(Worker, name="grandchild")
        for stranger in (other, grandchild, boss):
            with pytest.raises(acton.UnknownChildError) as refused:
                await boss.unsupervise(stranger)
            assert refused.value.supervisor == "boss"
            assert refused.value.child == stranger.name
            assert str(refused.value) == f"{stranger.name} is not a child of boss"
            with pytest.raises(acton.UnknownChildError):
                await boss.release(stranger)

        for each in (boss, other, child, grandchild):
            assert await each.ask(GetGeneration()) == 0


@covers(112)
async def test_unsupervised_child_is_down_and_its_name_free(
    autojump_clock: MockClock,
) -> None:
    """It has handled what it had, ends fully, and does not come back."""
    log: list[str] = []

    async with open_test_runtime() as runtime, turns(runtime) as events:
        boss = await runtime.start(Worker, name="boss")
        child = await boss.supervise(Worker, log, 0, 7, name="child")
        other = await boss.supervise(Worker, name="other")
        await boss.unsupervise(child)

        assert log[-1] == "boss/child is down"
        assert trio.current_time() == 7
        assert told(events) == [
            acton.ChildTerminated("boss", "boss/child", acton.TerminationReason.STOPPED)
        ]
        assert [*boss.children] == [other]
        again = await boss.supervise(Worker, name="child")
        assert boss.children == (other, again)
        assert await again.ask(GetGeneration()) == 0


@covers(112)
async def test_child_that_waits_to_come_back_can_be_unsupervised(
    autojump_clock: MockClock,
) -> None:
    """The restart is called off, and nobody waits for it to happen."""
    log: list[str] = []
    slowly = acton.RestartLimit(initial_backoff=3600, max_backoff=3600)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(Worker, log, name="c", restart_limit=slowly)
        await child.send(Fail())
        await trio.sleep(1)
        assert state_of(child) is acton.ActorState.RESTART_PENDING
        await boss.unsupervise(child)
        assert trio.current_time() == 1
        await expect_event(runtime, acton.ChildTerminated)
        await boss.supervise(Worker, name="c")
        await trio.sleep(2 * 3600)

        assert state_of(child) is acton.ActorState.DOWN
        assert len([line for line in log if line.endswith("is up")]) == 1


@covers(112)
async def test_child_that_is_down_needs_no_unsupervising(
    autojump_clock: MockClock,
) -> None:
    """Its name is free by itself, and doing it all the same is no mistake."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(
            Worker, name="c", restart_policy=acton.RestartPolicy.TEMPORARY
        )
        await child.send(Leave())
        await child.wait_stopped()
        again = await boss.supervise(Worker, name="c")
        await boss.unsupervise(child)

        assert boss.children == (again,)
        assert again.status.state is acton.ActorState.RUNNING


@covers(113)
async def test_released_child_runs_on_and_its_name_is_free(
    autojump_clock: MockClock,
) -> None:
    """It is returned, was never interrupted, and is the runtime's from then on."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        (child,) = await supervise_all(boss, "c", log)
        assert await boss.release(child) is child

        assert [*boss.children] == []
        assert runtime.actors() == (boss, child)
        assert await child.ask(GetGeneration()) == 0
        assert log == ["boss/c starts", "boss/c is up"]
        again = await boss.supervise(Worker, name="c")
        assert boss.find_child("c") is again
        with pytest.raises(acton.UnknownChildError):
            await boss.release(child)


@covers(113)
async def test_released_child_outlives_who_supervised_it(
    autojump_clock: MockClock,
) -> None:
    """The end of its former supervisor is nothing to it; that of the runtime is."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        (child,) = await supervise_all(boss, "c", log)
        await boss.release(child)
        await boss.stop()
        assert await child.ask(GetGeneration()) == 0
        await fail_and_return(child)
        assert await child.ask(GetGeneration()) == 1

    assert state_of(child) is acton.ActorState.DOWN


@covers(113)
async def test_released_child_is_restarted_by_the_runtime(
    autojump_clock: MockClock,
) -> None:
    """Its policy and its limit stay; it is the runtime that is told, and that counts.

    Those that it was restarted along with are none of its siblings any more.
    """
    once = acton.RestartLimit(max_restarts=1)

    with pytest.RaisesGroup(acton.RestartLimitError):
        async with open_test_runtime() as runtime:
            boss = await runtime.start(
                Worker,
                strategy=acton.SupervisionStrategy.ONE_FOR_ALL,
                escalation=acton.Escalation.NOTIFY_PARENT,
            )
            sibling = await boss.supervise(Worker)
            child = await boss.supervise(Worker, restart_limit=once)
            await boss.release(child)
            await fail_and_return(child)
            await trio.sleep(5)
            assert sibling.status.generation == 0
            await child.send(Fail())
            await trio.sleep_forever()


@covers(114)
async def test_actor_that_is_down_has_nobody_to_release(
    autojump_clock: MockClock,
) -> None:
    """Its children have ended with it: there is an error, and no wait."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        child = await boss.supervise(Worker, name="child")
        await boss.stop()
        with pytest.raises(acton.ActonError) as refused:
            await boss.release(child)

        assert isinstance(
            refused.value, acton.UnknownChildError | acton.ActorStoppedError
        )
        assert state_of(child) is acton.ActorState.DOWN
        assert trio.current_time() == 0
