"""What is told to whom when an incarnation ends amid something."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

TEMPORARY = acton.RestartPolicy.TEMPORARY


@acton.message
class Get(acton.Request[int]):
    """Asks for a number."""


@acton.message
class Fail(acton.Request[int]):
    """Makes a handler raise."""

    error: Exception


@acton.message
class Keep(acton.Request[int]):
    """Is answered later."""


class Model:
    """Has no state of its own."""


@attrs.define
class BadError(Exception):
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


@attrs.frozen(eq=True)
class EqualError(Exception):
    """Equal to every other of its kind."""


def fail(_model: Any, request: Fail) -> int:
    """Raise."""
    raise request.error


async def nap(_model: Any, _request: Get) -> int:
    """Take a while."""
    await trio.sleep(5)
    return 1


async def test_exception_that_cannot_be_shown_leaves_as_it_is(
    autojump_clock: MockClock,
) -> None:
    """Whatever an exception makes of its `repr`, the block is left by it."""
    error = BadError()

    with pytest.raises(BadError) as caught:
        async with open_test_runtime() as runtime:
            await runtime.new_actor(Model).act_on(Get, nap).start()
            raise error

    assert caught.value is error


async def test_reply_that_cannot_be_shown_is_an_unexpected_reply(
    autojump_clock: MockClock,
) -> None:
    """Whatever a wrong reply makes of its `repr`, its asker is told at once."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model)
        handle = await idle.act_on(Get, lambda _model, _get: BadError()).start()

        with pytest.raises(acton.UnexpectedReplyError, match="whose repr raises"):
            await handle.ask(Get())


async def test_equal_failures_are_two(autojump_clock: MockClock) -> None:
    """A failure that equals another one is not taken for it."""
    with pytest.RaisesGroup(pytest.RaisesGroup(EqualError, EqualError)):
        async with acton.open_runtime() as runtime:
            idle = runtime.new_actor(Model).mutate_on(Fail, fail)
            handle = await idle.after_stop(_raise(EqualError())).start()
            await handle.send(Fail(EqualError()))


def _raise(error: Exception) -> Callable[[object], None]:
    def hook(_model: object) -> None:
        raise error

    return hook


async def test_error_that_on_error_raises_again_is_not_its_own_cause(
    autojump_clock: MockClock,
) -> None:
    """An `on_error` that lets the exception pass changes nothing on it."""
    error = ValueError("it")

    def again(_model: object, same: ValueError, _message: Fail) -> int:
        raise same

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model).act_on(Fail, fail)
        handle = await idle.on_error(Fail, ValueError, again).start()
        with pytest.raises(acton.HandlerFailedError) as caught:
            await handle.ask(Fail(error))

    assert caught.value.__cause__ is error
    assert error.__cause__ is None


async def test_failure_in_the_nursery_of_a_lifespan_is_told_to_askers(
    autojump_clock: MockClock,
) -> None:
    """Who is cut off by a failure that shows only later hears of that failure."""
    error = ValueError("it")

    async def life(_model: object) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail_at, 1, error)
            yield  # noqa: ASYNC101, ASYNC119 - a lifespan is made for it
            nursery.cancel_scope.cancel()

    async with acton.open_runtime() as runtime:
        idle = runtime.new_actor(Model, restart_policy=TEMPORARY)
        handle = await idle.act_on(Get, nap).lifespan(life).start()
        with pytest.raises(acton.HandlerFailedError) as caught:
            await handle.ask(Get())

    assert caught.value.error == "ValueError"
    assert trio.current_time() == 1


async def _fail_at(seconds: float, error: Exception) -> None:
    await trio.sleep(seconds)
    raise error


async def test_task_of_a_lifespan_starts_once_the_lifespan_is_in(
    autojump_clock: MockClock,
) -> None:
    """`ctx.start_soon` before the `yield` waits for it, and then runs."""
    log: list[str] = []

    async def work() -> None:
        log.append("work")
        await trio.sleep_forever()

    async def life(_model: object, ctx: acton.Context) -> AsyncIterator[None]:
        ctx.start_soon(work)
        await trio.sleep(1)
        log.append("in")
        yield

    async with open_test_runtime() as runtime:
        await runtime.new_actor(Model).lifespan(life).start()
        await wait_all_tasks_blocked()

    assert log == ["in", "work"]


async def test_graceful_stop_has_one_budget_for_work_and_clean_up(
    autojump_clock: MockClock,
) -> None:
    """What `before_stop` has used is not there for `after_stop`."""

    async def before_stop(_model: object) -> None:
        await trio.sleep(9)

    async def after_stop(_model: object) -> None:
        await trio.sleep(9)

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model).before_stop(before_stop)
        handle = await idle.after_stop(after_stop).start()
        await handle.stop()

        assert trio.current_time() == 10


async def test_temporary_actor_that_fails_in_its_drain_is_an_event(
    autojump_clock: MockClock,
) -> None:
    """A policy not to restart holds for an actor that is stopping, too."""
    error = KeyError("it")

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as events,
    ):
        idle = runtime.new_actor(Model, restart_policy=TEMPORARY)
        handle = await idle.mutate_on(Get, nap).mutate_on(Fail, fail).start()
        handle.send_nowait(Get())
        handle.send_nowait(Fail(error))
        await handle.stop()

        assert (await anext(events)).error is error


async def test_ask_with_a_deadline_ends_with_the_runtime(
    autojump_clock: MockClock,
) -> None:
    """Whoever keeps a reply address, nobody waits for it after the runtime."""
    kept: list[acton.ReplyAddress] = []
    ended: list[float] = []

    def keep(_model: object, _request: Keep, ctx: acton.Context) -> None:
        kept.append(ctx.reply_address)

    async def ask(handle: acton.ActorHandle) -> None:
        with trio.fail_after(100), pytest.raises(acton.ActorStoppedError):
            await handle.ask(Keep())
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
        handle = await runtime.new_actor(Model).act_on(Keep, keep).start()
        nursery.start_soon(ask, handle)
        await trio.sleep(1)

    assert ended == [1]


async def test_address_that_is_only_looked_at_ends_no_ask(
    autojump_clock: MockClock,
) -> None:
    """As long as its handler runs, a request can be answered."""

    async def look(_model: object, _request: Keep, ctx: acton.Context) -> int:
        assert not ctx.reply_address.is_closed
        await trio.sleep(1)
        return 5

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(Model).act_on(Keep, look).start()

        assert await handle.ask(Keep()) == 5


async def test_address_can_answer_with_a_failure(autojump_clock: MockClock) -> None:
    """`ReplyAddress.fail` is the asker's, and the actor goes on."""
    error = KeyError("it")
    kept: list[acton.ReplyAddress] = []

    def keep(_model: object, _request: Keep, ctx: acton.Context) -> None:
        kept.append(ctx.reply_address)

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.new_actor(Model).act_on(Keep, keep).start()

        async def ask() -> None:
            with pytest.raises(acton.HandlerFailedError) as caught:
                await handle.ask(Keep())
            assert caught.value.__cause__ is error
            assert not caught.value.owned_by_supervisor

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        kept[0].fail(error)
        kept[0].fail(typing.cast("Any", ValueError("too late")))
        kept[0].send_nowait(3)

        assert kept[0].is_closed
        assert handle.status.state is acton.ActorState.RUNNING


async def test_every_failure_says_where_it_is_from(autojump_clock: MockClock) -> None:
    """A lifespan, a factory and a restart limit note which actor it was."""

    async def life(_model: object) -> AsyncIterator[None]:
        yield
        await trio.lowlevel.checkpoint()
        raise KeyError

    with pytest.RaisesGroup(KeyError) as caught:
        async with open_test_runtime() as runtime:
            await runtime.new_actor(Model, name="patient").lifespan(life).start()

    (note,) = caught.value.exceptions[0].__notes__
    assert note == "in patient, lifespan"


async def test_start_that_asks_its_starter_is_a_cycle(
    autojump_clock: MockClock,
) -> None:
    """A handler waits for the hooks of an actor that it starts."""
    paths: list[tuple[str, ...]] = []

    async def start(_model: object, _request: Get, ctx: acton.Context) -> int:
        async def ask_back(_child: object) -> None:
            try:
                await ctx.handle.ask(Get())
            except acton.AskCycleError as error:
                paths.append(error.path)

        child = ctx.runtime.new_actor(Model, name="child")
        await child.before_start(ask_back).start()
        return 1

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model, name="parent").mutate_on(Get, start)

        assert await (await idle.start()).ask(Get()) == 1
    assert paths == [("parent", "child", "parent")]
