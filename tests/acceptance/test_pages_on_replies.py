"""What the reference's pages show of replies: in time, late, and many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class GetPrice(acton.Request[float]):
    """Asks for a price that takes a while to find."""

    seconds: float = 0


@acton.message
class Watch(acton.StreamRequest[int]):
    """Asks for some numbers, one after another."""

    count: int


@acton.message
class Tick:
    """Is one of those numbers, as a message."""

    number: int


@acton.message
class Publish:
    """Has them sent to somebody."""

    receiver: acton.ActorHandle
    count: int


@acton.message
class Begin(acton.Request[str]):
    """Begins a task, whose end is the reply."""

    task_id: int


@acton.message
class Finish:
    """Ends it."""

    task_id: int
    result: str


@acton.actor
class Market:
    """Answers late, or many times."""

    waiting: dict[int, acton.ReplyAddress] = attrs.field(
        factory=dict[int, acton.ReplyAddress]
    )

    @acton.act_on
    async def get_price(self, request: GetPrice) -> float:
        """Find it."""
        await trio.sleep(request.seconds)
        return 1000.0

    @acton.act_on
    async def watch(self, request: Watch) -> AsyncIterator[int]:  # noqa: ASYNC124 # waits for who reads
        """Count."""
        for number in range(request.count):
            yield number

    @acton.act_on
    async def publish(self, command: Publish) -> None:
        """Count, to somebody else."""
        for number in range(command.count):
            await command.receiver.send(Tick(number))

    @acton.mutate_on
    def begin(self, request: Begin, ctx: acton.Context) -> None:
        """Keep the address for later."""
        self.waiting[request.task_id] = ctx.reply_address

    @acton.mutate_on
    async def finish(self, command: Finish) -> None:
        """Answer whoever waits for this."""
        await self.waiting.pop(command.task_id).send(command.result)


@acton.actor
class Screen:
    """Shows what it is sent."""

    shown: list[int] = attrs.field(factory=list[int])

    @acton.mutate_on
    def show(self, tick: Tick) -> None:
        """Show it."""
        self.shown.append(tick.number)


@covers(205)
async def test_ask_is_answered_within_its_deadline_or_not_at_all(
    autojump_clock: MockClock,
) -> None:
    """An asker's scope is all there is to a timeout: in time, or too slow."""
    async with open_test_runtime() as runtime:
        market = await runtime.start(Market)
        with trio.fail_after(1):
            assert await market.ask(GetPrice(0.5)) == 1000.0
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await market.ask(GetPrice(2))

        assert trio.current_time() == 1.5


@covers(205)
async def test_stream_is_read_one_by_one(autojump_clock: MockClock) -> None:
    """A request can have many replies, and its reader takes them as they come."""
    async with open_test_runtime() as runtime:
        market = await runtime.start(Market)
        async with market.stream(Watch(3)) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]


@covers(205)
async def test_receiver_is_sent_one_message_after_another(
    autojump_clock: MockClock,
) -> None:
    """A message can say who is to be sent the answers, which keep their order."""
    shown: list[int] = []

    async with open_test_runtime() as runtime:
        screen = await runtime.start(Screen, shown)
        market = await runtime.start(Market)
        await market.send(Publish(screen, 3))

    assert shown == [0, 1, 2]


@covers(205)
async def test_replies_are_sent_later_to_whom_they_belong(
    autojump_clock: MockClock,
) -> None:
    """An address that is kept is answered when it can be, in any order."""
    results: dict[int, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        market = await runtime.start(Market)

        async def begin(task_id: int) -> None:
            results[task_id] = await market.ask(Begin(task_id))

        for task_id in (1, 2):
            nursery.start_soon(begin, task_id)
        await wait_all_tasks_blocked()
        for task_id in (2, 1):
            await market.send(Finish(task_id, f"result {task_id}"))

    assert list(results.items()) == [(2, "result 2"), (1, "result 1")]
