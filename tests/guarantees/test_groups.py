"""Actors that are restarted together: who, in which order, and at whose charge."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, expect_event, open_test_runtime

from .trees import (
    ALL,
    ONE,
    REST,
    TEMPORARY,
    TRANSIENT,
    AskOf,
    Habits,
    Node,
    Step,
    fail,
    family,
)
from .workers import SHORT, Diary, Fate, Work, ask, fill

# Who is restarted, and in which order.


async def test_one_for_one_restarts_nobody_else(autojump_clock: MockClock) -> None:
    """One-for-one restarts the child alone."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        _, _, b, _, _ = await family(runtime, diary, ONE)
        await fail(b)
        await b.wait_generation(1)

        assert diary.lines == ["b down at 0", "b up at 0.1"]


async def test_one_for_all_restarts_all(autojump_clock: MockClock) -> None:
    """One-for-all restarts all children, those started before too."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        *_, d = await family(runtime, diary, ALL)
        await fail(d)
        await d.wait_generation(1)

        assert [line.split()[0] for line in diary.lines] == [*"dcbaabcd"]


async def test_rest_for_one_restarts_those_started_after(
    autojump_clock: MockClock,
) -> None:
    """Rest-for-one restarts the child and those that were started after it."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        _, a, b, _, d = await family(runtime, diary, REST)
        await fail(b)
        await d.wait_generation(1)

        assert [line.split()[0] for line in diary.lines] == [*"bdcbcd"]
        assert a.status.generation == 0


async def test_group_stops_in_reverse_each_down_before_the_next(
    autojump_clock: MockClock,
) -> None:
    """A group stops last started first, each fully down before the next is told."""
    diary, slow = Diary(), Habits(stop=1)

    async with open_test_runtime() as runtime:
        boss, a, *_ = await family(runtime, diary, ALL, "a")
        for name in "bc":
            await boss.supervise(Node, diary, name, slow)
        diary.lines.clear()
        await fail(a)
        await a.wait_generation(1)

        assert diary.lines[:3] == ["a down at 0", "c down at 1", "b down at 2"]


async def test_group_starts_in_order_each_running_before_the_next(
    autojump_clock: MockClock,
) -> None:
    """A group starts first started first, each running before the next."""
    diary, slow = Diary(), Habits(start=1)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Node, diary, "boss", strategy=ALL)
        a, _, c = [await boss.supervise(Node, diary, name, slow) for name in "abc"]
        diary.lines.clear()
        await fail(a)
        await c.wait_generation(1)

        up = [line for line in diary.lines if " up " in line]
        assert up == ["a up at 4.1", "b up at 5.1", "c up at 6.1"]


async def test_group_waits_once_from_when_all_are_down(
    autojump_clock: MockClock,
) -> None:
    """A group waits for one backoff, from when the last of it is down."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        boss, a, b, *_ = await family(runtime, diary, ALL, "ab")
        await boss.supervise(Node, diary, "c", Habits(stop=5))
        diary.lines.clear()
        await fail(a)
        await b.wait_generation(1)

        assert trio.current_time() == pytest.approx(5.1)
        assert a.status.generation == 1


async def test_only_the_child_that_failed_is_charged(
    autojump_clock: MockClock,
) -> None:
    """Only the child that failed is charged for the restart of its group."""
    async with open_test_runtime() as runtime:
        _, a, b, c, _ = await family(runtime, Diary(), ALL)
        for generation in range(1, 4):
            await fail(b)
            await c.wait_generation(generation)

        assert b.status.restarts_in_window == 3
        assert a.status.restarts_in_window == c.status.restarts_in_window == 0


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_temporary_sibling_stops_and_is_not_revived(
    strategy: acton.SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """A temporary sibling stops with the group, and is not revived."""
    async with open_test_runtime() as runtime:
        boss, a, b, c, d = await family(runtime, Diary(), strategy, c=TEMPORARY)
        await fail(a)
        await d.wait_generation(1)

        assert c.status.state is acton.ActorState.DOWN
        assert boss.children == (a, b, d)
        end = await expect_event(runtime, acton.ChildTerminated)
        assert end.child == "boss/c"
        assert end.reason is acton.TerminationReason.STOPPED


async def test_sibling_that_is_down_is_not_revived(autojump_clock: MockClock) -> None:
    """A sibling that is down for good is not revived."""
    async with open_test_runtime() as runtime:
        boss, a, b, c, d = await family(runtime, Diary(), ALL, b=TRANSIENT)
        await b.ask(Step())
        await b.wait_stopped()
        await c.stop()
        await fail(a)
        await d.wait_generation(1)

        assert boss.children == (a, d)


async def test_sibling_that_was_given_up_is_not_revived(
    autojump_clock: MockClock,
) -> None:
    """A sibling that was given up is not revived."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(
            Node,
            Diary(),
            "boss",
            strategy=ALL,
            escalation=acton.Escalation.NOTIFY_PARENT,
        )
        a = await boss.supervise(Node, Diary(), "a")
        never = acton.RestartLimit(max_restarts=0)
        b = await boss.supervise(Node, Diary(), "b", restart_limit=never)
        await fail(b)
        await expect_event(runtime, acton.SupervisionEscalated)
        await fail(a)
        await a.wait_generation(1)

        assert b.status.state is acton.ActorState.ESCALATED
        assert boss.children == (a,)


async def test_child_that_does_not_come_back_leaves_its_siblings_alone(
    autojump_clock: MockClock,
) -> None:
    """A child that ends and does not come back leaves its siblings as they are."""
    async with open_test_runtime() as runtime:
        boss, a, b, c, d = await family(runtime, Diary(), ALL, a=TEMPORARY, b=TRANSIENT)
        await fail(a)
        await b.ask(Step())
        await c.stop()
        await wait_all_tasks_blocked()

        assert boss.children == (d,)
        assert d.status.generation == 0


# More goes wrong meanwhile.


async def test_failure_while_the_group_comes_up_stops_it_again(
    autojump_clock: MockClock,
) -> None:
    """A child that fails while its group comes up is charged, and all stop again."""
    diary, broken = Diary(), Habits(broken_starts={1})

    async with open_test_runtime() as runtime:
        boss, a, *_ = await family(runtime, diary, ALL, "a")
        b = await boss.supervise(Node, diary, "b", broken)
        c = await boss.supervise(Node, diary, "c")
        diary.lines.clear()
        await fail(a)
        await c.wait_generation(1)

        assert diary.lines == [
            "a down at 0",
            "c down at 0",
            "b down at 0",
            "a up at 0.1",
            "b cannot start at 0.1",
            "b down at 0.1",
            "a down at 0.1",
            "a up at 0.2",
            "b up at 0.2",
            "c up at 0.2",
        ]
        assert b.status.restarts_in_window == 1


async def test_sibling_that_fails_while_it_stops_loses_no_exception(
    autojump_clock: MockClock,
) -> None:
    """A sibling that fails while it stops with its group comes back all the same."""
    errors = [error := KeyError("in after_stop")]

    def fail_to_stop(_model: Node) -> None:
        if errors:
            raise errors.pop()

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildRestarted) as restarts,
    ):
        boss, a, *_ = await family(runtime, Diary(), ALL, "a")
        idle = runtime.new_actor(Node, Diary(), "b", name="b").after_stop(fail_to_stop)
        b = await boss.supervise(idle)
        await fail(a)
        await b.wait_generation(1)

        reasons = [(await anext(restarts)).reason for _ in range(2)]
        assert reasons == [acton.TerminationReason.FAILED] * 2
        assert b.status.last_failure is error
        assert b.status.restarts_in_window == 0


async def test_stop_gets_through_to_one_that_waits_with_its_group(
    autojump_clock: MockClock,
) -> None:
    """A child that waits to come back can be stopped, and the others come back."""
    async with open_test_runtime() as runtime:
        boss, a, b, c, d = await family(runtime, Diary(), ALL)
        await fail(a)
        await b.stop()
        await a.stop()
        assert trio.current_time() == 0
        await d.wait_generation(1)

        assert boss.children == (c, d)


async def test_shutdown_gets_through_while_a_group_is_down(
    autojump_clock: MockClock,
) -> None:
    """A shutdown gets through while a group waits to come back."""
    limit = acton.RestartLimit(initial_backoff=30)
    diary = Diary()

    async with open_test_runtime() as runtime:
        boss, _, *_ = await family(runtime, diary, ALL)
        child = await boss.supervise(Node, diary, "e", restart_limit=limit)
        await fail(child)

    assert trio.current_time() == 0
    assert not any(" up " in line for line in diary.lines[1:])


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.05, 2.5, 3.5])
async def test_shutdown_gets_through_at_any_moment_of_a_restart(
    moment: float, autojump_clock: MockClock
) -> None:
    """A shutdown gets through at any moment of the restart of a group."""
    diary, slow = Diary(), Habits(start=1, stop=1)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Node, diary, "boss", strategy=ALL)
        a, _, _ = [await boss.supervise(Node, diary, name, slow) for name in "abc"]
        diary.lines.clear()
        crash(a, ValueError())
        await trio.sleep(moment)
        began = trio.current_time()
    ups = sum(" up " in line for line in diary.lines)
    downs = sum(" down " in line for line in diary.lines)

    assert trio.current_time() - began <= 4
    # The boss and each of its three were up before.
    assert downs == ups + 4


# What becomes of messages.


async def test_sibling_that_comes_back_keeps_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """What is queued for a sibling is kept, if that comes back with its group."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        _, a, b, *_ = await family(runtime, diary, ALL)
        queued, waiting, running = await fill(b, Work("running", 2), nursery)
        await fail(a)
        await b.wait_generation(1)

    assert running.result == "running"
    assert running.at == 2
    assert queued.result == "queued ask"
    assert waiting.error is None
    assert [line for line in diary.lines if " did " in line] == [
        "b did running at 2",
        "b did queued send at 2.1",
        "b did queued ask at 2.1",
        "b did waiting send at 2.1",
    ]


async def test_sibling_that_does_not_come_back_has_its_queue_dead_lettered(
    autojump_clock: MockClock,
) -> None:
    """A sibling that goes down with its group has its queue dead-lettered."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
        trio.open_nursery() as nursery,
    ):
        _, a, b, *_ = await family(runtime, Diary(), ALL, b=TEMPORARY)
        queued, waiting, running = await fill(b, Work("running", 2), nursery)
        await fail(a)
        await b.wait_stopped()

        assert (await anext(letters)).message == Work("queued send")
    assert running.result == "running"
    assert queued.kind is acton.ActorStoppedError
    assert waiting.kind is acton.ActorStoppedError


async def test_handler_that_does_not_end_is_cut_off_for_its_group(
    autojump_clock: MockClock,
) -> None:
    """A handler that holds its group up is cut off after `timeouts.actor_shutdown`."""
    fate = Fate()

    async with open_test_runtime(SHORT) as runtime, trio.open_nursery() as nursery:
        _, a, b, *_ = await family(runtime, Diary(), ALL)
        nursery.start_soon(ask, b, Work("endless", 1000), fate)
        await wait_all_tasks_blocked()
        await fail(a)
        await b.wait_generation(1)

    assert fate.kind is acton.ActorStoppedError
    assert fate.at == pytest.approx(2)


async def test_ask_of_a_sibling_that_waits_for_the_asker_is_a_cycle(
    autojump_clock: MockClock,
) -> None:
    """An ask of one that cannot come back before its asker is down ends at once."""
    early, late = Fate(), Fate()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        _, a, b, *_ = await family(runtime, Diary(), ALL)
        nursery.start_soon(ask, b, Work("running", 1), Fate())
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, a, AskOf("boss/b"), early)
        nursery.start_soon(ask, a, AskOf("boss/b", 1.5), late)
        await wait_all_tasks_blocked()
        await trio.sleep(0.5)
        await fail(b)
        await a.wait_generation(1)

    for fate, at in ((early, 0.5), (late, 1.5)):
        assert isinstance(fate.error, acton.HandlerFailedError)
        assert isinstance(fate.error.__cause__, acton.AskCycleError)
        assert fate.error.__cause__.path == ("boss/b", "boss/a", "boss/b")
        assert fate.at == pytest.approx(at)


async def test_next_incarnation_begins_when_the_last_has_exited(
    autojump_clock: MockClock,
) -> None:
    """In a group too, no incarnation begins before the last of its seat has exited."""
    diary, slow = Diary(), Habits(stop=3)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Node, diary, "boss", strategy=ALL)
        a, b = [await boss.supervise(Node, diary, name, slow) for name in "ab"]
        diary.lines.clear()
        await fail(a)
        crash(b, ValueError())
        await b.wait_generation(1)

    assert [line.split()[1] for line in diary.lines] == [
        "down",
        "down",
        "up",
        "up",
        "down",
        "down",
        "down",
    ]
