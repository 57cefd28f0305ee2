"""Scheduled sends: what they take, what they cost, and when exactly they come."""

from __future__ import annotations

import datetime as dt
import gc
import math
import sys
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from heapq import heapify
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._kernel import timetable as timetable_module
from acton_trio._kernel.envelope import Envelope
from acton_trio._kernel.mailbox import Mailbox
from acton_trio._kernel.timetable import Timetable
from acton_trio.testing import faults, open_test_runtime

HOUR = 3600.0


@acton.message
class Tick:
    """Is sent later."""

    number: int = 0


@acton.message
class GetCount(acton.Request[int]):
    """Asks how many ticks there were."""


@acton.message
class ListTicks(acton.StreamRequest[int]):
    """Asks for all of them."""


@acton.message
class Hold:
    """Keeps the actor busy until told otherwise."""

    until: trio.Event


@attrs.define
class Log:
    """What an actor has seen, and when."""

    ticks: list[tuple[float, int]] = attrs.field(factory=list[tuple[float, int]])
    senders: list[acton.ActorHandle | None] = attrs.field(
        factory=list["acton.ActorHandle | None"]
    )

    @property
    def times(self) -> list[float]:
        """When there were ticks."""
        return [time for time, _ in self.ticks]


@acton.actor
class Ticker:
    """Writes down what comes."""

    log: Log = attrs.field(factory=Log)

    @acton.mutate_on
    def tick(self, message: Tick, ctx: acton.Context) -> None:
        """Note it."""
        self.log.ticks.append((trio.current_time(), message.number))
        self.log.senders.append(ctx.sender)

    @acton.act_on
    def get_count(self, _request: GetCount) -> int:
        """Note it, and count."""
        self.log.ticks.append((trio.current_time(), -1))
        return len(self.log.ticks)

    @acton.act_on
    async def list_ticks(self, _request: ListTicks) -> AsyncGenerator[int]:
        """Note it, and list them."""
        self.log.ticks.append((trio.current_time(), -2))
        for _, number in self.log.ticks:
            yield number

    @acton.mutate_on
    async def hold(self, message: Hold) -> None:
        """Be busy."""
        await message.until.wait()


@asynccontextmanager
async def ticking(
    **options: Any,
) -> AsyncGenerator[tuple[acton.ActorHandle, Log, Timetable]]:
    """Have an actor, what it sees, and the timetable of its runtime."""
    log = Log()
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Ticker, log, name="ticker", **options)
        yield handle, log, runtime.surroundings.timetable


@asynccontextmanager
async def busy(handle: acton.ActorHandle) -> AsyncGenerator[None]:
    """Keep the actor from handling anything in this block."""
    done = trio.Event()
    await handle.send(Hold(done))
    await wait_all_tasks_blocked()
    yield
    done.set()
    await wait_all_tasks_blocked()


# --- what they take


@pytest.mark.parametrize("wrong", [Tick(), "5", None, dt.timedelta(seconds=5)])
async def test_what_is_no_number_is_a_type_error(
    wrong: Any, autojump_clock: MockClock
) -> None:
    """It shows a call in which it is right; the arguments may be the wrong way round."""
    async with ticking() as (handle, _, timetable):
        with pytest.raises(TypeError, match=r"a delay is .*\n.*send_after.5.0, Tick"):
            handle.send_after(wrong, 5)
        with pytest.raises(TypeError, match=r"a time is .*\n.*trio.current_time"):
            handle.send_at(wrong, Tick())
        with pytest.raises(TypeError, match=r"an interval is .*\n.*send_every"):
            handle.send_every(wrong, Tick())

        assert len(timetable) == 0


async def test_number_that_makes_no_sense_is_a_value_error(
    autojump_clock: MockClock,
) -> None:
    """Not a number, and an interval that would never end."""
    async with ticking() as (handle, _, timetable):
        for call in (handle.send_after, handle.send_at, handle.send_every):
            with pytest.raises(ValueError, match="a number of seconds, not nan"):
                call(math.nan, Tick())
        for interval in (0, 0.0, -1, -math.inf):
            with pytest.raises(ValueError, match="longer than 0 seconds, not"):
                handle.send_every(interval, Tick())

        assert len(timetable) == 0


async def test_what_is_no_cadence_is_a_type_error(autojump_clock: MockClock) -> None:
    """Its name will not do."""
    wrong: Any = "fixed_delay"
    async with ticking() as (handle, _, timetable):
        with pytest.raises(TypeError, match=r"Cadence.FIXED_RATE or FIXED_DELAY, not"):
            handle.send_every(5, Tick(), wrong)

        assert len(timetable) == 0


async def test_what_is_no_message_is_a_type_error(autojump_clock: MockClock) -> None:
    """The mistake is named where it is made, not when it is due."""
    async with ticking() as (handle, _, timetable):
        for call in (handle.send_after, handle.send_at, handle.send_every):
            with pytest.raises(TypeError, match="is not a message"):
                call(5, "tick")
            with pytest.raises(TypeError, match="is a message class"):
                call(5, Tick)

        assert len(timetable) == 0


async def test_request_is_sent_as_a_message_is(autojump_clock: MockClock) -> None:
    """Its handler runs, and nobody gets the answer."""
    async with ticking() as (handle, log, _):
        handle.send_after(1, GetCount())
        handle.send_after(2, ListTicks())
        await trio.sleep(3)

    assert log.ticks == [(1, -1), (2, -2)]


@pytest.mark.parametrize(
    "seconds", [math.inf, 1.7e308, 10**400, sys.float_info.max], ids=str
)
async def test_delay_beyond_all_bounds_never_passes(
    seconds: float, autojump_clock: MockClock
) -> None:
    """It does not come at once, and a clock that jumps does not jump there."""
    async with ticking() as (handle, log, timetable):
        autojump_clock.jump(1.7e308)
        sends = [
            handle.send_after(seconds, Tick()),
            handle.send_at(math.inf, Tick()),
            handle.send_every(seconds, Tick()),
            handle.send_every(seconds, Tick(), acton.Cadence.FIXED_DELAY),
        ]
        with trio.move_on_after(1e300):
            await trio.sleep_forever()

        assert log.ticks == []
        assert [each.due_at for each in sends] == [math.inf] * 4
        assert len(timetable) == 4
    assert {each.outcome for each in sends} == {acton.Outcome.ABANDONED}


async def test_time_long_past_is_due_at_once(autojump_clock: MockClock) -> None:
    """So is a delay of less than nothing; what was due earlier comes earlier."""
    async with ticking() as (handle, log, _):
        await trio.sleep(10)
        handle.send_after(0, Tick(4))
        handle.send_after(-3, Tick(3))
        handle.send_at(5, Tick(2))
        handle.send_at(-math.inf, Tick(1))
        handle.send_after(-(10**400), Tick(1))
        await wait_all_tasks_blocked()

    assert log.ticks == [(10, 1), (10, 1), (10, 2), (10, 3), (10, 4)]


# --- who sends


async def test_sender_and_headers_are_of_who_has_armed(
    autojump_clock: MockClock,
) -> None:
    """As if it were sent by the code that arms it, each time."""
    senders: list[acton.ActorHandle | None] = []
    headers: list[str | None] = []

    def note(_model: object, _message: Tick, ctx: acton.Context) -> None:
        senders.append(ctx.sender)
        headers.append(ctx.headers.get("trace"))

    async with open_test_runtime() as runtime:
        target = await runtime.new_actor(object).mutate_on(Tick, note).start()

        def arm(_model: object, _request: GetCount) -> int:
            target.send_every(1, Tick())
            target.send_after(1.5, Tick())
            return 0

        armer = await runtime.new_actor(object).mutate_on(GetCount, arm).start()
        request = Envelope(GetCount(), headers={"trace": "a"})
        armer._seat.mailbox.put_nowait(request)
        target.send_after(2.5, Tick())
        await trio.sleep(3)

    assert senders == [armer, armer, armer, None, armer]
    assert headers == ["a", "a", "a", None, "a"]


async def test_actor_that_ends_leaves_to_others_what_it_has_armed_for_them(
    autojump_clock: MockClock,
) -> None:
    """A timer belongs to the one that gets the message."""
    async with ticking() as (handle, log, _):

        def arm(_model: object, _request: GetCount, ctx: acton.Context) -> int:
            handle.send_after(5, Tick())
            ctx.stop()
            return 0

        runtime = handle._seat.surroundings.runtime
        assert isinstance(runtime, acton.Runtime)
        temporary = acton.RestartPolicy.TEMPORARY
        idle = runtime.new_actor(object, restart_policy=temporary)
        armer = await idle.mutate_on(GetCount, arm).start()
        await armer.ask(GetCount())
        await armer.wait_stopped()
        await trio.sleep(6)

    assert log.times == [5]
    assert log.senders == [armer]


async def test_actor_may_arm_for_itself_in_every_hook(
    autojump_clock: MockClock,
) -> None:
    """Until it takes no messages any more; one armed in vain is called off."""
    seen: list[float] = []
    refused: list[str] = []

    def note(_model: object, _message: Tick) -> None:
        seen.append(trio.current_time())

    def arm(_model: object, ctx: acton.Context) -> None:
        ctx.handle.send_after(1, Tick())

    async def arm_and_wait(_model: object, ctx: acton.Context) -> None:
        ctx.handle.send_after(0, Tick())
        await wait_all_tasks_blocked()

    def arm_too_late(_model: object, ctx: acton.Context) -> None:
        with pytest.raises(acton.ActorStoppedError) as raised:
            ctx.handle.send_after(0, Tick())
        refused.append(raised.value.actor)

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object, name="it").mutate_on(Tick, note)
        idle.before_start(arm).after_start(arm)
        handle = await idle.before_stop(arm_and_wait).after_stop(arm_too_late).start()
        await trio.sleep(2)
        await handle.stop()

    assert seen == [1, 1, 2]
    assert refused == ["it"]


# --- the receipt


async def test_receipt_says_what_it_is_for(autojump_clock: MockClock) -> None:
    """For whoever prints it."""
    async with ticking() as (handle, _, _):
        once = handle.send_after(5, Tick())
        again = handle.send_every(2, Tick())

        assert repr(once) == "<ScheduledSend of Tick to ticker, due at 5>"
        await trio.sleep(6.5)
        again.cancel()
        assert repr(once) == "<ScheduledSend of Tick to ticker, delivered>"
        assert repr(again) == "<ScheduledSend of Tick to ticker, cancelled>"
        assert (once.deliveries, again.deliveries) == (1, 3)


async def test_receipt_can_be_let_go_and_nothing_is_kept(
    autojump_clock: MockClock,
) -> None:
    """The message comes all the same; then there is nothing left of it."""
    async with ticking() as (handle, log, timetable):
        message = Tick(7)
        reference = weakref.ref(message)
        handle.send_after(5, message)
        del message
        gc.collect()
        await trio.sleep(6)
        gc.collect()

        assert log.ticks == [(5, 7)]
        assert reference() is None
        assert len(timetable) == len(timetable._heap) == len(timetable._live) == 0


async def test_any_number_may_wait_for_deliveries(autojump_clock: MockClock) -> None:
    """Each for its own; those who have waited enough already do not wait."""
    results: list[tuple[float, int, int]] = []

    async def wait(send: acton.ScheduledSend, number: int) -> None:
        count = await send.wait_for_deliveries(number)
        results.append((trio.current_time(), number, count))

    async with ticking() as (handle, _, _), trio.open_nursery() as nursery:
        send = handle.send_every(10, Tick())
        for number in (3, 0, 1, 2, 2, 100):
            nursery.start_soon(wait, send, number)
        with trio.move_on_after(5):
            await send.wait_for_deliveries(1)
        await trio.sleep(30)
        send.cancel()

    assert sorted(results) == [
        (0, 0, 0),
        (10, 1, 1),
        (20, 2, 2),
        (20, 2, 2),
        (30, 3, 3),
        (35, 100, 3),
    ]


# --- a mailbox without room


async def test_repeated_send_has_one_message_in_line(autojump_clock: MockClock) -> None:
    """However long there is no room; then it goes on as if one had been missed."""
    async with ticking(mailbox_capacity=1) as (handle, log, timetable):
        async with busy(handle):
            await handle.send(Tick(1))
            rate = handle.send_every(10, Tick(2))
            delay = handle.send_every(10, Tick(3), acton.Cadence.FIXED_DELAY)
            await trio.sleep(35)
            assert len(handle._seat.mailbox.line) == len(timetable) == 2
            assert (rate.deliveries, delay.deliveries) == (0, 0)
            assert rate.due_at == delay.due_at == 10
        assert (rate.due_at, delay.due_at) == (40, 45)
        await trio.sleep(20)

    assert log.ticks == [
        (35, 1),
        (35, 2),
        (35, 3),
        (40, 2),
        (45, 3),
        (50, 2),
        (55, 3),
    ]


async def test_what_waits_for_room_keeps_its_place_among_senders(
    autojump_clock: MockClock,
) -> None:
    """First come, first served."""
    async with (
        ticking(mailbox_capacity=1) as (handle, log, _),
        trio.open_nursery() as nursery,
        busy(handle),
    ):
        await handle.send(Tick(1))
        nursery.start_soon(handle.send, Tick(2))
        await trio.sleep(1)
        handle.send_after(1, Tick(3))
        await trio.sleep(2)
        nursery.start_soon(handle.send, Tick(4))
        await wait_all_tasks_blocked()
        handle.send_after(0, Tick(5))
        await wait_all_tasks_blocked()

    assert [number for _, number in log.ticks] == [1, 2, 3, 4, 5]


async def test_cancelled_in_line_it_leaves_its_place_to_others(
    autojump_clock: MockClock,
) -> None:
    """What was put in the queue before stays there."""
    async with ticking(mailbox_capacity=1) as (handle, log, timetable):
        async with trio.open_nursery() as nursery, busy(handle):
            queued = handle.send_every(1, Tick(1))
            await trio.sleep(1.5)
            waiting = handle.send_after(0, Tick(2))
            await trio.sleep(1)
            nursery.start_soon(handle.send, Tick(3))
            await wait_all_tasks_blocked()
            assert queued.deliveries == 1
            waiting.cancel()
            queued.cancel()
            assert handle._seat.mailbox.tally.expired == 0
            assert len(timetable) == 0

        assert waiting.outcome is queued.outcome is acton.Outcome.CANCELLED
        assert (waiting.deliveries, queued.deliveries) == (0, 1)
        assert waiting.due_at is queued.due_at is None
    assert [number for _, number in log.ticks] == [1, 3]


async def test_what_waits_for_room_in_vain_is_abandoned(
    autojump_clock: MockClock,
) -> None:
    """So is what is due later: when the mailbox closes, before its actor is down."""
    done = trio.Event()
    async with (
        ticking(mailbox_capacity=1) as (handle, log, _),
        trio.open_nursery() as nursery,
    ):
        async with busy(handle):
            handle.send_nowait(Hold(done))
            sends = [handle.send_after(1, Tick()), handle.send_every(HOUR, Tick())]
            await trio.sleep(2)
            nursery.start_soon(handle.stop)
            await wait_all_tasks_blocked()
        assert [await each.wait_for_deliveries(1) for each in sends] == [0, 0]
        assert not handle.status.state.is_final
        done.set()

    assert {each.outcome for each in sends} == {acton.Outcome.ABANDONED}
    assert log.ticks == []


async def test_what_a_fault_has_was_delivered(autojump_clock: MockClock) -> None:
    """As it is for whoever sends, whether there is room or not."""
    async with ticking(mailbox_capacity=1) as (handle, log, timetable):
        with faults.drop(Tick):
            send = handle.send_after(1, Tick(1))
            await trio.sleep(2)
            assert send.outcome is acton.Outcome.DELIVERED
            async with busy(handle):
                await handle.send(GetCount())
                again = handle.send_every(1, Tick(2))
                await trio.sleep(3.5)
                assert again.deliveries == 3

        assert len(timetable) == 1
    assert [number for _, number in log.ticks] == [-1]


# --- what they cost


async def test_no_timer_has_a_task(autojump_clock: MockClock) -> None:
    """One task serves all, and so does one alarm."""
    async with ticking() as (handle, log, timetable):
        before = trio.lowlevel.current_statistics()
        sends = [handle.send_after(HOUR + each, Tick()) for each in range(10_000)]
        after = trio.lowlevel.current_statistics()
        assert after.tasks_living == before.tasks_living
        assert len(timetable) == 10_000

        await trio.sleep(2 * HOUR + 8000)
        assert len(log.ticks) == 10_000
        assert {each.outcome for each in sends} == {acton.Outcome.DELIVERED}
        assert len(timetable) == len(timetable._heap) == 0


async def test_others_have_their_turn_while_many_are_due(
    autojump_clock: MockClock,
) -> None:
    """A thousand at the same moment do not keep everybody else from running."""
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with ticking(mailbox_capacity=2000) as (handle, log, _):
        sends = [handle.send_after(1, Tick(number)) for number in range(1000)]
        await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            autojump_clock.jump(0.5)
            nursery.start_soon(watch)
            await sends[-1].wait_for_deliveries(1)
            nursery.cancel_scope.cancel()

    assert turns > 15
    assert log.ticks == [(1, number) for number in range(1000)]


@pytest.mark.parametrize("keep", [0, 10, 1000])
async def test_arming_and_cancelling_for_ever_does_not_leak(
    keep: int, autojump_clock: MockClock
) -> None:
    """Whoever uses timers as deadlines cancels nearly all of them."""
    async with ticking() as (handle, _, timetable):
        for _ in range(keep):
            handle.send_after(HOUR, Tick())
        longest = 0
        for number in range(10_000):
            handle.send_after(HOUR + number % 7, Tick()).cancel()
            longest = max(longest, len(timetable._heap))

        assert len(timetable) == keep
        assert longest <= 2 * keep + 65
        assert sum(map(len, timetable._live.values())) == keep


async def test_cancelled_timer_does_not_have_a_clock_jump(
    mock_clock: MockClock,
) -> None:
    """Nothing is left in trio's own table of deadlines that nobody waits for."""
    async with ticking() as (handle, _, _):
        await wait_all_tasks_blocked()
        before = next_deadline()
        later = handle.send_after(20, Tick())
        sooner = handle.send_after(10, Tick())
        assert next_deadline() == 10
        sooner.cancel()
        assert next_deadline() == 20
        later.cancel()
        assert next_deadline() == before == math.inf
        handle.send_after(5, Tick())
        await handle.stop()
        assert next_deadline() == math.inf


def next_deadline() -> float:
    """Return when trio has something to do that is due."""
    statistics = trio.lowlevel.current_statistics()
    return trio.current_time() + statistics.seconds_to_next_deadline


async def test_end_of_an_actor_looks_at_its_own_timers_only(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of all others are neither searched nor sorted again."""
    tidied: list[int] = []

    def tidy_up(heap: list[Any]) -> None:
        tidied.append(len(heap))
        heapify(heap)

    monkeypatch.setattr(timetable_module, "heapify", tidy_up)
    timetable = Timetable()
    mailboxes = [Mailbox(f"ticker-{number}", 1) for number in range(1000)]
    for mailbox in mailboxes:
        for _ in range(10):
            timetable.arm(mailbox, Tick(), HOUR)
    for number, mailbox in enumerate(mailboxes, 1):
        timetable.abandon(mailbox)
        assert len(timetable) == 10 * (1000 - number)
    await trio.lowlevel.checkpoint()

    # Halved each time: all in all no more than there were.
    assert sum(tidied) < 3 * 10_000
    assert len(tidied) < 20


# --- any schedule, against a naive model


@attrs.define
class NaiveTimer:
    """A timer as it would be explained to somebody."""

    number: int
    due: float
    start: float
    interval: float | None = None
    cadence: acton.Cadence | None = None
    deliveries: int = 0
    is_over: bool = False

    def deliver(self, now: float) -> None:
        """Count it, and find the next time by trying them one after another."""
        self.deliveries += 1
        if self.interval is None:
            self.is_over = True
        elif self.cadence is acton.Cadence.FIXED_DELAY:
            self.due = now + self.interval
        else:
            while self.due <= now:
                self.due += self.interval


@attrs.define
class NaiveActor:
    """An actor and all of its timers, looked through each time."""

    capacity: int
    timers: list[NaiveTimer] = attrs.field(factory=list[NaiveTimer])
    queue: list[int] = attrs.field(factory=list[int])
    line: list[NaiveTimer] = attrs.field(factory=list[NaiveTimer])
    is_busy: bool = False
    handled: list[tuple[float, int]] = attrs.field(factory=list[tuple[float, int]])

    def run(self, now: float) -> None:
        """Send what is due; handle what there is, if there is nothing else to do."""
        waiting = [each for each in self.timers if not each.is_over]
        due = [each for each in waiting if each.due <= now and each not in self.line]
        for timer in sorted(due, key=lambda each: (each.due, each.number)):
            if self.is_busy and len(self.queue) >= self.capacity:
                self.line.append(timer)
            else:
                self.queue.append(timer.number)
                timer.deliver(now)
        if not self.is_busy:
            self.handled += [(now, number) for number in self.queue]
            self.queue.clear()

    def free(self, now: float) -> None:
        """Have it handle what has waited."""
        self.is_busy = False
        for timer in self.line:
            self.queue.append(timer.number)
            timer.deliver(now)
        self.line.clear()
        self.run(now)

    def cancel(self, number: int) -> None:
        """Cancel one."""
        timer = self.timers[number]
        timer.is_over = True
        if timer in self.line:
            self.line.remove(timer)


TIMES = st.integers(0, 24).map(lambda halves: halves / 2)
STEPS = st.one_of(
    st.tuples(st.just("after"), TIMES),
    st.tuples(st.just("at"), TIMES),
    st.tuples(st.just("rate"), TIMES),
    st.tuples(st.just("delay"), TIMES),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("jump"), TIMES),
    st.tuples(st.just("busy"), st.just(0)),
    st.tuples(st.just("free"), st.just(0)),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, max_size=40), st.integers(1, 3))
def test_any_schedule_comes_as_a_naive_model_says(
    steps: list[tuple[str, float]], capacity: int
) -> None:
    """Whatever is armed, cancelled and missed, and whether there is room or not."""
    trio.run(follow, steps, capacity, clock=MockClock())


async def follow(steps: list[tuple[str, float]], capacity: int) -> None:
    """Take the steps, and compare after each."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    model, sends, done = NaiveActor(capacity), list[acton.ScheduledSend](), trio.Event()
    async with ticking(mailbox_capacity=capacity) as (handle, log, timetable):
        for what, number in steps:
            now, tick = trio.current_time(), Tick(len(sends))
            if what in {"after", "at"}:
                due = now + number if what == "after" else number
                model.timers.append(NaiveTimer(tick.number, due, now))
                arm = handle.send_after if what == "after" else handle.send_at
                sends.append(arm(number, tick))
            elif what in {"rate", "delay"}:
                interval = number or 1.0
                cadence = acton.Cadence[f"FIXED_{what.upper()}"]
                model.timers.append(
                    NaiveTimer(tick.number, now + interval, now, interval, cadence)
                )
                sends.append(handle.send_every(interval, tick, cadence))
            elif what == "cancel" and sends:
                index = int(number) % len(sends)
                if not model.timers[index].is_over:
                    model.cancel(index)
                sends[index].cancel()
            elif what == "jump":
                clock.jump(number)
            elif what == "busy" and not model.is_busy:
                done = trio.Event()
                await handle.send(Hold(done))
                model.is_busy = True
            elif what == "free" and model.is_busy:
                done.set()
                model.free(now)
            await wait_all_tasks_blocked()
            model.run(trio.current_time())

            assert log.ticks == model.handled
            for send, timer in zip(sends, model.timers, strict=True):
                assert send.deliveries == timer.deliveries
                assert send.due_at == (None if timer.is_over else timer.due)
            assert len(timetable) == sum(not each.is_over for each in model.timers)
        done.set()
    assert len(timetable) == 0
    assert None not in {each.outcome for each in sends}
