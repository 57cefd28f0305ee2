"""Every failure has exactly one owner: the table of failures, row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import attrs
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

Moment = Literal[
    "lifespan in",
    "lifespan out",
    "before_start",
    "after_start",
    "before_stop",
    "after_stop",
    "background",
]
NEVER = acton.RestartLimit(max_restarts=0)


class Several(ExceptionGroup[Exception]):
    """A group of the user's own."""

    def derive(self, excs: Sequence[Exception], /) -> Several:  # type: ignore[override]
        return Several(self.message, excs)


@acton.message(ipc=True)
class Sorry(acton.Rejection):
    """An expected failure."""

    why: str = ""


@acton.message
class ReadFail(acton.Request[int]):
    """Makes a reading handler raise."""

    error: BaseException


@acton.message
class WriteFail(acton.Request[int]):
    """Makes a writing handler raise."""

    error: BaseException


@acton.message
class ReadForgiven(acton.Request[int]):
    """The same; `LookupError`s have an `on_error`."""

    error: BaseException


@acton.message
class WriteForgiven(acton.Request[int]):
    """The same; `LookupError`s have an `on_error`."""

    error: BaseException


@acton.message
class Linger:
    """Keeps the actor busy for a while, alone."""


@acton.message
class ReadWorse(acton.Request[int]):
    """Makes a reading handler raise, and then its `on_error`."""

    first: Exception
    second: Exception


@acton.message
class WriteWorse(acton.Request[int]):
    """Makes a writing handler raise, and then its `on_error`."""

    first: Exception
    second: Exception


@acton.message
class ReadLate(acton.Request[int]):
    """Makes a reading handler raise when its asker has gone."""

    error: Exception


@acton.message(ipc=True)
class ReadOverIpc:
    """Makes a reading handler raise."""


@acton.message(ipc=True)
class ReadLateOverIpc(acton.Request[int]):
    """Makes a reading handler raise when its asker has gone."""


@acton.message
class AnswerWrongly(acton.Request[int]):
    """Is answered with what it did not ask for."""

    exclusive: bool = False


@acton.message
class AskFor(acton.Request[int]):
    """Makes the handler ask somebody else, and let pass what comes."""

    other: acton.ActorHandle
    request: acton.Request[int]


@acton.message
class FailSoon:
    """Starts a background task that raises."""

    error: BaseException


@acton.message
class FailInTwo(acton.Request[int]):
    """Makes a reading handler fail with a group."""

    errors: tuple[Exception, ...]


@acton.message
class Ping(acton.Request[int]):
    """Asks how many messages were handled before."""


@attrs.define
class Plan:
    """Which hook raises what, in which generation; and what was seen."""

    moment: Moment | None = None
    error: BaseException = attrs.field(factory=RuntimeError)
    generation: int = 0
    log: list[str] = attrs.field(factory=list[str])


@acton.actor
class Patient:
    """Fails wherever it is told to."""

    plan: Plan = attrs.field(factory=Plan)

    def reach(self, moment: Moment, ctx: acton.Context) -> None:
        """Raise if this is the moment."""
        self.plan.log.append(moment)
        if self.plan.moment == moment and ctx.generation == self.plan.generation:
            self.plan.moment = None
            raise self.plan.error

    @acton.lifespan
    async def life(self, ctx: acton.Context) -> AsyncIterator[None]:
        """Reach both ends."""
        self.reach("lifespan in", ctx)
        yield
        self.reach("lifespan out", ctx)

    @acton.before_start
    def before_start(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("before_start", ctx)

    @acton.after_start
    def after_start(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("after_start", ctx)

    @acton.before_stop
    def before_stop(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("before_stop", ctx)

    @acton.after_stop
    def after_stop(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("after_stop", ctx)

    @acton.act_on
    async def read_fail(self, request: ReadFail) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    async def write_fail(self, request: WriteFail) -> int:
        """Raise."""
        raise request.error

    @acton.act_on
    async def read_forgiven(self, request: ReadForgiven) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    async def write_forgiven(self, request: WriteForgiven) -> int:
        """Raise."""
        raise request.error

    @acton.on_error
    async def forgive(
        self, error: LookupError, message: ReadForgiven | WriteForgiven
    ) -> int:
        """Answer for it."""
        self.plan.log.append("on_error begins")
        await trio.sleep(1)
        self.plan.log.append("on_error ends")
        return 42

    @acton.mutate_on
    async def linger(self, _command: Linger) -> None:
        """Take a while."""
        await trio.sleep(1)

    @acton.act_on
    def read_worse(self, request: ReadWorse) -> int:
        """Raise."""
        raise request.first

    @acton.mutate_on
    def write_worse(self, request: WriteWorse) -> int:
        """Raise."""
        raise request.first

    @acton.on_error
    def worsen(self, error: LookupError, message: ReadWorse | WriteWorse) -> int:
        """Raise, too."""
        raise message.second

    @acton.act_on
    async def read_late(self, request: ReadLate) -> int:
        """Raise instead of being cancelled."""
        try:
            await trio.sleep_forever()
        finally:
            raise request.error

    @acton.act_on
    async def read_late_over_ipc(self, _request: ReadLateOverIpc) -> int:
        """Raise instead of being cancelled."""
        try:
            await trio.sleep_forever()
        finally:
            raise self.plan.error

    @acton.act_on
    def read_over_ipc(self, _command: ReadOverIpc) -> None:
        """Raise."""
        raise self.plan.error

    @acton.act_on
    def answer_wrongly(self, _request: AnswerWrongly) -> int:
        """Answer with another type."""
        wrong: Any = "a string"
        return wrong  # type: ignore[no-any-return]

    @acton.act_on
    async def ask_for(self, request: AskFor) -> int:
        """Ask somebody else."""
        return await request.other.ask(request.request)

    @acton.mutate_on
    def fail_soon(self, command: FailSoon, ctx: acton.Context) -> None:
        """Fail beside the messages."""
        ctx.start_soon(self.fail, command.error)

    async def fail(self, error: BaseException) -> None:
        """Raise, in the background."""
        raise error

    @acton.act_on
    async def fail_in_two(self, request: FailInTwo) -> int:
        """Raise a group."""
        text = "several"
        raise Several(text, list(request.errors))

    @acton.mutate_on
    def ping(self, _request: Ping) -> int:
        """Say that it is there."""
        self.plan.log.append("ping")
        return len(self.plan.log)


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts one connection, which is in memory."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._streams = [stream]

    async def accept(self) -> trio.abc.Stream:
        """Return the connection, and then no other."""
        if not self._streams:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self._streams.pop()

    async def aclose(self) -> None:
        """Have nothing to close."""
        await trio.lowlevel.checkpoint()


async def expect_unharmed(handle: acton.ActorHandle) -> None:
    """Check that the first incarnation still answers."""
    await wait_all_tasks_blocked()
    await handle.ask(Ping())
    assert handle.status.generation == 0
    assert handle.status.last_failure is None


async def expect_failed(handle: acton.ActorHandle, error: BaseException) -> None:
    """Check that the supervisor got *error* and started another incarnation."""
    await handle.wait_generation(1)
    assert handle.status.last_failure is error


# The rows of the table, from the first.


@pytest.mark.parametrize("request_type", [ReadForgiven, WriteForgiven])
async def test_matching_on_error_handles_the_failure_of_an_ask(
    request_type: type[ReadForgiven | WriteForgiven], autojump_clock: MockClock
) -> None:
    """A matching `on_error` takes the exception and may answer the asker."""
    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)

        assert await patient.ask(request_type(KeyError())) == 42
        await expect_unharmed(patient)


@pytest.mark.parametrize("request_type", [ReadForgiven, WriteForgiven])
async def test_matching_on_error_handles_the_failure_of_a_send(
    request_type: type[ReadForgiven | WriteForgiven], autojump_clock: MockClock
) -> None:
    """A matching `on_error` takes the exception of a send, and the actor goes on."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        patient = await runtime.start(Patient)
        await patient.send(request_type(KeyError()))

        await expect_unharmed(patient)
        assert letters.statistics().delivered == 0


@pytest.mark.parametrize("request_type", [ReadFail, WriteFail])
async def test_rejection_of_an_ask_reaches_the_asker_as_itself(
    request_type: type[ReadFail | WriteFail], autojump_clock: MockClock
) -> None:
    """A `Rejection` raised for an ask reaches the asker as itself, unharming."""
    sorry = Sorry("no")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(Sorry) as caught:
            await patient.ask(request_type(sorry))

        assert caught.value is sorry
        await expect_unharmed(patient)


@pytest.mark.parametrize("request_type", [ReadFail, WriteFail])
async def test_rejection_of_a_send_is_a_dead_letter(
    request_type: type[ReadFail | WriteFail], autojump_clock: MockClock
) -> None:
    """A `Rejection` raised for a send becomes a dead letter with the reason."""
    sorry = Sorry("no")
    message = request_type(sorry)

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        patient = await runtime.start(Patient, name="patient")
        await patient.send(message)
        letter = await anext(letters)

        assert letter.message is message
        assert letter.error is sorry
        assert letter.target == "patient"
        assert letter.reason
        await expect_unharmed(patient)


async def test_act_on_failure_of_an_ask_goes_to_the_asker(
    autojump_clock: MockClock,
) -> None:
    """What an `act_on` handler raises for an ask is its asker's, and only its."""
    error = KeyError("it")

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError) as caught:
            await patient.ask(ReadFail(error))

        assert caught.value.__cause__ is error
        assert not caught.value.owned_by_supervisor
        await expect_unharmed(patient)
        assert letters.statistics().delivered == 0


async def test_act_on_failure_of_a_send_goes_to_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    """What an `act_on` handler raises for a send goes to the supervisor."""
    error = KeyError("it")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        await patient.send(ReadFail(error))

        await expect_failed(patient, error)


async def test_mutate_on_failure_of_an_ask_goes_to_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    """What a `mutate_on` handler raises for an ask is the supervisor's."""
    error = KeyError("it")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError):
            await patient.ask(WriteFail(error))

        await expect_failed(patient, error)


async def test_asker_of_a_failed_mutate_on_handler_hears_of_it(
    autojump_clock: MockClock,
) -> None:
    """Its asker gets `HandlerFailedError` too, marked `owned_by_supervisor`."""
    error = KeyError("it")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError) as caught:
            await patient.ask(WriteFail(error))

        assert caught.value.__cause__ is error
        assert caught.value.owned_by_supervisor
        await patient.wait_generation(1)


async def test_mutate_on_failure_of_a_send_goes_to_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    """What a `mutate_on` handler raises for a send goes to the supervisor."""
    error = KeyError("it")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        await patient.send(WriteFail(error))

        await expect_failed(patient, error)


async def test_act_on_failure_whose_asker_has_gone_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    """What an `act_on` handler raises when its asker has gone is a dead letter."""
    error = KeyError("it")

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        patient = await runtime.start(Patient)
        message = ReadLate(error)
        with trio.move_on_after(1):
            await patient.ask(message)
        letter = await anext(letters)

        assert letter.message is message
        assert letter.error is error
        await expect_unharmed(patient)


async def test_act_on_failure_of_a_send_over_ipc_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    """What an `act_on` handler raises for a send over IPC is a dead letter."""
    near, far = memory_stream_pair()
    plan = Plan(error=KeyError("it"))

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
        trio.open_nursery() as nursery,
    ):
        patient = await runtime.start(Patient, plan, name="patient", expose=True)
        await nursery.start(partial(acton.ipc.serve, runtime, [MemoryListener(far)]))
        async with acton.ipc.open_client(near) as client:
            await client.actor("patient").send(ReadOverIpc())
            letter = await anext(letters)
        nursery.cancel_scope.cancel()

        assert letter.error is plan.error
        await expect_unharmed(patient)


async def test_what_an_on_error_of_an_act_on_handler_raises_is_the_askers(
    autojump_clock: MockClock,
) -> None:
    """What an `on_error` raises goes where the handler's row says: the asker."""
    first, second = KeyError("first"), ValueError("second")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError) as caught:
            await patient.ask(ReadWorse(first, second))

        assert caught.value.__cause__ is second
        assert second.__cause__ is first or second.__context__ is first
        await expect_unharmed(patient)


async def test_what_an_on_error_of_a_mutate_on_handler_raises_is_the_supervisors(
    autojump_clock: MockClock,
) -> None:
    """What an `on_error` raises goes where the handler's row says: upward."""
    first, second = KeyError("first"), ValueError("second")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        await patient.send(WriteWorse(first, second))

        await expect_failed(patient, second)
        assert second.__cause__ is first or second.__context__ is first


async def test_rejection_that_an_on_error_raises_is_a_rejection(
    autojump_clock: MockClock,
) -> None:
    """A `Rejection` that an `on_error` raises is one of the handler's."""
    sorry = Sorry("no")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(Sorry) as caught:
            await patient.ask(WriteWorse(KeyError(), sorry))

        assert caught.value is sorry
        await expect_unharmed(patient)


async def test_reply_of_the_wrong_type_goes_to_the_asker_as_an_error(
    autojump_clock: MockClock,
) -> None:
    """A reply of the wrong type is `UnexpectedReplyError` at the asker only."""
    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.UnexpectedReplyError):
            await patient.ask(AnswerWrongly())

        await expect_unharmed(patient)


async def test_child_that_is_not_to_be_restarted_ends_in_an_event(
    autojump_clock: MockClock,
) -> None:
    """The failure of a child that no policy restarts is in `ChildTerminated`."""
    error = KeyError("it")

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as ends,
    ):
        patient = await runtime.start(
            Patient, name="patient", restart_policy=acton.RestartPolicy.TEMPORARY
        )
        other = await runtime.start(Patient)
        await patient.send(WriteFail(error))
        event = await anext(ends)

        assert event.child == "patient"
        assert event.reason is acton.TerminationReason.FAILED
        assert event.error is error
        await patient.wait_stopped()
        await expect_unharmed(other)


@pytest.mark.parametrize("moment", ["lifespan in", "before_start", "after_start"])
async def test_start_hook_of_a_first_start_fails_at_the_starter(
    moment: Moment, autojump_clock: MockClock
) -> None:
    """What a hook of a first start raises goes to the starter, unwrapped."""
    plan = Plan(moment)

    async with open_test_runtime() as runtime:
        with pytest.raises(RuntimeError) as caught:
            await runtime.start(Patient, plan, name="patient")

        assert caught.value is plan.error
        assert runtime.actors() == ()
        assert await (await runtime.start(Patient, name="patient")).ask(Ping())


@pytest.mark.parametrize("moment", ["lifespan in", "before_start", "after_start"])
async def test_start_hook_of_a_restart_fails_at_the_supervisor(
    moment: Moment, autojump_clock: MockClock
) -> None:
    """What a start hook of a restart raises is a failure of that child."""
    plan = Plan(moment, generation=1)

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildRestarted) as restarts,
    ):
        patient = await runtime.start(Patient, plan)
        await patient.send(WriteFail(KeyError()))
        await anext(restarts)

        assert patient.status.last_failure is plan.error
        assert patient.status.restarts_in_window == 2


@pytest.mark.parametrize("moment", ["lifespan out", "before_stop", "after_stop"])
async def test_stop_hook_fails_at_the_supervisor(
    moment: Moment, autojump_clock: MockClock
) -> None:
    """What a stop hook or the lifespan's end raises goes to the supervisor."""
    plan = Plan(moment)

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError)) as caught:
        async with open_test_runtime() as runtime:
            await runtime.start(Patient, plan)

    assert caught.value.exceptions[0] is plan.error


async def test_background_task_fails_at_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    """What a background task raises goes to the supervisor: its actor fails."""
    error = KeyError("it")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        await patient.send(FailSoon(error))

        await expect_failed(patient, error)


async def test_what_the_supervisor_gives_up_on_leaves_open_runtime(
    autojump_clock: MockClock,
) -> None:
    """What the supervisor gives up on leaves `open_runtime`."""
    error = KeyError("it")

    with pytest.RaisesGroup(pytest.RaisesExc(acton.RestartLimitError)) as caught:
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient, restart_limit=NEVER)
            await patient.send(WriteFail(error))
            await trio.sleep_forever()

    assert caught.value.exceptions[0].__cause__ is error


# What the table says in words.


async def test_asker_that_gives_up_makes_no_actor_fail(
    autojump_clock: MockClock,
) -> None:
    """No asker can make an actor fail by giving up."""
    async with acton.open_runtime() as runtime:
        patient = await runtime.start(Patient)
        other = await runtime.start(Patient)
        for patience in (0, 0.5, 1):
            with trio.move_on_after(patience):
                await patient.ask(ReadLate(KeyError()))
            with trio.move_on_after(patience):
                await other.ask(AskFor(patient, ReadLate(KeyError())))

        await expect_unharmed(patient)
        await expect_unharmed(other)


async def test_remote_asker_that_gives_up_makes_no_actor_fail(
    autojump_clock: MockClock,
) -> None:
    """No asker in another process can, either."""
    near, far = memory_stream_pair()

    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        patient = await runtime.start(Patient, name="patient", expose=True)
        await nursery.start(partial(acton.ipc.serve, runtime, [MemoryListener(far)]))
        async with acton.ipc.open_client(near) as client:
            remote = client.actor("patient")
            with trio.move_on_after(1):
                await remote.ask(ReadLateOverIpc())
            with trio.move_on_after(1):
                await remote.ask(ReadLateOverIpc())
        nursery.cancel_scope.cancel()
        await expect_unharmed(patient)


async def test_group_with_a_single_leaf_is_judged_by_that_leaf(
    autojump_clock: MockClock,
) -> None:
    """A group with a single leaf is judged by that leaf, however deep it is."""
    sorry = Sorry("no")
    deep = ExceptionGroup("outer", [ExceptionGroup("inner", [sorry])])

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(Sorry) as caught:
            await patient.ask(WriteFail(deep))
        assert caught.value is sorry
        inner = ExceptionGroup("it", [KeyError()])
        assert await patient.ask(WriteForgiven(inner)) == 42

        await expect_unharmed(patient)


async def test_group_of_rejections_is_judged_by_its_first(
    autojump_clock: MockClock,
) -> None:
    """A group of rejections only is judged by its first."""
    first, second = Sorry("first"), Sorry("second")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(Sorry) as caught:
            await patient.ask(WriteFail(ExceptionGroup("both", [first, second])))

        assert caught.value is first
        await expect_unharmed(patient)


async def test_any_other_group_is_a_failure(autojump_clock: MockClock) -> None:
    """Any other group is a failure, whatever rejections are in it."""
    group = ExceptionGroup("both", [Sorry("no"), KeyError("it")])

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError) as caught:
            await patient.ask(WriteFail(group))

        assert isinstance(caught.value.__cause__, ExceptionGroup)
        assert caught.value.__cause__.exceptions == group.exceptions
        await patient.wait_generation(1)
        assert isinstance(patient.status.last_failure, ExceptionGroup)
        assert patient.status.last_failure.exceptions == group.exceptions


@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 5])
async def test_failure_is_judged_by_what_was_ordered_when_it_happened(
    ticks: int, autojump_clock: MockClock
) -> None:
    """A failure is judged by what was ordered when it happened."""
    async with acton.open_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError):
            await patient.ask(WriteFail(KeyError()))
        for _ in range(ticks):
            await trio.lowlevel.checkpoint()

    # It was to be restarted: that was so before the block was left.
    assert patient.status.generation == 0
    with pytest.RaisesGroup(KeyError):
        async with acton.open_runtime() as runtime:
            patient = await runtime.start(Patient)
            await patient.send(Linger())
            await patient.send(WriteFail(KeyError()))


@pytest.mark.parametrize("request_type", [ReadForgiven, WriteForgiven])
async def test_failure_whose_on_error_is_cut_off_is_not_lost(
    request_type: type[ReadForgiven | WriteForgiven], autojump_clock: MockClock
) -> None:
    """A failure whose `on_error` is cut off goes where the handler's row says."""
    plan, error = Plan(), KeyError("mine")

    with pytest.RaisesGroup(KeyError) as caught, trio.move_on_after(0.5):
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient, plan)
            await patient.send(request_type(error))
            await trio.sleep_forever()

    assert "on_error begins" in plan.log
    assert "on_error ends" not in plan.log
    assert caught.value.exceptions[0] is error


async def test_any_other_group_matches_on_error_for_its_own_type_only(
    autojump_clock: MockClock,
) -> None:
    """Any other group matches an `on_error` for its own type only."""
    group = Several("both", [KeyError("one"), KeyError("two")])

    def forgive(_model: Patient, _error: Several, _message: FailInTwo) -> int:
        return 43

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        with pytest.raises(acton.HandlerFailedError):
            await patient.ask(ReadForgiven(group))
        other = (
            await runtime.new_actor(Patient)
            .on_error(FailInTwo, Several, forgive)
            .start()
        )

        assert await other.ask(FailInTwo((KeyError(), KeyError()))) == 43


@pytest.mark.parametrize("request_type", [ReadForgiven, WriteForgiven])
async def test_on_error_runs_before_the_next_message_starts(
    request_type: type[ReadForgiven | WriteForgiven], autojump_clock: MockClock
) -> None:
    """`on_error` runs, alone, before the next message starts."""
    plan = Plan()

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient, plan)
        plan.log.clear()
        patient.send_nowait(request_type(KeyError()))
        patient.send_nowait(Ping())
        await patient.ask(Ping())

    assert plan.log[:4] == ["on_error begins", "on_error ends", "ping", "ping"]


async def test_rejection_that_a_handler_lets_pass_is_its_own(
    autojump_clock: MockClock,
) -> None:
    """A `Rejection` that a handler got from an ask and let pass is its own."""
    sorry = Sorry("no")

    async with open_test_runtime() as runtime:
        patient = await runtime.start(Patient)
        other = await runtime.start(Patient)
        with pytest.raises(Sorry) as caught:
            await other.ask(AskFor(patient, WriteFail(sorry)))

        assert caught.value is sorry
        await expect_unharmed(other)
        await expect_unharmed(patient)


@pytest.mark.parametrize("request_type", [ReadFail, WriteFail])
@pytest.mark.parametrize("asked", [True, False])
async def test_base_exceptions_pass_through(
    request_type: type[ReadFail | WriteFail],
    asked: bool,  # noqa: FBT001 - pytest names its parameters
    autojump_clock: MockClock,
) -> None:
    """A `BaseException` that is no `Exception` passes through to `open_runtime`."""
    error = KeyboardInterrupt("it")

    with pytest.RaisesGroup(pytest.RaisesExc(KeyboardInterrupt)) as caught:
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient)
            if asked:
                with suppress(acton.HandlerFailedError):
                    await patient.ask(request_type(error))
            else:
                await patient.send(request_type(error))
            await trio.sleep_forever()

    assert caught.value.exceptions[0] is error


# How what nobody handled leaves `open_runtime`.


async def test_unhandled_failures_leave_open_runtime_as_one_group(
    autojump_clock: MockClock,
) -> None:
    """What nobody handles leaves `open_runtime` as one group with a member each."""
    plans = [Plan("after_stop"), Plan("lifespan out"), Plan("after_stop")]

    with pytest.RaisesGroup(*[pytest.RaisesExc(RuntimeError)] * 3) as caught:
        async with open_test_runtime() as runtime:
            for plan in plans:
                await runtime.start(Patient, plan)

    errors = set(map(id, caught.value.exceptions))
    assert errors == {id(plan.error) for plan in plans}


async def test_members_of_the_group_are_not_flattened(
    autojump_clock: MockClock,
) -> None:
    """A group that a handler or hook itself raised is one member, as it was."""
    own = Several("own", [KeyError("one"), KeyError("two")])

    with pytest.RaisesGroup(pytest.RaisesGroup(KeyError, KeyError)) as caught:
        async with open_test_runtime() as runtime:
            await runtime.start(Patient, Plan("after_stop", own))

    assert caught.value.exceptions[0] is own


async def test_each_member_has_a_note_that_says_where_it_comes_from(
    autojump_clock: MockClock,
) -> None:
    """Each has a note: which actor, handling which message, from whom."""
    error = KeyboardInterrupt("it")

    with pytest.RaisesGroup(KeyboardInterrupt) as caught:
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient, name="the-patient")
            doctor = await runtime.start(Patient, name="the-doctor")
            await doctor.send(AskFor(patient, WriteFail(error)))
            await trio.sleep_forever()

    (note,) = caught.value.exceptions[0].__notes__
    assert "the-patient" in note
    assert "WriteFail" in note
    assert "the-doctor" in note


async def test_failure_behind_a_restart_limit_has_its_note_too(
    autojump_clock: MockClock,
) -> None:
    """So has the failure that was one too many for the restart limit."""
    error = KeyError("it")

    with pytest.RaisesGroup(acton.RestartLimitError) as caught:
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient, name="patient", restart_limit=NEVER)
            await patient.send(WriteFail(error))
            await trio.sleep_forever()

    notes = [*error.__notes__, *getattr(caught.value.exceptions[0], "__notes__", [])]
    assert any("patient" in note and "WriteFail" in note for note in notes)


async def test_exception_of_the_body_joins_the_group(
    autojump_clock: MockClock,
) -> None:
    """The body's own exception joins the others in the group."""
    own = KeyError("mine")
    plan = Plan("after_stop")

    with pytest.RaisesGroup(KeyError, RuntimeError) as caught:
        async with open_test_runtime() as runtime:
            await runtime.start(Patient, plan)
            raise own

    assert set(map(id, caught.value.exceptions)) == {id(own), id(plan.error)}


@pytest.mark.parametrize("error_type", [KeyError, KeyboardInterrupt, ExceptionGroup])
async def test_exception_of_the_body_alone_leaves_as_it_is(
    error_type: type[Any], autojump_clock: MockClock
) -> None:
    """The body's own exception, alone, leaves as it is, KeyboardInterrupt too."""
    group = error_type is ExceptionGroup
    own: BaseException = error_type(*("own", [KeyError()]) if group else ())

    with pytest.raises(error_type) as caught:
        async with open_test_runtime() as runtime:
            await runtime.start(Patient)
            raise own

    assert caught.value is own


async def test_group_with_a_member_that_is_no_exception(
    autojump_clock: MockClock,
) -> None:
    """The group is a `BaseExceptionGroup` if a member is no `Exception`."""
    with pytest.RaisesGroup(RuntimeError, KeyboardInterrupt) as caught:
        async with open_test_runtime() as runtime:
            await runtime.start(Patient, Plan("after_stop"))
            raise KeyboardInterrupt

    assert not isinstance(caught.value, ExceptionGroup)


async def test_outer_cancellation_drops_no_failure(autojump_clock: MockClock) -> None:
    """An outer cancellation drops no failure."""
    plan = Plan("after_stop")

    with pytest.RaisesGroup(RuntimeError) as caught, trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            await runtime.start(Patient, plan)
            await trio.sleep_forever()

    assert list(caught.value.exceptions) == [plan.error]


async def test_forced_stop_drops_no_failure(autojump_clock: MockClock) -> None:
    """A forced stop drops no failure."""
    plan, late = Plan("after_stop", KeyError("stop")), RuntimeError("late")
    config = acton.Config(timeouts=acton.Timeouts(actor_shutdown=1))

    # An actor that fails more than once has its failures in a group of its own.
    with pytest.RaisesGroup(pytest.RaisesGroup(RuntimeError, KeyError)) as caught:
        async with acton.open_runtime(config) as runtime:
            patient = await runtime.start(Patient, plan)
            await patient.send(ReadLate(late))

    assert caught.value.exceptions[0].exceptions == (late, plan.error)


async def test_body_left_by_an_exception_cancels_instead_of_draining(
    autojump_clock: MockClock,
) -> None:
    """A body that is left by an exception cancels instead of draining."""
    plan = Plan()

    async def leave() -> None:
        async with open_test_runtime() as runtime:
            patient = await runtime.start(Patient, plan)
            await patient.send(Linger())
            await wait_all_tasks_blocked()
            await patient.send(Ping())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave()

    assert trio.current_time() == 0
    assert "ping" not in plan.log
    assert "before_stop" not in plan.log
    assert plan.log[-1] == "after_stop"


async def test_failure_at_the_root_cancels_instead_of_draining(
    autojump_clock: MockClock,
) -> None:
    """A failure that reaches the root cancels the others instead of draining."""
    plan = Plan()

    with pytest.RaisesGroup(acton.RestartLimitError):
        async with open_test_runtime() as runtime:
            other = await runtime.start(Patient, plan)
            await other.send(Linger())
            await wait_all_tasks_blocked()
            await other.send(Ping())
            patient = await runtime.start(Patient, restart_limit=NEVER)
            await patient.send(WriteFail(KeyError()))
            await trio.sleep_forever()

    assert trio.current_time() == 0
    assert "ping" not in plan.log
    assert "before_stop" not in plan.log
    assert plan.log[-1] == "after_stop"
