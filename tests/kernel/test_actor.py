"""One actor, as its users see it: in virtual time, through public names."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .scribes import (
    Behind,
    BehindAlone,
    Count,
    Defer,
    Direct,
    GetLog,
    Leave,
    Maybe,
    Note,
    Read,
    Silent,
    Unknown,
    Write,
    Wrong,
    opened,
)


async def test_hooks_run_in_their_order(autojump_clock: MockClock) -> None:
    """A life has one order, and the first message comes after after_start."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        await handle.send(Note("hello"))
        await handle.ask(GetLog())
    assert log == [
        "in",
        "before_start",
        "after_start",
        "to myself",
        "hello",
        "before_stop",
        "out",
        "after_stop",
    ]


async def test_reading_overlaps_and_writing_is_alone(autojump_clock: MockClock) -> None:
    """A write waits for the reads before it, and all behind it wait for it."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        for message in (Read("r1"), Read("r2"), Write("w"), Read("r3")):
            await handle.send(message)
        await trio.sleep(10)

        reads, rest = log[4:8], log[8:]
        assert sorted(reads) == ["+r1", "+r2", "-r1", "-r2"]
        assert rest == ["+w", "-w", "+r3", "-r3"]


async def test_no_more_reads_overlap_than_allowed(autojump_clock: MockClock) -> None:
    """Past max_concurrency the head of the mailbox waits."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime, max_concurrency=2)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(handle.ask, Read("r"))

        assert trio.current_time() == pytest.approx(3)


async def test_senders_wait_for_room_in_line(autojump_clock: MockClock) -> None:
    """First come, first served; without waiting it is an error."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime, mailbox_capacity=1)
        await handle.ask(GetLog())
        await handle.send(Write("w"))
        await wait_all_tasks_blocked()
        await handle.send(Note("1"))
        async with trio.open_nursery() as nursery:
            for text in ("2", "3"):
                nursery.start_soon(handle.send, Note(text))
                await wait_all_tasks_blocked()
            with pytest.raises(acton.MailboxFullError):
                handle.send_nowait(Note("no"))
            with trio.move_on_after(0.1):
                await handle.send(Note("gave up"))
        await handle.ask(GetLog())

        assert log[-3:] == ["1", "2", "3"]


async def test_own_full_mailbox_is_an_error_not_a_wait(
    autojump_clock: MockClock,
) -> None:
    """A handler never waits for itself."""
    caught: list[Exception] = []

    async def flood(_model: object, _message: Note, ctx: acton.Context) -> None:
        try:
            for _ in range(3):
                await ctx.handle.send(Leave())
        except acton.MailboxFullError as error:
            caught.append(error)

    async with acton.open_runtime() as runtime:
        idle = runtime.new_actor(object, name="x", mailbox_capacity=2)
        handle = await idle.mutate_on(Note, flood).start()
        await handle.send(Note(""))
        await wait_all_tasks_blocked()

    assert [str(each) for each in caught] == ["the mailbox of x is full (2 messages)"]


async def test_replies_of_every_kind(autojump_clock: MockClock) -> None:
    """A value, nothing as a value, through the context, and later."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)

        assert await handle.ask(Read("x")) == "x"
        assert await handle.ask(Maybe()) is None
        assert await handle.ask(Direct()) == 1
        assert await handle.ask(Defer(1)) == 9
        assert log[-2:] == ["<ReplyAddress, open>", "<ReplyAddress, closed>"]


async def test_lack_of_a_reply_is_an_error_at_once(autojump_clock: MockClock) -> None:
    """No asker waits for what cannot come any more."""
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(runtime)
        with pytest.raises(acton.NoReplyError):
            await handle.ask(Silent())
        with pytest.raises(acton.NoReplyError):
            await handle.ask(Defer(1, keep=False))
        gc.collect()
        with pytest.raises(acton.UnexpectedReplyError, match="no number"):
            await handle.ask(Wrong())
        with pytest.raises(acton.UnhandledMessageError, match="no handler for Unknown"):
            await handle.ask(Unknown())

        assert trio.current_time() == pytest.approx(1)


async def test_ask_without_a_deadline_ends_after_30_seconds(
    autojump_clock: MockClock,
) -> None:
    """The error says where the message was."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        await handle.ask(GetLog())
        await handle.send(Write("w", 100))
        await wait_all_tasks_blocked()
        with pytest.raises(acton.AskTimeoutError, match="queued behind 0 messages"):
            await handle.ask(GetLog())
        assert trio.current_time() == pytest.approx(30)
        await trio.sleep(71)
        with pytest.raises(acton.AskTimeoutError, match=r"Scribe.read runs since 30 s"):
            await handle.ask(Read("r", 100))
        with pytest.raises(acton.AskTimeoutError, match="reply address kept"):
            await handle.ask(Defer(100))
        await trio.sleep(1)

        assert log[-1] == "xr"


async def test_giving_up_takes_the_message_back(autojump_clock: MockClock) -> None:
    """What is queued never runs, reading is cancelled, writing completes."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        await handle.ask(GetLog())
        with trio.move_on_after(0.5):
            await handle.ask(Read("r"))
        with trio.move_on_after(0.5):
            await handle.ask(Write("w"))
        with trio.move_on_after(0.1):
            await handle.ask(Read("queued"))
        await trio.sleep(5)

        assert log[4:] == ["+r", "xr", "+w", "-w"]


async def test_many_that_give_up_leave_no_gaps(autojump_clock: MockClock) -> None:
    """A mailbox full of given up questions takes new ones at once."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime, mailbox_capacity=100)
        await handle.send(Write("w", 5))
        await wait_all_tasks_blocked()
        for _ in range(3):
            with trio.move_on_after(0.1):
                async with trio.open_nursery() as nursery:
                    for _ in range(100):
                        nursery.start_soon(handle.ask, GetLog())
        handle.send_nowait(Note("room"))
        await trio.sleep(6)

        assert (await handle.ask(GetLog()))[-1] == "room"


async def test_deadline_is_inherited_by_what_a_reader_asks(
    autojump_clock: MockClock,
) -> None:
    """A reading handler hurries with its asker; a writing one does not."""
    async with open_test_runtime() as runtime:
        first, _ = await opened(runtime, "first")
        second, log = await opened(runtime, "second")
        with trio.move_on_after(0.5):
            await first.ask(Behind(second, Read("inner")))
        with trio.move_on_after(0.5):
            await first.ask(BehindAlone(second, Read("patient")))
        await trio.sleep(2)

        assert log[4:] == ["+inner", "xinner", "+patient", "-patient"]


async def test_cycle_of_asks_raises_at_the_ask(autojump_clock: MockClock) -> None:
    """The path begins and ends with the actor that was asked."""
    async with open_test_runtime() as runtime:
        a, _ = await opened(runtime, "a")
        b, _ = await opened(runtime, "b")
        with pytest.raises(acton.HandlerFailedError) as alone:
            await a.ask(BehindAlone(a, GetLog()))
        with pytest.raises(acton.HandlerFailedError) as both:
            await a.ask(BehindAlone(b, Behind(a, GetLog())))
        await a.wait_generation(1)
        await a.ask(GetLog())
        assert await a.ask(Behind(b, Behind(a, GetLog()))) >= 0

        assert isinstance(alone.value.__cause__, acton.AskCycleError)
        assert alone.value.__cause__.path == ("a", "a")
        inner = both.value.__cause__
        assert inner is not None
        assert isinstance(inner.__cause__, acton.AskCycleError)
        assert inner.__cause__.path == ("a", "b", "a")


async def test_reader_may_not_ask_past_a_writer_that_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    """Asking back is a cycle only if something exclusive stands between."""
    async with open_test_runtime() as runtime:
        a, _ = await opened(runtime, "a")
        b, _ = await opened(runtime, "b")

        with pytest.raises(acton.HandlerFailedError):
            await a.ask(Behind(b, Behind(a, BehindAlone(b, GetLog()))))


async def test_stop_of_oneself_is_a_cycle(autojump_clock: MockClock) -> None:
    """ctx.stop() is meant."""
    caught: list[acton.AskCycleError] = []

    async def wrong(_model: object, _message: Note, ctx: acton.Context) -> None:
        for wait in (ctx.handle.stop, ctx.handle.wait_stopped):
            with pytest.raises(acton.AskCycleError) as error:
                await wait()
            caught.append(error.value)

    async with open_test_runtime() as runtime:
        handle = (
            await runtime.new_actor(object, name="x").mutate_on(Note, wrong).start()
        )
        await handle.send(Note(""))
    assert [each.path for each in caught] == [("x", "x")] * 2


# --- the end


async def test_stop_handles_what_is_queued_and_refuses_the_rest(
    autojump_clock: MockClock,
) -> None:
    """An order to stop is for good."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime, mailbox_capacity=2)
        await handle.ask(GetLog())
        await handle.send(Write("w"))
        await wait_all_tasks_blocked()
        await handle.send(Note("queued"))
        await handle.send(Note("queued too"))
        async with trio.open_nursery() as nursery:

            async def late() -> None:
                with pytest.raises(acton.ActorStoppedError):
                    await handle.send(Note("late"))

            async def ask() -> None:
                with pytest.raises(acton.ActorStoppedError):
                    await handle.ask(GetLog())

            nursery.start_soon(late)
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            await handle.stop()
        await handle.stop()

        assert log[4:] == [
            "+w",
            "-w",
            "before_stop",
            "queued",
            "queued too",
            "out",
            "after_stop",
        ]
        with pytest.raises(acton.ActorStoppedError):
            handle.send_nowait(Note("x"))


async def test_drain_ends_when_its_time_is_up(autojump_clock: MockClock) -> None:
    """What is left then is a dead letter, and its asker is told."""
    async with acton.open_runtime() as runtime:
        handle, log = await opened(runtime)
        await handle.ask(GetLog())
        await handle.send(Note("x"))
        await handle.send(Write("quick", 1))
        await wait_all_tasks_blocked()
        await handle.send(Write("slow", 100))
        await handle.send(Note("never"))
        async with runtime.broker.subscribe(acton.DeadLetter) as letters:
            await handle.stop()
            letter = await anext(letters)

        assert letter.message == Note("never")
        assert log[-3:] == ["xslow", "out", "after_stop"]
        assert trio.current_time() == pytest.approx(10)


async def test_cancellation_from_outside_reaches_handlers_first(
    autojump_clock: MockClock,
) -> None:
    """Then clean-up runs, shielded, the last started first."""
    ends: list[str] = []

    async def end(model: dict[str, str]) -> None:
        await trio.sleep(1)
        ends.append(model["name"])

    log: list[str] = []
    with trio.move_on_after(5) as scope:
        async with open_test_runtime() as runtime:
            handle, log = await opened(runtime)
            for name in ("one", "two"):
                idle = runtime.new_actor(partial(dict[str, str], name=name), name=name)
                await idle.after_stop(end).start()
            await handle.ask(Read("r", 50))
    assert scope.cancelled_caught
    assert log[-3:] == ["xr", "out", "after_stop"]
    assert ends == ["two", "one"]
    assert trio.current_time() == pytest.approx(7)


async def test_clean_up_that_does_not_end_is_cut_off(autojump_clock: MockClock) -> None:
    """A cancelled runtime ends within timeouts.actor_shutdown."""

    async def hang(_model: object) -> None:
        await trio.sleep_forever()

    with trio.move_on_after(1):
        async with open_test_runtime() as runtime:
            await runtime.new_actor(object).after_stop(hang).start()
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(11)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        pytest.param(lambda h: h.send(3), "not a message", id="no message"),
        pytest.param(
            lambda h: h.send(Note), "incorrect: await handle.send", id="class"
        ),
        pytest.param(lambda h: h.ask(Note("x")), "without a reply", id="no request"),
        pytest.param(lambda h: h.ask(3), "not a message", id="asking a number"),
        pytest.param(lambda h: h.ask(Count(1)), "handle.stream", id="asking a stream"),
        pytest.param(
            lambda h: h.stream(Silent()).__aenter__(), "StreamRequest", id="no stream"
        ),
        pytest.param(lambda h: h.stream(3).__aenter__(), "not a message", id="number"),
    ],
)
async def test_misuse_of_a_handle_teaches(
    autojump_clock: MockClock, use: Any, words: str
) -> None:
    """The wrong line is shown beside the right one."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime)
        with pytest.raises(TypeError, match=words):
            await use(handle)
