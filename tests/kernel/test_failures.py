"""What becomes of an actor when something in it fails."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .scribes import (
    ONCE,
    GetLog,
    Leave,
    Note,
    Read,
    ReadFail,
    Sorry,
    Spawn,
    Unknown,
    WriteFail,
    opened,
)


async def test_error_handler_answers_for_the_handler(autojump_clock: MockClock) -> None:
    """The nearest error type is taken, and the actor goes on."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime)

        assert await handle.ask(ReadFail(KeyError())) == 7
        assert await handle.ask(WriteFail(IndexError())) == 7
        with pytest.raises(acton.HandlerFailedError) as caught:
            await handle.ask(ReadFail(KeyError("twice")))
        assert isinstance(caught.value.__cause__, ValueError)
        assert isinstance(caught.value.__cause__.__cause__, KeyError)
        assert handle.status.generation == 0


async def test_reader_that_fails_for_its_asker_goes_on(
    autojump_clock: MockClock,
) -> None:
    """Read-only state is sound: the failure is the asker's."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime)
        error = ValueError("x")
        with pytest.raises(acton.HandlerFailedError) as caught:
            await handle.ask(ReadFail(error))
        with pytest.raises(Sorry) as rejected:
            await handle.ask(ReadFail(ExceptionGroup("", [Sorry("why")])))

        assert caught.value.__cause__ is error
        assert not caught.value.owned_by_supervisor
        assert rejected.value.why == "why"
        assert handle.status.generation == 0


@pytest.mark.parametrize(
    "message",
    [ReadFail(ValueError("x")), WriteFail(ValueError("x")), Spawn()],
    ids=["act_on sent", "mutate_on sent", "background task"],
)
async def test_failure_that_is_nobody_elses_restarts_the_actor(
    autojump_clock: MockClock, message: Any
) -> None:
    """The seat stays: handle, name and what is queued."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        restarts = runtime.broker.subscribe(acton.ChildRestarted)
        async with restarts as events:
            await handle.send(message)
            await handle.wait_generation(1)
            event = await anext(events)

        assert log.count("before_start") == 2
        assert handle.status.restarts_in_window == 1
        assert handle.status.state is acton.ActorState.RUNNING
        assert (event.child, event.generation, event.backoff) == ("scribe", 1, 0.1)
        assert event.reason is acton.TerminationReason.FAILED


async def test_restart_keeps_what_is_queued_and_answers_what_ran(
    autojump_clock: MockClock,
) -> None:
    """The next incarnation handles the rest; nothing is delivered twice."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        results: list[Any] = []

        async def ask() -> None:
            with pytest.raises(acton.HandlerFailedError) as caught:
                await handle.ask(Read("running", 9))
            results.append(caught.value.owned_by_supervisor)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            await handle.send(ReadFail(ValueError("x")))
            await handle.send(Note("queued"))
        assert (await handle.ask(GetLog()))[-1] == "queued"
        assert results == [True]
        assert log.count("+running") == 1


async def test_one_failure_too_many_leaves_the_runtime(
    autojump_clock: MockClock,
) -> None:
    """The limit is told with the failure that broke it, and a note of where."""
    with pytest.RaisesGroup(pytest.RaisesExc(acton.RestartLimitError)) as caught:
        async with open_test_runtime() as runtime:
            handle, _log = await opened(runtime, restart_limit=ONCE)
            await handle.send(WriteFail(ValueError("1")))
            await handle.send(WriteFail(ValueError("2")))
            await trio.sleep(100)
    cause = caught.value.exceptions[0].__cause__

    assert str(cause) == "2"
    assert cause is not None
    assert cause.__notes__ == ["in scribe, handling WriteFail from plain code"]


async def test_temporary_actor_stays_down(autojump_clock: MockClock) -> None:
    """Its failure is told by an event, and nobody else is harmed."""
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(
            runtime, restart_policy=acton.RestartPolicy.TEMPORARY
        )
        async with runtime.broker.subscribe(acton.ChildTerminated) as events:
            await handle.send(WriteFail(ValueError("x")))
            event = await anext(events)
        await handle.wait_stopped()
        with pytest.raises(acton.ActorStoppedError):
            await handle.ask(GetLog())
        with pytest.raises(acton.ActorStoppedError):
            await handle.wait_running()

        assert str(event.error) == "x"
        assert runtime.find("scribe") is None


async def test_actor_that_ends_itself_comes_back(autojump_clock: MockClock) -> None:
    """A normal end of a permanent actor is a restart with what is queued."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        await handle.send(Leave())
        await handle.send(Note("kept"))
        await handle.wait_generation(1)
        await handle.ask(GetLog())

        assert "leave 0" in log
        assert log[-2:] == ["kept", "to myself"] or log[-1] == "to myself"
        assert "kept" in log


async def test_dead_letters_tell_what_nobody_heard(autojump_clock: MockClock) -> None:
    """Rejections of what was sent, unknown types, and failures without an asker."""
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(runtime)
        async with runtime.broker.subscribe(acton.DeadLetter) as letters:
            await handle.send(ReadFail(Sorry("x")))
            await handle.send(Unknown())
            first, second = await anext(letters), await anext(letters)

        assert {first.reason, second.reason} == {"rejected", "no handler for its type"}
        assert {first.target, second.target} == {"scribe"}
