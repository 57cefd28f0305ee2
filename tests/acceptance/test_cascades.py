"""What becomes of children when their parent ends, and why they say they ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import crash, open_test_runtime

from .families import Leave, Worker, told, turns
from .items import covers


@acton.message
class Adopt(acton.Request[str]):
    """Makes an actor start a child, and wait for it."""

    name: str


@acton.message
class AdoptLater:
    """Makes an actor have a child started, and not wait for it."""

    name: str


@acton.actor
class Parent:
    """Starts children when it is told to."""

    log: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    async def adopt(self, order: Adopt, ctx: acton.Context) -> str:
        """Start it here and now."""
        return (await ctx.supervise(Worker, self.log, name=order.name)).name

    @acton.mutate_on
    def adopt_later(self, order: AdoptLater, ctx: acton.Context) -> None:
        """Leave it to a task."""
        ctx.start_soon(partial(ctx.supervise, Worker, self.log, name=order.name))

    @acton.mutate_on
    def leave(self, _message: Leave, ctx: acton.Context) -> None:
        """End."""
        ctx.stop()

    @acton.after_stop
    def go(self) -> None:
        """Note it."""
        self.log.append("parent is down")


UP_AND_DOWN = [
    "parent/child starts",
    "parent/child is up",
    "parent/child is down",
    "parent is down",
]


@covers(130)
async def test_child_that_was_started_through_a_found_handle_stops_with_its_parent(
    autojump_clock: MockClock,
) -> None:
    """However one came by the handle, what it starts is the actor's child."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, log, name="parent")
        found = runtime.find("parent")
        assert found is not None
        child = await found.supervise(Worker, log, name="child")
        await parent.stop()

        assert log == UP_AND_DOWN
        assert child.status.state is acton.ActorState.DOWN


@covers(132)
async def test_child_of_a_handler_stops_with_its_parent(
    autojump_clock: MockClock,
) -> None:
    """A child that a handler has started is the actor's, not the handler's."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, log, name="parent")
        assert await parent.ask(Adopt("child")) == "parent/child"
        await wait_all_tasks_blocked()
        assert log == UP_AND_DOWN[:2]
        await parent.stop()

        assert log == UP_AND_DOWN


@covers(133)
async def test_child_that_was_left_to_a_task_stops_with_its_parent(
    autojump_clock: MockClock,
) -> None:
    """The task has ended long since, and the child has not."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, log, name="parent")
        await parent.send(AdoptLater("child"))
        await wait_all_tasks_blocked()
        assert log == UP_AND_DOWN[:2]
        await parent.stop()

        assert log == UP_AND_DOWN


@covers(135)
async def test_actor_without_children_stops_at_once(autojump_clock: MockClock) -> None:
    """There is nothing to wait for."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, log)
        await parent.stop()

        assert log == ["parent is down"]
        assert trio.current_time() == 0


@covers(136)
async def test_every_child_is_stopped_once(autojump_clock: MockClock) -> None:
    """Whoever started it and however often it was looked up, it ends once."""
    log: list[str] = []

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as ends,
    ):
        parent = await runtime.start(Parent, log, name="parent")
        await parent.ask(Adopt("mine"))
        yours = await parent.supervise(Worker, log, name="yours")
        assert parent.find_child("yours") is yours
        assert len(parent.children) == 2
        await parent.stop()

        assert log.count("parent/mine is down") == 1
        assert log.count("parent/yours is down") == 1
        assert [event.child for event in told(ends)] == [
            "parent/yours",
            "parent/mine",
            "parent",
        ]


async def stop(runtime: acton.Runtime, parent: acton.ActorHandle) -> None:
    """Stop the parent for good."""
    await parent.stop()


async def leave(runtime: acton.Runtime, parent: acton.ActorHandle) -> None:
    """Have the parent end normally, and come back."""
    await parent.send(Leave())
    await parent.wait_generation(1)


async def fail(runtime: acton.Runtime, parent: acton.ActorHandle) -> None:
    """Have the parent fail, and come back."""
    crash(parent, OSError("the parent has failed"))
    await parent.wait_generation(1)


async def shut_down(runtime: acton.Runtime, parent: acton.ActorHandle) -> None:
    """Stop everything."""
    await runtime.shutdown_all()


@covers(137, 139, 140)
@pytest.mark.parametrize("end", [stop, leave, fail, shut_down])
async def test_children_say_that_their_parent_has_ended(
    end: Callable[[acton.Runtime, acton.ActorHandle], Awaitable[None]],
    autojump_clock: MockClock,
) -> None:
    """Children, and theirs, end with any end of their parent, and say so.

    A permanent child does not come back by itself, though its parent does.
    """
    async with (
        open_test_runtime() as runtime,
        turns(runtime) as events,
    ):
        parent = await runtime.start(Worker, name="parent")
        child = await parent.supervise(Worker, name="child")
        grandchild = await child.supervise(Worker, name="grandchild")
        await end(runtime, parent)
        await trio.sleep(3600)

        ended = acton.TerminationReason.PARENT_SHUTDOWN
        assert [each for each in told(events) if each.child != "parent"] == [
            acton.ChildTerminated("parent/child", "parent/child/grandchild", ended),
            acton.ChildTerminated("parent", "parent/child", ended),
        ]
        for each in (child, grandchild):
            assert each.status.state is acton.ActorState.DOWN
            assert each.status.generation == 0
        assert parent.children == ()


@covers(137)
async def test_children_are_down_before_their_parent_the_last_one_first(
    autojump_clock: MockClock,
) -> None:
    """One after another, in the reverse of the order in which they were started."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, log, name="parent")
        for name in ("a", "b", "c"):
            await parent.supervise(Worker, log, 0, 1, name=name)
        log.clear()
        await parent.stop()

        assert log == [
            "parent/c is down",
            "parent/b is down",
            "parent/a is down",
            "parent is down",
        ]
        assert trio.current_time() == 3


@covers(138)
async def test_child_that_is_stopped_by_itself_says_so(
    autojump_clock: MockClock,
) -> None:
    """An order to stop and an end of its own accord are neither its parent's end."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as ends,
    ):
        parent = await runtime.start(Worker, name="parent")
        told_to = await parent.supervise(Worker, name="told-to")
        willing = await parent.supervise(
            Worker, name="willing", restart_policy=acton.RestartPolicy.TRANSIENT
        )
        await told_to.stop()
        await willing.send(Leave())
        await willing.wait_stopped()

        assert told(ends) == [
            acton.ChildTerminated(
                "parent", "parent/told-to", acton.TerminationReason.STOPPED
            ),
            acton.ChildTerminated(
                "parent", "parent/willing", acton.TerminationReason.NORMAL
            ),
        ]
