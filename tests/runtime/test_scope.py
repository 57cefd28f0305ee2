"""How a runtime ends: drained, cancelled, or left by an exception."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._runtime.scope import open_scope
from acton_trio.testing import open_test_runtime

Trace = list[tuple[str, float]]
NEVER = acton.RestartLimit(max_restarts=0)


@acton.message
class Write(acton.Request[None]):
    """Takes a while, alone."""

    name: str
    seconds: float = 1


@acton.message
class Read(acton.Request[None]):
    """Takes a while; others may read meanwhile."""

    name: str
    seconds: float = 1


@acton.message
class Fail:
    """Makes the actor fail, after a while."""

    error: BaseException
    seconds: float = 0


@acton.actor
class Worker:
    """Notes what it has done, and when."""

    name: str
    trace: Trace
    clean_up: float = 0

    def note(self, event: str) -> None:
        """Note an event."""
        self.trace.append((f"{self.name} {event}", trio.current_time()))

    @acton.mutate_on
    async def write(self, request: Write) -> None:
        """Take a while, alone."""
        await self._take(request.name, request.seconds)

    @acton.act_on
    async def read(self, request: Read) -> None:
        """Take a while."""
        await self._take(request.name, request.seconds)

    async def _take(self, name: str, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.note(f"cancelled {name}")
            raise
        self.note(f"did {name}")

    @acton.mutate_on
    async def fail(self, message: Fail) -> None:
        """Fail."""
        await trio.sleep(message.seconds)
        raise message.error

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it."""
        self.note("before_stop")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Note it, after the clean-up."""
        await trio.sleep(self.clean_up)
        self.note("after_stop")


def names_of(trace: Trace) -> list[str]:
    """Return what happened, without when."""
    return [name for name, _ in trace]


# --- leaving the block


async def test_leaving_the_block_drains_in_reverse_order_of_start(
    autojump_clock: MockClock,
) -> None:
    """Each actor handles what it has queued, the last started first."""
    trace: Trace = []
    async with open_test_runtime() as runtime:
        for name in ("a", "b", "c"):
            handle = await runtime.start(Worker, name, trace, 1)
            for work in ("1", "2"):
                handle.send_nowait(Write(work))

    assert [each for each in names_of(trace) if "did" not in each] == [
        "c before_stop",
        "c after_stop",
        "b before_stop",
        "b after_stop",
        "a before_stop",
        "a after_stop",
    ]
    for name in ("a", "b", "c"):
        own = [each for each in names_of(trace) if each[0] == name]
        assert own.index(f"{name} did 2") < own.index(f"{name} after_stop")


async def test_message_sent_just_before_the_end_is_handled(
    autojump_clock: MockClock,
) -> None:
    """Start, send and leave: the message does not get lost in between."""
    trace: Trace = []
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, "a", trace)
        handle.send_nowait(Write("it", 0))

    assert "a did it" in names_of(trace)


async def test_budget_of_an_actor_bounds_its_drain(autojump_clock: MockClock) -> None:
    """What is not done after `timeouts.actor_shutdown` is a dead letter."""
    trace: Trace = []
    config = acton.Config(timeouts=acton.Timeouts(actor_shutdown=3))
    async with (
        acton.open_runtime(config) as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        handle = await runtime.start(Worker, "a", trace)
        for work in ("1", "2", "3", "4", "5"):
            handle.send_nowait(Write(work, 2))
        await handle.stop()
        left = [await anext(letters) for _ in range(2)]

    assert [each.message for each in left] == [Write("4", 2), Write("5", 2)] or (
        [each.message for each in left] == [Write("3", 2), Write("4", 2)]
    )


async def test_budget_of_all_bounds_the_drain(autojump_clock: MockClock) -> None:
    """After `timeouts.system_shutdown` whoever is left is cancelled, at once."""
    trace: Trace = []
    timeouts = acton.Timeouts(actor_shutdown=4, system_shutdown=5)
    async with acton.open_runtime(acton.Config(timeouts=timeouts)) as runtime:
        for name in ("a", "b", "c"):
            handle = await runtime.start(Worker, name, trace)
            for number in range(50):
                handle.send_nowait(Write(str(number)))
            await wait_all_tasks_blocked()

    assert trio.current_time() == pytest.approx(5, abs=1.1)
    assert names_of(trace)[-1] == "a after_stop"


async def test_nothing_can_be_started_while_the_runtime_stops(
    autojump_clock: MockClock,
) -> None:
    """A hook that starts another actor then is told `ActorStoppedError`."""
    told: list[acton.ActorStoppedError] = []

    async def start_one(_model: object, ctx: acton.Context) -> None:
        with pytest.raises(acton.ActorStoppedError) as caught:
            await ctx.runtime.start(Worker, "late", [])
        told.append(caught.value)

    async with open_test_runtime() as runtime:
        await runtime.new_actor(object).before_stop(start_one).start()

    assert len(told) == 1


# --- an outer cancellation


async def test_outer_cancellation_cancels_every_handler_at_once(
    autojump_clock: MockClock,
) -> None:
    """Handlers end in that moment, exclusive ones too; the queue is not drained."""
    trace: Trace = []
    with trio.move_on_after(1) as scope:
        async with open_test_runtime() as runtime:
            for name in ("a", "b"):
                handle = await runtime.start(Worker, name, trace)
                work = Write("w", 99) if name == "a" else Read("r", 99)
                handle.send_nowait(work)
                handle.send_nowait(Write("queued"))
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert sorted(trace[:2]) == [("a cancelled w", 1), ("b cancelled r", 1)]
    assert names_of(trace[2:]) == ["b after_stop", "a after_stop"]


async def test_outer_cancellation_during_the_drain_cuts_it_short(
    autojump_clock: MockClock,
) -> None:
    """A block that is being left is cancelled as one that is not."""
    trace: Trace = []
    with trio.move_on_after(2) as scope:
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, "a", trace, 1)
            handle.send_nowait(Write("long", 9))
            await wait_all_tasks_blocked()

    assert scope.cancelled_caught
    assert names_of(trace) == ["a cancelled long", "a after_stop"]
    assert trio.current_time() == pytest.approx(3)


async def test_clean_up_after_a_cancellation_is_cut_off(
    autojump_clock: MockClock,
) -> None:
    """Within one `timeouts.actor_shutdown` all is over, however many actors there are."""
    trace: Trace = []
    with trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            for name in ("a", "b", "c"):
                await runtime.start(Worker, name, trace, math.inf)
            await trio.sleep_forever()

    assert trace == []
    assert trio.current_time() == pytest.approx(11)


async def test_askers_of_a_cancelled_runtime_are_all_told(
    autojump_clock: MockClock,
) -> None:
    """Whoever asks from outside its scope gets `ActorStoppedError`, queued or not."""
    told: list[str] = []
    async with trio.open_nursery() as outside:
        with trio.CancelScope() as scope:
            async with open_test_runtime() as runtime:
                handle = await runtime.start(Worker, "a", Trace(), mailbox_capacity=2)

                async def ask(name: str) -> None:
                    with pytest.raises(acton.ActorStoppedError):
                        await handle.ask(Write(name))
                    told.append(name)

                for name in ("runs", "queued", "queued too", "waits for room"):
                    outside.start_soon(ask, name)
                    await wait_all_tasks_blocked()
                scope.cancel()
                await trio.sleep_forever()

    assert sorted(told) == ["queued", "queued too", "runs", "waits for room"]
    assert trio.current_time() == 0


# --- what leaves the block


async def test_exception_of_the_body_alone_leaves_as_it_is(
    autojump_clock: MockClock,
) -> None:
    """Neither wrapped nor with another context; the actors are cancelled."""
    trace: Trace = []
    error = OSError("the body's own")
    with pytest.raises(OSError, match="the body's own") as caught:
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, "a", trace)
            handle.send_nowait(Write("w", 99))
            await wait_all_tasks_blocked()
            raise error

    assert caught.value is error
    assert names_of(trace) == ["a cancelled w", "a after_stop"]


async def test_failure_ends_the_body_and_all_actors(autojump_clock: MockClock) -> None:
    """A failure that nobody handles cancels the body, and leaves as a group of one."""
    trace: Trace = []
    with pytest.RaisesGroup(pytest.RaisesExc(acton.RestartLimitError)) as caught:
        async with open_test_runtime() as runtime:
            other = await runtime.start(Worker, "other", trace)
            other.send_nowait(Write("w", 99))
            handle = await runtime.start(
                Worker, "broken", trace, name="broken", restart_limit=NEVER
            )
            await handle.send(Fail(ValueError("x"), 1))
            await trio.sleep_forever()
    error = caught.value.exceptions[0]

    assert isinstance(error, acton.RestartLimitError)
    assert error.actor == "broken"
    assert isinstance(error.__cause__, ValueError)
    assert ("other cancelled w", 1.0) in trace


async def test_failures_of_the_last_moment_are_not_lost(
    autojump_clock: MockClock,
) -> None:
    """Whatever fails while the runtime ends joins the group, with the body's own."""

    def broken(_model: object, ctx: acton.Context) -> None:
        raise KeyError(ctx.handle.name)

    with pytest.RaisesGroup(KeyError, KeyError, OSError) as caught:
        async with open_test_runtime() as runtime:
            for name in ("a", "b"):
                idle = runtime.new_actor(object, name=name)
                await idle.after_stop(broken).start()
            raise OSError

    assert str(caught.value.exceptions[0]) == "'b'"


async def test_interrupt_in_a_handler_leaves_the_block(
    autojump_clock: MockClock,
) -> None:
    """What is no `Exception` is nobody's to handle: no restart, no wait."""
    with pytest.RaisesGroup(KeyboardInterrupt):
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, "a", Trace())
            await handle.send(Fail(KeyboardInterrupt()))
            await trio.sleep_forever()

    assert trio.current_time() == 0


class Several(ExceptionGroup[Exception]):  # noqa: ASYNC126 - as users write them
    """A group of the user's own, with a fact that no other group has."""

    fact = "nothing"


async def test_group_of_a_handler_is_one_member_as_it_was_raised(
    autojump_clock: MockClock,
) -> None:
    """A handler's group is neither flattened nor replaced by one that looks like it."""
    group = Several("mine", [ValueError(), KeyError()])
    group.fact = "something"
    with pytest.RaisesGroup(acton.RestartLimitError) as caught:
        async with open_test_runtime() as runtime:
            handle = await runtime.start(Worker, "a", Trace(), restart_limit=NEVER)
            await handle.send(Fail(group))
            await trio.sleep_forever()
    cause = caught.value.exceptions[0].__cause__

    assert isinstance(cause, Several)
    assert cause.fact == "something"


async def test_runtimes_can_be_nested(autojump_clock: MockClock) -> None:
    """Two runtimes share nothing: names, actors and ends are their own."""
    trace: Trace = []
    async with open_test_runtime() as outer:
        await outer.start(Worker, "outer", trace, name="one")
        with suppress(OSError):
            async with open_test_runtime() as inner:
                await inner.start(Worker, "inner", trace, name="one")
                raise OSError
        assert names_of(trace) == ["inner after_stop"]
        assert outer.find("one") is not None


async def test_service_that_fails_ends_the_actors_as_any_failure_does(
    autojump_clock: MockClock,
) -> None:
    """They are cancelled and clean up, and what has failed leaves as it was."""
    ends: list[float] = []
    error = OSError("the service")

    async def clean_up(_model: object) -> None:
        await trio.sleep(1)
        ends.append(trio.current_time())

    async def fail() -> None:
        await trio.sleep(2)
        raise error

    with pytest.RaisesGroup(OSError) as caught:
        async with acton.open_runtime() as runtime:
            await runtime.new_actor(object).after_stop(clean_up).start()
            runtime.services.start_soon(fail)
            await trio.sleep_forever()

    assert caught.value.exceptions == (error,)
    assert ends == [3]


async def test_runtime_that_cannot_be_made_raises(autojump_clock: MockClock) -> None:
    """Nobody waits for one that will never be there."""

    def refuse(*_: object) -> acton.Runtime:
        msg = "no runtime today"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="no runtime today"):
        async with open_scope(refuse, acton.Config()):
            pass
