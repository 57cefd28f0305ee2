"""What becomes of messages, and how long that takes, when an end is forced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .workers import (
    NEVER,
    SHORT,
    Count,
    Diary,
    Fail,
    Fate,
    Leave,
    Read,
    Work,
    Worker,
    begun,
    fill,
)

# Drain deadline passed, forced stop, cancellation.

ForcedEnd: TypeAlias = Callable[[acton.Runtime, trio.CancelScope], Awaitable[None]]


async def overrun(runtime: acton.Runtime, _scope: trio.CancelScope) -> None:
    """Leave the block, so that the drain takes too long."""


async def raise_error(runtime: acton.Runtime, _scope: trio.CancelScope) -> None:
    """Leave the block by an exception."""
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError


async def cancel(runtime: acton.Runtime, scope: trio.CancelScope) -> None:
    """Cancel all from outside."""
    scope.cancel()
    await trio.sleep_forever()


@pytest.mark.parametrize("end", [overrun, raise_error, cancel])
async def test_forced_end_dead_letters_what_is_queued(
    end: ForcedEnd, autojump_clock: MockClock
) -> None:
    """A passed drain deadline or a cancellation dead-letters what is queued."""
    diary = Diary()
    letters: list[object] = []

    async def listen(
        runtime: acton.Runtime, *, task_status: trio.TaskStatus[None]
    ) -> None:
        with trio.CancelScope(shield=True):
            async with runtime.broker.subscribe(acton.DeadLetter) as subscription:
                task_status.started()
                while len(letters) < 2:
                    letters.append((await anext(subscription)).message)

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        with scope:
            try:
                async with acton.open_runtime(SHORT) as runtime:
                    handle = await runtime.start(Worker, diary, mailbox_capacity=2)
                    await nursery.start(listen, runtime)  # noqa: ASYNC111 - shielded
                    await fill(handle, Work("first", 100), nursery)
                    await end(runtime, scope)
            except ZeroDivisionError:
                pass

    assert letters == [Work("queued send"), Work("queued ask")]
    assert begun(diary) == ["first"]


@pytest.mark.parametrize("end", [overrun, raise_error, cancel])
async def test_forced_end_tells_all_askers_and_senders(
    end: ForcedEnd, autojump_clock: MockClock
) -> None:
    """Then all askers and all senders that wait get `ActorStoppedError`."""
    fates = Fate(), Fate(), Fate()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            try:
                async with acton.open_runtime(SHORT) as runtime:
                    handle = await runtime.start(Worker, mailbox_capacity=2)
                    fates = await fill(handle, Work("first", 100), nursery)
                    await end(runtime, scope)
            except ZeroDivisionError:
                pass

    assert [fate.kind for fate in fates] == [acton.ActorStoppedError] * 3


@pytest.mark.parametrize("end", [overrun, raise_error, cancel])
@pytest.mark.parametrize("message", [Work("first", 100), Read("first", 100)])
async def test_forced_end_cancels_what_is_in_flight(
    end: ForcedEnd, message: Work | Read, autojump_clock: MockClock
) -> None:
    """Then what is in flight is cancelled, `mutate_on` handlers too."""
    diary = Diary()

    with trio.CancelScope() as scope:
        try:
            async with acton.open_runtime(SHORT) as runtime:
                handle = await runtime.start(Worker, diary)
                await handle.send(message)
                await wait_all_tasks_blocked()
                await end(runtime, scope)
        except ZeroDivisionError:
            pass

    assert [line for line in diary.lines if line.startswith("first cancelled")]


# Terminal.


async def test_end_of_an_actor_dead_letters_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """What is queued for an actor that is down becomes dead letters."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
        trio.open_nursery() as nursery,
    ):
        policy = acton.RestartPolicy.TEMPORARY
        handle = await runtime.start(Worker, mailbox_capacity=2, restart_policy=policy)
        await fill(handle, Fail(KeyError(), 1), nursery)
        dead = [(await anext(letters)).message, (await anext(letters)).message]

    assert dead == [Work("queued send"), Work("queued ask")]


@pytest.mark.parametrize(
    "limit", [acton.RestartLimit(), NEVER], ids=["down", "escalated"]
)
async def test_end_of_an_actor_tells_its_askers_the_cause(
    limit: acton.RestartLimit, autojump_clock: MockClock
) -> None:
    """Their askers get `ActorStoppedError` with the cause, as waiting senders do."""
    error = KeyError()
    temporary = acton.RestartPolicy.TEMPORARY
    policy = acton.RestartPolicy.PERMANENT if limit is NEVER else temporary
    fates = Fate(), Fate(), Fate()

    async with trio.open_nursery() as nursery:
        try:
            async with acton.open_runtime() as runtime:
                handle = await runtime.start(
                    Worker,
                    mailbox_capacity=2,
                    restart_policy=policy,
                    restart_limit=limit,
                )
                fates = await fill(handle, Fail(error, 1), nursery)
                await trio.sleep(10)
        except* acton.RestartLimitError:
            assert limit is NEVER

    queued, waiting, _ = fates
    for fate in (queued, waiting):
        assert isinstance(fate.error, acton.ActorStoppedError)
    cause = queued.error.__cause__ if queued.error else None
    if limit is NEVER:
        assert isinstance(cause, acton.RestartLimitError)
        cause = cause.__cause__
    assert cause is error


# The asker has gone.


async def test_message_of_an_asker_that_has_gone_is_removed(
    autojump_clock: MockClock,
) -> None:
    """A message whose asker has gone is removed, and is no dead letter."""
    diary = Diary()

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        handle = await runtime.start(Worker, diary)
        await handle.send(Work("first", 2))
        with trio.move_on_after(1):
            await handle.ask(Work("removed"))
        await handle.ask(Work("last"))

        assert begun(diary) == ["first", "last"]
        assert letters.statistics().delivered == 0


# After the end.


@pytest.mark.parametrize("way", ["stopped", "failed", "left", "runtime closed"])
async def test_sending_after_the_end_raises(
    way: str, autojump_clock: MockClock
) -> None:
    """`send`, `send_nowait` and `ask` raise `ActorStoppedError` after the end."""
    async with acton.open_runtime() as runtime:
        policy = acton.RestartPolicy.TEMPORARY
        handle = await runtime.start(Worker, restart_policy=policy)
        if way == "stopped":
            await handle.stop()
        elif way == "failed":
            await handle.send(Fail(KeyError()))
        elif way == "left":
            await handle.send(Leave())
        if way != "runtime closed":
            await handle.wait_stopped()
            await expect_closed(handle)

    await expect_closed(handle)


async def expect_closed(handle: acton.ActorHandle) -> None:
    """Check that nothing can be sent any more."""
    with pytest.raises(acton.ActorStoppedError):
        handle.send_nowait(Work("late"))
    with pytest.raises(acton.ActorStoppedError):
        await handle.send(Work("late"))
    with pytest.raises(acton.ActorStoppedError):
        await handle.ask(Work("late"))
    with pytest.raises(acton.ActorStoppedError):
        async with handle.stream(Count()) as numbers:
            await anext(numbers)


# How the end comes when it is forced, and how long it takes.


async def run_cancelled(*diaries: Diary) -> None:
    """Run an actor for each of *diaries*, busy with a message, and cancel all."""
    with trio.CancelScope() as scope:
        async with acton.open_runtime(SHORT) as runtime:
            for diary in diaries:
                handle = await runtime.start(Worker, diary)
                await handle.send(Read("reading", 100))
            await wait_all_tasks_blocked()
            scope.cancel()
            await trio.sleep_forever()


async def test_cancellation_reaches_every_handler_at_once(
    autojump_clock: MockClock,
) -> None:
    """Cancelled from outside, every handler is cancelled at once."""
    diaries = [Diary(clean_up=1), Diary(clean_up=1), Diary(clean_up=1)]

    await run_cancelled(*diaries)

    for diary in diaries:
        assert "reading cancelled at 0" in diary.lines


async def test_clean_up_of_a_cancellation_is_shielded(
    autojump_clock: MockClock,
) -> None:
    """Then `after_stop` hooks and lifespans run to their ends, shielded."""
    diary = Diary(clean_up=0.5)

    await run_cancelled(diary)

    assert diary.lines[-2:] == ["lifespan out at 0.5", "after_stop at 1"]


async def test_clean_up_of_a_cancellation_is_in_reverse_order_of_start(
    autojump_clock: MockClock,
) -> None:
    """They run in reverse order of start, one actor after the other."""
    lines: list[str] = []
    diaries = [Diary(lines, 0.25, "first "), Diary(lines, 0.25, "second ")]

    await run_cancelled(*diaries)

    assert [line for line in lines if "reading" not in line] == [
        "second lifespan out at 0.25",
        "second after_stop at 0.5",
        "first lifespan out at 0.75",
        "first after_stop at 1",
    ]


async def test_clean_up_of_a_cancellation_is_bounded(
    autojump_clock: MockClock,
) -> None:
    """All together have one `timeouts.actor_shutdown`, and are then cut off."""
    diaries = [Diary(clean_up=1.5), Diary(clean_up=1.5), Diary(clean_up=100)]

    await run_cancelled(*diaries)

    assert trio.current_time() == pytest.approx(2)


async def test_cancellation_skips_before_stop(autojump_clock: MockClock) -> None:
    """`before_stop` is skipped in a cancellation."""
    diary = Diary()

    await run_cancelled(diary)

    assert "before_stop at 0" not in diary.lines


async def test_graceful_stop_gives_each_actor_its_time(
    autojump_clock: MockClock,
) -> None:
    """A graceful stop gives each actor at most `timeouts.actor_shutdown`."""
    config = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2))
    slow, good = Diary(), Diary()

    async with acton.open_runtime(config) as runtime:
        handle = await runtime.start(Worker, good)
        await handle.send(Work("good", 1.5))
        handle = await runtime.start(Worker, slow)
        await handle.send(Work("slow", 100))
        await wait_all_tasks_blocked()
        handle = await runtime.start(Worker, good)
        await handle.send(Work("better", 1.5))

    assert "slow cancelled at 3.5" in slow.lines
    assert "good ended at 1.5" in good.lines
    assert "better ended at 1.5" in good.lines
    assert trio.current_time() == pytest.approx(3.5)


async def test_stop_gives_a_running_handler_its_time(
    autojump_clock: MockClock,
) -> None:
    """So does `stop()`, whether the message was queued or in flight."""
    diary = Diary()

    async with acton.open_runtime(SHORT) as runtime:
        handle = await runtime.start(Worker, diary)
        await handle.send(Work("slow", 100))
        await wait_all_tasks_blocked()
        with trio.fail_after(50):
            await handle.stop()

    assert "slow cancelled at 2" in diary.lines


async def test_graceful_stop_gives_all_actors_their_time(
    autojump_clock: MockClock,
) -> None:
    """A graceful stop gives all actors at most `timeouts.system_shutdown`."""
    timeouts = acton.Timeouts(actor_shutdown=2, system_shutdown=5)
    diaries = [Diary() for _ in range(10)]

    async with acton.open_runtime(acton.Config(timeouts=timeouts)) as runtime:
        for diary in diaries:
            handle = await runtime.start(Worker, diary)
            await handle.send(Work("it", 100))

    assert trio.current_time() == pytest.approx(5)
    assert sum("it cancelled at 5" in diary.lines for diary in diaries) == 8
