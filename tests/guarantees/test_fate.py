"""Every message has a written fate: the table of fates, row by row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_ipc_pair, open_test_runtime

from .workers import (
    Diary,
    Fail,
    Fate,
    Leave,
    Read,
    Reader,
    SendToOneself,
    Unknown,
    Work,
    Worker,
    ask,
    begun,
    fill,
)

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
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Worker, name="worker", expose=True)
        runtime.ipc_registry.register(Unknown, "Unknown")
        async with open_ipc_pair(runtime) as (client, _):
            with pytest.raises(acton.PeerRejectedError) as caught:
                await client.actor("worker").ask(Unknown())
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
