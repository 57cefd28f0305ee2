"""How often an actor is restarted, and how long each restart waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import expect_event, open_test_runtime

from .families import Fail, Worker, fail_and_return, turns, waits
from .items import covers

HOUR = 3600


@covers(77)
def test_limit_is_five_restarts_a_minute_by_default() -> None:
    """The first waits a tenth of a second, each twice as long, none over 30."""
    assert acton.RestartLimit() == acton.RestartLimit(
        max_restarts=5,
        window=60.0,
        initial_backoff=0.1,
        max_backoff=30.0,
        multiplier=2.0,
        jitter=0.0,
        enabled=True,
    )


@covers(77)
async def test_sixth_failure_within_a_minute_is_one_too_many(
    autojump_clock: MockClock,
) -> None:
    """Nobody has said anything of limits, and five restarts there are."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, escalation=acton.Escalation.NOTIFY_PARENT)
        worker = await parent.supervise(Worker)
        await fail_and_return(worker, times=5)
        await worker.send(Fail())
        event = await expect_event(runtime, acton.ChildTerminated)

        assert isinstance(event.error, acton.RestartLimitError)
        assert (event.error.max_restarts, event.error.window) == (5, 60)
        assert worker.status.state is acton.ActorState.ESCALATED
        assert worker.status.generation == 5


@covers(78, 84)
async def test_limit_that_is_off_restarts_at_once_and_for_ever(
    autojump_clock: MockClock,
) -> None:
    """A hundred failures, no wait, and nothing is counted."""
    off = acton.RestartLimit(enabled=False)

    async with open_test_runtime() as runtime, turns(runtime) as events:
        worker = await runtime.start(Worker, restart_limit=off)
        await fail_and_return(worker, times=100)

        assert trio.current_time() == 0
        assert waits(events) == [0.0] * 100
        assert worker.status.restarts_in_window == 0


@covers(79)
@pytest.mark.parametrize("allowed", [0, 1, 3])
async def test_failures_up_to_the_limit_are_mended(
    allowed: int, autojump_clock: MockClock
) -> None:
    """One more is raised where the actor was started: in the block."""
    limit = acton.RestartLimit(max_restarts=allowed)
    workers: list[acton.ActorHandle] = []

    with pytest.RaisesGroup(acton.RestartLimitError) as raised:
        async with open_test_runtime() as runtime:
            worker = await runtime.start(Worker, restart_limit=limit)
            workers.append(worker)
            await fail_and_return(worker, times=allowed)
            await worker.send(Fail("the last straw"))
            await trio.sleep_forever()

    assert str(raised.value.exceptions[0].__cause__) == "the last straw"
    assert [each.status.generation for each in workers] == [allowed]


@covers(80)
async def test_each_restart_waits_twice_as_long_as_the_one_before(
    autojump_clock: MockClock,
) -> None:
    """100, 200, 400 and 800 milliseconds: the events say so, and the clock."""
    async with open_test_runtime() as runtime, turns(runtime) as events:
        worker = await runtime.start(Worker)
        times: list[float] = []
        for _ in range(4):
            await fail_and_return(worker)
            times.append(trio.current_time())

        assert waits(events) == pytest.approx([0.1, 0.2, 0.4, 0.8])
        assert times == pytest.approx([0.1, 0.3, 0.7, 1.5])


@covers(81)
async def test_no_restart_waits_longer_than_the_longest_wait(
    autojump_clock: MockClock,
) -> None:
    """The waits grow up to there, and stay."""
    limit = acton.RestartLimit(initial_backoff=1, max_backoff=5)

    async with open_test_runtime() as runtime, turns(runtime) as events:
        worker = await runtime.start(Worker, restart_limit=limit)
        await fail_and_return(worker, times=5)

        assert waits(events) == [1, 2, 4, 5, 5]
        assert trio.current_time() == 17


@covers(81)
async def test_waits_grow_as_the_limit_says(autojump_clock: MockClock) -> None:
    """By its factor, which may be one: then all are alike."""
    limits = [acton.RestartLimit(initial_backoff=1, multiplier=each) for each in (1, 3)]

    async with open_test_runtime() as runtime, turns(runtime) as events:
        for limit in limits:
            worker = await runtime.start(Worker, restart_limit=limit)
            await fail_and_return(worker, times=4)

        assert waits(events) == [1, 1, 1, 1, 1, 3, 9, 27]


@covers(82)
@pytest.mark.parametrize(
    ("peace", "wait"), [(4.0, 2.0), (4.5, 1.0)], ids=["a window", "more"]
)
async def test_waits_begin_anew_after_a_window_in_peace(
    peace: float, wait: float, autojump_clock: MockClock
) -> None:
    """An actor that fails rarely is not made to wait for what was long ago."""
    limit = acton.RestartLimit(window=4, initial_backoff=1)

    async with open_test_runtime() as runtime, turns(runtime) as events:
        worker = await runtime.start(Worker, restart_limit=limit)
        await fail_and_return(worker)
        await trio.sleep(peace)
        await fail_and_return(worker)

        assert waits(events) == [1, wait]


@covers(83)
async def test_status_counts_the_restarts_in_the_window(
    autojump_clock: MockClock,
) -> None:
    """They are counted when they are decided, and leave the window by themselves."""
    limit = acton.RestartLimit(window=10, initial_backoff=1, multiplier=1)

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_limit=limit)
        counts: list[int] = []
        for _ in range(3):
            counts.append(worker.status.restarts_in_window)
            await fail_and_return(worker)
        # The last was decided at 2, and it is 3 now.
        for _ in range(10):
            counts.append(worker.status.restarts_in_window)
            await trio.sleep(1)

        assert counts == [0, 1, 2] + [3] * 7 + [2, 1, 0]
        assert worker.status.generation == 3


@covers(79, 83)
async def test_failures_that_are_far_apart_never_are_too_many(
    autojump_clock: MockClock,
) -> None:
    """Only what is within the window counts."""
    limit = acton.RestartLimit(max_restarts=1, window=10)

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_limit=limit)
        for _ in range(20):
            await fail_and_return(worker)
            await trio.sleep(10)

        assert worker.status.generation == 20


@covers(85)
def test_error_says_how_often_and_within_what() -> None:
    """The text has the numbers of the limit that was exceeded, and who did it."""
    error = acton.RestartLimitError("shop/till", 5, 60.0)

    assert str(error) == (
        "shop/till may not be restarted again: the limit is 5 in 60 seconds"
    )


@covers(86)
async def test_every_actor_has_its_own_limit(autojump_clock: MockClock) -> None:
    """Whoever starts an actor says how often it may be restarted, not for others."""
    log: list[str] = []
    once = acton.RestartLimit(max_restarts=1)

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, escalation=acton.Escalation.NOTIFY_PARENT)
        strict = await parent.supervise(Worker, restart_limit=once)
        built = await parent.supervise(
            runtime.new_actor(Worker, log, restart_limit=once)
        )
        lenient = await parent.supervise(Worker)
        for worker in (strict, built, lenient):
            await fail_and_return(worker)
            await worker.send(Fail())
        await lenient.wait_generation(2)
        for _ in range(2):
            await expect_event(runtime, acton.ChildTerminated)

        assert strict.status.state is acton.ActorState.ESCALATED
        assert built.status.state is acton.ActorState.ESCALATED
        assert lenient.status.state is acton.ActorState.RUNNING


@covers(86)
@pytest.mark.parametrize(
    "mistake",
    [
        {"max_restarts": -1},
        {"window": -1.0},
        {"initial_backoff": -0.1},
        {"max_backoff": -1.0},
        {"multiplier": 0.5},
        {"jitter": -0.1},
    ],
    ids=lambda mistake: next(iter(mistake)),
)
def test_impossible_limit_is_refused(mistake: dict[str, float]) -> None:
    """The mistake is reported where it is made, by its name."""
    with pytest.raises(ValueError, match=next(iter(mistake))):
        acton.RestartLimit(**mistake)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@covers(87)
async def test_looking_at_the_status_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    """However often one looks, the waits are those of an actor nobody looks at."""
    limit = acton.RestartLimit(window=4, initial_backoff=1)
    seen: list[list[float]] = []

    for looks in (0, 100):
        async with open_test_runtime() as runtime, turns(runtime) as events:
            worker = await runtime.start(Worker, restart_limit=limit)
            for peace in (0, 0, 0, 10, 0):
                await trio.sleep(peace)
                for _ in range(looks):
                    assert worker.status.restarts_in_window <= 3
                await fail_and_return(worker)
            seen.append(waits(events))

    assert seen[0] == seen[1] == [1, 2, 4, 1, 2]


@covers(88)
async def test_actors_with_the_same_limit_do_not_share_their_restarts(
    autojump_clock: MockClock,
) -> None:
    """A limit is a value, and what was counted against it is the actor's."""
    once = acton.RestartLimit(max_restarts=1)

    async with open_test_runtime() as runtime, turns(runtime) as events:
        workers = [await runtime.start(Worker, restart_limit=once) for _ in range(3)]
        for worker in workers:
            await fail_and_return(worker)

        assert [each.status.restarts_in_window for each in workers] == [1, 1, 1]
        assert waits(events) == [0.1, 0.1, 0.1]


@covers(88)
async def test_same_name_does_not_inherit_the_restarts(
    autojump_clock: MockClock,
) -> None:
    """A new child starts from nothing, whoever had its name before."""
    once = acton.RestartLimit(max_restarts=1)

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker)
        for _ in range(3):
            worker = await parent.supervise(Worker, name="w", restart_limit=once)
            assert worker.status.restarts_in_window == 0
            await fail_and_return(worker)
            await worker.stop()


@covers(89)
@pytest.mark.parametrize("wait", [0.25, 1, 30 * 60], ids=["a quarter", "one", "many"])
async def test_waits_are_seconds_on_the_clock_of_the_program(
    wait: float, autojump_clock: MockClock
) -> None:
    """Plain numbers, whole or not: no other unit, and no other clock."""
    limit = acton.RestartLimit(initial_backoff=wait, max_backoff=HOUR)

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_limit=limit)
        await fail_and_return(worker)

        assert trio.current_time() == wait
