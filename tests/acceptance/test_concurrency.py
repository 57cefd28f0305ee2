"""Handlers that only read overlap; those that change the state run alone."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Sum(acton.Request[int]):
    """Asks for the sum of the items, taking a while."""

    seconds: float = 0


@acton.message
class Echo(acton.Request[int]):
    """Asks for its own token, in a second."""

    token: int


@acton.message
class Add:
    """Is a new item, taking a while."""

    item: int
    seconds: float = 0


@acton.message
class CountItems(acton.Request[int]):
    """Asks how many items there are."""


@acton.actor
class Shelf:
    """Keeps numbers, and counts who reads and writes at the same time."""

    items: list[int] = attrs.field(factory=list[int])
    readers: int = 0
    most_readers: int = 0
    reads: int = 0
    writes: int = 0
    meetings: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    async def sum(self, request: Sum) -> int:
        """Take a while, and look only then."""
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        await trio.sleep(request.seconds)
        self.readers -= 1
        self.reads += 1
        return sum(self.items)

    @acton.act_on
    async def echo(self, request: Echo) -> int:
        """Take a second."""
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        await trio.sleep(1)
        self.readers -= 1
        return request.token

    @acton.mutate_on
    async def add(self, command: Add) -> None:
        """Take a while between looking and writing."""
        items = [*self.items, command.item]
        if self.readers:
            self.meetings.append(f"{command.item} met {self.readers} readers")
        await trio.sleep(command.seconds)
        if self.readers:
            self.meetings.append(f"{self.readers} readers met {command.item}")
        self.items = items
        self.writes += 1

    @acton.act_on
    def count(self, _request: CountItems) -> int:
        """Tell how many."""
        return len(self.items)


def this(shelf: Shelf) -> Shelf:
    """Have the actor be one that the test can look at."""
    return shelf


@covers(12)
async def test_readers_and_writers_all_run(autojump_clock: MockClock) -> None:
    """Whatever waits for whom, each message is handled, and once."""
    shelf = Shelf()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, shelf)
        for number in range(15):
            await handle.send(Add(number, 0.1) if number % 3 == 0 else Sum(0.1))

    assert (shelf.reads, shelf.writes) == (10, 5)
    assert shelf.items == [0, 3, 6, 9, 12]
    assert shelf.meetings == []


@covers(13)
async def test_twenty_readers_are_at_work_together(autojump_clock: MockClock) -> None:
    """Twenty reading handlers are at work at once, and none takes another's reply."""
    shelf = Shelf()
    replies: dict[int, int] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, shelf)

        async def ask(token: int) -> None:
            replies[token] = await handle.ask(Echo(token))

        for token in range(20):
            nursery.start_soon(ask, token)

    assert shelf.most_readers == 20
    assert replies == {token: token for token in range(20)}
    assert trio.current_time() == 1


@covers(14)
async def test_readers_see_the_state_as_it_was_when_their_turn_came(
    autojump_clock: MockClock,
) -> None:
    """What is queued behind a reader changes nothing under its hands."""
    sums: list[int] = []

    async with open_test_runtime() as runtime:
        handle = await runtime.start(Shelf, [1, 2, 3, 4, 5])

        async def ask() -> None:
            sums.append(await handle.ask(Sum(1)))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await handle.send(Add(6))
            await handle.send(Add(7))

        assert sum(sums) == 15 * 5
        assert await handle.ask(CountItems()) == 7


@covers(15, 16)
@pytest.mark.parametrize("seconds", [0.01, 1])
async def test_readers_take_no_longer_than_one_of_them(
    seconds: float, autojump_clock: MockClock
) -> None:
    """Ten reading handlers overlap: all are done when each one is."""
    shelf = Shelf()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, shelf)
        for _ in range(10):
            await handle.send(Sum(seconds))

    assert (shelf.most_readers, shelf.reads) == (10, 10)
    assert trio.current_time() == pytest.approx(seconds)


@covers(17)
async def test_interleaved_readers_see_exactly_what_was_sent_before_them(
    autojump_clock: MockClock,
) -> None:
    """A reader sees every change that was sent before it, and none sent after."""
    shelf = Shelf()
    sums: list[int] = []

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, shelf)

        async def ask() -> None:
            sums.append(await handle.ask(Sum(1)))

        async with trio.open_nursery() as nursery:
            for item in (1, 2, 3, 4):
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                await handle.send(Add(item))
            for _ in range(2):
                nursery.start_soon(ask)

    assert sums == [0, 1, 1 + 2, 1 + 2 + 3, 1 + 2 + 3 + 4, 1 + 2 + 3 + 4]
    assert (shelf.reads, shelf.writes, shelf.items) == (6, 4, [1, 2, 3, 4])
    assert shelf.meetings == []
