"""Subscriptions of actors and of readers: what is dropped, who waits for whom."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio import Delivery
from acton_trio.testing import crash, open_test_runtime

from .listeners import (
    Hold,
    Listener,
    Note,
    Shout,
    keep_busy,
    start_broadcasts,
    start_busy,
)


@acton.message
class Ask(acton.Request[int]):
    """Is answered with one."""


@acton.message
class Left:
    """Is broadcast, and answered with one that goes right."""

    number: int


@acton.message
class Right:
    """Is broadcast, and answered with one that goes left."""

    number: int


@acton.actor
class Declared:
    """Has subscribed by declaration."""

    heard: list[int]

    @acton.mutate_on(subscribe=True)
    def hear(self, note: Note) -> None:
        """Write it down."""
        self.heard.append(note.number)

    @acton.mutate_on
    async def hold(self, message: Hold) -> None:
        """Take a while, alone."""
        await trio.sleep(message.seconds)


@acton.actor
class Echo:
    """Broadcasts what it hears itself, while others of its handlers run."""

    heard: list[int]

    @acton.act_on(subscribe=True)
    async def hear(self, note: Note) -> None:
        """Write it down, after a while."""
        await trio.sleep(2)
        self.heard.append(note.number)

    @acton.act_on
    async def shout(self, message: Shout, ctx: acton.Context) -> None:
        """Broadcast, after a while."""
        await trio.sleep(1)
        await ctx.broker.broadcast(Note(message.number))


@acton.actor
class Speaker:
    """Broadcasts, and answers when it is done with that."""

    @acton.mutate_on
    async def shout(self, message: Shout, ctx: acton.Context) -> None:
        """Broadcast."""
        await ctx.broker.broadcast(Note(message.number))

    @acton.mutate_on
    def ask(self, _request: Ask) -> int:
        """Answer."""
        return 1


@acton.actor
class Curious:
    """Holds, and then asks the speaker for whom it has no room."""

    speaker: acton.ActorHandle
    refusals: list[tuple[float, type]]

    @acton.mutate_on(subscribe=True)
    def hear(self, _note: Note) -> None:
        """Hear it."""

    @acton.mutate_on
    async def hold(self, message: Hold) -> None:
        """Take a while, and ask."""
        await trio.sleep(message.seconds)
        try:
            await self.speaker.ask(Ask())
        except acton.ActonError as error:
            self.refusals.append((trio.current_time(), type(error)))


@acton.actor
class LeftPlayer:
    """Answers each of the first few broadcasts with another one."""

    heard: list[int]

    @acton.mutate_on(subscribe=True)
    async def hear(self, ball: Left, ctx: acton.Context) -> None:
        """Return it, after a while."""
        self.heard.append(ball.number)
        await trio.sleep(1)
        if ball.number < 5:
            await ctx.broker.broadcast(Right(ball.number + 1))


@acton.actor
class RightPlayer:
    """Answers each of the first few broadcasts with another one."""

    heard: list[int]

    @acton.mutate_on(subscribe=True)
    async def hear(self, ball: Right, ctx: acton.Context) -> None:
        """Return it, after a while."""
        self.heard.append(ball.number)
        await trio.sleep(1)
        if ball.number < 5:
            await ctx.broker.broadcast(Left(ball.number + 1))


# --- what is subscribed to, and how


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param({"capacity": 0}, id="room for nothing"),
        pytest.param({"capacity": -1}, id="less than nothing"),
        pytest.param({"capacity": 1.5}, id="one and a half"),
        pytest.param({"delivery": "block"}, id="no delivery"),
    ],
)
async def test_terms_that_make_no_sense_are_refused(
    terms: dict[str, Any], autojump_clock: MockClock
) -> None:
    """The mistake is named where it is made, by plain code and by actors alike."""
    async with open_test_runtime() as runtime:
        listener = await runtime.start(Listener, [])
        with pytest.raises((TypeError, ValueError)):
            async with runtime.broker.subscribe(Note, **terms):
                pass
        with pytest.raises((TypeError, ValueError)):
            listener.subscribe(Note, **terms)

        assert not runtime.broker.has_subscribers(Note)


async def test_what_is_called_off_stays_so_over_restarts(
    autojump_clock: MockClock,
) -> None:
    """What is declared is subscribed to once: a restart does not do it again."""
    heard: list[int] = []

    async with open_test_runtime() as runtime:
        actor = await runtime.start(Declared, heard)
        actor.unsubscribe(Note)
        crash(actor, ValueError())
        await actor.wait_generation(1)
        await runtime.broker.broadcast(Note(0))

    assert heard == []


async def test_new_terms_stay_over_restarts(autojump_clock: MockClock) -> None:
    """How a subscription delivers is not what was declared again after a restart."""
    heard: list[int] = []

    async with open_test_runtime() as runtime:
        actor = await runtime.start(Declared, heard)
        actor.subscribe(Note, delivery=Delivery.LATEST)
        crash(actor, ValueError())
        await actor.wait_generation(1)
        await actor.send(Hold(1))
        await wait_all_tasks_blocked()
        for number in range(3):
            await runtime.broker.broadcast(Note(number))

    assert heard == [2]


async def test_the_latest_is_one_unless_more_are_asked_for(
    autojump_clock: MockClock,
) -> None:
    """`Delivery.LATEST` without a capacity keeps one, for actors and readers."""
    heard: list[int] = []
    latest = Delivery.LATEST

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(Note, delivery=latest) as notes,
        runtime.broker.subscribe(Note, delivery=latest, capacity=2) as more,
    ):
        listener = await runtime.start(Listener, heard)
        listener.subscribe(Note, delivery=latest)
        await listener.send(Hold(1))
        await wait_all_tasks_blocked()
        for number in range(4):
            await runtime.broker.broadcast(Note(number))
        await listener.stop()

        assert heard == [3]
        assert notes.receive_nowait() == Note(3)
        assert notes.statistics() == acton.SubscriptionStatistics(1, dropped=3)
        assert [more.receive_nowait(), more.receive_nowait()] == [Note(2), Note(3)]


async def test_two_readers_of_one_subscription_share_what_comes(
    autojump_clock: MockClock,
) -> None:
    """Each message is read once, and no reader sleeps while there is one."""
    got: list[int] = []

    async def read(notes: acton.Subscription[Note]) -> None:
        got.append((await anext(notes)).number)

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(Note, delivery=Delivery.BLOCK, capacity=1) as notes,
    ):
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(read, notes)
                await wait_all_tasks_blocked()
                for number in range(2):
                    nursery.start_soon(runtime.broker.broadcast, Note(number))

    assert sorted(got) == [0, 1]


# --- what is dropped


async def test_flush_does_not_wait_for_what_was_dropped(
    autojump_clock: MockClock,
) -> None:
    """What was dropped while it stood in line is nothing to wait for."""
    async with open_test_runtime() as runtime:
        listener = await start_busy(runtime, 1)
        listener.subscribe(Note, delivery=Delivery.DROP_OLDEST, capacity=1)
        for number in range(3):
            await runtime.broker.broadcast(Note(number))
        with trio.fail_after(10):
            await runtime.broker.flush()


async def test_broadcaster_outlasts_new_terms(autojump_clock: MockClock) -> None:
    """Who waits for room is not forgotten when the subscription drops from now on."""
    async with open_test_runtime() as runtime:
        listener = await start_busy(runtime, 1)
        listener.subscribe(Note)
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await start_broadcasts(nursery, runtime, 1)
                listener.subscribe(Note, delivery=Delivery.LATEST)
                await runtime.broker.broadcast(Note(1))


async def test_stop_drops_what_stands_in_line(autojump_clock: MockClock) -> None:
    """What had no room before its actor was stopped is dropped, and counted so."""
    heard: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        listener = await start_busy(runtime, 1, heard)
        subscription = listener.subscribe(Note)
        await start_broadcasts(nursery, runtime, 3)
        await trio.sleep(1.5)
        await listener.stop()

        assert heard == [0]
        assert subscription.statistics() == acton.SubscriptionStatistics(1, dropped=2)


async def test_unsubscribing_drops_what_stands_in_line(
    autojump_clock: MockClock,
) -> None:
    """What had no room before it was called off is dropped, and counted so."""
    heard: list[int] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        listener = await start_busy(runtime, 1, heard)
        subscription = listener.subscribe(Note)
        await start_broadcasts(nursery, runtime, 3)
        listener.unsubscribe(Note)
        await listener.stop()

    assert heard == []
    assert subscription.statistics() == acton.SubscriptionStatistics(0, dropped=3)


# --- who waits for whom


async def test_overlapping_handlers_do_not_wait_for_room_with_their_own_actor(
    autojump_clock: MockClock,
) -> None:
    """An actor whose handlers fill its own mailbox goes on, and loses nothing."""
    heard: list[int] = []

    async with open_test_runtime() as runtime:
        echo = await runtime.start(Echo, heard, mailbox_capacity=1, max_concurrency=2)
        with trio.fail_after(20):
            for number in range(4):
                await echo.send(Shout(number))
        # It would not hear itself while it stops.
        await trio.sleep(20)

        assert sorted(heard) == [0, 1, 2, 3]


async def test_actor_that_has_no_room_for_itself_can_be_stopped(
    autojump_clock: MockClock,
) -> None:
    """What it has broadcast to itself does not hold up its end."""
    heard: list[int] = []

    async with open_test_runtime() as runtime:
        echo = await runtime.start(Echo, heard, mailbox_capacity=1, max_concurrency=3)
        await echo.send(Shout(9))
        await wait_all_tasks_blocked()
        for number in range(3):
            await echo.send(Note(number))
            await wait_all_tasks_blocked()
        await trio.sleep(1.1)
        await echo.stop()

        assert trio.current_time() < 6
        assert sorted(heard) == [0, 1, 2, 9]


async def test_ask_sees_all_that_a_broadcast_waits_for(
    autojump_clock: MockClock,
) -> None:
    """Not only the first subscriber without room closes a circle, but each of them."""
    refusals: list[tuple[float, type]] = []

    async with open_test_runtime() as runtime:
        speaker = await runtime.start(Speaker)
        (await start_busy(runtime, 10)).subscribe(Note)
        curious = await runtime.start(Curious, speaker, refusals, mailbox_capacity=1)
        await keep_busy(curious, 3)
        await speaker.send(Shout(0))
        await trio.sleep(60)

    assert refusals[0] == (3, acton.AskCycleError)


async def test_actors_that_broadcast_to_each_other_do_not_wait_in_a_circle(
    autojump_clock: MockClock,
) -> None:
    """What would close a circle is not waited for, and arrives all the same."""
    heard: list[int] = []

    async with open_test_runtime() as runtime:
        for player in (LeftPlayer, RightPlayer):
            await runtime.start(player, heard, mailbox_capacity=1)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(runtime.broker.broadcast, Left(0))
                    nursery.start_soon(runtime.broker.broadcast, Right(0))
        await trio.sleep(60)

    assert sorted(heard) == sorted([*range(6)] * 6)
