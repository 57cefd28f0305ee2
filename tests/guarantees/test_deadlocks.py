"""A deadlock of asks is an exception, at the ask, with the path."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

PATIENT = acton.Config(timeouts=acton.Timeouts(ask=1_000_000))


@attrs.frozen
class Step:
    """What a handler does: wait a while, then perhaps ask somebody."""

    pause: float = 0
    target: acton.ActorHandle | None = None
    request: acton.Request[str] | None = None


@acton.message
class Read(acton.Request[str]):
    """Makes an `act_on` handler take a step."""

    step: Step = attrs.field(factory=Step)


@acton.message
class Write(acton.Request[str]):
    """Makes a `mutate_on` handler take a step."""

    step: Step = attrs.field(factory=Step)


@acton.message
class Fill(acton.Request[str]):
    """Makes a `mutate_on` handler send until there is room for all."""

    target: acton.ActorHandle
    count: int


@acton.message
class Stop(acton.Request[str]):
    """Makes a `mutate_on` handler stop somebody."""

    target: acton.ActorHandle


@acton.message
class StopOneself(acton.Request[str]):
    """Makes a handler stop, or wait for, its own actor by the handle."""

    only_wait: bool


@acton.message
class WriteThenForward(acton.Request[str]):
    """Makes a `mutate_on` handler defer the answer and wait for a task's ask."""

    target: acton.ActorHandle
    request: acton.Request[str]


@acton.message
class Defer(acton.Request[str]):
    """Is never answered."""


@acton.message
class Fail(acton.Request[str]):
    """Raises what has an `on_error`."""


@acton.message
class AnswerThenAsk(acton.Request[str]):
    """Makes a `mutate_on` handler answer at once, and ask somebody then."""

    target: acton.ActorHandle
    log: list[str]


@acton.actor
class Node:
    """Does what it is told."""

    addresses: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    async def take(self, step: Step) -> str:
        """Take one step; tell what the one asked said."""
        await trio.sleep(step.pause)
        if step.target is None or step.request is None:
            return "done"
        try:
            return await step.target.ask(step.request)
        except acton.AskCycleError as error:
            return " -> ".join(error.path)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a step."""
        return await self.take(request.step)

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a step."""
        return await self.take(request.step)

    @acton.mutate_on
    async def fill(self, request: Fill) -> str:
        """Send more than there is room for."""
        for _ in range(request.count):
            await request.target.send(Read())
        return "sent"

    @acton.mutate_on
    async def stop(self, request: Stop) -> str:
        """Stop somebody."""
        await request.target.stop()
        return "stopped"

    @acton.act_on
    async def stop_oneself(self, request: StopOneself, ctx: acton.Context) -> str:
        """Wait for one's own end."""
        try:
            if request.only_wait:
                await ctx.handle.wait_stopped()
            else:
                await ctx.handle.stop()
        except acton.AskCycleError as error:
            return " -> ".join(error.path)
        return "stopped"

    @acton.mutate_on
    async def in_background(
        self, request: WriteThenForward, ctx: acton.Context
    ) -> str | None:
        """Have a background task ask, and wait for it."""
        done = trio.Event()
        answers: list[str] = []

        async def ask() -> None:
            try:
                answers.append(await request.target.ask(request.request))
            except acton.AskError as error:
                answers.append(type(error).__name__)
            done.set()

        ctx.start_soon(ask)
        await done.wait()
        return answers[0]

    @acton.act_on
    def fail(self, _request: Fail) -> str:
        """Raise."""
        raise LookupError

    @acton.on_error
    def forgive(self, _error: LookupError, _request: Fail) -> str:
        """Answer for it."""
        return "forgiven"

    @acton.mutate_on
    async def answer_then_ask(self, request: AnswerThenAsk, ctx: acton.Context) -> None:
        """Let the asker go on, and ask."""
        ctx.reply("answered")
        request.log.append(await request.target.ask(Read()))

    @acton.act_on
    def defer(self, _request: Defer, ctx: acton.Context) -> None:
        """Keep the address."""
        self.addresses.append(ctx.reply_address)


def write(target: acton.ActorHandle, request: Any, pause: float = 0) -> Write:
    """Return a request that has a `mutate_on` handler ask *target*."""
    return Write(Step(pause, target, request))


def read(target: acton.ActorHandle, request: Any, pause: float = 0) -> Read:
    """Return a request that has an `act_on` handler ask *target*."""
    return Read(Step(pause, target, request))


async def start(runtime: acton.Runtime, *names: str) -> list[acton.ActorHandle]:
    """Start a node for each of *names*."""
    return [await runtime.start(Node, name=name) for name in names]


async def answer(
    handle: acton.ActorHandle, request: acton.Request[str], answers: dict[str, str]
) -> None:
    """Ask, and write down the answer and when it came."""
    said = await handle.ask(request)
    answers[handle.name] = f"{said} at {trio.current_time():g}"


async def test_ask_that_waits_for_itself_raises_at_once(
    autojump_clock: MockClock,
) -> None:
    """An ask that would wait for the asking handler raises `AskCycleError` at once."""
    async with open_test_runtime() as runtime:
        (a,) = await start(runtime, "a")

        assert await a.ask(write(a, Read())) == "a -> a"
        assert await a.ask(write(a, Write())) == "a -> a"
        assert await a.ask(read(a, Write())) == "a -> a"
    assert trio.current_time() == 0


async def test_path_begins_and_ends_with_the_actor_asked(
    autojump_clock: MockClock,
) -> None:
    """Its path begins and ends with the actor asked."""
    async with open_test_runtime() as runtime:
        a, b, c = await start(runtime, "a", "b", "c")

        said = await a.ask(write(b, write(c, write(a, Read()))))
        assert said == "a -> b -> c -> a"


async def test_act_on_handler_may_ask_back(autojump_clock: MockClock) -> None:
    """An `act_on` handler may be asked back, and ask its own actor to read."""
    async with open_test_runtime() as runtime:
        a, b = await start(runtime, "a", "b")

        assert await a.ask(read(a, Read())) == "done"
        assert await a.ask(read(b, write(a, Read()))) == "done"


async def test_act_on_handler_may_not_ask_back_behind_a_mutate_on(
    autojump_clock: MockClock,
) -> None:
    """It may not when a `mutate_on` message is queued between."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        (a,) = await start(runtime, "a")
        nursery.start_soon(answer, a, read(a, Read(), pause=1), answers)
        await wait_all_tasks_blocked()
        await a.send(Write())

    assert answers == {"a": "a -> a at 1"}


async def test_message_waits_for_the_exclusive_handler_before_it(
    autojump_clock: MockClock,
) -> None:
    """A message waits for the exclusive handler before it."""
    async with open_test_runtime() as runtime:
        a, b = await start(runtime, "a", "b")

        assert await a.ask(write(b, read(a, Read()))) == "a -> b -> a"


async def test_exclusive_message_waits_for_every_running_act_on_handler(
    autojump_clock: MockClock,
) -> None:
    """A `mutate_on` message waits for every running `act_on` handler."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a, b = await start(runtime, "a", "b")
        nursery.start_soon(a.ask, Read(Step(0.5)))
        nursery.start_soon(answer, a, read(b, write(a, Write(), 1), 0), answers)

    assert answers == {"a": "a -> b -> a at 1"}


async def test_actors_that_ask_each_other_are_caught_without_a_common_chain(
    autojump_clock: MockClock,
) -> None:
    """Two actors that ask each other are caught without a common chain of asks."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a, b = await start(runtime, "a", "b")
        nursery.start_soon(answer, a, write(b, Read(), pause=1), answers)
        nursery.start_soon(answer, b, write(a, Read(), pause=2), answers)

    assert answers == {"a": "done at 2", "b": "a -> b -> a at 2"}


async def test_wait_for_room_is_a_wait(autojump_clock: MockClock) -> None:
    """A handler that waits for room in a mailbox waits."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a = await runtime.start(Node, name="a")
        b = await runtime.start(Node, name="b", mailbox_capacity=1)
        nursery.start_soon(answer, b, write(a, Read(), pause=1), answers)
        await wait_all_tasks_blocked()
        nursery.start_soon(answer, a, Fill(b, 2), answers)

    assert answers == {"a": "sent at 1", "b": "a -> b -> a at 1"}


async def test_wait_for_the_end_of_another_is_a_wait(
    autojump_clock: MockClock,
) -> None:
    """A handler that waits for `stop()` of another waits."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a, b = await start(runtime, "a", "b")
        nursery.start_soon(answer, b, write(a, Read(), pause=1), answers)
        await wait_all_tasks_blocked()
        nursery.start_soon(answer, a, Stop(b), answers)

    assert answers == {"a": "stopped at 1", "b": "a -> b -> a at 1"}


async def test_actor_that_stops_starts_nothing_before_what_runs_has_ended(
    autojump_clock: MockClock,
) -> None:
    """A message waits for all that runs in an actor that is stopping."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a, b = await start(runtime, "a", "b")
        nursery.start_soon(answer, a, read(b, read(a, Read()), pause=1), answers)
        await wait_all_tasks_blocked()
        nursery.start_soon(a.stop)

    assert answers == {"a": "a -> b -> a at 1"}


async def test_on_error_that_waits_is_waited_for(autojump_clock: MockClock) -> None:
    """A message waits for the `on_error` before it, and so for all that runs."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        (a,) = await start(runtime, "a")
        nursery.start_soon(answer, a, read(a, Read(), pause=1), answers)
        await wait_all_tasks_blocked()
        nursery.start_soon(a.ask, Fail())

    assert answers == {"a": "a -> a at 1"}


async def test_wait_that_is_over_is_none(autojump_clock: MockClock) -> None:
    """An ask that has its answer waits no more, though its handler did not go on."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        a, b = await start(runtime, "a", "b")
        assert await a.ask(write(b, AnswerThenAsk(a, log))) == "answered"
        await wait_all_tasks_blocked()

    assert log == ["done"]


@pytest.mark.parametrize("only_wait", [True, False])
async def test_wait_for_ones_own_end_is_a_cycle(
    only_wait: bool,  # noqa: FBT001 - pytest names its parameters
    autojump_clock: MockClock,
) -> None:
    """`stop()` and `wait_stopped()` on itself raise `AskCycleError`."""
    async with open_test_runtime() as runtime:
        (a,) = await start(runtime, "a")

        assert await a.ask(StopOneself(only_wait)) == "a -> a"


async def test_decision_is_on_what_runs_and_is_queued_then(
    autojump_clock: MockClock,
) -> None:
    """It is decided at the ask, on what runs and is queued then."""
    answers: dict[str, str] = {}

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        a, b = await start(runtime, "a", "b")
        # The writer comes after the ask back, which it does not hold up.
        nursery.start_soon(answer, a, read(b, read(a, Read(Step(2)), 1)), answers)
        await trio.sleep(2)
        await a.send(Write())

    assert answers == {"a": "done at 3"}


async def test_actors_go_on_after_a_cycle(autojump_clock: MockClock) -> None:
    """An actor that catches an `AskCycleError` goes on, and nothing of it is left."""
    async with open_test_runtime() as runtime:
        a, b = await start(runtime, "a", "b")
        for _ in range(3):
            assert await a.ask(write(b, write(a, Read()))) == "a -> b -> a"

        assert await a.ask(write(b, Read())) == "done"
        assert await b.ask(write(a, Read())) == "done"


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    asks=st.lists(
        st.tuples(
            st.permutations(range(4)).map(lambda order: sorted(order[:3])),
            st.lists(st.booleans(), min_size=3, max_size=3),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=10,
    ),
    seed=st.integers(0, 1000),
)
async def test_asks_that_can_be_answered_are_answered(
    asks: list[tuple[list[int], list[bool], int]],
    seed: int,
    task_order: random.Random,
    autojump_clock: MockClock,
) -> None:
    """Asks that always go down an order of actors raise nothing."""
    task_order.seed(seed)
    answers: list[str] = []

    async with (
        acton.open_runtime(PATIENT) as runtime,
        trio.open_nursery() as nursery,
    ):
        nodes = await start(runtime, "a", "b", "c", "d")

        async def ask(first: acton.ActorHandle, request: Read | Write) -> None:
            answers.append(await first.ask(request))

        for path, kinds, pause in asks:
            step = Step(pause)
            for index, exclusive in zip(reversed(path), kinds, strict=True):
                request = Write(step) if exclusive else Read(step)
                step = Step(pause, nodes[index], request)
            assert step.target is not None
            assert isinstance(step.request, (Read, Write))
            nursery.start_soon(ask, step.target, step.request)

    assert answers == ["done"] * len(asks)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    asks=st.lists(
        st.tuples(
            st.lists(st.integers(0, 3), min_size=1, max_size=4),
            st.lists(st.booleans(), min_size=4, max_size=4),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=8,
    ),
    seed=st.integers(0, 1000),
)
async def test_no_ask_hangs_whoever_asks_whom(
    asks: list[tuple[list[int], list[bool], int]],
    seed: int,
    task_order: random.Random,
    autojump_clock: MockClock,
) -> None:
    """Whoever asks whom, each ask is answered or raises: none waits for ever."""
    task_order.seed(seed)

    async with acton.open_runtime(PATIENT) as runtime:
        async with trio.open_nursery() as nursery:
            nodes = await start(runtime, "a", "b", "c", "d")
            for path, kinds, pause in asks:
                step = Step(pause)
                for index, exclusive in zip(reversed(path), kinds, strict=False):
                    request = Write(step) if exclusive else Read(step)
                    step = Step(pause, nodes[index], request)
                assert step.target is not None
                assert isinstance(step.request, (Read, Write))
                nursery.start_soon(step.target.ask, step.request)

        assert trio.current_time() < 1000


# What is not seen, and ended by the deadline.


async def test_deadlock_by_a_deferred_reply_ends_by_the_deadline(
    autojump_clock: MockClock,
) -> None:
    """A wait for a deferred reply is not seen: the deadline ends it."""
    async with open_test_runtime() as runtime:
        (a,) = await start(runtime, "a")
        with pytest.raises(acton.AskTimeoutError):
            await a.ask(Defer())

        assert trio.current_time() == pytest.approx(30)


async def test_deadlock_by_a_wait_for_room_ends_by_the_deadline(
    autojump_clock: MockClock,
) -> None:
    """A cycle that a wait for room completes is not seen: the deadline ends it."""
    config = acton.Config(timeouts=acton.Timeouts(ask=5))

    async with acton.open_runtime(config) as runtime, trio.open_nursery() as nursery:
        a = await runtime.start(Node, name="a")
        b = await runtime.start(Node, name="b", mailbox_capacity=1)
        nursery.start_soon(a.ask, Write(Step(1)))
        await wait_all_tasks_blocked()
        await a.send(Fill(b, 2))
        with trio.fail_after(100), pytest.raises(acton.HandlerFailedError) as caught:
            await b.ask(write(a, Read()))

        assert trio.current_time() == 5
        assert await a.ask(Read()) == "done"
    assert caught.value.error == "AskTimeoutError"


async def test_deadlock_by_a_background_task_ends_by_the_deadline(
    autojump_clock: MockClock,
) -> None:
    """A wait for a background task is not seen: the deadline ends it."""
    async with open_test_runtime() as runtime:
        (a,) = await start(runtime, "a")
        with trio.fail_after(100):
            said = await a.ask(WriteThenForward(a, Read()))

        assert said == "AskTimeoutError"
        assert trio.current_time() == pytest.approx(30)
