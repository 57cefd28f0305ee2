"""What the reference's pages show of messages, and of the handlers they are for."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class AddUp(acton.Request[int]):
    """Has fields to compute with."""

    left: int
    right: int


@acton.message
class Increment:
    """Has no fields at all."""


@acton.message
class GetCount(acton.Request[int]):
    """Asks for the count."""


@acton.message
class AddItem:
    """Has fields to keep, after a while."""

    name: str
    quantity: int = 1
    seconds: float = 0


@acton.message
class GetItems(acton.Request[tuple[AddItem, ...]]):
    """Asks for what was kept."""


@acton.message
class GetAverage(acton.Request[float | None]):
    """Asks for what there may not be."""


@acton.message
class GetName(acton.Request[str]):
    """Asks for a text."""


@acton.message
class Confirmed:
    """Says that something was done."""

    name: str


@acton.message
class Confirm(acton.Request[Confirmed]):
    """Wants it done, and wants to know when it is."""

    name: str


@acton.message
class ReplyNow(acton.Request[int]):
    """Is answered before its handler is done."""


@acton.actor
class Store:
    """Handles messages of many shapes."""

    count: int = 0
    items: list[AddItem] = attrs.field(factory=list[AddItem])
    messages: list[object] = attrs.field(factory=list[object])

    @acton.act_on
    def add_up(self, request: AddUp) -> int:
        """Compute."""
        return request.left + request.right

    @acton.mutate_on
    def increment(self, command: Increment, ctx: acton.Context) -> None:
        """Count, and note the message, from both sides."""
        self.count += 1
        self.messages += [command, ctx.message]

    @acton.act_on
    async def get_count(self, _request: GetCount) -> int:
        """Tell."""
        return self.count

    @acton.mutate_on
    async def add_item(self, command: AddItem) -> None:
        """Keep it, after a while."""
        await trio.sleep(command.seconds)
        self.items.append(command)

    @acton.act_on
    def get_items(self, _request: GetItems) -> tuple[AddItem, ...]:
        """Tell."""
        return tuple(self.items)

    @acton.act_on
    def get_average(self, _request: GetAverage) -> float | None:
        """Tell, if there is one."""
        if not self.items:
            return None
        return sum(item.quantity for item in self.items) / len(self.items)

    @acton.act_on
    def get_name(self, _request: GetName, ctx: acton.Context) -> str:
        """Tell what the actor is called."""
        return ctx.handle.name

    @acton.mutate_on
    async def confirm(self, request: Confirm, ctx: acton.Context) -> Confirmed:
        """Send itself the work, and confirm."""
        await ctx.handle.send(AddItem(request.name))
        return Confirmed(request.name)

    @acton.act_on
    async def reply_now(self, _request: ReplyNow, ctx: acton.Context) -> None:
        """Answer, and work on."""
        ctx.reply(42)
        await trio.sleep(1)


@covers(204, 210)
@pytest.mark.parametrize(("left", "right", "total"), [(3, 5, 8), (10, 20, 30)])
async def test_handler_reads_the_fields_of_its_message(
    left: int, right: int, total: int, autojump_clock: MockClock
) -> None:
    """A message is a class with fields, and its handler has them as they were."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)

        assert await store.ask(AddUp(left, right)) == total


@covers(204)
async def test_exclusive_handlers_keep_the_order_of_the_messages(
    autojump_clock: MockClock,
) -> None:
    """One `mutate_on` handler is done before the next begins, however long it takes."""
    items = (AddItem("slow", 1, 3), AddItem("slower", 2, 5), AddItem("quick", 3))

    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)
        for item in items:
            await store.send(item)

        assert await store.ask(GetItems()) == items
        assert trio.current_time() == 8


@covers(204)
async def test_what_one_handler_changes_another_one_reads(
    autojump_clock: MockClock,
) -> None:
    """`mutate_on` handlers write the state that `act_on` handlers read."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)
        for _ in range(3):
            await store.send(Increment())

        assert await store.ask(GetCount()) == 3


@covers(204)
async def test_messages_of_a_type_differ_by_their_fields(
    autojump_clock: MockClock,
) -> None:
    """Two messages of a type carry two things; a field may have a default."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)
        await store.send(AddItem("apple", 3))
        await store.send(AddItem("pear"))

        assert await store.ask(GetItems()) == (AddItem("apple", 3), AddItem("pear", 1))


@covers(204, 205)
async def test_handler_is_given_the_very_message(autojump_clock: MockClock) -> None:
    """Even one without fields arrives as itself, and the context has it too."""
    messages: list[object] = []
    command = Increment()

    async with open_test_runtime() as runtime:
        store = await runtime.start(lambda: Store(messages=messages))
        await store.send(command)

    assert [message is command for message in messages] == [True, True]


@covers(204, 205)
async def test_send_expects_no_answer(autojump_clock: MockClock) -> None:
    """A message is sent and forgotten: nothing comes back, and it is handled."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)
        for _ in range(2):
            await store.send(Increment())
        # The reply to a request that was only sent is dropped.
        await store.send(AddUp(1, 1))

        assert await store.ask(GetCount()) == 2


@covers(204, 205)
async def test_reply_need_not_wait_for_the_handlers_end(
    autojump_clock: MockClock,
) -> None:
    """`ctx.reply` answers at once; the handler goes on."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)

        assert await store.ask(ReplyNow()) == 42
        assert trio.current_time() == 0

    assert trio.current_time() == 1


@covers(210)
async def test_each_request_has_its_type_of_reply(autojump_clock: MockClock) -> None:
    """A number, a text, nothing, a message: a request says what it is answered with."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store, name="corner-shop")

        assert await store.ask(GetName()) == "corner-shop"
        assert await store.ask(GetAverage()) is None
        await store.send(AddItem("apple", 3))
        await store.send(AddItem("pear", 2))
        assert await store.ask(GetAverage()) == 2.5
        assert await store.ask(GetItems()) == (AddItem("apple", 3), AddItem("pear", 2))


@covers(205)
async def test_acknowledgement_says_that_the_work_is_due(
    autojump_clock: MockClock,
) -> None:
    """What a handler has sent before it answers is handled before what comes later."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)

        assert await store.ask(Confirm("order 1")) == Confirmed("order 1")
        assert await store.ask(GetItems()) == (AddItem("order 1"),)


@acton.actor
class Desk:
    """Has others do the work."""

    worker: acton.ActorHandle

    @acton.act_on
    async def add_up(self, request: AddUp) -> int:
        """Ask the worker the same."""
        return await self.worker.ask(request)

    @acton.act_on
    async def increment(self, command: Increment) -> None:
        """Send it on."""
        await self.worker.send(command)


@covers(210)
async def test_message_is_forwarded_as_it_is(autojump_clock: MockClock) -> None:
    """An actor hands on what it is sent, and answers what the other one answers."""
    async with open_test_runtime() as runtime:
        store = await runtime.start(Store)
        desk = await runtime.start(Desk, store)
        await desk.send(Increment())

        assert await desk.ask(AddUp(10, 20)) == 30
        assert await store.ask(GetCount()) == 1
