"""What is sent later: when it comes, in which order, and when it does not."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

BOTH = pytest.mark.parametrize("cadence", acton.Cadence)


@acton.message
class Tick:
    """Is sent later."""

    name: str = ""


@acton.message
class Busy:
    """Takes a while, alone."""

    seconds: float


@acton.message
class Fail:
    """Makes the handler raise."""


@acton.message
class Arm:
    """Makes the handler have something sent to another actor."""

    target: acton.ActorHandle


@attrs.define
class Log:
    """What came to an actor, over all of its incarnations."""

    ticks: list[tuple[str, float]] = attrs.field(factory=list[tuple[str, float]])
    senders: list[acton.ActorHandle | None] = attrs.field(
        factory=list["acton.ActorHandle | None"]
    )

    @property
    def names(self) -> list[str]:
        """What came, in order."""
        return [name for name, _ in self.ticks]

    @property
    def times(self) -> list[float]:
        """When it came."""
        return [time for _, time in self.ticks]


@acton.actor
class Ticker:
    """Writes down what comes."""

    log: Log

    @acton.mutate_on
    def tick(self, message: Tick, ctx: acton.Context) -> None:
        """Note it."""
        self.log.ticks.append((message.name, trio.current_time()))
        self.log.senders.append(ctx.sender)

    @acton.mutate_on
    async def busy(self, message: Busy) -> None:
        """Take a while."""
        await trio.sleep(message.seconds)

    @acton.mutate_on
    def fail(self, _message: Fail) -> None:
        """Raise."""
        raise RuntimeError

    @acton.mutate_on
    def arm(self, message: Arm) -> None:
        """Have it sent."""
        message.target.send_after(1, Tick())


@asynccontextmanager
async def ticking(**options: Any) -> AsyncGenerator[tuple[acton.ActorHandle, Log]]:
    """Have an actor, and what comes to it."""
    log = Log()
    async with open_test_runtime() as runtime:
        yield await runtime.start(Ticker, log, **options), log


# When.


async def test_message_comes_when_it_is_due(autojump_clock: MockClock) -> None:
    """A message comes when it is due on trio's clock, and not before."""
    async with ticking() as (handle, log):
        await trio.sleep(5)
        handle.send_after(10, Tick())
        handle.send_at(20, Tick())
        await trio.sleep(100)

    assert log.times == [15, 20]


async def test_message_is_armed_when_the_call_returns(mock_clock: MockClock) -> None:
    """It is armed when the call returns: time that passes then counts."""
    async with ticking() as (handle, log):
        handle.send_after(10, Tick())
        mock_clock.jump(10)
        await wait_all_tasks_blocked()

    assert log.times == [10]


async def test_what_is_due_already_comes_at_once(mock_clock: MockClock) -> None:
    """What is due already, or was long ago, comes at once."""
    async with ticking() as (handle, log):
        mock_clock.jump(100)
        handle.send_after(0, Tick())
        handle.send_after(-1, Tick())
        handle.send_at(3, Tick())
        await wait_all_tasks_blocked()

    assert log.times == [100, 100, 100]


async def test_delay_beyond_all_bounds_never_ends(autojump_clock: MockClock) -> None:
    """What is due beyond all bounds, infinity too, never comes."""
    async with ticking() as (handle, log):
        autojump_clock.jump(1e308)
        endless = [handle.send_after(1e308, Tick()), handle.send_every(1e309, Tick())]
        with trio.move_on_after(1e300):
            await trio.sleep_forever()

        assert {each.outcome for each in endless} == {None}
        for each in endless:
            each.cancel()
    assert log.ticks == []


async def test_first_of_many_comes_after_an_interval(
    autojump_clock: MockClock,
) -> None:
    """What is repeated comes for the first time after a whole interval."""
    async with ticking() as (handle, log):
        await trio.sleep(3)
        send = handle.send_every(10, Tick())
        await send.wait_for_deliveries(1)
        send.cancel()

    assert log.times == [13]


@BOTH
async def test_what_was_missed_is_made_up_for_by_one(
    cadence: acton.Cadence, mock_clock: MockClock
) -> None:
    """However many times were missed, one message makes up for them."""
    async with ticking() as (handle, log):
        send = handle.send_every(10, Tick(), cadence)
        mock_clock.jump(1000)
        await wait_all_tasks_blocked()
        send.cancel()

    assert log.times == [1000]


async def test_fixed_rate_stays_on_its_grid(mock_clock: MockClock) -> None:
    """At a fixed rate the times stay on a grid, however late one message is."""
    async with ticking() as (handle, log):
        send = handle.send_every(10, Tick(), acton.Cadence.FIXED_RATE)
        for seconds in (17, 2, 1, 10, 10.5, 9.5):
            mock_clock.jump(seconds)
            await wait_all_tasks_blocked()
        send.cancel()

    assert log.times == [17, 20, 30, 40.5, 50]


async def test_fixed_delay_counts_from_the_delivery(mock_clock: MockClock) -> None:
    """With a fixed delay there is a whole interval after each delivery."""
    async with ticking() as (handle, log):
        send = handle.send_every(10, Tick(), acton.Cadence.FIXED_DELAY)
        for seconds in (17, 3, 7, 5, 15):
            mock_clock.jump(seconds)
            await wait_all_tasks_blocked()
        send.cancel()

    assert log.times == [17, 27, 47]


# In which order.


async def test_deadlines_decide_the_order(mock_clock: MockClock) -> None:
    """What is due earlier comes earlier, in whatever order it was armed."""
    async with ticking() as (handle, log):
        for seconds in (3, 1, 4, 1.5, 9, 2, 6):
            handle.send_after(seconds, Tick(f"{seconds}"))
        mock_clock.jump(10)
        await wait_all_tasks_blocked()

    assert log.names == ["1", "1.5", "2", "3", "4", "6", "9"]


async def test_calls_decide_the_order_at_one_deadline(mock_clock: MockClock) -> None:
    """What is due at the same time comes in the order in which it was armed."""
    async with ticking() as (handle, log):
        again = handle.send_every(10, Tick("first"))
        handle.send_at(20, Tick("second"))
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        handle.send_after(10, Tick("third"))
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        again.cancel()

    assert log.names == ["first", "first", "second", "third"]


# A mailbox without room.


async def test_due_message_waits_for_room(autojump_clock: MockClock) -> None:
    """What is due waits for room in a full mailbox, in line with all others."""
    async with (
        ticking(mailbox_capacity=1) as (handle, log),
        trio.open_nursery() as nursery,
    ):
        await handle.send(Busy(10))
        await wait_all_tasks_blocked()
        await handle.send(Tick("queued"))
        send = handle.send_after(1, Tick("due"))
        await trio.sleep(2)
        nursery.start_soon(handle.send, Tick("sent"))
        await trio.sleep(2)

        assert (send.outcome, send.deliveries, send.due_at) == (None, 0, 1)
    assert log.ticks == [("queued", 10), ("due", 10), ("sent", 10)]
    assert send.outcome is acton.Outcome.DELIVERED


@BOTH
async def test_no_second_message_waits_for_room(
    cadence: acton.Cadence, autojump_clock: MockClock
) -> None:
    """While one message of a timer waits for room, no second one does."""
    async with ticking(mailbox_capacity=1) as (handle, log):
        await handle.send(Busy(95))
        await wait_all_tasks_blocked()
        await handle.send(Tick("queued"))
        send = handle.send_every(10, Tick("due"), cadence)
        await trio.sleep(99)

        assert send.deliveries == 1
        assert log.ticks == [("queued", 95), ("due", 95)]
        send.cancel()


# The end.


async def test_timer_survives_restarts_of_its_actor(
    autojump_clock: MockClock,
) -> None:
    """A restart of the actor changes nothing: what is due then is kept for it."""
    backoff = acton.RestartLimit(initial_backoff=20)
    async with ticking(restart_limit=backoff) as (handle, log):
        once = handle.send_after(15, Tick("once"))
        again = handle.send_every(10, Tick("again"))
        await trio.sleep(12)
        await handle.send(Fail())
        await again.wait_for_deliveries(4)
        again.cancel()

        assert once.outcome is acton.Outcome.DELIVERED
    assert log.ticks == [
        ("again", 10),
        ("once", 32),
        ("again", 32),
        ("again", 32),
        ("again", 40),
    ]


async def test_timer_ends_with_the_seat_of_its_actor(
    autojump_clock: MockClock,
) -> None:
    """The end of the actor for good, of whatever kind, abandons its timers."""
    never = acton.RestartLimit(max_restarts=0)
    temporary = acton.RestartPolicy.TEMPORARY
    async with acton.open_runtime() as runtime:
        notify = acton.Escalation.NOTIFY_PARENT
        parent = await runtime.start(Ticker, Log(), escalation=notify)
        stopped = await runtime.start(Ticker, Log())
        down = await parent.supervise(Ticker, Log(), restart_policy=temporary)
        escalated = await parent.supervise(Ticker, Log(), restart_limit=never)
        left = await runtime.start(Ticker, Log())
        handles = [stopped, down, escalated, left]
        sends = [each.send_after(100, Tick()) for each in handles]
        sends += [each.send_every(100, Tick()) for each in handles]
        await stopped.stop()
        for failing in (down, escalated):
            await failing.send(Fail())
            await failing.wait_stopped()
        outcomes = [each.outcome for each in sends]

    abandoned = acton.Outcome.ABANDONED
    assert outcomes == [abandoned, abandoned, abandoned, None] * 2
    assert [each.outcome for each in sends] == [abandoned] * 8
    assert [each.due_at for each in sends] == [None] * 8


async def test_stop_waits_for_no_timer(autojump_clock: MockClock) -> None:
    """Neither `stop()` nor the end of the runtime waits for what is due later."""
    async with ticking() as (handle, log):
        handle.send_after(5, Tick())
        handle.send_every(5, Tick())
        await handle.stop()

    assert trio.current_time() == 0
    assert log.ticks == []


async def test_nothing_is_armed_for_an_actor_that_is_down(
    autojump_clock: MockClock,
) -> None:
    """For an actor that is down the call raises `ActorStoppedError`."""
    async with ticking() as (handle, _):
        await handle.stop()
        for arm in (handle.send_after, handle.send_at, handle.send_every):
            with pytest.raises(acton.ActorStoppedError):
                arm(5, Tick())


# The receipt.


async def test_letting_the_receipt_go_cancels_nothing(
    autojump_clock: MockClock,
) -> None:
    """Whether anybody keeps the `ScheduledSend` makes no difference."""
    async with ticking() as (handle, log):
        handle.send_after(1, Tick())
        await trio.sleep(2)

    assert log.times == [1]


async def test_cancelled_message_never_comes(autojump_clock: MockClock) -> None:
    """After `cancel()` nothing more comes, not even what waits for room."""
    async with ticking(mailbox_capacity=1) as (handle, log):
        await handle.send(Busy(10))
        await wait_all_tasks_blocked()
        await handle.send(Tick("queued"))
        sends = [
            handle.send_after(5, Tick("in line")),
            handle.send_after(9, Tick("not due")),
            handle.send_every(5, Tick("in line")),
        ]
        await trio.sleep(6)
        for each in sends:
            each.cancel()
        await trio.sleep(100)

        assert {each.outcome for each in sends} == {acton.Outcome.CANCELLED}
    assert log.names == ["queued"]


async def test_what_is_in_the_mailbox_was_delivered(
    autojump_clock: MockClock,
) -> None:
    """What is in the mailbox was delivered: it is handled though cancelled then."""
    async with ticking() as (handle, log):
        await handle.send(Busy(10))
        once = handle.send_after(5, Tick("once"))
        again = handle.send_every(6, Tick("again"))
        await trio.sleep(7)
        once.cancel()
        again.cancel()

        assert (once.outcome, once.deliveries) == (acton.Outcome.DELIVERED, 1)
        assert (again.outcome, again.deliveries) == (acton.Outcome.CANCELLED, 1)
    assert log.names == ["once", "again"]


async def test_wait_for_deliveries_ends_when_there_will_be_no_more(
    autojump_clock: MockClock,
) -> None:
    """A wait for deliveries ends with the true count when there will be no more."""
    counts: list[int] = []

    async def wait(send: acton.ScheduledSend) -> None:
        counts.append(await send.wait_for_deliveries(5))

    async with ticking() as (handle, _), trio.open_nursery() as nursery:
        once = handle.send_after(15, Tick())
        cancelled = handle.send_every(10, Tick())
        abandoned = handle.send_every(7, Tick())
        for each in (once, cancelled, abandoned):
            nursery.start_soon(wait, each)
        await trio.sleep(25)
        cancelled.cancel()
        await trio.sleep(4)
        await handle.stop()

    assert counts == [1, 2, 4]


async def test_sender_is_the_actor_that_has_armed_it(
    autojump_clock: MockClock,
) -> None:
    """Its sender is the actor whose code has armed it; plain code is none."""
    async with ticking() as (handle, log):
        armer = handle
        handle.send_after(0.5, Tick())
        await armer.send(Arm(handle))
        await trio.sleep(2)

    assert log.senders == [None, armer]
