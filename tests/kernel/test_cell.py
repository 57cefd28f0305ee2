"""The life of an actor: its hooks, what fails in it, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

Trace = list[str]


@acton.message
class Note:
    """Is written down."""

    text: str


@acton.message
class GetNotes(acton.Request[tuple[str, ...]]):
    """Asks for what was written down."""


@acton.message
class Again(acton.Request[None]):
    """Makes the actor send itself the same, for ever."""


@acton.actor
class Base:
    """Has two hooks and a handler."""

    notes: Trace

    @acton.before_start
    def before(self) -> None:
        """Note it."""
        self.notes.append("base before_start")

    @acton.after_stop
    async def after(self) -> None:
        """Note it, later."""
        await trio.sleep(1)
        self.notes.append("base after_stop")

    @acton.mutate_on
    def note(self, message: Note) -> None:
        """Note it."""
        self.notes.append(message.text)

    @acton.act_on
    def get_notes(self, _request: GetNotes) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.notes)


@acton.actor
class Derived(Base):
    """Overrides one hook, inherits the other, adds one, has a field of its own."""

    extra: int = 0

    @acton.before_start
    async def before(self, ctx: acton.Context) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Note it, and send to oneself while nobody else can."""
        await trio.sleep(1)
        self.extra += 1
        self.notes.append(f"derived before_start {self.extra}")
        await ctx.handle.send(Note("to myself"))

    @acton.after_start
    def started(self, ctx: acton.Context) -> None:
        """Note it."""
        self.notes.append(f"started {ctx.handle.name}")
        ctx.handle.send_nowait(Note("heartbeat"))


async def test_hooks_and_handlers_are_inherited(autojump_clock: MockClock) -> None:
    """A subclass overrides hooks by name, and keeps all else of its base."""
    notes: Trace = []

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Derived, notes, name="derived")
        assert trio.current_time() == pytest.approx(1)
        assert (await handle.ask(GetNotes()))[-1] == "heartbeat"

    assert notes == [
        "derived before_start 1",
        "started derived",
        "to myself",
        "heartbeat",
        "base after_stop",
    ]
    assert trio.current_time() == pytest.approx(2)


async def test_actors_share_no_state(autojump_clock: MockClock) -> None:
    """Each start makes a model of its own."""
    async with open_test_runtime() as runtime:
        one = await runtime.start(Base, Trace())
        two = await runtime.start(Base, Trace())
        await one.send(Note("one"))

        assert await one.ask(GetNotes()) == ("base before_start", "one")
        assert await two.ask(GetNotes()) == ("base before_start",)


async def test_before_stop_may_still_send_to_itself(autojump_clock: MockClock) -> None:
    """Until `before_stop` has returned the mailbox is open, and then drained."""
    notes: Trace = []

    async def before_stop(_model: Base, ctx: acton.Context) -> None:
        notes.append("before_stop")
        await ctx.handle.send(Note("last will"))

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Base, notes).before_stop(before_stop)
        handle = await idle.start()
        await handle.stop()

    assert notes[1:] == ["before_stop", "last will", "base after_stop"]


async def test_drain_ends_though_handlers_keep_sending_to_themselves(
    autojump_clock: MockClock,
) -> None:
    """While it drains an actor takes nothing new, from itself neither."""
    refused: list[acton.ActorStoppedError] = []

    async def again(_model: object, message: Again, ctx: acton.Context) -> None:
        await trio.sleep(0.1)
        try:
            await ctx.handle.send(message)
        except acton.ActorStoppedError as error:
            refused.append(error)

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(object).mutate_on(Again, again).start()
        for _ in range(3):
            await handle.send(Again())
        await trio.sleep(5)
        with trio.fail_after(1):
            await handle.stop()

    assert len(refused) == 3


# --- what fails in a life


Turn = Callable[[object], object]
NEVER = acton.RestartLimit(max_restarts=0)


def fail(_model: object) -> None:
    """Stand for a hook with a bug."""
    msg = "a bug in a hook"
    raise ValueError(msg)


@pytest.mark.parametrize("name", ["before_start", "after_start"])
async def test_start_hook_that_fails_has_a_note_and_runs_the_last_hook(
    autojump_clock: MockClock, name: str
) -> None:
    """The starter gets the exception itself, and `after_stop` runs all the same."""
    trace: Trace = []
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object, name="broken")
        getattr(idle, name)(fail)
        idle.after_stop(lambda _model: trace.append("after_stop"))
        with pytest.raises(ValueError, match="a bug in a hook") as caught:
            await idle.start()

        assert caught.value.__notes__ == ["in broken, hook fail"]
        assert trace == ["after_stop"]
        assert runtime.actors() == ()


@pytest.mark.parametrize("name", ["before_stop", "after_stop"])
async def test_stop_hook_that_fails_leaves_the_runtime(
    autojump_clock: MockClock, name: str
) -> None:
    """Nobody who is ordered to stop is restarted, and no failure is only logged."""
    trace: Trace = []
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="a bug")):
        async with open_test_runtime() as runtime:
            idle = runtime.new_actor(object, name="broken")
            getattr(idle, name)(fail)
            if name == "before_stop":
                idle.after_stop(lambda _model: trace.append("after_stop"))
            await idle.start()

    assert trace == ["after_stop"] * (name == "before_stop")


async def test_failure_is_kept_when_the_last_hook_fails_too(
    autojump_clock: MockClock,
) -> None:
    """A handler's failure is not lost by that of `after_stop`: both are told."""

    def broken(_model: object, _message: Note) -> None:
        msg = "a bug in a handler"
        raise KeyError(msg)

    with pytest.RaisesGroup(pytest.RaisesExc(acton.RestartLimitError)) as caught:
        async with open_test_runtime() as runtime:
            idle = runtime.new_actor(object, name="broken", restart_limit=NEVER)
            handle = await idle.mutate_on(Note, broken).after_stop(fail).start()
            await handle.send(Note("x"))
            await trio.sleep_forever()
    both = caught.value.exceptions[0].__cause__

    assert isinstance(both, ExceptionGroup)
    assert [type(each) for each in both.exceptions] == [KeyError, ValueError]


async def test_failure_in_the_clean_up_of_a_cancelled_start_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    """Nothing is only logged, and nothing is lost, when a start is cancelled."""

    async def hang_and_fail(_model: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            fail(_model)

    with pytest.raises((ValueError, ExceptionGroup)):  # noqa: ASYNC401 - either will do
        async with open_test_runtime() as runtime:
            with trio.move_on_after(1):
                await runtime.new_actor(object).before_start(hang_and_fail).start()


async def test_stop_ends_the_wait_for_a_restart(autojump_clock: MockClock) -> None:
    """An actor that waits to come back is down at once, and what is queued is told."""
    starts: list[float] = []

    def broken(_model: object, _message: Note) -> None:
        raise ValueError

    patient = acton.RestartLimit(initial_backoff=20, max_backoff=20)
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        idle = runtime.new_actor(object, name="broken", restart_limit=patient)
        idle.before_start(lambda _model: starts.append(trio.current_time()))
        handle = await idle.mutate_on(Note, broken).start()
        await handle.send(Note("breaks it"))
        await handle.send(Note("queued"))
        await trio.sleep(1)
        assert handle.status.state is acton.ActorState.RESTART_PENDING
        await handle.stop()
        letter = await anext(letters)

        assert letter.message == Note("queued")
        assert trio.current_time() == pytest.approx(1)
        assert starts == [0]


# --- hooks as code of the actor


ASKING: list[Any] = [
    pytest.param("before_start", id="before_start"),
    pytest.param("after_start", id="after_start"),
    pytest.param("before_stop", id="before_stop"),
    pytest.param("lifespan", id="lifespan"),
]


@pytest.mark.parametrize("name", ASKING)
async def test_hook_that_asks_its_own_actor_is_told_at_once(
    autojump_clock: MockClock, name: str
) -> None:
    """Messages wait for the hook, so its ask could never be answered."""
    paths: list[tuple[str, ...]] = []

    async def ask(_model: object, ctx: acton.Context) -> None:
        with pytest.raises(acton.AskCycleError) as caught:
            await ctx.handle.ask(GetNotes())
        paths.append(caught.value.path)

    async def live(model: object, ctx: acton.Context) -> AsyncIterator[None]:
        await ask(model, ctx)
        yield

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Base, Trace(), name="a")
        await getattr(idle, name)(live if name == "lifespan" else ask).start()

    assert paths == [("a", "a")]


async def test_named_parameter_of_a_hook_is_not_the_context(
    autojump_clock: MockClock,
) -> None:
    """What is bound by name, as `functools.partial` does, is left alone."""
    notes: Trace = []

    def hook(_model: object, text: str) -> None:
        notes.append(text)

    async with open_test_runtime() as runtime:
        await runtime.new_actor(object).after_start(partial(hook, text="x")).start()

    assert notes == ["x"]


async def test_what_a_hook_sends_is_from_its_actor(autojump_clock: MockClock) -> None:
    """The sender is the actor whose hook made the send, also from a nursery of it."""
    senders: list[acton.ActorHandle | None] = []

    def note(_model: object, _message: Note, ctx: acton.Context) -> None:
        senders.append(ctx.sender)

    async with open_test_runtime() as runtime:
        other = await runtime.new_actor(object).mutate_on(Note, note).start()

        async def send(_model: object) -> None:
            await other.send(Note("from the hook"))
            async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - on purpose
                nursery.start_soon(other.send, Note("from a task of it"))

        handle = await runtime.new_actor(object).after_start(send).start()
        await other.send(Note("from plain code"))
        await wait_all_tasks_blocked()

        assert senders == [handle, handle, None]


# --- the end


@attrs.define
class Clean:
    """Needs some time to clean up."""

    seconds: float
    trace: Trace

    async def up(self) -> None:
        """Take that time."""
        await trio.sleep(self.seconds)
        self.trace.append(f"clean after {trio.current_time():g}")


async def test_last_hook_is_shielded_from_the_cancellation(
    autojump_clock: MockClock,
) -> None:
    """`after_stop` runs in a cancelled runtime, `before_stop` does not."""
    trace: Trace = []
    with trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            idle = runtime.new_actor(partial(Clean, 3, trace), name="clean")
            idle.before_stop(lambda model: model.trace.append("before_stop"))
            await idle.after_stop(Clean.up).start()
            await trio.sleep_forever()

    assert trace == ["clean after 4"]


async def test_all_last_hooks_share_one_budget(autojump_clock: MockClock) -> None:
    """Cancelled, all actors together clean up within one `timeouts.actor_shutdown`."""
    trace: Trace = []
    with trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            for number in range(4):
                idle = runtime.new_actor(partial(Clean, 4, trace), name=f"a{number}")
                await idle.after_stop(Clean.up).start()
            await trio.sleep_forever()

    assert trace == ["clean after 5", "clean after 9"]
    assert trio.current_time() == pytest.approx(11)


@pytest.mark.parametrize("name", ["before_start", "after_start"])
async def test_start_that_hangs_does_not_hold_up_the_shutdown(
    autojump_clock: MockClock, name: str
) -> None:
    """An actor that is still starting has no longer to stop than any other."""

    async def hang(_model: object) -> None:
        await trio.sleep_forever()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:

        async def start() -> None:
            idle = runtime.new_actor(object)
            with pytest.raises(acton.ActorStoppedError):
                await getattr(idle, name)(hang).start()

        nursery.start_soon(start)
        await wait_all_tasks_blocked()
        await runtime.shutdown_all()

        assert trio.current_time() <= 10
