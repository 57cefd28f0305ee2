"""Asks that could never be answered, and those that only look like it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Tell(acton.Request[str]):
    """Is answered at once, by a reader."""


@acton.message
class Change(acton.Request[None]):
    """Is answered at once, by a writer."""


@acton.message
class Via(acton.Request[str]):
    """Makes a reader ask along a path, whose last is asked to tell."""

    path: tuple[acton.ActorHandle, ...]
    delay: float = 0


@acton.message
class ViaAlone(acton.Request[str]):
    """Makes a writer do the same."""

    path: tuple[acton.ActorHandle, ...]
    delay: float = 0


@acton.message
class Crowd(acton.Request[None]):
    """Makes a writer send to somebody who has no room."""

    other: acton.ActorHandle


@acton.message
class End(acton.Request[None]):
    """Makes a writer stop somebody."""

    other: acton.ActorHandle


@acton.actor
class Peer:
    """Asks whom it is told to."""

    @acton.act_on
    def tell(self, _request: Tell) -> str:
        """Tell."""
        return "told"

    @acton.mutate_on
    def change(self, _request: Change) -> None:
        """Change nothing."""

    @acton.act_on
    async def via(self, request: Via) -> str:
        """Ask along the path."""
        await trio.sleep(request.delay)
        return await ask_along(request.path)

    @acton.mutate_on
    async def via_alone(self, request: ViaAlone) -> str:
        """Ask along the path, alone."""
        await trio.sleep(request.delay)
        return await ask_along(request.path)

    @acton.mutate_on
    async def crowd(self, request: Crowd) -> None:
        """Send until there is no room, and on."""
        for _ in range(3):
            await request.other.send(Tell())

    @acton.mutate_on
    async def end(self, request: End) -> None:
        """Stop somebody."""
        await request.other.stop()


async def ask_along(path: tuple[acton.ActorHandle, ...]) -> str:
    """Ask the first to ask the second, and so on; tell what went wrong."""
    first, *rest = path
    try:
        return await first.ask(Via(tuple(rest)) if rest else Tell())
    except acton.AskCycleError as error:
        return " -> ".join(error.path)


@pytest.mark.parametrize("length", [1, 2, 5])
async def test_cycle_of_any_length_is_found_at_the_last_ask(
    autojump_clock: MockClock, length: int
) -> None:
    """The path names every actor on the way, from the one asked to the same."""
    async with open_test_runtime() as runtime:
        peers = [await runtime.start(Peer, name=f"p{n}") for n in range(length)]
        answer = await peers[0].ask(ViaAlone((*peers[1:], peers[0])))

        assert answer == " -> ".join([*(f"p{n}" for n in range(length)), "p0"])
        assert trio.current_time() == 0


async def test_reader_may_ask_back(autojump_clock: MockClock) -> None:
    """Between readers there is no cycle, however often they ask each other."""
    async with open_test_runtime() as runtime:
        one, two = await runtime.start(Peer), await runtime.start(Peer)

        assert await one.ask(Via((two, one, two, one))) == "told"


async def test_only_reader_that_may_run_may_not_ask_back(
    autojump_clock: MockClock,
) -> None:
    """Where `max_concurrency` is 1 a reader holds up its like as a writer does."""
    async with open_test_runtime() as runtime:
        one = await runtime.start(Peer, name="one", max_concurrency=1)

        assert await one.ask(Via((one,))) == "one -> one"


async def test_writer_that_waits_stands_between_readers(
    autojump_clock: MockClock,
) -> None:
    """An ask back is a cycle if a writer is queued, as nothing overtakes it."""
    answers: list[str] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        one = await runtime.start(Peer, name="one")

        async def ask() -> None:
            answers.append(await one.ask(Via((one,), delay=1)))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        nursery.start_soon(one.ask, Change())

    assert answers == ["one -> one"]


async def test_two_that_ask_each_other_are_found_without_a_common_chain(
    autojump_clock: MockClock,
) -> None:
    """Whoever asks second is told; the other gets its answer."""
    answers: list[str] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        one = await runtime.start(Peer, name="one")
        two = await runtime.start(Peer, name="two")

        async def ask(who: acton.ActorHandle, other: acton.ActorHandle) -> None:
            answers.append(await who.ask(ViaAlone((other,), delay=1)))

        nursery.start_soon(ask, one, two)
        nursery.start_soon(ask, two, one)

    assert sorted(answers) in (
        ["one -> two -> one", "told"],
        ["told", "two -> one -> two"],
    )
    assert trio.current_time() == pytest.approx(1)


@pytest.mark.parametrize("how", [Crowd, End])
async def test_wait_for_room_or_for_a_stop_is_seen(
    autojump_clock: MockClock, how: type[Crowd | End]
) -> None:
    """A handler waits for more than asks: for room in a mailbox, and for `stop`."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        one = await runtime.start(Peer, name="one")
        two = await runtime.start(Peer, name="two", mailbox_capacity=1)
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await two.ask(ViaAlone((one,), delay=1)))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        nursery.start_soon(one.ask, how(two))

    assert answers == ["one -> two -> one"]
    assert trio.current_time() == pytest.approx(1)
