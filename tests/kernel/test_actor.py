"""One actor, as its users see it: in virtual time, through public names."""

from __future__ import annotations

import gc
import time
import typing
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton


@acton.message
class Note:
    """Is written down."""

    text: str


@acton.message
class GetLog(acton.Request[tuple[str, ...]]):
    """Asks for what was written down."""


@acton.message
class Read(acton.Request[str]):
    """Reads for some time."""

    name: str
    seconds: float = 1


@acton.message
class Write(acton.Request[str]):
    """Writes for some time, alone."""

    name: str
    seconds: float = 1


@acton.message
class ReadFail(acton.Request[int]):
    """Makes a reading handler raise."""

    error: BaseException


@acton.message
class WriteFail(acton.Request[int]):
    """Makes a writing handler raise."""

    error: BaseException


@acton.message
class Silent(acton.Request[int]):
    """Is not answered."""


@acton.message
class Maybe(acton.Request[int | None]):
    """Is answered with nothing."""


@acton.message
class Wrong(acton.Request[int]):
    """Is answered wrongly."""


@acton.message
class Defer(acton.Request[int]):
    """Is answered later, or never."""

    seconds: float
    keep: bool = True


@acton.message
class Direct(acton.Request[int]):
    """Is answered through the context."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers."""

    upto: int
    wrong: bool = False
    fails: bool = False


@acton.message
class Leave:
    """Makes the actor end itself."""


@acton.message
class Behind(acton.Request[float]):
    """Asks somebody else, from a reading or a writing handler."""

    handle: acton.ActorHandle
    request: acton.Request[Any]
    exclusive: bool = False


@acton.message
class BehindAlone(acton.Request[float]):
    """The same from a writing handler."""

    handle: acton.ActorHandle
    request: acton.Request[Any]


@acton.message
class Spawn:
    """Starts a background task that fails after a second."""


@acton.message
class Unknown(acton.Request[int]):
    """Has no handler."""


@acton.message
class Sorry(acton.Rejection):
    """An expected failure."""

    why: str


@acton.actor
class Scribe:
    """Does all that an actor can, and writes down what it did."""

    log: list[str] = attrs.field(factory=list[str])
    kept: Any = None

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Note both ends."""
        self.log.append("in")
        try:
            yield
        finally:
            self.log.append("out")

    @acton.before_start
    def before_start(self) -> None:
        """Note it."""
        self.log.append("before_start")

    @acton.after_start
    async def after_start(self, ctx: acton.Context) -> None:
        """Note it, and send to oneself."""
        self.log.append("after_start")
        await ctx.handle.send(Note("to myself"))

    @acton.before_stop
    async def before_stop(self) -> None:
        """Note it."""
        self.log.append("before_stop")

    @acton.after_stop
    def after_stop(self) -> None:
        """Note it."""
        self.log.append("after_stop")

    @acton.mutate_on
    def note(self, message: Note) -> None:
        """Write it down."""
        self.log.append(message.text)

    @acton.act_on
    def get_log(self, _request: GetLog) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.log)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        self.log.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.log.append(f"x{request.name}")
            raise
        self.log.append(f"-{request.name}")
        return request.name

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        self.log.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.log.append(f"x{request.name}")
            raise
        self.log.append(f"-{request.name}")
        return request.name

    @acton.act_on
    async def read_fail(self, request: ReadFail) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    def write_fail(self, request: WriteFail) -> int:
        """Raise."""
        raise request.error

    @acton.on_error
    async def excuse(self, error: LookupError, request: ReadFail | WriteFail) -> int:
        """Answer all the same."""
        if error.args == ("twice",):
            msg = "again"
            raise ValueError(msg)
        return 7

    @acton.act_on
    def silent(self, request: Silent) -> None:
        """Do not answer."""

    @acton.act_on
    def maybe(self, request: Maybe) -> None:
        """Answer with nothing."""

    @acton.act_on
    def wrong(self, request: Wrong) -> Any:
        """Answer with something else."""
        return "no number"

    @acton.act_on
    def direct(self, request: Direct, ctx: acton.Context) -> int:
        """Answer twice: the first one counts."""
        assert ctx.message is request
        ctx.reply(1)
        return 2

    @acton.mutate_on
    def defer(self, request: Defer, ctx: acton.Context) -> None:
        """Answer later."""
        address = ctx.reply_address
        assert ctx.reply_address is address
        self.kept = address
        if request.keep:
            ctx.start_soon(self._answer, request.seconds)
        else:
            ctx.start_soon(self._forget, request.seconds)

    async def _answer(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.log.append(repr(self.kept))
        await self.kept.send(9)
        self.log.append(repr(self.kept))

    async def _forget(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.kept = None

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count."""
        try:
            for number in range(request.upto):
                yield typing.cast("int", "x") if request.wrong else number
                if request.fails:
                    msg = "stream"
                    raise ValueError(msg)
        finally:
            self.log.append("stream over")

    @acton.mutate_on
    def leave(self, message: Leave, ctx: acton.Context) -> None:
        """End this incarnation."""
        self.log.append(f"leave {ctx.generation}")
        ctx.stop()

    @acton.act_on
    async def behind(self, request: Behind) -> float:
        """Ask somebody else."""
        await request.handle.ask(request.request)
        return trio.current_time()

    @acton.mutate_on
    async def behind_alone(self, request: BehindAlone) -> float:
        """Ask somebody else, alone."""
        await request.handle.ask(request.request)
        return trio.current_time()

    @acton.mutate_on
    def spawn(self, message: Spawn, ctx: acton.Context) -> None:
        """Start a task that fails."""

        async def fail() -> None:
            await trio.sleep(1)
            msg = "background"
            raise RuntimeError(msg)

        ctx.start_soon(fail)


async def opened(runtime: acton.Runtime, name: str = "scribe", **more: Any) -> Any:
    """Start a scribe; return its handle, and the list that all of it write to."""
    log: list[str] = []
    handle = await runtime.start(lambda: Scribe(log), name=name, **more)
    return handle, log


ONCE = acton.RestartLimit(max_restarts=1, initial_backoff=0.1)


async def test_hooks_run_in_their_order(autojump_clock: MockClock) -> None:
    """A life has one order, and the first message comes after after_start."""
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
        handle, log = await opened(runtime)
        for message in (Read("r1"), Read("r2"), Write("w"), Read("r3")):
            await handle.send(message)
        await trio.sleep(10)

        reads, rest = log[4:8], log[8:]
        assert sorted(reads) == ["+r1", "+r2", "-r1", "-r2"]
        assert rest == ["+w", "-w", "+r3", "-r3"]


async def test_no_more_reads_overlap_than_allowed(autojump_clock: MockClock) -> None:
    """Past max_concurrency the head of the mailbox waits."""
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(runtime, max_concurrency=2)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(handle.ask, Read("r"))

        assert trio.current_time() == pytest.approx(3)


async def test_senders_wait_for_room_in_line(autojump_clock: MockClock) -> None:
    """First come, first served; without waiting it is an error."""
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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

    async with acton.open_runtime() as runtime:
        handle = (
            await runtime.new_actor(object, name="x").mutate_on(Note, wrong).start()
        )
        await handle.send(Note(""))
    assert [each.path for each in caught] == [("x", "x")] * 2


# --- failures


async def test_error_handler_answers_for_the_handler(autojump_clock: MockClock) -> None:
    """The nearest error type is taken, and the actor goes on."""
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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
        async with acton.open_runtime() as runtime:
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
    async with acton.open_runtime() as runtime:
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


# --- streams


async def test_stream_gives_its_items_and_ends(autojump_clock: MockClock) -> None:
    """The handler is at most one item ahead, and ends with its reader."""
    async with acton.open_runtime() as runtime:
        handle, log = await opened(runtime)
        async with handle.stream(Count(3)) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]
        async with handle.stream(Count(10**9)) as numbers:
            assert await anext(numbers) == 0
            await handle.ask(Write("between", 0))
            assert await anext(numbers) == 1
        await wait_all_tasks_blocked()

        assert log[-1] == "stream over"


async def test_stream_that_breaks_tells_its_reader(autojump_clock: MockClock) -> None:
    """Failures, wrong items and a stop are raised where the next item was due."""
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(runtime)
        async with handle.stream(Count(3, fails=True)) as numbers:
            await anext(numbers)
            with pytest.raises(acton.HandlerFailedError):
                await anext(numbers)
            with pytest.raises(StopAsyncIteration):
                await anext(numbers)
        async with handle.stream(Count(3, wrong=True)) as numbers:
            with pytest.raises(acton.UnexpectedReplyError):
                await anext(numbers)
        async with handle.stream(Count(10**9)) as numbers:
            await anext(numbers)
            await handle.stop()
            with pytest.raises(acton.ActorStoppedError):
                await anext(numbers)


# --- the end


async def test_stop_handles_what_is_queued_and_refuses_the_rest(
    autojump_clock: MockClock,
) -> None:
    """An order to stop is for good."""
    async with acton.open_runtime() as runtime:
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
        assert trio.current_time() == pytest.approx(11)


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
        async with acton.open_runtime() as runtime:
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
        async with acton.open_runtime() as runtime:
            await runtime.new_actor(object).after_stop(hang).start()
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(11)


async def test_a_long_burst_lets_others_run() -> None:
    """An actor yields at least every 64 messages, and every half millisecond."""
    turns: list[int] = []

    def busy(_model: object, _message: Note) -> None:
        end = time.perf_counter() + 0.0002
        while time.perf_counter() < end:
            pass
        turns.append(0)

    async with acton.open_runtime() as runtime:
        handle = await runtime.new_actor(object).mutate_on(Note, busy).start()
        for _ in range(50):
            handle.send_nowait(Note(""))
        seen = 0
        while len(turns) < 50:
            before = len(turns)
            await trio.lowlevel.checkpoint()
            seen = max(seen, len(turns) - before)

    # Three to a turn, and two turns may follow each other.
    assert 0 < seen <= 6


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
    async with acton.open_runtime() as runtime:
        handle, _log = await opened(runtime)
        with pytest.raises(TypeError, match=words):
            await use(handle)
