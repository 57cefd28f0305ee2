"""Giving up reaches the work: what an asker that leaves leaves behind."""

from __future__ import annotations

import random

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Read(acton.Request[str]):
    """Takes a while."""

    name: str
    seconds: float = 0
    clean_up: float = 0


@acton.message
class Write(acton.Request[str]):
    """Takes a while, alone."""

    name: str
    seconds: float = 0


@acton.message
class Defer(acton.Request[str]):
    """Is answered when the test says so."""


@acton.message
class AskForReading(acton.Request[str]):
    """Makes a reading handler ask somebody else to read."""

    other: acton.ActorHandle
    seconds: float


@acton.actor
class Desk:
    """Writes down whom it served."""

    log: list[str] = attrs.field(factory=list[str])
    addresses: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while; clean up in a shield when cancelled."""
        self.log.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(request.clean_up)
            self.log.append(f"x{request.name}")
            raise
        self.log.append(f"-{request.name}")
        return request.name

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        self.log.append(f"+{request.name}")
        await trio.sleep(request.seconds)
        self.log.append(f"-{request.name}")
        return request.name

    @acton.act_on
    def defer(self, _request: Defer, ctx: acton.Context) -> None:
        """Keep the address."""
        self.addresses.append(ctx.reply_address)

    @acton.act_on
    async def ask_for_reading(self, request: AskForReading) -> str:
        """Have somebody else do it."""
        return await request.other.ask(Read("inner", request.seconds))


def this(desk: Desk) -> Desk:
    """Have the actor be one that the test can look at."""
    return desk


@pytest.mark.parametrize("request_type", [Read, Write])
async def test_cancelled_asker_takes_its_queued_message_back(
    request_type: type[Read | Write], autojump_clock: MockClock
) -> None:
    """An asker that is cancelled takes its queued message back: it never runs."""
    desk = Desk()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)
        await handle.send(Write("first", 1))
        nursery.start_soon(handle.ask, request_type("taken back"))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert desk.log == ["+first", "-first"]


async def test_message_taken_back_makes_room(autojump_clock: MockClock) -> None:
    """A message that was taken back leaves its room in the mailbox to others."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk, mailbox_capacity=1)
        await handle.send(Write("first", 10))
        await wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await handle.ask(Write("taken back"))
        handle.send_nowait(Write("second"))

    assert desk.log == ["+first", "-first", "+second", "-second"]


@pytest.mark.parametrize("request_type", [Read, Write])
@pytest.mark.parametrize("steps", range(8))
async def test_message_is_queued_until_its_handlers_first_step(
    request_type: type[Read | Write], steps: int, autojump_clock: MockClock
) -> None:
    """A message is queued, and can be taken back, until its handler's first step."""
    desk = Desk()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)
        nursery.start_soon(handle.ask, request_type("it", 1))
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        began = list(desk.log)
        nursery.cancel_scope.cancel()

    assert desk.log[:1] == began


async def test_cancelled_asker_cancels_the_running_act_on_handler(
    autojump_clock: MockClock,
) -> None:
    """A running `act_on` handler is cancelled with its asker."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        with trio.move_on_after(1):
            await handle.ask(Read("it", 10))
        await wait_all_tasks_blocked()
        assert desk.log == ["+it", "xit"]
        assert await handle.ask(Read("next")) == "next"


async def test_cancelling_an_asker_reaches_down_a_chain_of_asks(
    autojump_clock: MockClock,
) -> None:
    """What a cancelled `act_on` handler has asked for is cancelled too."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        inner = await runtime.start(this, desk)
        outer = await runtime.start(Desk)
        with trio.move_on_after(1):
            await outer.ask(AskForReading(inner, 10))
        await wait_all_tasks_blocked()

        assert desk.log == ["+inner", "xinner"]


async def test_cancelled_asker_lets_the_running_mutate_on_handler_complete(
    autojump_clock: MockClock,
) -> None:
    """A running `mutate_on` handler completes though its asker is cancelled."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        with trio.move_on_after(1):
            await handle.ask(Write("it", 10))
        await handle.ask(Read("next"))

    assert desk.log == ["+it", "-it", "+next", "-next"]


@pytest.mark.parametrize(
    "request_", [Read("it", 10, clean_up=10), Write("it", 10)], ids=["read", "write"]
)
async def test_asker_leaves_at_once(
    request_: Read | Write, autojump_clock: MockClock
) -> None:
    """The asker leaves at once and does not wait for the handler."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Desk)
        with trio.move_on_after(1):
            await handle.ask(request_)

        assert trio.current_time() == pytest.approx(1)


async def test_reply_address_says_that_its_asker_has_gone(
    autojump_clock: MockClock,
) -> None:
    """A reply address whose asker has gone says so."""
    desk = Desk()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)
        nursery.start_soon(handle.ask, Defer())
        await wait_all_tasks_blocked()
        assert not desk.addresses[0].is_closed
        nursery.cancel_scope.cancel()

    assert desk.addresses[0].is_closed


async def test_sending_to_a_closed_reply_address_is_no_error(
    autojump_clock: MockClock,
) -> None:
    """Sending to a reply address whose asker has gone is no error."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        with trio.move_on_after(1):
            await handle.ask(Defer())
        await desk.addresses[0].send("too late")
        await desk.addresses[0].send(object())

        assert await handle.ask(Read("next")) == "next"


async def test_late_reply_goes_nowhere(autojump_clock: MockClock) -> None:
    """A late reply goes nowhere: no later ask gets it, and no dead letter has it."""
    desk = Desk()

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
        trio.open_nursery() as nursery,
    ):
        handle = await runtime.start(this, desk)
        with trio.move_on_after(1):
            await handle.ask(Defer())
        replies: list[str] = []

        async def ask() -> None:
            replies.append(await handle.ask(Defer()))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await desk.addresses[0].send("for the first")
        await wait_all_tasks_blocked()
        assert replies == []
        await desk.addresses[1].send("for the second")
        await wait_all_tasks_blocked()

        assert replies == ["for the second"]
        assert letters.statistics().delivered == 0


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    asks=st.lists(
        st.tuples(
            st.sampled_from([Read, Write]),
            st.integers(0, 5),
            st.integers(0, 10),
            st.integers(0, 6),
        ),
        max_size=8,
    ),
    seed=st.integers(0, 1000),
)
async def test_no_asker_gets_a_reply_that_is_for_another(
    asks: list[tuple[type[Read | Write], int, int, int]],
    seed: int,
    task_order: random.Random,
    autojump_clock: MockClock,
) -> None:
    """Whoever gives up when, no asker gets a reply that is for another."""
    task_order.seed(seed)
    desk = Desk()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)

        async def ask(name: str, request: Read | Write, patience: float) -> None:
            with trio.move_on_after(patience):
                assert await handle.ask(request) == name

        for index, (request_type, seconds, patience, pause) in enumerate(asks):
            name = f"{request_type.__name__} {index}"
            nursery.start_soon(ask, name, request_type(name, seconds), patience)
            await trio.sleep(pause)

    begun = [line[1:] for line in desk.log if line[0] == "+"]
    ended = [line[1:] for line in desk.log if line[0] != "+"]
    assert sorted(begun) == sorted(ended)
    assert len(set(begun)) == len(begun)
    assert not [line for line in desk.log if line.startswith("xWrite")]
