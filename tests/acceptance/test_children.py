"""The children of an actor: who they are, how they are found and called."""

from __future__ import annotations

import attrs
import pytest
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .families import Worker, supervise_all
from .items import covers


@acton.message
class Mark:
    """Is counted."""


@acton.message
class PassOn:
    """Makes a parent send a mark to its child."""


@acton.message
class CountMarks(acton.Request[int]):
    """Asks how many there were."""


@acton.message
class LookAround(acton.Request[tuple[str, ...]]):
    """Asks an actor for the names of its children."""


@acton.actor
class Tally:
    """Counts marks."""

    marks: int = 0

    @acton.mutate_on
    def mark(self, _message: Mark) -> None:
        """Count it."""
        self.marks += 1

    @acton.act_on
    def count(self, _request: CountMarks) -> int:
        """Tell."""
        return self.marks


@acton.actor
class Parent:
    """Has a child from before its own start on."""

    seen: list[acton.ActorHandle | None] = attrs.field(
        factory=list["acton.ActorHandle | None"]
    )

    @acton.before_start
    async def before_start(self, ctx: acton.Context) -> None:
        """Start it."""
        await ctx.supervise(Tally, name="tally")

    @acton.act_on
    def look_around(self, _request: LookAround, ctx: acton.Context) -> tuple[str, ...]:
        """Tell."""
        return tuple(child.name for child in ctx.children)

    @acton.mutate_on
    async def pass_on(self, _message: PassOn, ctx: acton.Context) -> None:
        """Find the child, and send to it."""
        child = ctx.handle.find_child("tally")
        self.seen.append(child)
        assert child is not None
        await child.send(Mark())


@covers(3, 4)
async def test_child_is_found_and_takes_messages(autojump_clock: MockClock) -> None:
    """Who supervises one more has one more child, which is an actor like any."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, name="parent")
        assert [*parent.children] == []
        child = await parent.supervise(Tally, name="tally")
        for _ in range(22):
            await child.send(Mark())

        assert parent.children == (child,)
        assert parent.find_child("tally") is child
        assert await child.ask(CountMarks()) == 22


@covers(3)
@pytest.mark.parametrize("whole", [False, True], ids=["parent", "runtime"])
async def test_child_stops_with_what_it_lives_in(
    *, whole: bool, autojump_clock: MockClock
) -> None:
    """Whether the parent is stopped or the runtime, the child is down then."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker)
        child = await parent.supervise(Tally)
        await (runtime.shutdown_all() if whole else parent.stop())

        assert child.status.state is acton.ActorState.DOWN
        assert parent.status.state is acton.ActorState.DOWN
        with pytest.raises(acton.ActorStoppedError):
            await child.send(Mark())


@covers(4, 134)
async def test_only_own_children_are_found(autojump_clock: MockClock) -> None:
    """Nobody is found but children, by their own names, and theirs, by a path."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, name="parent")
        other = await runtime.start(Worker, name="other")
        alpha = await parent.supervise(Worker, name="alpha")
        beta = await alpha.supervise(Worker, name="beta")

        assert parent.children == (alpha,)
        assert alpha.children == (beta,)
        assert other.children == beta.children == ()
        assert parent.find_child("alpha") is alpha
        assert parent.find_child("alpha/beta") is beta
        assert runtime.find("parent/alpha/beta") is beta
        for name in ("beta", "other", "parent", "parent/alpha", ""):
            assert parent.find_child(name) is None
        # A child is none of the actors that the runtime itself supervises.
        assert runtime.actors() == (parent, other)


@covers(134)
async def test_child_that_is_down_is_none_any_more(autojump_clock: MockClock) -> None:
    """The children are those that there are, in the order of their start."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker)
        first, second, third = await supervise_all(parent, "abc", [])
        assert [*parent.children] == [first, second, third]
        await second.stop()

        assert parent.children == (first, third)
        assert parent.find_child("b") is None


@covers(6)
async def test_handler_sees_the_children_of_its_actor(
    autojump_clock: MockClock,
) -> None:
    """A child from before the start is seen within and without, and sent to."""
    seen: list[acton.ActorHandle | None] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, seen, name="parent")
        assert await parent.ask(LookAround()) == ("parent/tally",)
        for _ in range(3):
            await parent.send(PassOn())
        assert await parent.ask(LookAround()) == ("parent/tally",)

        (child,) = parent.children
        assert seen == [child, child, child]
        assert parent.find_child("tally") is child
        assert await child.ask(CountMarks()) == 3


@covers(131)
async def test_all_who_hold_a_handle_see_the_same_children(
    autojump_clock: MockClock,
) -> None:
    """There is one list of children, the supervisor's: nobody's view is their own."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Parent, name="parent")
        found = runtime.find("parent")
        assert found is not None
        child = await found.supervise(Tally, name="other")

        assert parent.children[1:] == found.children[1:] == (child,)
        assert await parent.ask(LookAround()) == ("parent/tally", "parent/other")
        await child.stop()
        assert [*parent.children] == [*found.children] != [child]
        assert await parent.ask(LookAround()) == ("parent/tally",)


@covers(141, 143)
async def test_child_is_called_by_its_parent_and_its_own_name(
    autojump_clock: MockClock,
) -> None:
    """Name and id of a child are its parent's and its own name."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, name="parent")
        alpha = await parent.supervise(Worker, name="alpha")
        beta = await parent.supervise(Worker, name="beta")

        assert (alpha.name, beta.name) == ("parent/alpha", "parent/beta")
        assert alpha.id == f"{parent.id}/alpha"
        assert beta.id == f"{parent.id}/beta"
        assert alpha.id != beta.id


@covers(142)
async def test_same_name_under_the_same_parent_is_the_same_id(
    autojump_clock: MockClock,
) -> None:
    """An id follows from parent and name; under another parent it is another."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker)
        other = await runtime.start(Worker)
        first = await parent.supervise(Worker, name="alpha")
        cousin = await other.supervise(Worker, name="alpha")
        assert cousin.id != first.id
        await first.stop()
        second = await parent.supervise(Worker, name="alpha")

        assert second.id == first.id
        # Who held the first does not reach the second by that.
        assert second is not first
        assert first.status.state is acton.ActorState.DOWN
        assert second.status.state is acton.ActorState.RUNNING


@covers(144)
async def test_grandchild_is_called_by_all_above_it(autojump_clock: MockClock) -> None:
    """Names and ids nest as the actors do."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, name="parent")
        child = await parent.supervise(Worker, name="alpha")
        grandchild = await child.supervise(Worker, name="gamma")

        assert grandchild.name == "parent/alpha/gamma"
        assert grandchild.id == f"{parent.id}/alpha/gamma"


@covers(144)
async def test_tree_ends_ten_generations_below_its_root(
    autojump_clock: MockClock,
) -> None:
    """One child further down is refused by name, and not built."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        actor = await runtime.start(Worker, name="root")
        for number in range(1, 11):
            actor = await actor.supervise(Worker, name=f"g{number}")
        with pytest.raises(acton.SupervisionDepthError) as refused:
            await actor.supervise(Worker, log, name="one-too-many")

        assert "supervision depth" in str(refused.value)
        assert refused.value.child == f"{actor.name}/one-too-many"
        assert (log, actor.children) == ([], ())
