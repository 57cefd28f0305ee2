"""The task that actors share which need none of their own."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._testing.pacing import paced
from acton_trio.testing import open_test_runtime


@acton.message
class Add:
    """Adds."""

    number: int


@acton.message
class GetSum(acton.Request[int]):
    """Asks for the sum."""


@acton.message
class GetSumLater(acton.Request[int]):
    """Asks for the sum in a second."""


@acton.message
class GetTask(acton.Request[str]):
    """Asks in which task it is handled."""


@acton.message
class Break:
    """Breaks."""


@acton.actor
class Adder:
    """Adds, and never waits but for one thing."""

    total: int = 0

    @acton.mutate_on
    def add(self, command: Add) -> None:
        """Add."""
        self.total += command.number

    @acton.mutate_on
    def break_(self, _command: Break) -> None:
        """Break."""
        raise ValueError

    @acton.act_on
    def get_sum(self, _request: GetSum) -> int:
        """Tell."""
        return self.total

    @acton.act_on
    def get_task(self, _request: GetTask) -> str:
        """Tell."""
        return trio.lowlevel.current_task().name

    @acton.act_on
    async def get_sum_later(self, _request: GetSumLater) -> int:
        """Tell, but not at once."""
        await trio.sleep(1)
        return self.total


def tasks() -> set[str]:
    """Return the names of the tasks that actors have for themselves."""
    left, names = [trio.lowlevel.current_root_task()], set[str]()
    while left:
        task = left.pop()
        assert task is not None
        names.add(task.name)
        left += [each for n in task.child_nurseries for each in n.child_tasks]
    return {each for each in names if each.startswith("actor ")}


async def test_actors_share_a_task_as_long_as_they_run_plain_functions(
    autojump_clock: MockClock,
) -> None:
    """Nobody waits in a plain function, so it need not be anybody's task."""
    async with open_test_runtime() as runtime:
        adders = [await runtime.start(Adder) for _ in range(100)]
        for number, adder in enumerate(adders):
            await adder.send(Add(number))
        assert [await adder.ask(GetSum()) for adder in adders] == [*range(100)]
        assert not tasks()
        assert len({await adder.ask(GetTask()) for adder in adders}) == 1


async def test_actor_that_has_to_wait_has_a_task_of_its_own(
    autojump_clock: MockClock,
) -> None:
    """What is queued behind is handled by that as well, and in order."""
    async with open_test_runtime() as runtime:
        adder = await runtime.start(Adder, name="adder")
        other = await runtime.start(Adder)
        await adder.send(Add(1))
        assert await adder.ask(GetSumLater()) == 1
        assert tasks() == {"actor adder"}
        await adder.send(Add(1))
        assert await adder.ask(GetSum()) == 2
        assert await adder.ask(GetTask()) == "actor adder"
        assert await other.ask(GetTask()) != "actor adder"


async def test_failure_in_the_shared_task_is_its_own_actors_alone(
    autojump_clock: MockClock,
) -> None:
    """That one is restarted with what it has queued; the others notice nothing."""
    async with open_test_runtime() as runtime:
        broken = await runtime.start(Adder)
        adder = await runtime.start(Adder)
        for each in (Add(1), Break(), Add(2)):
            broken.send_nowait(each)
        adder.send_nowait(Add(1))
        await broken.wait_generation(1)
        assert await broken.ask(GetSum()) == 2
        assert await adder.ask(GetSum()) == 1
        assert broken.status.generation == 1
        assert adder.status.generation == 0


async def test_flood_of_one_leaves_the_others_their_turns(
    autojump_clock: MockClock,
) -> None:
    """Whoever shares the task is asked in turn, a few messages at a time."""
    async with open_test_runtime() as runtime:
        flooded = await runtime.start(Adder, mailbox_capacity=10_000)
        adder = await runtime.start(Adder)
        for _ in range(10_000):
            flooded.send_nowait(Add(1))
        assert await adder.ask(GetSum()) == 0
        assert await flooded.ask(GetSum()) == 10_000
        assert len(flooded._seat.mailbox) == 0


async def test_asker_is_answered_long_before_a_flood_has_ended(
    autojump_clock: MockClock,
) -> None:
    """As long as another one is flooded, only a part of that comes first."""
    async with open_test_runtime() as runtime:
        flooded = await runtime.start(Adder, mailbox_capacity=10_000)
        adder = await runtime.start(Adder)
        for _ in range(10_000):
            flooded.send_nowait(Add(1))
        await adder.ask(GetSum())
        assert len(flooded._seat.mailbox) > 5_000


async def test_stop_of_an_actor_that_shares_handles_what_is_queued(
    autojump_clock: MockClock,
) -> None:
    """It ends in its own time, in a task of its own."""
    adder_model = Adder()
    async with open_test_runtime() as runtime:
        adder = await runtime.start(lambda: adder_model, name="adder")
        for _ in range(100):
            adder.send_nowait(Add(1))
        await adder.stop()
        assert adder_model.total == 100
        with pytest.raises(acton.ActorStoppedError):
            await adder.send(Add(1))


async def test_nobody_shares_where_chance_decides(autojump_clock: MockClock) -> None:
    """There the order of actors is what is tried out."""
    with paced(random.Random(1)):
        async with open_test_runtime() as runtime:
            adder = await runtime.start(Adder, name="adder")
            assert await adder.ask(GetSum()) == 0
            await wait_all_tasks_blocked()
            assert tasks() == {"actor adder"}
