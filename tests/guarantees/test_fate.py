"""Every message has a written fate: the table of fates, row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

NEVER = acton.RestartLimit(max_restarts=0)
SHORT = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2, system_shutdown=3))


@acton.message
class Work(acton.Request[str]):
    """Takes a while, alone."""

    name: str
    seconds: float = 0


@acton.message
class Read(acton.Request[str]):
    """Takes a while."""

    name: str
    seconds: float = 0


@acton.message
class Fail(acton.Request[str]):
    """Makes the handler raise, after a while."""

    error: Exception
    seconds: float = 0


@acton.message
class Leave(acton.Request[str]):
    """Makes the actor end itself, and the handler go on for a while."""

    seconds: float = 0


@acton.message
class SendToOneself(acton.Request[str]):
    """Makes the handler send to its own actor until that is full."""


@acton.message(ipc=True)
class Unknown(acton.Request[str]):
    """Has no handler."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers, one a second."""


@attrs.define
class Diary:
    """What an actor did, over all of its incarnations."""

    lines: list[str] = attrs.field(factory=list[str])
    clean_up: float = 0
    name: str = ""

    def write(self, line: str) -> None:
        """Write down *line*, and when it was."""
        self.lines.append(f"{line} at {trio.current_time():g}")


@acton.actor
class Worker:
    """Writes down what it does."""

    diary: Diary = attrs.field(factory=Diary)

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Clean up for a while."""
        yield
        await trio.sleep(self.diary.clean_up)
        self.diary.write(f"{self.diary.name}lifespan out")

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it."""
        self.diary.write("before_stop")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Clean up for a while."""
        await trio.sleep(self.diary.clean_up)
        self.diary.write(f"{self.diary.name}after_stop")

    @acton.mutate_on
    async def work(self, request: Work) -> str:
        """Take a while, alone."""
        return await self.take_time(request)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        return await self.take_time(request)

    async def take_time(self, request: Work | Read) -> str:
        """Take a while, and write down how that went."""
        self.diary.write(f"{request.name} began")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.diary.write(f"{request.name} cancelled")
            raise
        self.diary.write(f"{request.name} ended")
        return request.name

    @acton.mutate_on
    async def fail(self, request: Fail) -> str:
        """Raise."""
        self.diary.write("failing")
        await trio.sleep(request.seconds)
        raise request.error

    @acton.mutate_on
    async def leave(self, request: Leave, ctx: acton.Context) -> str:
        """Stop, and take a while."""
        ctx.stop()
        await trio.sleep(request.seconds)
        self.diary.write("left")
        return "left"

    @acton.mutate_on
    async def send_to_oneself(self, _request: SendToOneself, ctx: acton.Context) -> str:
        """Fill the mailbox, and more."""
        try:
            for _ in range(10):
                await ctx.handle.send(Work("to myself"))
        except acton.MailboxFullError as error:
            return type(error).__name__
        return "room for all"

    @acton.act_on
    async def count(self, _request: Count) -> AsyncIterator[int]:
        """Count the seconds."""
        for number in range(10):
            await trio.sleep(1)
            yield number


@acton.actor
class Reader:
    """Reads only."""

    diary: Diary = attrs.field(factory=Diary)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        await trio.sleep(request.seconds)
        return request.name


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


@attrs.define
class Fate:
    """What became of one call, and when."""

    result: object = None
    error: acton.ActonError | None = None
    at: float = -1

    @property
    def kind(self) -> type[object]:
        """The type of what it ended with."""
        return type(self.error or self.result)


async def ask(
    handle: acton.ActorHandle, request: acton.Request[str], fate: Fate
) -> None:
    """Ask, and keep what becomes of it; nobody's cancellation gets in here."""
    with trio.CancelScope(shield=True):
        try:
            fate.result = await handle.ask(request)
        except acton.ActonError as error:
            fate.error = error
    fate.at = trio.current_time()


async def send(handle: acton.ActorHandle, message: object, fate: Fate) -> None:
    """Send, and keep what becomes of it; nobody's cancellation gets in here."""
    with trio.CancelScope(shield=True):
        try:
            await handle.send(message)
        except acton.ActonError as error:
            fate.error = error
    fate.at = trio.current_time()


async def fill(
    handle: acton.ActorHandle, first: object, nursery: trio.Nursery
) -> tuple[Fate, Fate, Fate]:
    """Have *first* in flight, two messages queued, a sender and an asker waiting.

    The actor's mailbox has room for two.  Returned are the fates of the queued
    ask, of the waiting send, and of the one in flight.
    """
    queued, waiting, running = Fate(), Fate(), Fate()
    if isinstance(first, (Work, Read, Fail, Leave)):
        nursery.start_soon(ask, handle, first, running)
    await wait_all_tasks_blocked()
    handle.send_nowait(Work("queued send"))
    nursery.start_soon(ask, handle, Work("queued ask"), queued)
    await wait_all_tasks_blocked()
    nursery.start_soon(send, handle, Work("waiting send"), waiting)
    await wait_all_tasks_blocked()
    assert waiting.at == -1
    return queued, waiting, running


def begun(diary: Diary) -> list[str]:
    """Return the names of the messages that were begun."""
    return [line.split(" began")[0] for line in diary.lines if " began" in line]


# Success, and a full mailbox.


async def test_message_is_handled_once(autojump_clock: MockClock) -> None:
    """A message whose actor lives is handled, once."""
    diary = Diary()
    names = [str(number) for number in range(200)]

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, diary, mailbox_capacity=3)
        for name in names:
            await handle.send(Work(name))

    assert begun(diary) == names


async def test_send_waits_while_the_mailbox_is_full(autojump_clock: MockClock) -> None:
    """`send` waits while the mailbox is full."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, mailbox_capacity=2)
        _, waiting, _ = await fill(handle, Work("first", 5), nursery)

    assert waiting.error is None
    assert waiting.at == pytest.approx(5)


async def test_send_nowait_to_a_full_mailbox_raises(autojump_clock: MockClock) -> None:
    """`send_nowait` raises `MailboxFullError`, and puts nothing in, when it is full."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, diary, mailbox_capacity=2)
        await fill(handle, Work("first", 5), nursery)
        with pytest.raises(acton.MailboxFullError):
            handle.send_nowait(Work("refused"))

    assert "refused" not in begun(diary)


async def test_own_handler_does_not_wait_for_room(autojump_clock: MockClock) -> None:
    """A handler's `send` to its own full mailbox raises `MailboxFullError`."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, mailbox_capacity=2)

        assert await handle.ask(SendToOneself()) == "MailboxFullError"


# Restart.


async def test_restart_keeps_what_is_queued(autojump_clock: MockClock) -> None:
    """A restart keeps what is queued; the next incarnation handles it."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, diary, mailbox_capacity=2)
        queued, _, _ = await fill(handle, Fail(KeyError(), 1), nursery)

    assert queued.result == "queued ask"
    assert begun(diary) == ["queued send", "queued ask", "waiting send"]


async def test_restart_fails_what_is_in_flight(autojump_clock: MockClock) -> None:
    """A restart gives every asker in flight `HandlerFailedError`."""
    error, bystander = KeyError(), Fate()

    def fail(_model: Reader, _request: Leave) -> str:
        raise error

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.new_actor(Reader).act_on(Leave, fail).start()
        nursery.start_soon(ask, handle, Read("bystander", 5), bystander)
        await wait_all_tasks_blocked()
        await handle.send(Leave())
        await handle.wait_generation(1)

    assert isinstance(bystander.error, acton.HandlerFailedError)
    assert bystander.error.__cause__ is error
    assert bystander.error.owned_by_supervisor


async def test_restart_fails_what_was_to_be_answered_later(
    autojump_clock: MockClock,
) -> None:
    """So does it to every asker whom the incarnation had promised an answer."""
    error, fate = KeyError(), Fate()
    kept: list[acton.ReplyAddress] = []

    def keep(_model: Reader, _request: Work, ctx: acton.Context) -> None:
        kept.append(ctx.reply_address)

    def fail(_model: Reader, _request: Leave) -> str:
        raise error

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        idle = runtime.new_actor(Reader).act_on(Work, keep).act_on(Leave, fail)
        handle = await idle.start()
        nursery.start_soon(ask, handle, Work("later"), fate)
        await wait_all_tasks_blocked()
        await handle.send(Leave())
        await handle.wait_generation(1)

        assert kept[0].is_closed
    assert fate.kind is acton.HandlerFailedError
    assert fate.error is not None
    assert fate.error.__cause__ is error


async def test_restart_redelivers_nothing(autojump_clock: MockClock) -> None:
    """A restart does not redeliver what was in flight."""
    diary = Diary()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, diary)
        await handle.send(Fail(KeyError()))
        await handle.wait_generation(1)
        await handle.ask(Work("next"))

    assert len([line for line in diary.lines if line.startswith("failing")]) == 1


async def test_restart_keeps_senders_waiting(autojump_clock: MockClock) -> None:
    """Senders that wait for room keep waiting over a restart."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, mailbox_capacity=2)
        _, waiting, _ = await fill(handle, Fail(KeyError(), 1), nursery)

    assert waiting.error is None
    assert waiting.at == pytest.approx(1.1)


# `stop()`, drain.


End: TypeAlias = Callable[[acton.ActorHandle, acton.Runtime], Awaitable[None]]
ForcedEnd: TypeAlias = Callable[[acton.Runtime, trio.CancelScope], Awaitable[None]]


async def stop_it(handle: acton.ActorHandle, _runtime: acton.Runtime) -> None:
    """Stop the actor."""
    await handle.stop()


async def drain_all(_handle: acton.ActorHandle, runtime: acton.Runtime) -> None:
    """Drain the runtime."""
    await runtime.shutdown_all()


@pytest.mark.parametrize("end", [stop_it, drain_all])
async def test_stop_handles_what_is_queued(end: End, autojump_clock: MockClock) -> None:
    """`stop()` and a drain have what is queued handled."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, diary, mailbox_capacity=2)
        queued, _, _ = await fill(handle, Work("first", 1), nursery)
        await end(handle, runtime)

    assert queued.result == "queued ask"
    assert begun(diary) == ["first", "queued send", "queued ask"]


@pytest.mark.parametrize("end", [stop_it, drain_all])
@pytest.mark.parametrize("message", [Work("first", 1), Read("first", 1)])
async def test_stop_lets_what_is_in_flight_complete(
    end: End, message: Work | Read, autojump_clock: MockClock
) -> None:
    """`stop()` and a drain let what is in flight complete."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker)
        running = Fate()
        nursery.start_soon(ask, handle, message, running)
        await wait_all_tasks_blocked()
        await end(handle, runtime)

    assert running.result == "first"


@pytest.mark.parametrize("end", [stop_it, drain_all])
async def test_stop_turns_waiting_senders_away(
    end: End, autojump_clock: MockClock
) -> None:
    """`stop()` and a drain give senders that wait for room `ActorStoppedError`."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, diary, mailbox_capacity=2)
        _, waiting, _ = await fill(handle, Work("first", 1), nursery)
        await end(handle, runtime)

    assert isinstance(waiting.error, acton.ActorStoppedError)
    assert "waiting send" not in begun(diary)


# `ctx.stop()`.


async def test_actor_that_leaves_and_comes_back_keeps_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """After `ctx.stop()` what is queued is kept for an actor that comes back."""
    diary = Diary()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, diary, mailbox_capacity=2)
        queued, _, _ = await fill(handle, Leave(1), nursery)
        await handle.wait_generation(1)

    assert queued.result == "queued ask"
    assert begun(diary) == ["queued send", "queued ask", "waiting send"]


async def test_actor_that_leaves_for_good_has_its_queue_dead_lettered(
    autojump_clock: MockClock,
) -> None:
    """After `ctx.stop()` what is queued for one that does not is as if terminal."""
    diary = Diary()

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
        trio.open_nursery() as nursery,
    ):
        handle = await runtime.start(
            Worker,
            diary,
            mailbox_capacity=2,
            restart_policy=acton.RestartPolicy.TRANSIENT,
        )
        queued, _, _ = await fill(handle, Leave(1), nursery)
        dead = [(await anext(letters)).message, (await anext(letters)).message]

    assert dead == [Work("queued send"), Work("queued ask")]
    assert isinstance(queued.error, acton.ActorStoppedError)
    assert begun(diary) == []


@pytest.mark.parametrize("policy", acton.RestartPolicy)
async def test_leaving_lets_what_is_in_flight_complete(
    policy: acton.RestartPolicy, autojump_clock: MockClock
) -> None:
    """`ctx.stop()` lets what is in flight complete."""
    diary, bystander, leaver = Diary(), Fate(), Fate()

    async def leave(_model: Reader, _message: Leave, ctx: acton.Context) -> str:
        ctx.stop()
        await trio.sleep(1)
        return "left"

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        idle = runtime.new_actor(Reader, diary, restart_policy=policy)
        handle = await idle.act_on(Leave, leave).start()
        nursery.start_soon(ask, handle, Read("bystander", 5), bystander)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, handle, Leave(), leaver)

    assert bystander.result == "bystander"
    assert leaver.result == "left"


@pytest.mark.parametrize("policy", acton.RestartPolicy)
async def test_senders_wait_for_one_that_leaves_as_long_as_it_comes_back(
    policy: acton.RestartPolicy, autojump_clock: MockClock
) -> None:
    """Senders keep waiting if it comes back; else they get `ActorStoppedError`."""
    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, mailbox_capacity=2, restart_policy=policy)
        _, waiting, _ = await fill(handle, Leave(1), nursery)
        await trio.sleep(10)

    if policy is acton.RestartPolicy.PERMANENT:
        assert waiting.error is None
    else:
        assert isinstance(waiting.error, acton.ActorStoppedError)


# No handler for its type.


async def test_message_without_a_handler_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    """A message without a handler is a dead letter."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        handle = await runtime.start(Worker, name="worker")
        await handle.send(Unknown())
        letter = await anext(letters)

    assert letter.message == Unknown()
    assert letter.target == "worker"


async def test_ask_without_a_handler_raises_at_the_asker(
    autojump_clock: MockClock,
) -> None:
    """Its asker gets `UnhandledMessageError`, an `AskError`."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        handle = await runtime.start(Worker)
        with pytest.raises(acton.UnhandledMessageError) as caught:
            await handle.ask(Unknown())

        assert isinstance(caught.value, acton.AskError)
        assert (await anext(letters)).message == Unknown()


async def test_ask_without_a_handler_over_ipc_is_refused(
    autojump_clock: MockClock,
) -> None:
    """Over IPC its asker gets `PeerRejectedError`, code `UNKNOWN_MESSAGE_TYPE`."""
    near, far = memory_stream_pair()

    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Worker, name="worker", expose=True)
        runtime.ipc_registry.register(Unknown, "Unknown")
        await nursery.start(partial(acton.ipc.serve, runtime, [MemoryListener(far)]))
        async with acton.ipc.open_client(near) as client:
            with pytest.raises(acton.PeerRejectedError) as caught:
                await client.actor("worker").ask(Unknown())
        nursery.cancel_scope.cancel()
        assert handle.status.generation == 0

    assert caught.value.code == "UNKNOWN_MESSAGE_TYPE"


async def test_actor_goes_on_after_a_message_without_a_handler(
    autojump_clock: MockClock,
) -> None:
    """The actor continues after a message that it has no handler for."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Worker)
        await handle.send(Unknown())

        assert await handle.ask(Work("next")) == "next"
        assert handle.status.generation == 0


# Drain deadline passed, forced stop, cancellation.


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
