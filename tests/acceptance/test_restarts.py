"""Children that fail: each comes back in its own seat, or for good does not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio import RestartPolicy
from acton_trio.testing import expect_event, open_test_runtime

from .families import (
    Builder,
    Fail,
    GetGeneration,
    Worker,
    fail_and_return,
    state_of,
)
from .items import covers

SLOWLY = acton.RestartLimit(initial_backoff=10)


@covers(115)
async def test_failed_child_comes_back_in_the_same_seat(
    autojump_clock: MockClock,
) -> None:
    """Built anew, with the handle, the name and the id that it had."""
    build = Builder()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        child = await boss.supervise(build, name="child")
        identity = (child.name, child.id)
        await child.send(Fail())
        await child.wait_generation(1)

        assert build.built == 2
        assert (child.name, child.id) == identity
        assert child.status.state is acton.ActorState.RUNNING
        assert child.status.generation == 1
        assert boss.children == (child,)
        assert boss.find_child("child") is child
        assert await child.ask(GetGeneration()) == 1
        assert boss.status.generation == 0


@covers(115)
async def test_messages_wait_for_the_child_to_come_back(
    autojump_clock: MockClock,
) -> None:
    """What is queued, and what is sent in between, is the next incarnation's."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker)
        child = await boss.supervise(Worker, restart_limit=SLOWLY)
        answers: list[tuple[int, float]] = []

        async def ask() -> None:
            generation = await child.ask(GetGeneration())
            answers.append((generation, trio.current_time()))

        await child.send(Fail())
        nursery.start_soon(ask)
        await trio.sleep(5)
        assert state_of(child) is acton.ActorState.RESTART_PENDING
        nursery.start_soon(ask)
        await child.wait_generation(1)
        await wait_all_tasks_blocked()

        assert answers == [(1, 10), (1, 10)]


@covers(115)
async def test_restart_whose_start_fails_is_a_failure_like_any(
    autojump_clock: MockClock,
) -> None:
    """The child is charged for it, and tried again after a longer wait."""
    built: list[float] = []

    def build() -> Worker:
        built.append(trio.current_time())
        if len(built) in {2, 3}:
            msg = "not yet"
            raise ValueError(msg)
        return Worker()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        limit = acton.RestartLimit(initial_backoff=1)
        child = await boss.supervise(build, restart_limit=limit)
        await child.send(Fail())
        await child.wait_generation(1)

        # Generations are those that ran.
        assert child.status.generation == 1
        assert built == [0, 1, 1 + 2, 1 + 2 + 4]
        assert child.status.restarts_in_window == 3


@covers(116)
async def test_supervisor_works_on_while_a_child_waits_to_come_back(
    autojump_clock: MockClock,
) -> None:
    """It answers, and starts others, as if nothing had happened."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(Worker, restart_limit=SLOWLY)
        await child.send(Fail())
        await wait_all_tasks_blocked()
        assert state_of(child) is acton.ActorState.RESTART_PENDING
        assert await boss.ask(GetGeneration()) == 0
        other = await boss.supervise(Worker)
        assert await other.ask(GetGeneration()) == 0

        assert trio.current_time() == 0
        await child.wait_running()
        assert trio.current_time() == 10
        assert boss.children == (child, other)


@covers(117)
async def test_child_that_fails_too_often_is_given_up(
    autojump_clock: MockClock,
) -> None:
    """Two restarts, three builds; then every wait ends with the limit as its cause."""
    build = Builder()
    twice = acton.RestartLimit(max_restarts=2)
    refusals: list[acton.ActorStoppedError] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(
            Worker, name="boss", escalation=acton.Escalation.NOTIFY_PARENT
        )
        child = await boss.supervise(build, name="child", restart_limit=twice)

        async def wait() -> None:
            try:
                await child.wait_generation(3)
            except acton.ActorStoppedError as error:
                refusals.append(error)

        nursery.start_soon(wait)
        await fail_and_return(child, times=2)
        await child.send(Fail("once too often"))
        event = await expect_event(runtime, acton.ChildTerminated)
        await child.wait_stopped()
        await wait_all_tasks_blocked()

        status = child.status
        assert build.built == 3
        assert status.state is acton.ActorState.ESCALATED
        assert status.generation == 2
        assert isinstance(status.last_failure, acton.RestartLimitError)
        assert status.last_failure.actor == "boss/child"
        assert status.last_failure.max_restarts == 2
        assert str(status.last_failure.__cause__) == "once too often"
        assert event.error is status.last_failure
        (refusal,) = refusals
        assert refusal.__cause__ is status.last_failure
        with pytest.raises(acton.ActorStoppedError) as refused:
            await child.ask(GetGeneration())
        assert refused.value.__cause__ is status.last_failure
        # Its name is free again.
        again = await boss.supervise(Worker, name="child")
        assert boss.children == (again,)


@covers(118)
async def test_failed_temporary_child_stays_down(autojump_clock: MockClock) -> None:
    """It is not built again, and whoever waits for it hears why."""
    build = Builder()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(build, restart_policy=RestartPolicy.TEMPORARY)
        await child.send(Fail("only once"))
        event = await expect_event(runtime, acton.ChildTerminated)
        await trio.sleep(3600)

        assert child.status == acton.ActorStatus(
            acton.ActorState.DOWN, 0, 0, event.error
        )
        assert build.built == 1
        assert [*boss.children] == []
        assert boss.status.state is acton.ActorState.RUNNING
        with pytest.raises(acton.ActorStoppedError) as refused:
            await child.wait_generation(1)
        assert refused.value.__cause__ is event.error
        assert str(event.error) == "only once"


@covers(120)
async def test_stop_of_the_supervisor_calls_restarts_off(
    autojump_clock: MockClock,
) -> None:
    """Whoever waits for the child is told that it is down, now and not later."""
    refusals: list[tuple[acton.ActorStoppedError, float]] = []
    build = Builder()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker)
        child = await boss.supervise(build, restart_limit=SLOWLY)

        async def wait() -> None:
            try:
                await child.wait_generation(1)
            except acton.ActorStoppedError as error:
                refusals.append((error, trio.current_time()))

        async def ask() -> None:
            try:
                await child.ask(GetGeneration())
            except acton.ActorStoppedError as error:
                refusals.append((error, trio.current_time()))

        await child.send(Fail())
        await wait_all_tasks_blocked()
        assert state_of(child) is acton.ActorState.RESTART_PENDING
        nursery.start_soon(wait)
        nursery.start_soon(ask)
        await trio.sleep(1)
        await boss.stop()
        await expect_event(runtime, acton.ChildTerminated)
        await expect_event(runtime, acton.DeadLetter)
        await trio.sleep(60)

        assert [time for _, time in refusals] == [1, 1]
        assert state_of(child) is acton.ActorState.DOWN
        assert build.built == 1


@covers(120)
async def test_stop_of_the_supervisor_overtakes_a_failure_that_is_being_cleaned_up(
    autojump_clock: MockClock,
) -> None:
    """A child that was to come back does not, if its supervisor is stopped meanwhile."""
    built: list[float] = []

    def build() -> Worker:
        built.append(trio.current_time())
        return Worker()

    async def clean_up(_model: object) -> None:
        await trio.sleep(5)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(runtime.new_actor(build).after_stop(clean_up))
        await child.send(Fail())
        await trio.sleep(1)
        await boss.stop()
        assert trio.current_time() == 5
        await expect_event(runtime, acton.ChildTerminated)
        await trio.sleep(60)

        assert child.status.state is acton.ActorState.DOWN
        assert built == [0]


@covers(121)
async def test_actor_that_was_put_together_comes_back_unless_it_is_temporary(
    autojump_clock: MockClock,
) -> None:
    """It has a recipe as any other has; what is never to be restarted says so."""

    def fail(_model: object, message: Fail) -> None:
        raise RuntimeError(message.text)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        permanent, temporary = [
            await boss.supervise(
                runtime.new_actor(object, restart_policy=policy).mutate_on(Fail, fail)
            )
            for policy in (RestartPolicy.PERMANENT, RestartPolicy.TEMPORARY)
        ]
        for each in (permanent, temporary):
            await each.send(Fail())
        await permanent.wait_generation(1)
        await expect_event(runtime, acton.ChildTerminated)

        assert temporary.status.state is acton.ActorState.DOWN
        assert temporary.status.generation == 0
        assert boss.children == (permanent,)
        assert await boss.ask(GetGeneration()) == 0
