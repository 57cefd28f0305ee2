"""Asks without a deadline: when they end, with which words, and at what cost."""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from contextlib import contextmanager

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._kernel.envelope import Ask, Envelope, Result
from acton_trio._kernel.patience import Patience
from acton_trio.testing import open_test_runtime


@acton.message
class Read(acton.Request[int]):
    """Takes a while; others may read meanwhile."""

    seconds: float = 0


@acton.message
class Write(acton.Request[int]):
    """Takes a while, alone."""

    seconds: float = 0


@acton.message
class Later(acton.Request[int]):
    """Is answered never, though its reply address is kept."""


@acton.actor
class Desk:
    """Takes its time."""

    kept: acton.ReplyAddress | None = None

    @acton.act_on
    async def read(self, request: Read) -> int:
        """Take a while."""
        await trio.sleep(request.seconds)
        return 1

    @acton.mutate_on
    async def write(self, request: Write) -> int:
        """Take a while, alone."""
        await trio.sleep(request.seconds)
        return 1

    @acton.mutate_on
    def later(self, _request: Later, ctx: acton.Context) -> None:
        """Keep the address."""
        self.kept = ctx.reply_address


async def test_ask_without_a_deadline_ends_after_timeouts_ask(
    autojump_clock: MockClock,
) -> None:
    """The backstop is 30 seconds, or what the configuration says."""
    quick = acton.Config(timeouts=acton.Timeouts(ask=3))
    for config, seconds in ((None, 30), (quick, 3)):
        begin = trio.current_time()
        async with acton.open_runtime(config) as runtime:
            handle = await runtime.start(Desk, name="desk")
            with pytest.raises(acton.AskTimeoutError) as caught:
                await handle.ask(Read(100))
            error = caught.value

            assert trio.current_time() - begin == pytest.approx(seconds)
            assert isinstance(error, trio.TooSlowError)
            assert (error.actor, error.request) == ("desk", "Read")
            assert error.after == seconds


@pytest.mark.parametrize(
    ("before", "request_", "words"),
    [
        pytest.param(
            [Write(100), Write(), Read()],
            Read(),
            "queued behind 2 messages",
            id="queued",
        ),
        pytest.param(
            [Write(100), *[Read()] * 4],
            Read(),
            "waiting for room in the mailbox, behind 4 messages",
            id="waits for room",
        ),
        pytest.param(
            [], Read(100), "its handler Desk.read runs since 30 s", id="is being read"
        ),
        pytest.param(
            [Write(12)],
            Write(100),
            "its handler Desk.write runs since 18 s",
            id="is being written",
        ),
        pytest.param(
            [], Later(), "handled, and its reply address kept", id="reply kept"
        ),
    ],
)
async def test_text_says_where_the_message_was(
    autojump_clock: MockClock,
    before: list[Read | Write],
    request_: Read | Write | Later,
    words: str,
) -> None:
    """Behind how many, or in which handler for how long."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Desk, name="desk", mailbox_capacity=4)
        for message in before:
            await handle.send(message)
            await wait_all_tasks_blocked()
        text = f"desk did not answer {type(request_).__name__} within 30 s: {words}"
        with pytest.raises(acton.AskTimeoutError, match=f"^{re.escape(text)}$"):
            await handle.ask(request_)


@pytest.mark.parametrize("exclusive", [True, False], ids=["mutate_on", "act_on"])
@pytest.mark.parametrize("deadline", [30, math.inf], ids=["deadline", "backstop"])
async def test_message_that_expires_behind_a_busy_handler_is_not_handled(
    autojump_clock: MockClock, deadline: float, *, exclusive: bool
) -> None:
    """Expired before its turn came it never runs, and is not said to have run."""
    handled: list[Read] = []

    def keep_busy(_model: object, _request: Write) -> int:
        # Time passes without a chance for anybody else to notice.
        autojump_clock.jump(31)
        return 1

    def read(_model: object, request: Read) -> int:
        handled.append(request)
        return 1

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object).mutate_on(Write, keep_busy)
        handle = await (idle.mutate_on if exclusive else idle.act_on)(
            Read, read
        ).start()
        handle.send_nowait(Write())
        with (
            trio.CancelScope(deadline=trio.current_time() + deadline) as scope,
            suppress_timeout() as caught,
        ):
            await handle.ask(Read())

        assert handled == []
        assert scope.cancelled_caught == (deadline < math.inf)
        assert not [each for each in caught if "handled" in each.where]


@contextmanager
def suppress_timeout() -> Generator[list[acton.AskTimeoutError]]:
    """Note the timeout of an ask, if that is how it ends."""
    caught: list[acton.AskTimeoutError] = []
    try:
        yield caught
    except acton.AskTimeoutError as error:
        caught.append(error)


async def test_own_deadline_beyond_the_backstop_counts(
    autojump_clock: MockClock,
) -> None:
    """Whoever says how long may wait longer than 30 seconds."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Desk)
        with trio.fail_after(100):
            assert await handle.ask(Read(90)) == 1


async def test_shield_has_no_deadline_but_the_backstop(
    autojump_clock: MockClock,
) -> None:
    """Within a shield the deadline outside is not effective."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Desk)
        with trio.move_on_after(1), trio.CancelScope(shield=True):
            with pytest.raises(acton.AskTimeoutError):
                await handle.ask(Read(100))

            assert trio.current_time() == pytest.approx(30)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asks=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), max_size=12))
async def test_each_ask_ends_at_its_own_time(
    asks: list[tuple[int, int]], autojump_clock: MockClock
) -> None:
    """However many wait, each ends with its reply or after 10 s, not before or after."""
    ends: list[tuple[int, int, float, bool]] = []
    config = acton.Config(timeouts=acton.Timeouts(ask=10.5))
    async with acton.open_runtime(config) as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Desk)

        async def ask(start: int, seconds: int) -> None:
            await trio.sleep(start)
            begin = trio.current_time()
            try:
                await handle.ask(Read(seconds))
            except acton.AskTimeoutError:
                ends.append((start, seconds, trio.current_time() - begin, False))
            else:
                ends.append((start, seconds, trio.current_time() - begin, True))

        for start, seconds in asks:
            nursery.start_soon(ask, start, seconds)

    assert len(ends) == len(asks)
    for _, seconds, took, answered in ends:
        assert answered == (seconds < 10.5)
        assert took == pytest.approx(min(seconds, 10.5))


# --- the machine itself


def nowhere(_result: Result) -> None:
    """Stand for an asker."""


async def test_memory_of_answered_asks_is_bounded(  # noqa: ASYNC124 - it reads the clock
    autojump_clock: MockClock,
) -> None:
    """A service that answers all day does not collect what it has answered."""
    patience = Patience(30)
    waiting = [Envelope(Read(), Ask("desk", "Read", nowhere)) for _ in range(10)]
    for envelope in waiting:
        patience.watch(envelope, 30, trio.current_time())
    longest = 0
    for _ in range(10_000):
        envelope = Envelope(Read(), Ask("desk", "Read", nowhere))
        patience.watch(envelope, 30, trio.current_time())
        patience.forget(envelope)
        longest = max(longest, len(patience._heap))

    assert len(patience) == len(waiting)
    assert longest < 100


async def test_nothing_is_watched_after_asks_have_ended(
    autojump_clock: MockClock,
) -> None:
    """Answered, cancelled and timed out: nothing is left to be timed."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Desk)
        nursery.start_soon(handle.ask, Read(100))
        await handle.ask(Read(1))
        patience = runtime.surroundings.patience
        assert len(patience) == 1
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), pytest.raises(acton.AskTimeoutError):
            await handle.ask(Read(100))

        assert len(patience) == 0
