"""Asks: every way in which one can end."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers

SHORT_STOP = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2))
SHORT_ASK = acton.Config(timeouts=acton.Timeouts(ask=0.1))


@acton.message
class Count:
    """Is counted."""


@acton.message
class GetCount(acton.Request[int]):
    """Asks for what was counted."""


@acton.message
class CountSilently(acton.Request[int]):
    """Is counted, and not answered."""


@acton.message
class ReadBadly(acton.Request[int]):
    """Makes a reading handler raise."""


@acton.message
class WriteBadly(acton.Request[int]):
    """Makes an exclusive handler raise."""


@acton.message
class AnswerWrongly(acton.Request[int]):
    """Is answered with a text."""


@acton.message
class Hold(acton.Request[int]):
    """Is not answered yet."""


@acton.message
class Drop:
    """Makes the actor forget whom it has not answered."""


@acton.message
class Break:
    """Makes the actor fail."""


@acton.message
class Read(acton.Request[int]):
    """Asks for its token, after a while."""

    token: int
    seconds: float


@acton.message
class Write(acton.Request[int]):
    """Asks for its token, after a while, and runs alone."""

    token: int
    seconds: float


@acton.actor
class Clerk:
    """Answers, or does not."""

    count: int = 0
    held: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    @acton.mutate_on
    def add(self, _command: Count) -> None:
        """Count it."""
        self.count += 1

    @acton.act_on
    def get_count(self, _request: GetCount) -> int:
        """Tell."""
        return self.count

    @acton.mutate_on
    def add_silently(self, _request: CountSilently) -> None:
        """Count it, and say nothing."""
        self.count += 1

    @acton.act_on
    async def read_badly(self, _request: ReadBadly) -> int:
        """Raise."""
        raise ZeroDivisionError

    @acton.mutate_on
    async def write_badly(self, _request: WriteBadly) -> int:
        """Raise."""
        raise ZeroDivisionError

    @acton.act_on
    def answer_wrongly(self, _request: AnswerWrongly) -> int:
        """Return what is no number."""
        wrong: Any = "five"
        return wrong  # type: ignore[no-any-return] # that is the point

    @acton.act_on
    def hold(self, _request: Hold, ctx: acton.Context) -> None:
        """Keep the address."""
        self.held.append(ctx.reply_address)

    @acton.mutate_on
    def drop(self, _command: Drop) -> None:
        """Let go of the addresses."""
        self.held.clear()

    @acton.mutate_on
    def fail(self, _command: Break) -> None:
        """Raise."""
        raise ZeroDivisionError

    @acton.act_on
    async def read(self, request: Read) -> int:
        """Take a while."""
        await trio.sleep(request.seconds)
        return request.token

    @acton.mutate_on
    async def write(self, request: Write) -> int:
        """Take a while."""
        await trio.sleep(request.seconds)
        return request.token


@covers(36)
async def test_ask_returns_what_the_handler_returns(autojump_clock: MockClock) -> None:
    """The reply is what the handler has returned."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        await clerk.send(Count())
        await clerk.send(Count())

        assert await clerk.ask(GetCount()) == 2


@covers(37)
async def test_ask_is_behind_what_was_sent_before(autojump_clock: MockClock) -> None:
    """What the asker has sent before is handled before."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        for _ in range(500):
            await clerk.send(Count())

        assert await clerk.ask(GetCount()) == 500


@covers(38)
async def test_silent_handler_ends_the_ask(autojump_clock: MockClock) -> None:
    """An ask without an answer says so at once; the work is done all the same."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        with pytest.raises(acton.NoReplyError):
            await clerk.ask(CountSilently())

        assert trio.current_time() == 0
        assert await clerk.ask(GetCount()) == 1


@covers(39)
@pytest.mark.parametrize("request_", [ReadBadly(), WriteBadly()], ids=["read", "write"])
async def test_failing_handler_ends_the_ask(
    request_: ReadBadly | WriteBadly, autojump_clock: MockClock
) -> None:
    """The asker hears that the handler has failed, how, and whose business it is."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        with pytest.raises(acton.HandlerFailedError) as failure:
            await clerk.ask(request_)

        assert trio.current_time() == 0
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
        assert failure.value.owned_by_supervisor is isinstance(request_, WriteBadly)
        assert await clerk.ask(GetCount()) == 0


async def stop_soon(handle: acton.ActorHandle) -> None:
    """Stop the actor in a second."""
    await trio.sleep(1)
    await handle.stop()


@covers(40)
async def test_actor_that_stops_takes_the_request_it_holds_with_it(
    autojump_clock: MockClock,
) -> None:
    """When the actor goes, what it has not answered ends without a reply."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        clerk = await runtime.start(Clerk)
        nursery.start_soon(stop_soon, clerk)
        with pytest.raises(acton.NoReplyError):
            await clerk.ask(Hold())

        assert trio.current_time() == 1


@covers(40)
async def test_actor_that_fails_takes_the_request_it_holds_with_it(
    autojump_clock: MockClock,
) -> None:
    """The next incarnation knows nothing of what this one has not answered."""
    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        clerk = await runtime.start(Clerk)

        async def fail_soon() -> None:
            await trio.sleep(1)
            await clerk.send(Break())

        nursery.start_soon(fail_soon)
        with pytest.raises((acton.NoReplyError, acton.HandlerFailedError)):
            await clerk.ask(Hold())

        # At the failure, or when the next incarnation is there.
        assert 1 <= trio.current_time() <= 1.2


@covers(40)
@pytest.mark.parametrize(
    "request_", [Read(1, 100), Write(1, 100)], ids=["read", "write"]
)
async def test_actor_that_is_cut_off_ends_the_ask_it_is_at(
    request_: Read | Write, autojump_clock: MockClock
) -> None:
    """An actor that takes too long to stop is cut off, and so are its askers."""
    async with (
        acton.open_runtime(SHORT_STOP) as runtime,
        trio.open_nursery() as nursery,
    ):
        clerk = await runtime.start(Clerk)
        nursery.start_soon(stop_soon, clerk)
        with pytest.raises(acton.ActorStoppedError):
            await clerk.ask(request_)

        assert trio.current_time() == 3


@covers(40)
async def test_actor_that_is_cut_off_ends_the_asks_that_are_queued(
    autojump_clock: MockClock,
) -> None:
    """What was not begun by then is not handled, and its asker hears so."""
    async with (
        acton.open_runtime(SHORT_STOP) as runtime,
        trio.open_nursery() as nursery,
    ):
        clerk = await runtime.start(Clerk)
        await clerk.send(Write(1, 100))
        nursery.start_soon(stop_soon, clerk)
        with pytest.raises(acton.ActorStoppedError):
            await clerk.ask(GetCount())

        assert trio.current_time() == 3


@covers(41)
async def test_nothing_reaches_an_actor_that_has_stopped(
    autojump_clock: MockClock,
) -> None:
    """Whoever speaks to an actor that is down hears so at once."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        await clerk.stop()

        with pytest.raises(acton.ActorStoppedError):
            await clerk.ask(GetCount())
        with pytest.raises(acton.ActorStoppedError):
            await clerk.send(Count())
        with pytest.raises(acton.ActorStoppedError):
            clerk.send_nowait(Count())
        assert trio.current_time() == 0


@covers(42)
async def test_reply_of_the_wrong_type_is_named(autojump_clock: MockClock) -> None:
    """The asker hears which type was declared, and which one came."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        with pytest.raises(acton.UnexpectedReplyError) as failure:
            await clerk.ask(AnswerWrongly())

        assert "int" in str(failure.value)
        assert "str" in str(failure.value)
        assert await clerk.ask(GetCount()) == 0


@covers(43)
async def test_asker_that_sets_a_deadline_waits_no_longer(
    autojump_clock: MockClock,
) -> None:
    """A reply that is held back ends the ask at the asker's own deadline."""
    async with open_test_runtime() as runtime:
        clerk = await runtime.start(Clerk)
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.1):
            await clerk.ask(Hold())

        assert trio.current_time() == pytest.approx(0.1)


@covers(43)
async def test_asker_that_sets_none_waits_as_long_as_was_configured(
    autojump_clock: MockClock,
) -> None:
    """Without a deadline `timeouts.ask` ends the ask, and says that it did."""
    async with acton.open_runtime(SHORT_ASK) as runtime:
        clerk = await runtime.start(Clerk)
        with pytest.raises(acton.AskTimeoutError) as failure:
            await clerk.ask(Hold())

        assert failure.value.after == pytest.approx(0.1)
        assert isinstance(failure.value, trio.TooSlowError)
        assert trio.current_time() == pytest.approx(0.1)


@covers(44)
async def test_dropped_reply_is_reported_when_it_is_dropped(
    autojump_clock: MockClock,
) -> None:
    """An asker whom nobody can answer any more does not wait for its deadline."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        clerk = await runtime.start(Clerk)

        async def drop() -> None:
            await trio.sleep(1)
            await clerk.send(Drop())

        nursery.start_soon(drop)
        with pytest.raises(acton.NoReplyError), trio.fail_after(20):
            await clerk.ask(Hold())

        assert trio.current_time() == 1


@covers(45)
async def test_askers_at_the_same_time_get_their_own_replies(
    autojump_clock: MockClock,
) -> None:
    """Whoever is answered first, everybody gets the answer to what it asked."""
    replies: list[tuple[int, int]] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        clerk = await runtime.start(Clerk)

        async def ask(token: int) -> None:
            replies.append((token, await clerk.ask(Read(token, 25 - token))))

        for token in range(25):
            nursery.start_soon(ask, token)
        await wait_all_tasks_blocked()

    assert replies == [(token, token) for token in reversed(range(25))]
