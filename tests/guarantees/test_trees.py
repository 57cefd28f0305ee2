"""Actors that supervise actors: starting, ending, giving up, handing over."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, expect_event, open_ipc_pair, open_test_runtime

from .trees import (
    ALL,
    NOTIFY_PARENT,
    ONCE,
    ONE,
    TRANSIENT,
    AskOf,
    Boss,
    Habits,
    Hire,
    Node,
    Step,
    fail,
    family,
    restarts_of,
)
from .workers import SHORT, Diary, Fate, Work, ask, fill

# Starting children.


async def test_failed_start_of_a_child_raises_at_its_starter(
    autojump_clock: MockClock,
) -> None:
    """What a start hook of a child raises goes to its starter, and frees the name."""
    broken = Habits(broken_starts={0})

    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, Diary(), ONE, "")
        with pytest.raises(ValueError, match="a cannot start"):
            await boss.supervise(Node, Diary(), "a", broken, name="a")
        assert boss.children == ()
        await boss.supervise(Node, Diary(), "a", name="a")

        assert boss.status.state is acton.ActorState.RUNNING


async def test_half_started_child_of_a_cancelled_start_is_down(
    autojump_clock: MockClock,
) -> None:
    """A start of a child that is cancelled leaves none behind."""
    diary, slow = Diary(), Habits(start=10, stop=1)

    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, diary, ONE, "")
        with trio.move_on_after(2):
            await boss.supervise(Node, diary, "a", slow, name="a")

        assert diary.lines == ["a down at 3"]
        assert boss.children == ()


async def test_supervisor_takes_messages_while_a_child_starts(
    autojump_clock: MockClock,
) -> None:
    """A supervisor takes messages while a child of it starts."""
    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, Diary(), ONE, "")
        await boss.ask(Hire(seconds=5))

        assert await boss.ask(Work("at once")) == "at once"
        assert trio.current_time() == 0
        assert not boss.children
        await trio.sleep(6)
        (child,) = boss.children
        assert child.name == "boss/Node-0"


async def test_children_are_refused_beyond_the_tenth_generation(
    autojump_clock: MockClock,
) -> None:
    """There are at most ten generations below an actor of the runtime."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Node, Diary(), "root", name="root")
        for number in range(1, 11):
            parent = await parent.supervise(Node, Diary(), "", name=f"g{number}")
        with pytest.raises(acton.SupervisionDepthError, match="supervision depth") as e:
            await parent.supervise(Node, Diary(), "", name="one-too-many")

        assert e.value.child == f"{parent.name}/one-too-many"


async def test_wait_to_supervise_ends_with_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    """A child that is to be started when its supervisor is down is refused."""
    patient = acton.RestartLimit(initial_backoff=10)
    error: acton.ActorStoppedError | None = None

    async def supervise(boss: acton.ActorHandle) -> None:
        nonlocal error
        with pytest.raises(acton.ActorStoppedError) as caught:
            await boss.supervise(Node, Diary(), "a")
        error = caught.value

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Node, Diary(), "boss", restart_limit=patient)
        await fail(boss)
        nursery.start_soon(supervise, boss)
        await wait_all_tasks_blocked()
        await boss.stop()

    assert error is not None
    assert trio.current_time() == 0


# Ends.


async def test_children_are_down_before_their_supervisor(
    autojump_clock: MockClock,
) -> None:
    """A supervisor stops its children before its own end, last started first."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Node, diary, "boss")
        child = await boss.supervise(Node, diary, "a", Habits(stop=1))
        await child.supervise(Node, diary, "a's", Habits(stop=1))
        await boss.supervise(Node, diary, "b", Habits(stop=1))
        diary.lines.clear()

    assert diary.lines == [
        "b down at 1",
        "a's down at 2",
        "a down at 3",
        "boss down at 3",
    ]


async def test_children_end_with_the_incarnation_that_has_them(
    autojump_clock: MockClock,
) -> None:
    """Children end with their supervisor's incarnation, before the next begins."""
    diary = Diary()

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as ends,
    ):
        boss = await runtime.start(Node, diary, "boss", name="boss")
        child = await boss.supervise(Node, diary, "a", Habits(stop=2), name="a")
        diary.lines.clear()
        await fail(boss)
        await boss.wait_generation(1)

        assert (await anext(ends)).reason is acton.TerminationReason.PARENT_SHUTDOWN
        assert diary.lines == ["a down at 2", "boss down at 2", "boss up at 2.1"]
        assert child.status.state is acton.ActorState.DOWN
        assert boss.children == ()


async def test_children_of_a_failed_supervisor_handle_what_they_have(
    autojump_clock: MockClock,
) -> None:
    """A supervisor that fails has its children end gracefully."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss, a = await family(runtime, Diary(), ONE, "a")
        queued, waiting, running = await fill(a, Work("running", 2), nursery)
        await fail(boss)
        await boss.wait_generation(1)

    assert (running.result, running.at) == ("running", 2)
    assert queued.result == "queued ask"
    assert waiting.kind is acton.ActorStoppedError


async def test_time_of_children_is_not_their_supervisors(
    autojump_clock: MockClock,
) -> None:
    """The time that children take to end is not taken from their supervisor's."""
    diary = Diary()

    async with open_test_runtime(SHORT) as runtime:
        boss = await runtime.start(Node, diary, "boss", Habits(stop=1.5))
        await boss.supervise(Node, diary, "a", Habits(stop=1.5))
        diary.lines.clear()
        await boss.stop()

    assert diary.lines == ["a down at 1.5", "boss down at 3"]


async def test_cancellation_reaches_all_generations_at_once(
    autojump_clock: MockClock,
) -> None:
    """A cancellation cuts off handlers of all generations at once."""
    fates = [Fate(), Fate(), Fate()]

    async def run() -> None:
        async with acton.open_runtime() as runtime:
            handle = await runtime.start(Node, Diary(), "a")
            for fate in fates:
                nursery.start_soon(ask, handle, Work("endless", 1000), fate)
                handle = await handle.supervise(Node, Diary(), "b", Habits(stop=1))
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            await run()

    assert [fate.kind for fate in fates] == [acton.ActorStoppedError] * 3
    assert [fate.at for fate in fates] == [1, 1, 1]


async def test_own_end_of_a_child_brings_it_back_and_an_order_does_not(
    autojump_clock: MockClock,
) -> None:
    """A permanent child that ends itself comes back; one that is told to, does not."""
    async with open_test_runtime() as runtime:
        boss, a, b = await family(runtime, Diary(), ONE, "ab")
        await a.ask(Step())
        await a.wait_generation(1)
        await b.stop()

        assert boss.children == (a,)


# Limits, and who hears of them.


@pytest.mark.parametrize(("pause", "survives"), [(9.999, False), (10, True)])
async def test_restart_limit_is_exact(
    pause: float, *, survives: bool, autojump_clock: MockClock
) -> None:
    """The window of a restart limit is exact: what is as old as it counts no more."""
    limit = acton.RestartLimit(max_restarts=1, window=10, initial_backoff=1)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Boss, Diary(), "boss", escalation=NOTIFY_PARENT)
        child = await boss.supervise(Node, Diary(), "a", restart_limit=limit)
        crash(child, ValueError())
        await trio.sleep(pause)
        crash(child, ValueError())
        await trio.sleep(3)

        state = acton.ActorState.RUNNING if survives else acton.ActorState.ESCALATED
        assert child.status.state is state


async def test_supervisor_fails_with_the_limit_of_its_child(
    autojump_clock: MockClock,
) -> None:
    """A supervisor that gives a child up fails, and its own policy decides."""
    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, Diary(), ONE, "")
        child = await boss.supervise(Node, Diary(), "a", name="a", restart_limit=ONCE)
        await restarts_of(child, 2)
        await boss.wait_generation(1)

        failure = boss.status.last_failure
        assert isinstance(failure, acton.RestartLimitError)
        assert failure.actor == "boss/a"
        assert isinstance(failure.__cause__, ValueError)
        assert child.status.state is acton.ActorState.ESCALATED


async def test_supervisor_that_notifies_goes_on(autojump_clock: MockClock) -> None:
    """With `NOTIFY_PARENT` a supervisor goes on, and its own supervisor hears of it."""
    news: list[object] = []

    async with open_test_runtime() as runtime:
        grandparent = await runtime.start(
            Boss, Diary(), "", Habits(), news, mailbox_capacity=1, name="top"
        )
        boss = await grandparent.supervise(
            Node, Diary(), "boss", name="boss", escalation=NOTIFY_PARENT
        )
        a = await boss.supervise(Node, Diary(), "a", name="a", restart_limit=ONCE)
        b = await boss.supervise(Node, Diary(), "b", name="b")
        await restarts_of(a, 2)
        event = await expect_event(runtime, acton.SupervisionEscalated)

        assert news == [event]
        assert (event.supervisor, event.child) == ("top/boss", "top/boss/a")
        assert event.restarts == 1
        assert isinstance(event.error, acton.RestartLimitError)
        assert boss.children == (b,)
        assert boss.status.generation == 0


async def test_news_of_children_overtakes_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """What a supervisor is told of children overtakes what is queued, full or not."""
    news: list[object] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        top = await runtime.start(Boss, Diary(), "", Habits(), news, mailbox_capacity=2)
        boss = await top.supervise(Node, Diary(), "", escalation=NOTIFY_PARENT)
        a = await boss.supervise(Node, Diary(), "a", restart_limit=ONCE)
        queued, _, running = await fill(top, Work("running", 5), nursery)
        await restarts_of(a, 2)
        await trio.sleep(6)

        assert len(news) == 1
        assert queued.at == running.at
        await expect_event(runtime, acton.SupervisionEscalated)


async def test_child_given_up_by_one_that_notifies_is_in_an_event(
    autojump_clock: MockClock,
) -> None:
    """With `NOTIFY_PARENT` and no actor above, `SupervisionEscalated` carries it."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Node, Diary(), "boss", escalation=NOTIFY_PARENT)
        child = await boss.supervise(Node, Diary(), "a", restart_limit=ONCE)
        await restarts_of(child, 2)
        event = await expect_event(runtime, acton.SupervisionEscalated)

        assert isinstance(event.error.__cause__, ValueError)
        assert boss.status.state is acton.ActorState.RUNNING


async def test_failure_that_nobody_survives_leaves_with_its_causes(
    autojump_clock: MockClock,
) -> None:
    """What no supervisor survives leaves `open_runtime` with the chain of its causes."""
    never = acton.RestartLimit(max_restarts=0)

    error = ValueError("at the bottom")

    with pytest.RaisesGroup(acton.RestartLimitError) as caught:
        async with acton.open_runtime() as runtime:
            top = await runtime.start(
                Node, Diary(), "", name="top", restart_limit=never
            )
            boss = await top.supervise(
                Node, Diary(), "", name="boss", restart_limit=never
            )
            child = await boss.supervise(
                Node, Diary(), "", name="a", restart_limit=never
            )
            crash(child, error)
            await trio.sleep_forever()

    chain: list[BaseException] = [caught.value.exceptions[0]]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    actors = [each.actor for each in chain if isinstance(each, acton.RestartLimitError)]
    assert actors == ["top", "top/boss", "top/boss/a"]
    assert chain[-1] is error


async def test_base_exception_of_a_child_passes_through_all_supervisors(
    autojump_clock: MockClock,
) -> None:
    """A `BaseException` of a child passes through every supervisor above it."""
    with pytest.RaisesGroup(KeyboardInterrupt):
        async with acton.open_runtime() as runtime:
            boss, a = await family(runtime, Diary(), ALL, "a")
            crash(a, KeyboardInterrupt())
            await boss.wait_stopped()
            await trio.sleep_forever()


async def test_failure_of_a_child_that_was_to_end_goes_up(
    autojump_clock: MockClock,
) -> None:
    """What a child fails with after its order to stop is its supervisor's failure."""
    error = KeyError("in after_stop")

    def fail_to_stop(_model: Node) -> None:
        raise error

    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, Diary(), ONE, "")
        idle = runtime.new_actor(Node, Diary(), "a").after_stop(fail_to_stop)
        child = await boss.supervise(idle)
        await child.stop()
        await boss.wait_generation(1)

        assert boss.status.last_failure is error


# Handing over.


async def test_unsupervise_stops_a_child_and_frees_its_name(
    autojump_clock: MockClock,
) -> None:
    """`unsupervise` returns when the child is down, and its name is free."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, diary, ALL, "")
        child = await boss.supervise(Node, diary, "a", Habits(stop=3), name="a")
        await boss.unsupervise(child)

        assert trio.current_time() == 3
        assert child.status.state is acton.ActorState.DOWN
        again = await boss.supervise(Node, diary, "a", name="a")
        assert again.id == child.id


async def test_released_child_goes_on_under_the_runtime(
    autojump_clock: MockClock,
) -> None:
    """A child that is released goes on, and outlives the one that had it."""
    async with open_test_runtime() as runtime:
        boss, a, b = await family(runtime, Diary(), ALL, "ab")
        assert await boss.release(a) is a
        await fail(b)
        await b.wait_generation(1)
        assert a.status.generation == 0
        await boss.supervise(Node, Diary(), "another", name="a")
        await boss.stop()

        assert await a.ask(Work("still here")) == "still here"
        assert runtime.actors() == (a,)
        await fail(a)
        await a.wait_generation(1)


async def test_what_is_no_child_can_be_neither_stopped_nor_released(
    autojump_clock: MockClock,
) -> None:
    """What is no child of an actor is `UnknownChildError`, and left as it is."""
    async with open_test_runtime() as runtime:
        boss, a = await family(runtime, Diary(), ONE, "a")
        other = await runtime.start(Node, Diary(), "other")
        for act in (partial(boss.unsupervise, other), partial(other.release, a)):
            with pytest.raises(acton.UnknownChildError):
                await act()

        assert boss.children == (a,)
        assert other.status.state is acton.ActorState.RUNNING


# Seats and waits.


async def test_seat_of_a_child_survives_its_restart(autojump_clock: MockClock) -> None:
    """Handle, name, mailbox and IPC name of a child survive its restart."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        boss, a = await family(runtime, Diary(), ALL, "a")
        runtime.ipc_expose("peer", a)
        await fail(a)
        await a.wait_generation(1)

        assert runtime.find("boss/a") is a is boss.find_child("a")
        answer = await pair.client.request("peer", "Nonsense", {})
        assert answer.error_code == "UNKNOWN_MESSAGE_TYPE"


async def test_wait_for_a_child_that_will_not_come_ends(
    autojump_clock: MockClock,
) -> None:
    """No wait for a child outlasts it: they end with `ActorStoppedError`."""
    errors: list[BaseException | None] = []

    async def wait(child: acton.ActorHandle) -> None:
        with pytest.raises(acton.ActorStoppedError) as caught:
            await child.wait_generation(5)
        errors.append(caught.value.__cause__)

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss, a, b, c = await family(runtime, Diary(), ONE, "abc", c=TRANSIENT)
        for child in (a, b, c):
            nursery.start_soon(wait, child)
        await wait_all_tasks_blocked()
        await fail(c, "the failure before")
        await c.wait_running()
        await a.stop()
        await c.ask(Step())
        await fail(boss)

    assert len(errors) == 3
    assert str(errors[-1] or errors[0] or errors[1]) == "the failure before"


async def test_child_that_stops_what_it_is_in_is_a_cycle(
    autojump_clock: MockClock,
) -> None:
    """A handler that would wait for the end of its own supervisor is refused."""
    caught: list[acton.AskCycleError] = []

    async def stop_boss(_model: Node, _request: AskOf, ctx: acton.Context) -> str:
        boss = ctx.runtime.find("boss")
        for act in (
            boss.stop,
            boss.wait_stopped,
            partial(boss.unsupervise, ctx.handle),
        ):
            with pytest.raises(acton.AskCycleError) as error:
                await act()
            caught.append(error.value)
        return "refused"

    async with open_test_runtime() as runtime:
        boss, *_ = await family(runtime, Diary(), ONE, "")
        idle = runtime.new_actor(Node, Diary(), "a", name="a").act_on(AskOf, stop_boss)
        child = await boss.supervise(idle)

        assert await child.ask(AskOf("")) == "refused"
        assert boss.status.state is acton.ActorState.RUNNING
    assert caught[0].path == ("boss", "boss/a", "boss")


async def test_ask_of_a_supervisor_that_waits_for_the_asker_is_a_cycle(
    autojump_clock: MockClock,
) -> None:
    """An ask of a supervisor that waits for its asker to be down ends at once."""
    fate = Fate()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss, a = await family(runtime, Diary(), ONE, "a")
        nursery.start_soon(ask, boss, Work("running", 1), Fate())
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, a, AskOf("boss"), fate)
        await wait_all_tasks_blocked()
        await fail(boss)
        await boss.wait_generation(1)

    assert isinstance(fate.error, acton.HandlerFailedError)
    assert isinstance(fate.error.__cause__, acton.AskCycleError)
    assert fate.at == 0
