"""Who is restarted along with a child that comes back."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio import RestartPolicy, SupervisionStrategy, TerminationReason
from acton_trio.testing import expect_event, open_test_runtime

from .families import (
    Fail,
    Leave,
    Worker,
    fail_and_return,
    supervise_all,
    told,
    turns,
)
from .items import covers

ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE = SupervisionStrategy


def generations(actors: list[acton.ActorHandle]) -> list[int]:
    """Return how often each was restarted."""
    return [each.status.generation for each in actors]


@covers(90)
async def test_failing_child_is_restarted_alone_by_default(
    autojump_clock: MockClock,
) -> None:
    """Nobody has said anything of strategies, and its siblings do not notice."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        children = await supervise_all(boss, "abcd", log)
        log.clear()
        await fail_and_return(children[1])
        await trio.sleep(60)

        assert generations(children) == [0, 1, 0, 0]
        assert log == ["boss/b is down", "boss/b starts", "boss/b is up"]


@covers(91, 92, 93)
@pytest.mark.parametrize(
    ("strategy", "failing", "restarts"),
    [
        (ONE_FOR_ONE, 2, [0, 0, 1, 0]),
        (ONE_FOR_ALL, 2, [1, 1, 1, 1]),
        (REST_FOR_ONE, 2, [0, 0, 1, 1]),
        (REST_FOR_ONE, 0, [1, 1, 1, 1]),
        (REST_FOR_ONE, 3, [0, 0, 0, 1]),
    ],
)
async def test_strategy_decides_who_is_restarted_along(
    strategy: SupervisionStrategy,
    failing: int,
    restarts: list[int],
    autojump_clock: MockClock,
) -> None:
    """The child alone, all of them, or it and those started after it."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy)
        children = await supervise_all(boss, "abcd", [])
        await fail_and_return(children[failing])
        await trio.sleep(60)

        assert generations(children) == restarts
        assert boss.status.generation == 0


@covers(92)
async def test_normal_end_of_a_permanent_child_restarts_its_group_too(
    autojump_clock: MockClock,
) -> None:
    """What counts is that it comes back, not why it ended."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=ONE_FOR_ALL)
        children = await supervise_all(boss, "abc", [])
        await children[0].send(Leave())
        await trio.sleep(60)

        assert generations(children) == [1, 1, 1]


@covers(94)
@pytest.mark.parametrize("message", [Fail(), Leave()], ids=["fails", "leaves"])
@pytest.mark.parametrize("strategy", SupervisionStrategy)
async def test_temporary_child_restarts_nobody(
    strategy: SupervisionStrategy,
    message: Fail | Leave,
    autojump_clock: MockClock,
) -> None:
    """It does not come back, and so none of its siblings is touched."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy, name="boss")
        temporary = await boss.supervise(
            Worker, name="x", restart_policy=RestartPolicy.TEMPORARY
        )
        siblings = await supervise_all(boss, "ab", log)
        await temporary.send(message)
        await expect_event(runtime, acton.ChildTerminated)
        await trio.sleep(60)

        assert temporary.status.state is acton.ActorState.DOWN
        assert generations([temporary, *siblings]) == [0, 0, 0]
        assert not any("down" in line for line in log)


@covers(95)
@pytest.mark.parametrize("strategy", SupervisionStrategy)
async def test_transient_child_that_leaves_restarts_nobody(
    strategy: SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """It has done what it was there for."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy)
        transient = await boss.supervise(Worker, restart_policy=RestartPolicy.TRANSIENT)
        siblings = await supervise_all(boss, "ab", [])
        await transient.send(Leave())
        await trio.sleep(60)

        assert transient.status.state is acton.ActorState.DOWN
        assert generations([transient, *siblings]) == [0, 0, 0]


@covers(96)
@pytest.mark.parametrize(
    ("strategy", "restarts"),
    [
        (ONE_FOR_ONE, [0, 1, 0]),
        (ONE_FOR_ALL, [1, 1, 1]),
        (REST_FOR_ONE, [0, 1, 1]),
    ],
)
async def test_transient_child_that_fails_is_restarted_as_any_other(
    strategy: SupervisionStrategy, restarts: list[int], autojump_clock: MockClock
) -> None:
    """It comes back, and the strategy says with whom."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy)
        first = await boss.supervise(Worker)
        transient = await boss.supervise(Worker, restart_policy=RestartPolicy.TRANSIENT)
        last = await boss.supervise(Worker)
        await fail_and_return(transient)
        await trio.sleep(60)

        assert generations([first, transient, last]) == restarts


@covers(97)
@pytest.mark.parametrize("strategy", SupervisionStrategy)
async def test_end_of_the_parent_restarts_none_of_its_children(
    strategy: SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """They go down one by one, and that brings back neither them nor others."""
    async with open_test_runtime() as runtime, turns(runtime) as events:
        boss = await runtime.start(Worker, strategy=strategy, name="boss")
        children = await supervise_all(boss, "abc", [])
        await boss.stop()
        await trio.sleep(60)

        assert generations(children) == [0, 0, 0]
        assert [type(each) for each in told(events)] == [acton.ChildTerminated] * 4


@covers(97)
@pytest.mark.parametrize("strategy", SupervisionStrategy)
async def test_child_that_was_told_to_stop_restarts_nobody(
    strategy: SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """An order is an order: neither it nor its siblings come back for it."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy)
        children = await supervise_all(boss, "abc", [])
        await children[0].stop()
        event = await expect_event(runtime, acton.ChildTerminated)
        await trio.sleep(60)

        assert event.reason is TerminationReason.STOPPED
        assert generations(children) == [0, 0, 0]
        assert boss.children == (children[1], children[2])


@covers(98)
def test_strategies_say_whether_they_are_for_groups() -> None:
    """Only the one that restarts a child alone is not; they are written as values."""
    assert [each.is_for_groups for each in SupervisionStrategy] == [False, True, True]
    assert [each.value for each in SupervisionStrategy] == [
        "one_for_one",
        "one_for_all",
        "rest_for_one",
    ]


@covers(99)
async def test_strategy_is_given_wherever_an_actor_is_started(
    autojump_clock: MockClock,
) -> None:
    """To the runtime, to a supervisor, and to an actor that is put together."""
    async with open_test_runtime() as runtime:
        root = await runtime.start(Worker, strategy=ONE_FOR_ALL)
        child = await root.supervise(Worker, strategy=ONE_FOR_ALL)
        built = await root.supervise(runtime.new_actor(Worker, strategy=ONE_FOR_ALL))
        for boss in (built, child):
            workers = await supervise_all(boss, "ab", [])
            await fail_and_return(workers[0])
            await workers[1].wait_generation(1)
        assert generations([root, child, built]) == [0, 0, 0]
        await fail_and_return(child)
        await built.wait_generation(1)


@covers(99)
@pytest.mark.parametrize("option", ["strategy", "escalation"])
async def test_unknown_strategy_is_refused(
    option: str, autojump_clock: MockClock
) -> None:
    """A strategy is one of three and no text, and nothing was started."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match=f"{option} is a"):
            await runtime.start(Worker, log, **{option: "one_for_one"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

        assert log == []
