"""Supervisors of children that fail too often: they go on, or fail themselves."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio import Escalation, RestartPolicy, TerminationReason
from acton_trio.testing import expect_event, open_test_runtime

from .families import Fail, GetGeneration, Witness, Worker, fail_and_return, told
from .items import covers

ONCE = acton.RestartLimit(max_restarts=1)
NEVER = acton.RestartLimit(max_restarts=0)


def is_limit(event: acton.ChildTerminated) -> bool:
    """Return whether the end is that of a child that failed too often."""
    return isinstance(event.error, acton.RestartLimitError)


@covers(127)
async def test_supervisor_of_the_supervisor_hears_once_of_a_child_given_up(
    autojump_clock: MockClock,
) -> None:
    """Who, under whom, how often and why; the supervisor itself works on."""
    heard: list[object] = []

    async with open_test_runtime() as runtime:
        top = await runtime.start(Witness, [], 0, 0, heard, name="top")
        boss = await top.supervise(
            Worker, name="boss", escalation=Escalation.NOTIFY_PARENT
        )
        child = await boss.supervise(Worker, name="child", restart_limit=ONCE)
        other = await boss.supervise(Worker, name="other")
        await fail_and_return(child)
        assert await top.ask(GetGeneration()) == 0
        heard.clear()
        await child.send(Fail("the last straw"))
        await expect_event(runtime, acton.ChildTerminated, where=is_limit)
        await trio.sleep(60)

        (event,) = heard
        assert isinstance(event, acton.SupervisionEscalated)
        assert (event.supervisor, event.child) == ("top/boss", "top/boss/child")
        assert event.reason is TerminationReason.FAILED
        assert event.restarts == 1
        assert event.error is child.status.last_failure
        assert isinstance(event.error, acton.RestartLimitError)
        assert str(event.error.__cause__) == "the last straw"
        assert await boss.ask(GetGeneration()) == 0
        assert await other.ask(GetGeneration()) == 0
        assert boss.children == (other,)
        assert child.status.state is acton.ActorState.ESCALATED


@covers(127)
async def test_escalation_is_broadcast_once(autojump_clock: MockClock) -> None:
    """Whoever has subscribed hears of it, even if no actor above has a handler."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.SupervisionEscalated) as escalations,
    ):
        top = await runtime.start(Worker)
        boss = await top.supervise(Worker, escalation=Escalation.NOTIFY_PARENT)
        child = await boss.supervise(Worker, restart_limit=NEVER)
        await child.send(Fail())
        await expect_event(runtime, acton.ChildTerminated, where=is_limit)
        await trio.sleep(60)

        assert [each.child for each in told(escalations)] == [child.name]
        assert await top.ask(GetGeneration()) == 0


@covers(128)
async def test_supervisor_that_does_not_notify_fails_with_its_child(
    autojump_clock: MockClock,
) -> None:
    """It is down, with all of its children, and answers nobody."""
    async with open_test_runtime() as runtime:
        top = await runtime.start(Worker, name="top")
        boss = await top.supervise(
            Worker, name="boss", restart_policy=RestartPolicy.TEMPORARY
        )
        child = await boss.supervise(Worker, name="child", restart_limit=ONCE)
        other = await boss.supervise(Worker, name="other")
        await fail_and_return(child)
        await child.send(Fail("the last straw"))
        await boss.wait_stopped()

        for name in ("top/boss/child", "top/boss"):
            event = await expect_event(runtime, acton.ChildTerminated, where=is_limit)
            assert event.child == name
            assert event.reason is TerminationReason.FAILED
            assert isinstance(event.error, acton.RestartLimitError)
            assert event.error.actor == "top/boss/child"
        assert child.status.state is acton.ActorState.ESCALATED
        assert boss.status.state is acton.ActorState.DOWN
        assert other.status.state is acton.ActorState.DOWN
        for each in (boss, child, other):
            with pytest.raises(acton.ActorStoppedError):
                await each.ask(GetGeneration())
        assert await top.ask(GetGeneration()) == 0


@covers(128)
async def test_supervisor_that_fails_is_judged_by_its_own_policy(
    autojump_clock: MockClock,
) -> None:
    """A permanent one comes back: the failure has gone one level up, and ends there."""
    async with open_test_runtime() as runtime:
        top = await runtime.start(Worker)
        boss = await top.supervise(Worker)
        child = await boss.supervise(Worker, restart_limit=NEVER)
        await child.send(Fail())
        await boss.wait_generation(1)
        await expect_event(runtime, acton.ChildTerminated, where=is_limit)

        assert await boss.ask(GetGeneration()) == 1
        assert boss.status.last_failure is child.status.last_failure
        assert boss.status.restarts_in_window == 1
        assert [*boss.children] == []
        assert top.status.generation == 0


@covers(128)
async def test_failure_goes_up_until_somebody_may_restart(
    autojump_clock: MockClock,
) -> None:
    """Where each level has used its limit up, the block itself is the last."""
    with pytest.RaisesGroup(acton.RestartLimitError) as raised:
        async with open_test_runtime() as runtime:
            top = await runtime.start(Worker, name="top", restart_limit=NEVER)
            boss = await top.supervise(Worker, name="boss", restart_limit=NEVER)
            child = await boss.supervise(Worker, name="child", restart_limit=NEVER)
            await child.send(Fail("at the bottom"))
            await trio.sleep_forever()

    error: BaseException | None = raised.value.exceptions[0]
    names: list[str] = []
    while isinstance(error, acton.RestartLimitError):
        names.append(error.actor)
        error = error.__cause__
    assert names == ["top", "top/boss", "top/boss/child"]
    assert str(error) == "at the bottom"


@covers(129)
async def test_supervisor_that_no_actor_supervises_has_nobody_to_notify(
    autojump_clock: MockClock,
) -> None:
    """The child is given up all the same, the broadcast tells of it, and all goes on."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.SupervisionEscalated) as escalations,
    ):
        boss = await runtime.start(
            Worker, name="boss", escalation=Escalation.NOTIFY_PARENT
        )
        child = await boss.supervise(Worker, name="child", restart_limit=NEVER)
        await child.send(Fail("nobody above"))
        await expect_event(runtime, acton.ChildTerminated, where=is_limit)
        await trio.sleep(60)

        assert child.status.state is acton.ActorState.ESCALATED
        (event,) = told(escalations)
        assert event.error is child.status.last_failure
        assert str(event.error.__cause__) == "nobody above"
        assert await boss.ask(GetGeneration()) == 0


@covers(129)
async def test_runtime_never_swallows_what_its_own_actors_cannot_mend(
    autojump_clock: MockClock,
) -> None:
    """How an actor treats its children says nothing of how it is treated itself."""
    with pytest.RaisesGroup(acton.RestartLimitError):
        async with open_test_runtime() as runtime:
            boss = await runtime.start(
                Worker, restart_limit=NEVER, escalation=Escalation.NOTIFY_PARENT
            )
            await boss.send(Fail())
            await trio.sleep_forever()


@covers(127, 128)
def test_supervisor_fails_with_its_child_unless_it_is_told_otherwise() -> None:
    """The values are what is written in configuration."""
    assert [each.value for each in Escalation] == ["stop_supervisor", "notify_parent"]


@covers(128)
async def test_supervisor_stops_by_default(autojump_clock: MockClock) -> None:
    """Nobody has said anything of escalation: a failure is not lost by that."""
    with pytest.RaisesGroup(acton.RestartLimitError) as raised:
        async with open_test_runtime() as runtime:
            boss = await runtime.start(Worker, restart_limit=NEVER)
            child = await boss.supervise(Worker, restart_limit=NEVER)
            await child.send(Fail())
            await wait_all_tasks_blocked()
            await trio.sleep_forever()

    assert isinstance(raised.value.exceptions[0].__cause__, acton.RestartLimitError)
