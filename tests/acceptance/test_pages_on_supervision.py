"""What the reference's page on supervision shows: parents, pools, and their ends."""

from __future__ import annotations

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .families import Worker
from .items import covers


@acton.message
class Task(acton.Request[str]):
    """Is done by one worker of a pool, in a second."""

    number: int


@acton.message
class CountDone(acton.Request[int]):
    """Asks a worker how many tasks it has done."""


@acton.actor
class PoolWorker:
    """Does tasks, one at a time."""

    done: int = 0

    @acton.mutate_on
    async def work(self, task: Task, ctx: acton.Context) -> str:
        """Take a second."""
        await trio.sleep(1)
        self.done += 1
        return f"{task.number} by {ctx.handle.name}"

    @acton.act_on
    def count(self, _request: CountDone) -> int:
        """Tell."""
        return self.done


@acton.actor
class Pool:
    """Hands tasks to its workers in turn, and waits for none of them."""

    size: int
    next: int = 0
    results: list[str] = attrs.field(factory=list[str])

    @acton.before_start
    async def before_start(self, ctx: acton.Context) -> None:
        """Hire the workers."""
        for number in range(self.size):
            await ctx.supervise(PoolWorker, name=f"worker-{number}")

    @acton.mutate_on
    def hand_on(self, task: Task, ctx: acton.Context) -> None:
        """Find whose turn it is, and have that worker answer."""
        worker = ctx.children[self.next % self.size]
        self.next += 1
        ctx.start_soon(self.pass_on, task, worker, ctx.reply_address)

    async def pass_on(
        self, task: Task, worker: acton.ActorHandle, address: acton.ReplyAddress
    ) -> None:
        """Reply with what the worker has replied."""
        await address.send(await worker.ask(task))


@covers(207)
async def test_parent_has_a_child_that_runs(autojump_clock: MockClock) -> None:
    """One child, which was started and takes messages."""
    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker)
        child = await parent.supervise(PoolWorker)
        await child.ask(Task(1))

        assert len(parent.children) == 1
        assert await child.ask(CountDone()) == 1


@covers(207)
async def test_actors_have_the_names_that_they_were_given(
    autojump_clock: MockClock,
) -> None:
    """To the letter; whoever has none is called after what it is."""
    async with open_test_runtime() as runtime:
        first = await runtime.start(Worker, name="data-service-1")
        second = await runtime.start(Worker, name="Web_Service.2")
        nameless = await runtime.start(Worker)
        child = await first.supervise(PoolWorker)

        assert first.name == "data-service-1"
        assert second.name == "Web_Service.2"
        assert nameless.name.startswith("Worker-")
        assert child.name.startswith("data-service-1/PoolWorker-")


@covers(207)
async def test_stop_of_the_parent_is_a_stop_of_all_below(
    autojump_clock: MockClock,
) -> None:
    """Children before parents, down to the last, with all of their hooks."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        root = await runtime.start(Worker, log, name="root")
        for name in ("left", "right"):
            branch = await root.supervise(Worker, log, name=name)
            await branch.supervise(Worker, log, name="leaf")
        log.clear()
        await root.stop()

        assert log == [
            "root/right/leaf is down",
            "root/right is down",
            "root/left/leaf is down",
            "root/left is down",
            "root is down",
        ]
        assert runtime.actors() == ()


@covers(207)
async def test_pool_of_workers_shares_the_tasks(autojump_clock: MockClock) -> None:
    """Nine tasks for three workers: three each, and three at a time."""
    results: list[str] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        pool = await runtime.start(Pool, 3, name="pool")

        async def have_done(number: int) -> None:
            results.append(await pool.ask(Task(number)))

        for number in range(9):
            nursery.start_soon(have_done, number)
            await wait_all_tasks_blocked()
        await trio.sleep(3)
        await wait_all_tasks_blocked()

        assert trio.current_time() == 3
        assert sorted(results) == [
            f"{number} by pool/worker-{number % 3}" for number in range(9)
        ]
        done = [await worker.ask(CountDone()) for worker in pool.children]
        assert done == [3, 3, 3]


@covers(207)
async def test_hooks_of_a_child_run(autojump_clock: MockClock) -> None:
    """As those of any actor, before its first message and after its last."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        parent = await runtime.start(Worker, name="parent")
        child = await parent.supervise(Worker, log, name="child")
        assert log == ["parent/child starts", "parent/child is up"]
        await child.stop()

        assert log[2:] == ["parent/child is down"]


@covers(207)
async def test_child_is_found_by_its_name(autojump_clock: MockClock) -> None:
    """From its parent, and from the runtime by the whole path."""
    async with open_test_runtime() as runtime:
        pool = await runtime.start(Pool, 3, name="pool")
        found = pool.find_child("worker-1")

        assert found is not None
        assert found is pool.children[1]
        assert found is runtime.find("pool/worker-1")
        assert pool.find_child("worker-3") is None
        assert (await found.ask(Task(7))) == "7 by pool/worker-1"
