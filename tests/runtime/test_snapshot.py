"""`runtime.snapshot`: how all actors are at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import wait_idle


@acton.message
class Read(acton.Request[None]):
    """Takes a while; others may read meanwhile."""

    seconds: float = 5


@acton.message
class Write:
    """Takes a while, alone."""

    seconds: float = 5


@acton.message
class Fail:
    """Makes the actor fail."""


@acton.message
class Tick(acton.StreamRequest[int]):
    """Asks for numbers, one a second."""


@acton.message
class Look(acton.Request[int]):
    """Has the actor look at how many are handled."""


@acton.actor
class Worker:
    """Works."""

    @acton.act_on
    async def read(self, request: Read) -> None:
        """Take a while."""
        await trio.sleep(request.seconds)

    @acton.mutate_on
    async def write(self, command: Write) -> None:
        """Take a while, alone."""
        await trio.sleep(command.seconds)

    @acton.mutate_on
    def fail(self, message: Fail) -> None:
        """Fail."""
        msg = "too bad"
        raise ValueError(msg)

    @acton.act_on
    async def tick(self, request: Tick) -> AsyncIterator[int]:
        """Count."""
        for number in range(1000):
            await trio.sleep(1)
            yield number

    @acton.act_on
    def look(self, request: Look, ctx: acton.Context) -> int:
        """Look."""
        (own,) = ctx.runtime.snapshot().actors
        assert [each.message_type for each in own.current] == ["Look"]
        return int(own.handled)


async def test_snapshot_shows_the_tree() -> None:
    """Each actor is there under the one that supervises it, in the order of start."""
    async with acton.open_runtime() as runtime:
        first = await runtime.start(Worker, name="first")
        await runtime.start(Worker, name="second")
        child = await first.supervise(Worker, name="child")
        await child.supervise(Worker, name="grandchild")
        snapshot = runtime.snapshot()

    assert [each.name for each in snapshot.actors] == ["first", "second"]
    assert [each.name for each in snapshot.walk()] == [
        "first",
        "first/child",
        "first/child/grandchild",
        "second",
    ]
    assert snapshot.actors[0].id == first.id
    assert all(each.state is acton.ActorState.RUNNING for each in snapshot.walk())


async def test_snapshot_shows_what_is_handled_and_for_how_long(
    autojump_clock: MockClock,
) -> None:
    """All handlers that wait are there, with their ages, streams last."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker)
        async with trio.open_nursery() as nursery, worker.stream(Tick()):
            await trio.sleep(1)
            nursery.start_soon(worker.ask, Read())
            await trio.sleep(2)
            nursery.start_soon(worker.ask, Read())
            await trio.sleep(0.5)
            (actor,) = runtime.snapshot().actors

    assert actor.current == (
        acton.CurrentMessage("Read", "Worker.read", 2.5),
        acton.CurrentMessage("Read", "Worker.read", 0.5),
        acton.CurrentMessage("Tick", "Worker.tick", 3.5),
    )


async def test_snapshot_shows_the_mailbox(autojump_clock: MockClock) -> None:
    """What is queued and who waits for room is counted, and what was taken back."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker, mailbox_capacity=2)
        await worker.send(Write())
        await wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await worker.ask(Read())
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(worker.send, Write(0))
            await wait_all_tasks_blocked()
            (actor,) = runtime.snapshot().actors
        await wait_idle(runtime)
        (later,) = runtime.snapshot().actors

    assert [each.message_type for each in actor.current] == ["Write"]
    assert (actor.mailbox_depth, actor.mailbox_capacity) == (2, 2)
    assert (actor.waiting_senders, actor.expired, actor.handled) == (3, 1, 0)
    assert (later.mailbox_depth, later.waiting_senders, later.handled) == (0, 0, 6)


async def test_snapshot_shows_failures_as_text(autojump_clock: MockClock) -> None:
    """A restart that is waited for shows, with what made it necessary."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker)
        await worker.send(Fail())
        await wait_idle(runtime)
        (waiting,) = runtime.snapshot().actors
        await worker.wait_generation(1)
        (back,) = runtime.snapshot().actors

    assert waiting.state is acton.ActorState.RESTART_PENDING
    assert (waiting.last_failure, waiting.current) == ("ValueError('too bad')", ())
    assert (back.state, back.generation) == (acton.ActorState.RUNNING, 1)
    assert back.restarts_in_window == 1
    assert back.handled == 1


async def test_message_whose_work_is_given_away_counts_once() -> None:
    """A function that turns out to be asynchronous has handled one message."""

    async def work(_worker: Worker, _request: Write) -> None:
        await trio.lowlevel.checkpoint()

    def wrapped(worker: Worker, request: Write) -> object:
        return work(worker, request)

    async with acton.open_runtime() as runtime:
        worker = await runtime.new_actor(Worker).mutate_on(Write, wrapped).start()
        await worker.send(Write())
        await wait_idle(runtime)
        (actor,) = runtime.snapshot().actors

    assert actor.handled == 1


async def test_snapshot_can_be_taken_by_an_actor() -> None:
    """A handler that looks sees itself at work."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker)
        first = await worker.ask(Look())
        second = await worker.ask(Look())

    assert (first, second) == (0, 1)


async def test_snapshot_shows_actors_that_start_and_stop(
    autojump_clock: MockClock,
) -> None:
    """From before its first hook to after its last one an actor is there."""
    states: list[acton.ActorState] = []

    @acton.actor
    class Slow:
        look: Callable[[], None]

        @acton.before_start
        async def before_start(self) -> None:
            self.look()

        @acton.after_stop
        async def after_stop(self) -> None:
            self.look()

    async with acton.open_runtime() as runtime:

        def look() -> None:
            (actor,) = runtime.snapshot().actors
            states.append(actor.state)

        await runtime.start(Slow, look)
        look()

    assert states == [
        acton.ActorState.STARTING,
        acton.ActorState.RUNNING,
        acton.ActorState.STOPPING,
    ]


async def test_snapshot_of_a_closed_runtime_is_empty() -> None:
    """It can be taken at any time, also when nothing is left."""
    async with acton.open_runtime() as runtime:
        await runtime.start(Worker)
        assert not runtime.snapshot().is_stopping

    snapshot = runtime.snapshot()
    assert snapshot.is_stopping
    assert snapshot.actors == ()


async def test_snapshot_does_not_change() -> None:
    """It is plain data, and what happens later does not show in it."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker)
        before = runtime.snapshot()
        await worker.ask(Read(0))

    assert [each.handled for each in before.actors] == [0]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.actors[0].handled = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert attrs.asdict(before)["actors"][0]["mailbox_capacity"] == 512
