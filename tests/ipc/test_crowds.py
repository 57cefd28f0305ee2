"""Two hundred hostile clients, and one that does no harm and must not notice.

In virtual time an answer takes as long as it has to wait, however much there is
to be done meanwhile: what is tested is that nobody waits for anybody else.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from acton_trio._ipc.session import Session
from acton_trio.ipc import IpcConfig, IpcLimits

from .hostiles import KINDS, SLICE, Hostile, News, Prey, Quiet
from .peers import DISCOVER, HEARTBEAT, UNLIMITED, Peer, World, open_world

# Enough of them, in one test each.
MANY: Final = 200

# How those that are in a hurry have to hold back: in seconds, and frames.  In
# virtual time they are no slower for that, and there is less of it.
PAUSE: Final = 0.5
FLOOD: Final = 8
DROP: Final = 0.1

# What the server may keep for one that does not read, in bytes: as many answers
# as it may have asked for at once, as many pushes as it may be behind, a chunk
# that is read and one that is written, and what all that hangs on.
ASKED: Final = 50
MOST: Final = ASKED * (SLICE + 100) + 100 * 1200 + 65536


@asynccontextmanager
async def open_town(config: IpcConfig | None = None) -> AsyncGenerator[World]:
    """Open a world with what the hostile are after, and somebody who is quiet."""
    async with open_world(config) as world:
        await world.runtime.start(Prey, name="prey", expose=True)
        await world.runtime.start(Quiet, name="quiet", expose=True)
        yield world


def hostile(world: World, seed: int) -> Hostile:
    """Return a hostile client, whose connections hold no byte by themselves."""

    async def dial() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return world.door.connect_in_lockstep()

    return Hostile(dial, random.Random(seed), PAUSE, FLOOD, DROP)


async def ask(peer: Peer, message_type: str, payload: Any = None) -> Any:
    """Ask who is quiet; return the reply, which there must be."""
    answer = await peer.ask(message_type, payload, target="quiet")
    assert answer["success"], answer
    return answer["payload"]


async def ask_everything(world: World, peer: Peer) -> None:
    """Ask in every way, and see that each takes as long as if there was nobody else."""
    start = trio.current_time()
    assert await ask(peer, "GetNumber") == 0
    await peer.say(HEARTBEAT, {})
    assert await peer.read() == (HEARTBEAT, {})
    await peer.say(DISCOVER, {"correlation_id": "d"})
    assert (await peer.answer())["success"]
    assert trio.current_time() == start
    assert await ask(peer, "Hold", {"seconds": 1}) == 0
    assert trio.current_time() == pytest.approx(start + 1)
    await world.runtime.broker.broadcast(News("x" * 1000))


async def check_nothing_is_left(world: World, tasks: Counter[str]) -> None:
    """See that nobody is connected, and that there are only *tasks*."""
    await trio.sleep(1)
    await wait_all_tasks_blocked()
    counted = world.listener.statistics()
    assert counted.connections_active == 0
    assert counted.in_flight_requests == 0
    assert tasks_below(trio.lowlevel.current_root_task()) == tasks


def tasks_below(task: trio.lowlevel.Task | None) -> Counter[str]:
    """Return the names of the tasks below *task*, but for those of actors.

    An actor has one from its first message on.
    """
    assert task is not None
    children = [each for n in task.child_nurseries for each in n.child_tasks]
    names = (each.name for each in children if not each.name.startswith("actor "))
    return sum(map(tasks_below, children), Counter(names))


async def endure(world: World, kinds: Iterable[str]) -> None:
    """Ask all the while as many hostile clients as *kinds* do harm."""
    tasks = tasks_below(trio.lowlevel.current_root_task())
    peer = world.peer()
    async with trio.open_nursery() as nursery:
        for seed, kind in enumerate(kinds):
            nursery.start_soon(hostile(world, seed).harm, kind)
        for _ in range(3):
            await ask_everything(world, peer)
        nursery.cancel_scope.cancel()
    await ask_everything(world, peer)
    await peer.stream.aclose()
    await check_nothing_is_left(world, tasks)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_does_harm_is_not_noticed(
    autojump_clock: MockClock, kind: str
) -> None:
    """Every request of another client is answered as if there was nobody else."""
    async with open_town() as world:
        await endure(world, [kind])


@pytest.mark.parametrize("kind", KINDS)
async def test_crowd_of_a_kind_is_not_noticed(
    autojump_clock: MockClock, kind: str
) -> None:
    """Nor are two hundred of them, and they leave nothing behind."""
    async with open_town() as world:
        await endure(world, MANY * [kind])


async def test_crowd_of_all_kinds_is_not_noticed(autojump_clock: MockClock) -> None:
    """Nor is a mixed crowd, without a limit to what each may send."""
    async with open_town(IpcConfig(rate_limit=UNLIMITED)) as world:
        await endure(world, MANY // len(KINDS) * [*KINDS])


@pytest.mark.parametrize("kind", ["slow", "stalled"])
async def test_little_is_kept_for_one_that_does_not_read(
    autojump_clock: MockClock, kind: str
) -> None:
    """It is written for no faster than it reads, and nothing is kept twice."""
    number = 20
    async with open_town() as world, trio.open_nursery() as nursery:
        with traced() as kept:
            for seed in range(number):
                nursery.start_soon(hostile(world, seed).harm, kind)
            for _ in range(20):
                await trio.sleep(1)
                for _ in range(10):
                    await world.runtime.broker.broadcast(News("x" * 1000))
            assert kept() < number * MOST

        sessions = world.listener._reception.sessions
        assert len(sessions) == number
        for session in sessions:
            check_bounds(session)
        nursery.cancel_scope.cancel()


def check_bounds(session: Session) -> None:
    """See that *session* keeps as much as may be, and no more."""
    assert session._outbox.size < MOST
    assert session._connection.buffered <= 65536
    assert len(session._inlet._kept) <= 65536 // 256 + 1
    assert session._requests.in_flight <= IpcLimits().max_in_flight
    assert session._subscriptions._unread <= IpcLimits().push_buffer_size


async def test_nothing_is_kept_of_what_was_read(autojump_clock: MockClock) -> None:
    """A connection that is idle costs the same, whatever it was answered before."""
    number = 20
    async with open_town() as world:
        peers = [world.peer() for _ in range(number)]
        with traced() as kept:
            for peer in peers:
                payload = {"size": 500_000}
                assert (await peer.ask("Repeat", payload, target="prey"))["success"]
            await wait_all_tasks_blocked()
            assert kept() < number * 100_000


async def test_stream_for_one_that_reads_no_more_is_not_gone_on_with(
    autojump_clock: MockClock,
) -> None:
    """What it says after that is still taken, but nothing is made for nobody."""
    async with open_town() as world:
        peer = world.peer()
        assert isinstance(peer.stream, trio.StapledStream)
        await peer.stream.receive_stream.aclose()
        await peer.request("a", "GetNumber", None, target="quiet")
        await wait_all_tasks_blocked()
        await peer.request(
            "b", "Drip", {"size": 10}, target="prey", expects_stream=True
        )
        await wait_all_tasks_blocked()

        assert world.listener.statistics().in_flight_requests == 1
        await trio.sleep(1)
        assert world.listener.statistics().in_flight_requests == 0


@contextmanager
def traced() -> Generator[Callable[[], int]]:
    """Count, in the block, the bytes that were taken since and not given back."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()

    def kept() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    try:
        yield kept
    finally:
        tracemalloc.stop()
