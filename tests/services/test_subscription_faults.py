"""Subscribers when things go wrong: what the runtime tells them, and how it ends."""

from __future__ import annotations

from contextlib import AbstractContextManager, AsyncExitStack, suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio import Delivery
from acton_trio.testing import faults, open_test_runtime

from .listeners import Hold, Idle, Note, keep_busy, start_busy


@acton.message
class Boom:
    """Makes its handler raise."""


@acton.message
class Unwanted(acton.Rejection):
    """Is what a message is rejected with."""


@acton.actor
class Fragile:
    """Fails when it is told to."""

    @acton.mutate_on
    def fail(self, _message: Boom) -> None:
        """Fail."""
        raise ValueError


@acton.actor
class Polite:
    """Has subscribed, and says when it is stopped gracefully."""

    farewells: list[str]

    @acton.mutate_on(subscribe=True)
    def hear(self, _note: Note) -> None:
        """Hear it."""

    @acton.before_stop
    def say_goodbye(self) -> None:
        """Say so."""
        self.farewells.append("graceful")


@acton.actor
class Rejecting:
    """Has subscribed to dead letters, and rejects each of them."""

    @acton.mutate_on(subscribe=True)
    def read(self, _letter: acton.DeadLetter) -> None:
        """Reject it, which makes it a dead letter of its own."""
        raise Unwanted


@acton.actor
class Grandparent:
    """Has subscribed to one escalation at a time, and is slow with it."""

    escalations: list[str]

    @acton.mutate_on(subscribe=True, delivery=Delivery.DROP_NEWEST, capacity=1)
    async def note(self, event: acton.SupervisionEscalated) -> None:
        """Write it down, and take a while."""
        self.escalations.append(event.child)
        await trio.sleep(5)


@acton.actor
class Boss:
    """Writes down what it hears of children, and what else it does."""

    log: list[str]

    @acton.mutate_on(subscribe=True)
    def note(self, _event: acton.ChildTerminated) -> None:
        """Write it down."""
        self.log.append("news")

    @acton.mutate_on
    async def hold(self, message: Hold) -> None:
        """Take a while, and write it down."""
        await trio.sleep(message.seconds)
        self.log.append("held")


@acton.actor
class Registrar:
    """Is slow with each of the children it hears of."""

    @acton.mutate_on(subscribe=True)
    async def note(self, _event: acton.ChildSupervised) -> None:
        """Take a while."""
        await trio.sleep(1)


# --- what the runtime tells


async def test_runtime_waits_for_nobody_whom_it_tells_something(
    autojump_clock: MockClock,
) -> None:
    """What a subscriber has no room for, nor its line, is dropped and counted."""
    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(
            acton.ChildSupervised, delivery=Delivery.BLOCK, capacity=2
        ) as events,
    ):
        registrar = await runtime.start(Registrar, mailbox_capacity=1)
        subscription = registrar.subscribe(acton.ChildSupervised)
        await wait_all_tasks_blocked()
        for _ in range(5):
            await runtime.start(Idle)
        assert trio.current_time() == 0

        # One is at work, one queued and one in line.
        assert subscription.statistics() == acton.SubscriptionStatistics(2, dropped=3)
        assert events.statistics() == acton.SubscriptionStatistics(0, dropped=2)


async def test_letters_about_letters_are_not_broadcast(
    autojump_clock: MockClock,
) -> None:
    """Who makes a dead letter of each dead letter is not kept busy with that."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        rejecting = await runtime.start(Rejecting)
        await (await runtime.start(Idle)).send(Note(0))
        # Were they broadcast, there would be no end of it.
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        rejecting.unsubscribe(acton.DeadLetter)

        assert letters.receive_nowait().message == Note(0)
        with pytest.raises(trio.WouldBlock):
            letters.receive_nowait()


async def test_letters_go_to_nobody_who_does_not_handle_them(
    autojump_clock: MockClock,
) -> None:
    """A subscriber that would make dead letters of them is refused."""
    async with open_test_runtime() as runtime:
        idle = await runtime.start(Idle)
        with pytest.raises(TypeError, match="no handler for DeadLetter"):
            idle.subscribe(acton.DeadLetter)


async def test_failure_is_owned_by_who_was_told_of_it(
    autojump_clock: MockClock,
) -> None:
    """What a supervisor's own subscription might drop is told to it all the same."""
    escalations: list[str] = []
    go_on, never = acton.Escalation.NOTIFY_PARENT, acton.RestartLimit(max_restarts=0)

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildTerminated) as ends,
    ):
        top = await runtime.start(Grandparent, escalations)
        middle = await top.supervise(Idle, escalation=go_on)
        children = [
            await middle.supervise(Fragile, restart_limit=never) for _ in range(4)
        ]
        for child in children:
            await child.send(Boom())
            await child.wait_stopped()
        owned = [(await anext(ends)).owned_by_supervisor for _ in children]
        await trio.sleep(100)

    assert owned == [True] * 4
    assert escalations == [child.name for child in children]


async def test_news_of_own_children_come_before_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """A supervisor that has subscribed to its news hears them no later than before."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Boss, log, mailbox_capacity=1)
        child = await boss.supervise(Idle)
        await keep_busy(boss, 1)
        await child.stop()

    assert log == ["held", "news", "held"]


# --- the end


async def test_stuck_subscriber_costs_no_other_its_graceful_end(
    autojump_clock: MockClock,
) -> None:
    """Leaving waits for room no longer than for one actor to stop."""
    farewells: list[str] = []

    async with acton.open_runtime() as runtime:
        (await start_busy(runtime, 1e9)).subscribe(Note)
        await runtime.start(Polite, farewells)
        with trio.move_on_after(1):
            await runtime.broker.broadcast(Note(0))

    assert farewells == ["graceful"]


@pytest.mark.parametrize("how", ["left", "cancelled", "raised"])
async def test_reader_who_never_reads_holds_up_no_end(
    how: str, autojump_clock: MockClock
) -> None:
    """Nobody waits at the end for who reads what is broadcast."""
    block = Delivery.BLOCK

    async with AsyncExitStack() as reader:
        with trio.CancelScope() as scope, suppress(KeyError):
            async with open_test_runtime() as runtime:
                notes = runtime.broker.subscribe(Note, delivery=block, capacity=1)
                await reader.enter_async_context(notes)
                with trio.move_on_after(1):
                    for number in range(2):
                        await runtime.broker.broadcast(Note(number))
                assert trio.current_time() == 1
                if how == "cancelled":
                    scope.cancel()
                if how == "raised":
                    raise KeyError

    assert trio.current_time() == 1


# --- faults


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.drop(Note), id="lost"),
        pytest.param(faults.delay(Note, 5), id="late"),
    ],
)
async def test_broadcast_does_not_wait_for_what_a_fault_has_taken(
    fault: AbstractContextManager[faults.Fault], autojump_clock: MockClock
) -> None:
    """What is on its way elsewhere has no place in the line for room."""
    async with open_test_runtime() as runtime:
        (await start_busy(runtime, 1)).subscribe(Note)
        with fault, trio.fail_after(20):
            await runtime.broker.broadcast(Note(0))
        await trio.sleep(10)
