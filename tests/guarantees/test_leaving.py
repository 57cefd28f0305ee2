"""How what nobody handled leaves `open_runtime`."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .patients import (
    NEVER,
    AskFor,
    Linger,
    Patient,
    Ping,
    Plan,
    ReadLate,
    Several,
    WriteFail,
)


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
