"""How a failure is judged: what the table of failures says in words."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair, open_test_runtime

from .patients import (
    AskFor,
    FailInTwo,
    Linger,
    Patient,
    Ping,
    Plan,
    ReadFail,
    ReadForgiven,
    ReadLate,
    ReadLateOverIpc,
    Several,
    Sorry,
    WriteFail,
    WriteForgiven,
    expect_unharmed,
)


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
    async with acton.open_runtime() as runtime:
        patient = await runtime.start(Patient, name="patient", expose=True)
        async with open_ipc_pair(runtime) as (client, _):
            remote = client.actor("patient")
            with trio.move_on_after(1):
                await remote.ask(ReadLateOverIpc())
            with trio.move_on_after(1):
                await remote.ask(ReadLateOverIpc())
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
