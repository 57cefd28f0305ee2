"""Children that are restarted together: in which order, and at whose expense."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio import RestartPolicy, SupervisionStrategy, TerminationReason
from acton_trio.testing import expect_event, open_test_runtime

from .families import (
    Fail,
    GetGeneration,
    Worker,
    fail_and_return,
    supervise_all,
    told,
    turns,
)
from .items import covers

ONE_FOR_ALL = SupervisionStrategy.ONE_FOR_ALL
REST_FOR_ONE = SupervisionStrategy.REST_FOR_ONE


@covers(122)
async def test_whole_group_is_built_anew_and_lives(autojump_clock: MockClock) -> None:
    """Every one of them has another incarnation, which takes messages."""
    log: list[str] = []

    async with open_test_runtime() as runtime, turns(runtime) as events:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL, name="boss")
        children = await supervise_all(boss, "abc", log)
        await fail_and_return(children[1])
        for each in children:
            await each.wait_generation(1)

        assert [await each.ask(GetGeneration()) for each in children] == [1, 1, 1]
        assert boss.children == tuple(children)
        for name in ("a", "b", "c"):
            assert log.count(f"boss/{name} is up") == 2
            assert log.count(f"boss/{name} is down") == 1
        assert [(each.child, each.reason) for each in told(events)] == [
            ("boss/a", TerminationReason.STOPPED),
            ("boss/b", TerminationReason.FAILED),
            ("boss/c", TerminationReason.STOPPED),
        ]


@covers(123)
async def test_group_goes_down_from_the_last_and_comes_up_from_the_first(
    autojump_clock: MockClock,
) -> None:
    """Each fully down before the next is told, all before any starts; and then back.

    Those that start wait for each other too.
    """
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL, name="b")
        children = [
            await boss.supervise(Worker, log, 1, 2, name=name) for name in "xyz"
        ]
        log.clear()
        began = trio.current_time()
        await fail_and_return(children[0])
        await children[2].wait_generation(1)

        assert log == [
            "b/x is down",
            "b/z is down",
            "b/y is down",
            "b/x starts",
            "b/x is up",
            "b/y starts",
            "b/y is up",
            "b/z starts",
            "b/z is up",
        ]
        # Two stops, one wait, three starts.
        assert trio.current_time() - began == pytest.approx(2 * 2 + 0.1 + 3 * 1)


@covers(124)
async def test_those_that_were_started_before_are_left_alone(
    autojump_clock: MockClock,
) -> None:
    """The failed one and the later ones are restarted; the earlier one never ended."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=REST_FOR_ONE, name="boss")
        children = await supervise_all(boss, "abc", log)
        log.clear()
        await fail_and_return(children[1])
        await children[2].wait_generation(1)

        assert log == [
            "boss/b is down",
            "boss/c is down",
            "boss/b starts",
            "boss/b is up",
            "boss/c starts",
            "boss/c is up",
        ]
        assert [each.status.generation for each in children] == [0, 1, 1]
        assert await children[0].ask(GetGeneration()) == 0
        assert boss.children == tuple(children)


@covers(125)
async def test_only_the_one_that_failed_is_charged(autojump_clock: MockClock) -> None:
    """However often the others are restarted along, their own limits are whole."""
    once = acton.RestartLimit(max_restarts=1)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL)
        failing = await boss.supervise(Worker)
        others = [await boss.supervise(Worker, restart_limit=once) for _ in range(2)]
        for generation in (1, 2, 3):
            await fail_and_return(failing)
            for each in others:
                await each.wait_generation(generation)

        assert failing.status.restarts_in_window == 3
        assert [each.status.restarts_in_window for each in others] == [0, 0]
        assert [each.status.last_failure for each in others] == [None, None]
        # One failure of its own is what each of them may have.
        await fail_and_return(others[0])
        assert others[0].status.restarts_in_window == 1
        assert failing.status.restarts_in_window == 3


@covers(126)
@pytest.mark.parametrize("strategy", [ONE_FOR_ALL, REST_FOR_ONE])
async def test_temporary_sibling_stops_with_its_group_and_stays_down(
    strategy: SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """What is not to be restarted is not, whoever it is that failed."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy, name="boss")
        first = await boss.supervise(Worker, log, name="first")
        temporary = await boss.supervise(
            Worker, log, name="temporary", restart_policy=RestartPolicy.TEMPORARY
        )
        last = await boss.supervise(Worker, log, name="last")
        await fail_and_return(first)
        await last.wait_generation(1)
        event = await expect_event(runtime, acton.ChildTerminated)
        await trio.sleep(60)

        assert (event.child, event.reason) == (
            "boss/temporary",
            TerminationReason.STOPPED,
        )
        assert temporary.status.state is acton.ActorState.DOWN
        assert log.count("boss/temporary is down") == 1
        assert log.count("boss/temporary starts") == 1
        assert boss.children == (first, last)


@covers(126)
async def test_transient_sibling_stops_with_its_group_and_comes_back(
    autojump_clock: MockClock,
) -> None:
    """It has not left of its own accord: it was made to, for the others' sake."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL)
        failing = await boss.supervise(Worker)
        transient = await boss.supervise(Worker, restart_policy=RestartPolicy.TRANSIENT)
        await fail_and_return(failing)
        await transient.wait_generation(1)

        assert await transient.ask(GetGeneration()) == 1


@covers(126)
async def test_siblings_that_are_down_are_not_revived(
    autojump_clock: MockClock,
) -> None:
    """Stopped, ended or given up: a restart of the group is not for them."""
    never = acton.RestartLimit(max_restarts=0)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(
            Worker,
            strategy=ONE_FOR_ALL,
            escalation=acton.Escalation.NOTIFY_PARENT,
        )
        stopped = await boss.supervise(Worker)
        given_up = await boss.supervise(Worker, restart_limit=never)
        failing = await boss.supervise(Worker)
        await stopped.stop()
        await given_up.send(Fail())
        await given_up.wait_stopped()
        await expect_event(
            runtime, acton.ChildTerminated, where=lambda event: event.error is not None
        )
        assert failing.status.generation == 0
        await fail_and_return(failing)
        await trio.sleep(60)

        assert stopped.status.state is acton.ActorState.DOWN
        assert given_up.status.state is acton.ActorState.ESCALATED
        assert boss.children == (failing,)


@covers(122)
async def test_messages_of_a_sibling_outlast_the_restart(
    autojump_clock: MockClock,
) -> None:
    """What was sent to one that is restarted along is handled when it is back."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL)
        failing = await boss.supervise(Worker)
        sibling = await boss.supervise(Worker, [], 5)
        await failing.send(Fail())
        with trio.fail_after(60):
            await failing.wait_generation(1)
            assert sibling.status.state is not acton.ActorState.RUNNING
            assert await sibling.ask(GetGeneration()) == 1
