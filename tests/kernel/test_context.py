"""What a handler or hook may ask about, and do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Look(acton.Request[int]):
    """Has the handler look around."""


@acton.message
class Push:
    """Has the handler send to somebody whose mailbox may be full."""

    target: acton.ActorHandle


@acton.message
class Stop(acton.Request[float]):
    """Has the handler stop somebody else."""

    target: acton.ActorHandle


seen: dict[str, Any] = {}


def look(_model: object, _request: Look, ctx: acton.Context) -> int:
    """Write down all there is."""
    seen.update(
        handle=ctx.handle,
        sender=ctx.sender,
        runtime=ctx.runtime,
        broker=ctx.broker,
        deadline=ctx.deadline,
        headers=ctx.headers,
        generation=ctx.generation,
    )
    return 1


async def ask_on(_model: object, command: Push, _ctx: acton.Context) -> None:
    """Ask on behalf of this actor."""
    await command.target.ask(Look())


async def push(_model: object, command: Push) -> None:
    """Send on, until there is no room and beyond."""
    for _ in range(3):
        await command.target.send(Look())


async def stop(_model: object, request: Stop) -> float:
    """Stop somebody else."""
    await request.target.stop()
    return trio.current_time()


async def test_context_tells_where_a_message_comes_from(
    autojump_clock: MockClock,
) -> None:
    """Plain code has no name; an actor that asks is the sender."""
    async with open_test_runtime() as runtime:
        looker = await runtime.new_actor(object, name="l").act_on(Look, look).start()
        asker = (
            await runtime.new_actor(object, name="a").mutate_on(Push, ask_on).start()
        )
        with trio.fail_after(5):
            await looker.ask(Look())
        assert seen["sender"] is None
        assert seen["deadline"] == pytest.approx(5)
        assert seen["handle"] is looker
        assert seen["runtime"] is runtime
        assert seen["broker"] is runtime.broker
        assert seen["headers"] == {}
        assert seen["generation"] == 0
        await asker.send(Push(looker))
        await wait_all_tasks_blocked()
        assert seen["sender"] is asker


async def test_hook_has_no_message_to_answer(autojump_clock: MockClock) -> None:
    """Its context says so, and is otherwise the same."""
    caught: list[str] = []

    def hook(_model: object, ctx: acton.Context) -> None:
        for use in (lambda: ctx.reply(1), lambda: ctx.reply_address):
            with pytest.raises(RuntimeError, match="no message to reply to"):
                use()
        caught.append(f"{ctx.message} {ctx.sender} {ctx.deadline == math.inf}")

    async with open_test_runtime() as runtime:
        await runtime.new_actor(object).before_start(hook).start()
    assert caught == ["None None True"]


async def test_handler_waits_for_room_elsewhere(autojump_clock: MockClock) -> None:
    """Only its own full mailbox is an error to a handler."""

    async def slow(_model: object, _request: Look) -> int:
        await trio.sleep(1)
        return 1

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object, name="slow", mailbox_capacity=1)
        target = await idle.mutate_on(Look, slow).start()
        pusher = await runtime.new_actor(object).mutate_on(Push, push).start()
        await pusher.send(Push(target))
        await target.ask(Look())
    assert trio.current_time() >= 3


async def test_handler_may_stop_somebody_else(autojump_clock: MockClock) -> None:
    """It waits until the other is down."""
    async with open_test_runtime() as runtime:
        looker = await runtime.new_actor(object, name="l").act_on(Look, look).start()
        stopper = await runtime.new_actor(object).mutate_on(Stop, stop).start()
        await stopper.ask(Stop(looker))

        assert looker.status.state is acton.ActorState.DOWN


async def test_background_task_needs_an_incarnation(autojump_clock: MockClock) -> None:
    """A context that is used after its time starts nothing."""
    kept: list[acton.Context] = []

    def keep(_model: object, _request: Look, ctx: acton.Context) -> int:
        kept.append(ctx)
        return 1

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(object).act_on(Look, keep).start()
        await handle.ask(Look())
        await handle.stop()
        with pytest.raises(acton.ActorStoppedError, match="starts no tasks"):
            kept[0].start_soon(trio.sleep_forever)


async def test_burst_of_sends_switches_tasks_at_every_64th(
    autojump_clock: MockClock,
) -> None:
    """Somebody who only ever sends does not keep all others from running."""
    turns: list[int] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.new_actor(object).act_on(Look, lambda _m, _r: 1).start()
        await wait_all_tasks_blocked()

        async def other() -> None:
            while True:
                turns.append(0)
                await trio.lowlevel.checkpoint()

        for _ in range(63):
            await handle.send(Look())
        assert turns == []
        nursery.start_soon(other)
        # Twice, as the one who yields may be the first to run again.
        for _ in range(128):
            await handle.send(Look())
        assert turns != []
        nursery.cancel_scope.cancel()


async def test_name_of_an_actor_is_text(autojump_clock: MockClock) -> None:
    """Anything else is a type error that says so."""
    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match="is a str"):
            runtime.new_actor(object, name=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
