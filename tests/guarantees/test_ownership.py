"""Every failure has exactly one owner: the table of failures, row by row."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair, open_test_runtime

from .patients import (
    NEVER,
    AnswerWrongly,
    FailSoon,
    Moment,
    Patient,
    Ping,
    Plan,
    ReadFail,
    ReadForgiven,
    ReadLate,
    ReadOverIpc,
    ReadWorse,
    Sorry,
    WriteFail,
    WriteForgiven,
    WriteWorse,
    expect_failed,
    expect_unharmed,
)


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
    plan = Plan(error=KeyError("it"))

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        patient = await runtime.start(Patient, plan, name="patient", expose=True)
        async with open_ipc_pair(runtime) as (client, _):
            await client.actor("patient").send(ReadOverIpc())
            letter = await anext(letters)

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
