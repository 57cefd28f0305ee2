"""A deadline rides on the message."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Read(acton.Request[float]):
    """Makes an `act_on` handler note its deadline and sleep; answered with it."""

    seconds: float = 0


@acton.message
class Write(acton.Request[float]):
    """The same of a `mutate_on` handler."""

    seconds: float = 0


@acton.message
class WriteWhileItMatters(acton.Request[float]):
    """The same, of one that gives up at its asker's deadline."""

    seconds: float


@acton.message
class CleanUp(acton.Request[float]):
    """Makes an `act_on` handler clean up in a shield when it is cancelled."""

    seconds: float


@acton.message
class ReadBehind(acton.Request[float]):
    """Makes an `act_on` handler ask somebody else."""

    other: acton.ActorHandle
    request: acton.Request[float]


@acton.message
class WriteBehind(acton.Request[float]):
    """Makes a `mutate_on` handler ask somebody else, in a scope if it is told."""

    other: acton.ActorHandle
    request: acton.Request[float]
    within: float = math.inf


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered by a number, much later."""

    seconds: float


@acton.actor
class Clerk:
    """Writes down what it does and when it would have been too late."""

    log: list[str] = attrs.field(factory=list[str])
    deadlines: list[float] = attrs.field(factory=list[float])
    errors: list[BaseException] = attrs.field(factory=list[BaseException])

    async def work(self, seconds: float, ctx: acton.Context) -> float:
        """Take a while."""
        self.deadlines.append(ctx.deadline)
        self.log.append("began")
        await trio.sleep(seconds)
        self.log.append("ended")
        return ctx.deadline

    @acton.act_on
    async def read(self, request: Read, ctx: acton.Context) -> float:
        """Take a while."""
        return await self.work(request.seconds, ctx)

    @acton.mutate_on
    async def write(self, request: Write, ctx: acton.Context) -> float:
        """Take a while, alone."""
        return await self.work(request.seconds, ctx)

    @acton.mutate_on
    async def write_while_it_matters(
        self, request: WriteWhileItMatters, ctx: acton.Context
    ) -> float:
        """Take no more than the asker's while."""
        with trio.move_on_at(ctx.deadline):
            await trio.sleep(request.seconds)
        self.log.append(f"left at {trio.current_time():g}")
        return ctx.deadline

    @acton.act_on
    async def clean_up(self, request: CleanUp) -> float:
        """Sleep until cancelled, and clean up in a shield."""
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(request.seconds)
            self.log.append(f"cleaned up at {trio.current_time():g}")
        return 0

    async def ask(self, other: acton.ActorHandle, request: Any) -> float:
        """Ask somebody else, and write down how that failed."""
        try:
            return float(await other.ask(request))
        except (acton.AskError, trio.Cancelled) as error:
            self.errors.append(error)
            self.log.append(f"{type(error).__name__} at {trio.current_time():g}")
            raise

    @acton.act_on
    async def read_behind(self, request: ReadBehind) -> float:
        """Ask somebody else."""
        return await self.ask(request.other, request.request)

    @acton.mutate_on
    async def write_behind(self, request: WriteBehind) -> float:
        """Ask somebody else, alone."""
        with trio.move_on_after(request.within):
            try:
                return await self.ask(request.other, request.request)
            except acton.AskError:
                pass
        return -1

    @acton.act_on
    async def count(self, request: Count) -> Any:
        """Give one number after a while."""
        await trio.sleep(request.seconds)
        yield 1


def this(clerk: Clerk) -> Clerk:
    """Have the actor be one that the test can look at."""
    return clerk


async def test_own_scope_ends_an_ask_in_trios_way(autojump_clock: MockClock) -> None:
    """The caller's own scope ends an ask in trio's way, by cancelling it."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        with pytest.raises(trio.TooSlowError) as caught, trio.fail_after(2):
            await handle.ask(Read(5))
        assert trio.current_time() == pytest.approx(2)
        with trio.move_on_after(2) as scope:
            await handle.ask(Read(5))

    assert not isinstance(caught.value, acton.AskTimeoutError)
    assert scope.cancelled_caught


async def test_effective_deadline_of_the_asker_travels_with_the_message(
    autojump_clock: MockClock,
) -> None:
    """The asker's effective deadline travels with the message, as `ctx.deadline`."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        with trio.fail_after(7), trio.fail_after(20):
            assert await handle.ask(Read()) == pytest.approx(7)
            assert await handle.ask(Write()) == pytest.approx(7)


@pytest.mark.parametrize("request_type", [Read, Write])
async def test_expired_message_is_never_handled(
    request_type: type[Read | Write], autojump_clock: MockClock
) -> None:
    """An expired message is never handled."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        await handle.send(Write(5))
        with trio.move_on_after(2) as scope:
            await handle.ask(request_type())
        await handle.ask(Read())

    assert scope.cancelled_caught
    assert clerk.log == ["began", "ended"] * 2


async def test_deadline_that_has_passed_before_the_ask_reaches_no_handler(
    autojump_clock: MockClock,
) -> None:
    """An ask whose deadline has passed before it is made reaches no handler."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(0):
            await handle.ask(Write())

    assert clerk.log == []


async def test_deadline_cancels_the_act_on_handler(autojump_clock: MockClock) -> None:
    """An `act_on` handler is cancelled at its asker's deadline."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(2):
            await handle.ask(Read(5))
        await trio.sleep(10)

    assert clerk.log == ["began"]


async def test_asks_of_an_act_on_handler_inherit_its_deadline(
    autojump_clock: MockClock,
) -> None:
    """What an `act_on` handler asks inherits its asker's deadline."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        other = await runtime.start(Clerk)
        with trio.fail_after(50):
            assert await handle.ask(ReadBehind(other, Write())) == pytest.approx(50)


async def test_shielded_clean_up_of_an_act_on_handler_completes(
    autojump_clock: MockClock,
) -> None:
    """The shielded clean-up of a cancelled `act_on` handler completes."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(2):
            await handle.ask(CleanUp(3))
        assert trio.current_time() == pytest.approx(2)

    assert clerk.log == ["cleaned up at 5"]


async def test_mutate_on_handler_outlasts_its_askers_deadline(
    autojump_clock: MockClock,
) -> None:
    """A `mutate_on` handler completes though its asker's deadline passes."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(2):
            await handle.ask(Write(5))
        assert trio.current_time() == pytest.approx(2)

    assert clerk.log == ["began", "ended"]


async def test_deadline_does_not_hurry_the_asks_of_a_mutate_on_handler(
    autojump_clock: MockClock,
) -> None:
    """The asker's deadline does not hurry what a `mutate_on` handler asks."""
    clerk, other = Clerk(), Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        behind = await runtime.start(this, other)
        with trio.move_on_after(2):
            await handle.ask(WriteBehind(behind, Read(5)))
        await trio.sleep(5)

    assert other.deadlines == [pytest.approx(30)]
    assert other.log == ["began", "ended"]
    assert clerk.errors == []


async def test_own_scope_bounds_the_asks_of_a_mutate_on_handler(
    autojump_clock: MockClock,
) -> None:
    """Its own scopes bound what a `mutate_on` handler asks."""
    clerk, other = Clerk(), Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        behind = await runtime.start(this, other)
        await handle.ask(WriteBehind(behind, Read(5), within=3))

    assert other.deadlines == [pytest.approx(3)]
    assert clerk.log == ["Cancelled at 3"]


async def test_backstop_bounds_the_asks_of_a_mutate_on_handler(
    autojump_clock: MockClock,
) -> None:
    """`timeouts.ask` bounds what a `mutate_on` handler asks without a deadline."""
    clerk = Clerk()
    config = acton.Config(timeouts=acton.Timeouts(ask=4))

    async with acton.open_runtime(config) as runtime:
        handle = await runtime.start(this, clerk)
        behind = await runtime.start(Clerk)
        with trio.fail_after(100):
            await handle.ask(WriteBehind(behind, Read(5)))

    assert clerk.log == ["AskTimeoutError at 4"]


async def test_mutate_on_handler_may_obey_the_deadline(
    autojump_clock: MockClock,
) -> None:
    """`trio.move_on_at(ctx.deadline)` has a `mutate_on` handler give up in time."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(2):
            await handle.ask(WriteWhileItMatters(5))

    assert clerk.log == ["left at 2"]


async def test_send_carries_no_deadline(autojump_clock: MockClock) -> None:
    """A send carries no deadline."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        with trio.move_on_after(2):
            await handle.send(Read(5))
            await handle.send(Write(5))
            await trio.sleep_forever()

    assert clerk.deadlines == [math.inf, math.inf]
    assert clerk.log == ["began", "ended"] * 2


async def test_asks_of_a_handler_of_a_send_inherit_no_deadline(
    autojump_clock: MockClock,
) -> None:
    """What the handler of a send asks inherits no deadline."""
    clerk, other = Clerk(), Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk)
        behind = await runtime.start(this, other)
        with trio.fail_after(2):
            await handle.send(ReadBehind(behind, Read()))
            await wait_all_tasks_blocked()

    assert other.deadlines == [pytest.approx(30)]


async def test_wait_for_room_obeys_the_senders_scope(
    autojump_clock: MockClock,
) -> None:
    """The wait of a send for room obeys the sender's scope."""
    clerk = Clerk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, clerk, mailbox_capacity=1)
        await handle.send(Write(5))
        await wait_all_tasks_blocked()
        await handle.send(Write(0))
        with trio.move_on_after(2) as scope:
            await handle.send(Write(0))
        assert trio.current_time() == pytest.approx(2)

    assert scope.cancelled_caught
    assert clerk.log == ["began", "ended"] * 2


async def test_ask_without_a_deadline_raises_after_the_backstop(
    autojump_clock: MockClock,
) -> None:
    """An ask without any deadline raises `AskTimeoutError` after `timeouts.ask`."""
    config = acton.Config(timeouts=acton.Timeouts(ask=3))

    async with acton.open_runtime(config) as runtime:
        handle = await runtime.start(Clerk)
        with pytest.raises(acton.AskTimeoutError) as caught:
            await handle.ask(Read(5))

        assert trio.current_time() == pytest.approx(3)
        assert isinstance(caught.value, trio.TooSlowError)
        assert caught.value.after == pytest.approx(3)


async def test_backstop_is_not_for_those_who_have_a_deadline(
    autojump_clock: MockClock,
) -> None:
    """An ask that has a deadline has no other backstop."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        with trio.fail_after(3600):
            await handle.ask(Read(1800))


async def test_backstop_gives_up_as_a_cancelled_asker_does(
    autojump_clock: MockClock,
) -> None:
    """The backstop takes a queued request back and cancels an `act_on` handler."""
    clerk = Clerk()
    config = acton.Config(timeouts=acton.Timeouts(ask=3))

    async with acton.open_runtime(config) as runtime:
        handle = await runtime.start(this, clerk)
        with pytest.raises(acton.AskTimeoutError):
            await handle.ask(Read(5))
        await handle.send(Write(5))
        with pytest.raises(acton.AskTimeoutError):
            await handle.ask(Read())

    assert clerk.log == ["began", "began", "ended"]


async def test_timeout_tells_where_the_message_was(autojump_clock: MockClock) -> None:
    """`AskTimeoutError` tells whether the message was queued or running, and where."""
    config = acton.Config(timeouts=acton.Timeouts(ask=3))

    async with acton.open_runtime(config) as runtime:
        handle = await runtime.start(Clerk)
        with pytest.raises(acton.AskTimeoutError) as running:
            await handle.ask(Write(20))
        await handle.send(Write(0))
        with pytest.raises(acton.AskTimeoutError) as queued:
            await handle.ask(Write(0))

    assert "write" in running.value.where
    assert "3" in running.value.where
    assert "queued" in queued.value.where
    assert "1" in queued.value.where


async def test_stream_has_no_backstop(autojump_clock: MockClock) -> None:
    """A stream has no backstop."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Clerk)
        async with handle.stream(Count(1_000_000)) as numbers:
            assert [number async for number in numbers] == [1]

    assert trio.current_time() == pytest.approx(1_000_000)
