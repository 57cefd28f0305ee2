"""The order in which an actor handles its messages, and how fair it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

EACH_ORDER = range(8)
"""trio runs what is ready in either order, so chance gets several tries."""


@acton.message
class Read(acton.Request[str]):
    """Takes a while; others may read meanwhile."""

    name: str
    seconds: float = 1


@acton.message
class Write(acton.Request[str]):
    """Takes a while, alone."""

    name: str
    seconds: float = 1
    shield: bool = False


@acton.message
class Glance(acton.Request[str]):
    """Takes no time; others may read meanwhile."""

    name: str


@acton.message
class Jot(acton.Request[str]):
    """Takes no time, alone."""

    name: str


@acton.message
class Break:
    """Makes a reading handler fail."""


@acton.message
class Unknown(acton.Request[int]):
    """Has no handler."""


Work = Read | Write | Glance | Jot


@acton.actor
class Desk:
    """Writes down when it begins and ends what."""

    spans: list[tuple[str, float, float]] = attrs.field(
        factory=list[tuple[str, float, float]]
    )
    begun: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        await self._take(request.name, request.seconds)
        return request.name

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        with trio.CancelScope(shield=request.shield):
            await self._take(request.name, request.seconds)
        return request.name

    async def _take(self, name: str, seconds: float) -> None:
        self.begun.append(name)
        begin = trio.current_time()
        await trio.sleep(seconds)
        self.spans.append((name, begin, trio.current_time()))

    @acton.act_on
    def glance(self, request: Glance) -> str:
        """Take no time."""
        return self._note(request.name)

    @acton.mutate_on
    def jot(self, request: Jot) -> str:
        """Take no time, alone."""
        return self._note(request.name)

    def _note(self, name: str) -> str:
        self.begun.append(name)
        self.spans.append((name, trio.current_time(), trio.current_time()))
        return name

    @acton.act_on
    async def fail(self, message: Break) -> None:
        """Fail at the first step."""
        raise ValueError


def this(desk: Desk) -> Desk:
    """Have the actor be one that the test can look at."""
    return desk


async def test_messages_of_one_kind_begin_in_the_order_of_sending(
    autojump_clock: MockClock,
) -> None:
    """Messages leave the mailbox first in, first out."""
    desk, names = Desk(), [str(number) for number in range(200)]

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        for name in names:
            handle.send_nowait(Jot(name))

    assert desk.begun == names


WORK = st.lists(
    st.builds(Read, st.just(""), st.integers(0, 3))
    | st.builds(Write, st.just(""), st.integers(0, 3))
    | st.builds(Glance, st.just(""))
    | st.builds(Jot, st.just("")),
    max_size=15,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(work=WORK, limit=st.integers(1, 4))
async def test_actor_is_a_fair_read_write_lock(
    work: list[Work], limit: int, autojump_clock: MockClock
) -> None:
    """Readers overlap up to a limit, writers are alone, and nothing overtakes."""
    desk = Desk()
    messages = [
        attrs.evolve(each, name=str(number))  # type: ignore[misc]
        for number, each in enumerate(work)
    ]
    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk, max_concurrency=limit)
        for message in messages:
            handle.send_nowait(message)
        with trio.fail_after(100):
            await handle.ask(Jot("after all"))
        assert desk.spans.pop()[0] == "after all"

    begin = {int(name): start for name, start, _ in desk.spans}
    end = {int(name): stop for name, _, stop in desk.spans}
    alone = {i for i, each in enumerate(work) if isinstance(each, Write | Jot)}
    assert len(desk.spans) == len(work)
    for later in range(len(work)):
        for earlier in range(later):
            assert begin[earlier] <= begin[later]
            if earlier in alone or later in alone:
                assert end[earlier] <= begin[later]
        running = [i for i in range(later) if end[i] > begin[later]]
        assert len(running) < limit


async def test_default_concurrency_is_100(autojump_clock: MockClock) -> None:
    """At most a hundred `act_on` handlers of an actor overlap, if it says nothing."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        for number in range(101):
            handle.send_nowait(Read(str(number)))
        # They start in several turns: what has not when it stops starts last.
        await wait_all_tasks_blocked()

    assert [start for _, start, _ in desk.spans] == [0.0] * 100 + [1.0]


async def test_all_behind_wait_where_the_limit_is_reached(
    autojump_clock: MockClock,
) -> None:
    """At the limit the head of the mailbox waits, and so does what takes no time."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk, max_concurrency=1)
        for message in (Read("first"), Read("second"), Glance("third")):
            handle.send_nowait(message)

    assert [name for name, _, _ in desk.spans] == ["first", "second", "third"]


async def test_unhandled_message_harms_nobody(autojump_clock: MockClock) -> None:
    """Without a handler it is a dead letter, its asker is told, the actor goes on."""
    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        handle = await runtime.start(Desk, name="desk")
        with pytest.raises(acton.UnhandledMessageError) as caught:
            await handle.ask(Unknown())
        letter = await anext(letters)

        assert (caught.value.actor, caught.value.message) == ("desk", "Unknown")
        assert "Read" in caught.value.handled
        assert (letter.message, letter.target) == (Unknown(), "desk")
        assert letter.error is caught.value
        assert await handle.ask(Glance("next")) == "next"


# --- letting others run


def spin(seconds: float) -> None:
    """Keep the processor for some time."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def longest_burst(handle: acton.ActorHandle, handled: list[int]) -> int:
    """Return how many messages were handled between two looks, at most."""
    longest = seen = 0
    while len(handle._seat.mailbox):
        await trio.lowlevel.checkpoint()
        longest, seen = max(longest, len(handled) - seen), len(handled)
    return longest


@pytest.mark.parametrize("exclusive", [True, False], ids=["mutate_on", "act_on"])
@pytest.mark.parametrize("shape", ["sync", "sync with ctx", "async"])
@pytest.mark.parametrize(
    ("cost", "most"),
    [
        pytest.param(0.0, 64, id="64 messages"),
        pytest.param(0.0003, 2, id="500 us"),
    ],
)
async def test_burst_of_messages_lets_others_run(
    shape: str, cost: float, most: int, *, exclusive: bool
) -> None:
    """An actor yields after 64 messages, or 500 us of handling, whatever handles."""
    handled: list[int] = []

    def note() -> None:
        spin(cost)
        handled.append(0)

    def sync(_model: object, _message: Break) -> None:
        note()

    def with_context(_model: object, _message: Break, _ctx: acton.Context) -> None:
        note()

    async def asynchronous(_model: object, _message: Break) -> None:  # noqa: ASYNC124
        note()

    functions: dict[str, Callable[[object, Break], object]] = {
        "sync": sync,
        "sync with ctx": with_context,  # type: ignore[dict-item]  # pyright: ignore[reportAssignmentType]
        "async": asynchronous,
    }
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object)
        add = idle.mutate_on if exclusive else idle.act_on
        handle = await add(Break, functions[shape]).start()
        for _ in range(200):
            handle.send_nowait(Break())
        longest = await longest_burst(handle, handled)

    # Two turns may follow each other between two of ours, as trio runs what is
    # ready in a random order; overlapping handlers are tasks of their own.
    bound = 200 if shape == "async" and not exclusive else 2 * most
    assert longest in range(1, bound + 1)


# --- handlers that were to begin when their incarnation ended


@pytest.mark.parametrize("order", EACH_ORDER)
async def test_message_that_has_not_begun_survives_a_failure_beside_it(
    autojump_clock: MockClock, order: int
) -> None:
    """Until its handler's first step a message is queued, and so kept at a restart."""
    desk, results = Desk(), list[str]()
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)

        async def ask(name: str) -> None:
            with suppress(acton.HandlerFailedError):
                results.append(await handle.ask(Read(name, 0)))
                return
            results.append(f"{name} had begun")

        handle.send_nowait(Break())
        for name in ("a", "b", "c"):
            nursery.start_soon(ask, name)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()

    assert {line[0] for line in results} == {"a", "b", "c"}


async def test_queued_messages_are_answered_when_the_drain_is_cut_off(
    autojump_clock: MockClock,
) -> None:
    """Past the drain's deadline nothing begins, and every asker is told at once."""
    desk, results = Desk(), dict[str, float]()
    async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(this, desk)

        async def ask(request: Work) -> None:
            with suppress(acton.ActorStoppedError):
                await handle.ask(request)
                return
            results[request.name] = trio.current_time()

        handle.send_nowait(Jot("before"))
        handle.send_nowait(Write("first", 1))
        await wait_all_tasks_blocked()
        handle.send_nowait(Write("overruns", 11, shield=True))
        for request in (Write("write", 0), Jot("jot"), Read("read", 0)):
            nursery.start_soon(ask, request)
            await wait_all_tasks_blocked()
        await handle.stop()
        stopped = trio.current_time()
        nursery.cancel_scope.cancel()

    assert desk.begun == ["before", "first", "overruns"]
    assert results == dict.fromkeys(["write", "jot", "read"], stopped)


async def test_reader_that_is_taken_back_before_it_began_makes_room(
    autojump_clock: MockClock,
) -> None:
    """A handler that never begins does not count as one that runs."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk, max_concurrency=1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await handle.ask(Read("never"))
        await handle.ask(Write("next", 0))

    assert desk.begun == ["next"]


async def test_actor_of_many_readers_ends_with_the_last(
    autojump_clock: MockClock,
) -> None:
    """A drain waits for every reader that runs, and for what is queued behind."""
    desk = Desk()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(this, desk)
        for message in (Read("a", 3), Read("b", 1), Write("c", 1)):
            handle.send_nowait(message)
        await wait_all_tasks_blocked()

    assert [name for name, _, _ in desk.spans] == ["b", "a", "c"]
    assert trio.current_time() == pytest.approx(4)
