"""Children that are started, stopped for good, and let go, while all runs."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .families import Builder, GetGeneration, Worker, fail_and_return, told
from .items import covers


@acton.message
class Hire(acton.Request[str]):
    """Makes an actor supervise a worker, and wait for it."""

    name: str


@acton.message
class HireLater(acton.Request[str]):
    """Makes an actor have a worker started, and not wait for it."""

    name: str


@acton.actor
class Manager:
    """Supervises workers, of which each takes a while to start."""

    log: list[str] = attrs.field(factory=list[str])
    start_takes: float = 0

    @acton.mutate_on
    async def hire(self, order: Hire, ctx: acton.Context) -> str:
        """Tell its name, or why there is none."""
        try:
            worker = await ctx.supervise(
                Worker, self.log, self.start_takes, name=order.name
            )
        except acton.DuplicateNameError as error:
            return f"refused: {error.name}"
        return worker.name

    @acton.mutate_on
    def hire_later(self, order: HireLater, ctx: acton.Context) -> str:
        """Tell how many there are until then."""
        ctx.start_soon(
            partial(ctx.supervise, Worker, self.log, self.start_takes, name=order.name)
        )
        return f"{len(ctx.children)} so far"


@covers(100)
async def test_supervised_actor_runs_when_its_handle_is_there(
    autojump_clock: MockClock,
) -> None:
    """It was built once, takes messages, and is among the children."""
    build = Builder()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(build, name="child")

        assert build.built == 1
        assert child.status == acton.ActorStatus(acton.ActorState.RUNNING, 0, 0, None)
        assert boss.children == (child,)
        assert await child.ask(GetGeneration()) == 0


@covers(100)
async def test_actor_that_was_put_together_is_supervised(
    autojump_clock: MockClock,
) -> None:
    """What `new_actor` returned is started under whoever is to supervise it."""

    def count(model: list[int], _request: GetGeneration) -> int:
        return len(model)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        idle = runtime.new_actor(lambda: [1, 2, 3], name="child")
        child = await boss.supervise(idle.act_on(GetGeneration, count))

        assert child.name == "boss/child"
        assert boss.children == (child,)
        assert child not in runtime.actors()
        assert await child.ask(GetGeneration()) == 3


@covers(100)
async def test_child_that_cannot_start_is_none(autojump_clock: MockClock) -> None:
    """Who wanted it hears why, nobody else suffers, and the name is free."""
    log: list[str] = []

    def fail() -> Worker:
        msg = "no more workers"
        raise ValueError(msg)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        with pytest.raises(ValueError, match="no more workers"):
            await boss.supervise(fail, name="child")
        assert [*boss.children] == []
        child = await boss.supervise(Worker, log, name="child")

        assert boss.children == (child,)
        assert boss.status.generation == 0


@covers(101)
async def test_name_of_a_child_is_not_given_twice(autojump_clock: MockClock) -> None:
    """The second is refused before it is built, and the first does not notice."""
    build = Builder()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        first = await boss.supervise(Worker, name="child")
        with pytest.raises(acton.DuplicateNameError) as refused:
            await boss.supervise(build, name="child")

        assert (refused.value.name, refused.value.holder) == ("boss/child", first.id)
        assert build.built == 0
        assert boss.children == (first,)
        assert await first.ask(GetGeneration()) == 0


@covers(101)
async def test_name_is_taken_while_its_child_waits_to_come_back(
    autojump_clock: MockClock,
) -> None:
    """Between two incarnations there is nobody, and the name is not free."""
    slowly = acton.RestartLimit(initial_backoff=10)

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        child = await boss.supervise(Worker, name="child", restart_limit=slowly)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_and_return, child)
            await trio.sleep(5)
            assert child.status.state is acton.ActorState.RESTART_PENDING
            with pytest.raises(acton.DuplicateNameError):
                await boss.supervise(Worker, name="child")

        assert boss.children == (child,)


@covers(102)
async def test_actor_that_is_down_supervises_nobody(autojump_clock: MockClock) -> None:
    """Who asks it to is told at once, and nothing was built."""
    build = Builder()

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker)
        await boss.stop()
        with pytest.raises(acton.ActorStoppedError):
            await boss.supervise(build)

        assert build.built == 0
        assert trio.current_time() == 0


@covers(105)
async def test_handler_has_a_child_started_and_goes_on(
    autojump_clock: MockClock,
) -> None:
    """The child is the actor's, by name and by what is told of it."""
    log: list[str] = []

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildSupervised) as starts,
    ):
        manager = await runtime.start(Manager, log, 5, name="manager")
        assert await manager.ask(HireLater("a")) == "0 so far"
        assert trio.current_time() == 0
        await trio.sleep(6)

        policy = acton.RestartPolicy.PERMANENT
        assert told(starts)[1:] == [
            acton.ChildSupervised("manager", "manager/a", policy)
        ]
        assert [child.name for child in manager.children] == ["manager/a"]
        assert await manager.ask(HireLater("b")) == "1 so far"


@covers(106)
async def test_handler_that_gives_a_name_twice_is_refused(
    autojump_clock: MockClock,
) -> None:
    """It has the error where it was made, before anything was built."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        manager = await runtime.start(Manager, log, name="manager")
        assert await manager.ask(Hire("a")) == "manager/a"
        log.clear()
        assert await manager.ask(Hire("a")) == "refused: manager/a"

        assert log == []
        assert manager.status.generation == 0


@covers(106)
async def test_name_is_taken_as_soon_as_its_child_starts(
    autojump_clock: MockClock,
) -> None:
    """One that is still starting has its name already."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        manager = await runtime.start(Manager, log, 5, name="manager")
        await manager.ask(HireLater("a"))
        await wait_all_tasks_blocked()
        assert await manager.ask(Hire("a")) == "refused: manager/a"

        assert trio.current_time() == 0
        assert log == ["manager/a starts"]


@covers(108)
async def test_supervisor_answers_while_a_child_starts(
    autojump_clock: MockClock,
) -> None:
    """However long that takes: it is not the supervisor who waits."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        boss = await runtime.start(Worker)
        nursery.start_soon(boss.supervise, Worker, [], 3600)
        await trio.sleep(1)
        assert await boss.ask(GetGeneration()) == 0
        assert trio.current_time() == 1
        # One that starts is no child yet, and is in nobody's way.
        assert [*boss.children] == []
        other = await boss.supervise(Worker)

        assert boss.children == (other,)
        assert trio.current_time() == 1


@covers(111)
async def test_children_are_in_the_order_of_their_start(
    autojump_clock: MockClock,
) -> None:
    """As they were started, not as they were ready; no two have a name in common."""
    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        async with trio.open_nursery() as nursery:
            for seconds in (3, 2, 1):
                name = f"takes-{seconds}"
                start = partial(boss.supervise, Worker, [], seconds, name=name)
                nursery.start_soon(start)
                await wait_all_tasks_blocked()
        nameless = [await boss.supervise(Worker) for _ in range(3)]

        assert [*boss.children[3:]] == nameless
        assert [each.name for each in boss.children[:3]] == [
            "boss/takes-3",
            "boss/takes-2",
            "boss/takes-1",
        ]
        assert len({each.id for each in boss.children}) == 6
        assert len({each.name for each in boss.children}) == 6
