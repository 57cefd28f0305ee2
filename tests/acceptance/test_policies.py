"""After which ends an actor comes back, and what its supervisor hears of that."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio import RestartPolicy, TerminationReason
from acton_trio.testing import expect_event, open_test_runtime

from .families import Fail, GetGeneration, Leave, Witness, Worker, told, turns
from .items import covers

PERMANENT, TRANSIENT, TEMPORARY = RestartPolicy


async def end(
    child: acton.ActorHandle, parent: acton.ActorHandle, reason: TerminationReason
) -> None:
    """Have *child* end for that reason."""
    match reason:
        case TerminationReason.NORMAL:
            await child.send(Leave())
        case TerminationReason.FAILED:
            await child.send(Fail())
        case TerminationReason.STOPPED:
            await child.stop()
        case TerminationReason.PARENT_SHUTDOWN:
            await parent.stop()


def comes_back(policy: RestartPolicy, reason: TerminationReason) -> bool:
    """Return what the reference's table says of the two."""
    return (policy, reason) in {
        (PERMANENT, TerminationReason.NORMAL),
        (PERMANENT, TerminationReason.FAILED),
        (TRANSIENT, TerminationReason.FAILED),
    }


@covers(73)
@pytest.mark.parametrize("reason", TerminationReason)
@pytest.mark.parametrize("policy", RestartPolicy)
async def test_policy_and_reason_decide_whether_an_actor_comes_back(
    policy: RestartPolicy, reason: TerminationReason, autojump_clock: MockClock
) -> None:
    """Twelve cells: in three of them there is another incarnation, and no end."""
    log: list[str] = []

    async with (
        open_test_runtime() as runtime,
        turns(runtime) as events,
    ):
        parent = await runtime.start(Worker, name="parent")
        child = await parent.supervise(Worker, log, name="c", restart_policy=policy)
        await end(child, parent, reason)
        await trio.sleep(3600)
        (event,) = [each for each in told(events) if each.child == "parent/c"]

        assert event.reason is reason
        assert isinstance(event, acton.ChildRestarted) is comes_back(policy, reason)
        assert log.count("parent/c is down") == 1
        if comes_back(policy, reason):
            assert log.count("parent/c is up") == 2
            assert child.status.state is acton.ActorState.RUNNING
            assert await child.ask(GetGeneration()) == 1
        else:
            assert log.count("parent/c is up") == 1
            assert child.status.state is acton.ActorState.DOWN
            assert child.status.generation == 0
        if reason is TerminationReason.FAILED and policy is TEMPORARY:
            await expect_event(runtime, acton.ChildTerminated)


@covers(73)
@pytest.mark.parametrize("reason", [TerminationReason.NORMAL, TerminationReason.FAILED])
@pytest.mark.parametrize("policy", RestartPolicy)
async def test_actor_of_the_runtime_has_the_same_policies(
    policy: RestartPolicy, reason: TerminationReason, autojump_clock: MockClock
) -> None:
    """The runtime supervises those that no other actor does, by the same table."""
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_policy=policy)
        await end(worker, worker, reason)
        await trio.sleep(3600)

        assert worker.status.generation == comes_back(policy, reason)
        assert worker.status.state.is_final is not comes_back(policy, reason)
        assert (worker in runtime.actors()) is comes_back(policy, reason)
        if reason is TerminationReason.FAILED and policy is TEMPORARY:
            await expect_event(runtime, acton.ChildTerminated)


@covers(74, 75, 76)
@pytest.mark.parametrize(
    ("policy", "event"),
    [
        (
            PERMANENT,
            acton.ChildRestarted("p", "p/c", 1, TerminationReason.NORMAL, 0.1),
        ),
        (TRANSIENT, acton.ChildTerminated("p", "p/c", TerminationReason.NORMAL)),
        (TEMPORARY, acton.ChildTerminated("p", "p/c", TerminationReason.NORMAL)),
    ],
    ids=["permanent", "transient", "temporary"],
)
async def test_supervisor_hears_once_of_a_normal_end(
    policy: RestartPolicy,
    event: acton.ChildRestarted | acton.ChildTerminated,
    autojump_clock: MockClock,
) -> None:
    """A permanent child that ends is restarted, any other is down: one event."""
    heard: list[object] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Witness, [], 0, 0, heard, name="p")
        child = await parent.supervise(Worker, name="c", restart_policy=policy)
        await child.send(Leave())
        await trio.sleep(3600)

        assert heard == [acton.ChildSupervised("p", "p/c", policy), event]


@covers(73)
def test_policies_and_reasons_are_written_in_small_letters() -> None:
    """What is read from configuration, or printed, is the value."""
    assert [each.value for each in RestartPolicy] == [
        "permanent",
        "transient",
        "temporary",
    ]
    assert RestartPolicy("transient") is TRANSIENT
    assert TerminationReason.PARENT_SHUTDOWN.value == "parent_shutdown"


@covers(74)
async def test_actor_is_permanent_unless_it_is_told_otherwise(
    autojump_clock: MockClock,
) -> None:
    """That is what its supervisor is told of it, and what it does."""
    heard: list[object] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Witness, [], 0, 0, heard, name="p")
        child = await parent.supervise(Worker, name="c")
        await child.send(Leave())
        await child.wait_generation(1)

    assert heard[0] == acton.ChildSupervised("p", "p/c", PERMANENT)


@covers(74)
async def test_unknown_policy_is_refused(autojump_clock: MockClock) -> None:
    """A policy is one of the three, not its name; nothing was started."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match="restart_policy is a RestartPolicy"):
            await runtime.start(Worker, log, restart_policy="permanent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

        assert log == []
