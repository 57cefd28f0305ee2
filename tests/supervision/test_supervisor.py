"""How supervisors deal with what comes at a bad moment, or comes from a bad caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._testing.scheduling import TaskOrder, ordered
from acton_trio.testing import crash, expect_event, open_test_runtime

ONE, ALL, REST = acton.SupervisionStrategy
NEVER = acton.RestartLimit(max_restarts=0)

Hook = Callable[[acton.Context], Awaitable[object]]


async def nothing(_ctx: acton.Context) -> None:
    """Do nothing."""


@acton.message
class Do(acton.Request[str]):
    """Has something done, alone."""

    what: Hook


@acton.actor
class Worker:
    """Does what it is told to, at the turns of its life and in its handler."""

    before_start_hook: Hook = nothing
    after_stop_hook: Hook = nothing
    lifespan_hook: Hook = nothing

    @acton.lifespan
    async def life(self, ctx: acton.Context) -> AsyncIterator[None]:
        """Do what is told before."""
        await self.lifespan_hook(ctx)
        yield

    @acton.before_start
    async def before_start(self, ctx: acton.Context) -> None:
        """Do what is told."""
        await self.before_start_hook(ctx)

    @acton.after_stop
    async def after_stop(self, ctx: acton.Context) -> None:
        """Do what is told."""
        await self.after_stop_hook(ctx)

    @acton.mutate_on
    async def do(self, request: Do, ctx: acton.Context) -> str:
        """Do what is told."""
        return str(await request.what(ctx))


def sleeping(seconds: float) -> Hook:
    """Return a hook that takes time."""

    async def hook(_ctx: acton.Context) -> None:
        await trio.sleep(seconds)

    return hook


@attrs.define
class Ears:
    """Hears events about the children of an actor."""

    heard: list[tuple[int, object]] = attrs.field(factory=list[tuple[int, object]])

    def idle(
        self,
        runtime: acton.Runtime,
        hook: Hook = nothing,
        policy: acton.RestartPolicy = acton.RestartPolicy.PERMANENT,
    ) -> acton.IdleActor[Worker]:
        """Return an actor that hears."""

        def hear(_model: Worker, event: object, ctx: acton.Context) -> None:
            self.heard.append((ctx.generation, event))

        return (
            runtime.new_actor(Worker, hook, name="ears", restart_policy=policy)
            .mutate_on(acton.ChildTerminated, hear)
            .mutate_on(acton.ChildRestarted, hear)
        )


# --- groups


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_sibling_that_starts_for_ever_holds_up_no_other(
    strategy: acton.SupervisionStrategy, autojump_clock: MockClock
) -> None:
    """One that fails while a later one starts has that one's start bounded."""

    async def wait_for_first(ctx: acton.Context) -> None:
        if ctx.generation:
            await trio.sleep(1)
            await first.wait_running()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, strategy=strategy)
        first = await boss.supervise(Worker)
        second = await boss.supervise(Worker, wait_for_first)
        crash(first, ValueError())
        await trio.sleep(0.5)
        crash(first, ValueError())
        await first.wait_generation(2)
        await second.wait_running()

        assert trio.current_time() < 15


async def test_event_tells_the_wait_that_was_due(autojump_clock: MockClock) -> None:
    """Failures that join a restart do not make the wait before it another one."""
    long = acton.RestartLimit(initial_backoff=5)

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildRestarted) as events,
    ):
        boss = await runtime.start(Worker, strategy=REST)
        first = await boss.supervise(Worker)
        second = await boss.supervise(Worker, restart_limit=long)
        crash(second, ValueError())
        await trio.sleep(1)
        crash(first, ValueError())
        await second.wait_generation(1)

        assert trio.current_time() == 5
        assert [(await anext(events)).backoff for _ in range(2)] == [5, 5]


def test_large_group_is_restarted_in_linear_time() -> None:
    """Twice as many siblings take about twice as many steps, not four times."""
    steps = [_steps_of_a_restart(count) for count in (50, 100, 200)]

    assert steps[2] < 2.5 * steps[1] < 6.25 * steps[0]


def _steps_of_a_restart(count: int) -> int:
    async def restart() -> None:
        async with open_test_runtime() as runtime:
            boss = await runtime.start(Worker, strategy=ALL)
            children = [await boss.supervise(Worker) for _ in range(count)]
            trio.lowlevel.add_instrument(counter)
            crash(children[0], ValueError())
            await children[-1].wait_generation(1)
            trio.lowlevel.remove_instrument(counter)

    counter = _Steps()
    trio.run(restart, clock=MockClock(autojump_threshold=0))
    return counter.steps


class _Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count one."""
        self.steps += 1


# --- the end


@pytest.mark.parametrize("is_tree", [False, True], ids=["runtime", "supervisor"])
async def test_nobody_is_restarted_while_others_stop(
    *, is_tree: bool, autojump_clock: MockClock
) -> None:
    """One that waits for its restart stays down as soon as all are to stop."""
    starts: list[float] = []

    async def start(ctx: acton.Context) -> None:
        await trio.lowlevel.checkpoint()
        starts.append(trio.current_time())
        if ctx.generation:
            raise ValueError

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        take = boss.supervise if is_tree else runtime.start
        fragile = await take(Worker, start)
        await take(Worker, nothing, sleeping(5))
        crash(fragile, ValueError())
        await trio.sleep(0.05)

    assert starts == [0]
    assert trio.current_time() == pytest.approx(5.05)


@pytest.mark.parametrize(
    "policy", [acton.RestartPolicy.PERMANENT, acton.RestartPolicy.TEMPORARY]
)
async def test_news_of_children_end_with_their_incarnation(
    policy: acton.RestartPolicy, autojump_clock: MockClock
) -> None:
    """The next incarnation hears nothing of the last one's children, nor anybody."""
    ears = Ears()

    async def take(ctx: acton.Context) -> None:
        await ctx.supervise(Worker, name="child")

    async with open_test_runtime() as runtime:
        boss = await ears.idle(runtime, take, policy).start()
        crash(boss, ValueError())
        await trio.sleep(1)

    assert ears.heard == []


async def test_news_of_a_child_reach_its_supervisor_while_that_runs(
    autojump_clock: MockClock,
) -> None:
    """An actor with a handler for it hears what becomes of its children."""
    ears = Ears()

    async with open_test_runtime() as runtime:
        boss = await ears.idle(runtime).start()
        child = await boss.supervise(Worker)
        crash(child, ValueError())
        await child.wait_generation(1)
        await child.stop()
        await wait_all_tasks_blocked()

    assert [type(event) for _, event in ears.heard] == [
        acton.ChildRestarted,
        acton.ChildTerminated,
    ]


@pytest.mark.parametrize("seed", range(6))
def test_failure_of_a_start_that_is_cancelled_has_one_owner(seed: int) -> None:
    """Whoever cancels a start as it succeeds is not told what leaves the runtime."""

    async def fail(_ctx: acton.Context) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    async def run() -> None:
        told: list[BaseException] = []
        left: tuple[BaseException, ...] = ()
        try:
            async with acton.open_runtime() as runtime:
                with trio.move_on_after(1):
                    try:
                        await runtime.start(Worker, sleeping(1), fail)
                    except ValueError as error:
                        told.append(error)
        except ExceptionGroup as group:
            left = group.exceptions
        assert len(told) + len(left) == 1

    with ordered(TaskOrder(seed)):
        trio.run(run, clock=MockClock(autojump_threshold=0))


async def test_stop_during_a_lifespan_leaves_the_actor_its_own_time(
    autojump_clock: MockClock,
) -> None:
    """What bounds a start does not go on through the time that children take."""
    ends: list[float] = []

    async def take(ctx: acton.Context) -> None:
        await ctx.supervise(Worker, nothing, sleeping(9.5))
        await trio.sleep(1)

    async def stop(_ctx: acton.Context) -> None:
        await trio.sleep(2)
        ends.append(trio.current_time())

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(partial(_refused, runtime, Worker, nothing, stop, take))
        await trio.sleep(0.5)
        await runtime.shutdown_all()

    assert ends == [12.5]


async def _refused(runtime: acton.Runtime, *arguments: object) -> None:
    with pytest.raises(acton.ActorStoppedError):
        await runtime.start(*arguments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- children at the wrong moment


async def test_child_for_one_that_has_failed_waits_for_the_next(
    autojump_clock: MockClock,
) -> None:
    """An incarnation that has failed takes no children, while it cleans up."""

    async def clean_up(_ctx: acton.Context) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        boss.send_nowait(Do(clean_up))
        await wait_all_tasks_blocked()
        crash(boss, ValueError())
        child = await boss.supervise(Worker)

        assert boss.status.generation == 1
        assert boss.children == (child,)


async def test_child_whose_start_its_supervisor_does_not_outlast_is_refused(
    autojump_clock: MockClock,
) -> None:
    """Nobody is given the handle of a child that is going down with its parent."""

    async def fail_boss(_ctx: acton.Context) -> None:
        await trio.lowlevel.checkpoint()
        crash(boss, ValueError())

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        with pytest.raises(acton.ActorStoppedError):
            await boss.supervise(Worker, fail_boss)


async def test_clean_up_of_a_cancelled_handler_takes_no_children(
    autojump_clock: MockClock,
) -> None:
    """After a cancellation no child is taken, not even the first one."""
    errors: list[BaseException] = []

    async def clean_up(ctx: acton.Context) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                try:
                    await ctx.supervise(Worker)
                except acton.ActorStoppedError as error:
                    errors.append(error)

    with trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            boss = await runtime.start(Worker)
            boss.send_nowait(Do(clean_up))
            await trio.sleep_forever()

    assert len(errors) == 1
    assert trio.current_time() == 1


async def test_context_of_an_earlier_incarnation_takes_no_children(
    autojump_clock: MockClock,
) -> None:
    """Whoever has kept it is refused, and changes nothing for the next one."""
    kept: list[acton.Context] = []

    async def keep(ctx: acton.Context) -> str:
        await trio.lowlevel.checkpoint()
        kept.append(ctx)
        return "kept"

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        await boss.ask(Do(keep))
        crash(boss, ValueError())
        await boss.wait_generation(1)
        child = await boss.supervise(Worker, name="child")
        assert kept[0].children == ()
        with pytest.raises(acton.ActorStoppedError):
            await kept[0].supervise(Worker)

        assert runtime.find("boss/child") is child
        assert runtime.find("boss/child/") is None


# --- waits that are seen


async def test_wait_to_supervise_is_seen_by_those_who_ask(
    autojump_clock: MockClock,
) -> None:
    """An ask of one that waits to start a child of the asker is a cycle."""
    caught: list[acton.AskCycleError] = []

    async def ask_back(_ctx: acton.Context) -> None:
        try:
            await waiter.ask(Do(nothing))
        except acton.AskCycleError as error:
            caught.append(error)

    async def supervise(_ctx: acton.Context) -> None:
        await boss.supervise(Worker)

    async def wait_and_ask(ctx: acton.Context) -> None:
        await trio.sleep(1)
        await ask_back(ctx)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, nothing, wait_and_ask, name="boss")
        waiter = await runtime.start(Worker, name="waiter")
        crash(boss, ValueError())
        await trio.sleep(0.5)
        await waiter.ask(Do(supervise))

        assert caught[0].path == ("waiter", "boss", "waiter")
        assert trio.current_time() == pytest.approx(1.1)
        await boss.stop()


async def test_ask_that_an_order_to_stop_makes_a_cycle_ends_at_once(
    autojump_clock: MockClock,
) -> None:
    """One who waits for the end of an actor answers none of its asks meanwhile."""
    caught: list[acton.AskCycleError] = []

    async def ask_boss(_ctx: acton.Context) -> None:
        try:
            await boss.ask(Do(nothing))
        except acton.AskCycleError as error:
            caught.append(error)

    async def let_go(_ctx: acton.Context) -> None:
        await trio.sleep(1)
        await boss.unsupervise(child)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        child = await boss.supervise(Worker, name="child")
        boss.send_nowait(Do(let_go))
        await wait_all_tasks_blocked()
        await child.ask(Do(ask_boss))
        await child.wait_stopped()

        assert [error.path for error in caught] == [("boss", "boss/child", "boss")]
        assert trio.current_time() == 1


async def test_actor_that_has_failed_does_not_run(autojump_clock: MockClock) -> None:
    """While it cleans up its status says so, and with what it has failed."""
    error = ValueError()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, nothing, sleeping(5))
        crash(handle, error)
        assert handle.status.state is acton.ActorState.STOPPING
        assert handle.status.last_failure is error
        await handle.wait_running()

        assert handle.status.generation == 1


# --- released children


async def test_child_released_while_it_starts_again_has_restarted(
    autojump_clock: MockClock,
) -> None:
    """It is announced as what it is, by the runtime."""

    async def start(ctx: acton.Context) -> None:
        await trio.sleep(ctx.generation)

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildRestarted) as events,
    ):
        boss = await runtime.start(Worker, name="boss")
        child = await boss.supervise(Worker, start, name="child")
        crash(child, ValueError())
        await trio.sleep(0.5)
        await boss.release(child)
        event = await anext(events)

        assert (event.supervisor, event.child) == ("runtime", "boss/child")
        assert (event.generation, event.backoff) == (1, 0.1)


async def test_child_released_while_it_waits_comes_back_when_it_was_due(
    autojump_clock: MockClock,
) -> None:
    """Another supervisor does not make the wait another one."""
    limit = acton.RestartLimit(initial_backoff=10)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(Worker, restart_limit=limit)
        crash(child, ValueError())
        await trio.sleep(4)
        await boss.release(child)
        await child.wait_generation(1)

        assert trio.current_time() == 10
        assert runtime.actors() == (boss, child)


async def test_supervisor_that_was_released_notifies_nobody(
    autojump_clock: MockClock,
) -> None:
    """Its parent is the runtime from then on, whatever actor had it before."""
    heard: list[object] = []

    def hear(_model: Worker, event: acton.SupervisionEscalated) -> None:
        heard.append(event)

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Worker).mutate_on(acton.SupervisionEscalated, hear)
        top = await idle.start()
        goes_on = acton.Escalation.NOTIFY_PARENT
        boss = await top.supervise(Worker, escalation=goes_on)
        child = await boss.supervise(Worker, restart_limit=NEVER)
        await top.release(boss)
        crash(child, ValueError())
        await expect_event(runtime, acton.SupervisionEscalated)
        await wait_all_tasks_blocked()

        assert heard == []


async def test_released_child_is_no_child_any_more(autojump_clock: MockClock) -> None:
    """One that is down is known as a child only to who had it to the end."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child, other = [await boss.supervise(Worker) for _ in range(2)]
        await boss.release(child)
        await child.stop()
        await other.stop()

        await boss.unsupervise(other)
        with pytest.raises(acton.UnknownChildError):
            await boss.unsupervise(child)


# --- callers in error


async def test_child_named_by_a_text_is_refused(autojump_clock: MockClock) -> None:
    """The error shows what was meant."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        for act in (boss.unsupervise, boss.release):
            with pytest.raises(TypeError, match="find_child"):
                await act("child")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_option_that_does_not_exist_is_refused(autojump_clock: MockClock) -> None:
    """The error names it, and those that there are."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        with pytest.raises(TypeError, match=r"'restart' is no option.*restart_limit"):
            await boss.supervise(Worker, restart=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        assert boss.children == ()


async def test_actor_that_is_put_together_keeps_what_it_was_given(
    autojump_clock: MockClock,
) -> None:
    """It takes neither options nor another runtime when it is supervised."""
    async with open_test_runtime() as runtime, open_test_runtime() as other:
        boss = await runtime.start(Worker)
        for start in (
            partial(boss.supervise, runtime.new_actor(Worker), name="again"),
            partial(runtime.start, runtime.new_actor(Worker)),  # type: ignore[arg-type]
        ):
            with pytest.raises(TypeError, match="arguments and options already"):
                await start()
        with pytest.raises(ValueError, match="another"):
            await boss.supervise(other.new_actor(Worker))
        idle = runtime.new_actor(Worker, name="once")
        child = await boss.supervise(idle)
        with pytest.raises(RuntimeError, match="has started"):
            await boss.supervise(idle)

        assert boss.children == (child,)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"max_restarts": "5"}, TypeError),
        ({"multiplier": float("inf")}, ValueError),
        ({"window": float("nan")}, ValueError),
    ],
)
def test_limit_that_is_none_is_refused(
    option: dict[str, float], error: type[Exception]
) -> None:
    """The error names the field, and what is expected of it."""
    with pytest.raises(error, match=f"RestartLimit.{next(iter(option))} is a number"):
        acton.RestartLimit(**option)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
