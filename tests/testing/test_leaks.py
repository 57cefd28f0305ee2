"""The leak check: what a test leaves behind is named, with actor and line."""

from __future__ import annotations

import gc
import socket
import sys
import tracemalloc
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import (
    EventError,
    Leak,
    LeakError,
    expect_event,
    faults,
    open_ipc_pair,
    open_probe,
    open_test_runtime,
    wait_idle,
)

from .shops import Break, Clerk, GetPrice, ListItems, Ping, Shop, Unknown, Work

Caught = list[Leak]


@asynccontextmanager
async def leaking() -> AsyncGenerator[tuple[acton.Runtime, Caught], None]:
    """Open a runtime for tests; the leaks that it fails for are in the list then."""
    caught = Caught()
    try:
        async with open_test_runtime() as runtime:
            yield runtime, caught
    except LeakError as error:
        caught += error.leaks


def here(distance: int = 0) -> str:
    """Return the line that this is called in, or one so far below it."""
    line = sys._getframe(1).f_lineno + distance
    return f"tests/testing/test_leaks.py:{line}"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    # Lines are told as seen from the current directory.
    monkeypatch.chdir(request.path.parents[2])


async def test_clean_test_passes(autojump_clock: MockClock) -> None:
    """Whoever cleans up hears nothing, and waits for nothing."""
    async with open_test_runtime() as runtime:
        shop = await runtime.start(Shop)
        await shop.send(Ping(1))
        assert await shop.ask(GetPrice()) == 3

    assert trio.current_time() == 0


async def test_unanswered_ask_is_a_leak(autojump_clock: MockClock) -> None:
    """It names the asker's line, the request, the actor, and where it is."""
    async with (
        trio.open_nursery() as asking,
        leaking() as (runtime, caught),
        open_probe(runtime, "till") as probe,
    ):
        asking.start_soon(asks, probe)  # noqa: ASYNC111 - is outlived
        await probe.expect(GetPrice)

    assert caught == [
        Leak(
            "unanswered ask",
            "GetPrice(item='tea') to till, asked at "
            f"tests/testing/test_leaks.py:{LINE_OF_ASK}: "
            "handled, and its reply address kept",
        )
    ]
    assert trio.current_time() == 1


async def asks(handle: acton.ActorHandle) -> None:
    with pytest.raises((acton.NoReplyError, acton.ActorStoppedError)):
        await handle.ask(GetPrice())


LINE_OF_ASK = asks.__code__.co_firstlineno + 2


async def test_ask_that_hangs_in_another_actor_is_a_leak(
    autojump_clock: MockClock,
) -> None:
    """The asker may be an actor; what it waits for is said."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        with faults.drop(GetPrice, to=shop):
            clerk = await runtime.start(Clerk, shop, name="clerk")
            await clerk.send(GetPrice())
            await trio.testing.wait_all_tasks_blocked()

    (leak,) = caught
    assert leak.kind == "unanswered ask"
    assert "to shop, asked at tests/testing/shops.py:" in leak.text
    assert leak.text.endswith(": lost, as a fault of the test has dropped it")


async def test_ask_that_is_answered_in_time_is_no_leak(
    autojump_clock: MockClock,
) -> None:
    """What is under way when the test ends may end too, for a second."""
    async with trio.open_nursery() as asking, open_test_runtime() as runtime:
        shop = await runtime.start(Shop)
        asking.start_soon(shop.ask, Work(0.9))
        await trio.testing.wait_all_tasks_blocked()

    assert trio.current_time() == 0.9


async def test_time_that_stands_still_is_moved_for_asks(
    mock_clock: MockClock,
) -> None:
    """A clock that only the test moves does not keep its end waiting."""
    async with trio.open_nursery() as asking, leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        asking.start_soon(shop.ask, Work(0.5))
        asking.start_soon(gives_up, shop)
        await trio.testing.wait_all_tasks_blocked()

    assert trio.current_time() == 1
    assert caught == []


async def gives_up(handle: acton.ActorHandle) -> None:
    with trio.move_on_after(0.7):
        await handle.ask(Work(5))


async def test_ask_started_by_trio_itself_is_named_by_its_starter(
    autojump_clock: MockClock,
) -> None:
    """A task that has no line of its own was started somewhere."""
    async with (
        trio.open_nursery() as asking,
        leaking() as (runtime, caught),
        open_probe(runtime) as probe,
    ):
        asking.start_soon(starts_an_ask, probe)  # noqa: ASYNC111 - is outlived
        await probe.expect(GetPrice)

    line = starts_an_ask.__code__.co_firstlineno + 4
    assert f"asked at tests/testing/test_leaks.py:{line}:" in caught[0].text


async def starts_an_ask(handle: acton.ActorHandle) -> None:
    with pytest.RaisesGroup(acton.NoReplyError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handle.ask, GetPrice())
            await trio.sleep_forever()


async def test_open_stream_is_a_leak(autojump_clock: MockClock) -> None:
    """A stream that is still read names its reader's line."""
    async with (
        trio.open_nursery() as reading,
        leaking() as (runtime, caught),
        open_probe(runtime, "till") as probe,
    ):
        reading.start_soon(reads, probe)  # noqa: ASYNC111 - is outlived
        await probe.expect(ListItems)

    (leak,) = caught
    assert leak.kind == "open stream"
    assert leak.text.startswith("ListItems() to till, asked at tests/testing/test_l")


async def reads(handle: acton.ActorHandle) -> None:
    async with handle.stream(ListItems()) as items:
        with pytest.raises(acton.ActorStoppedError):
            await anext(items)


async def test_dead_letter_is_a_leak() -> None:
    """It names the message, the actor, the line it was sent at, and what became of it."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        line = here(+1)
        await shop.send(Unknown())

    assert caught == [
        Leak(
            "dead letter",
            f"Unknown() for shop, sent at {line}: no handler for its type",
        )
    ]


async def test_dead_letter_with_an_error_names_its_line(
    autojump_clock: MockClock,
) -> None:
    """A failure that nobody waits for any more is told with where it was raised."""

    def fail(_model: object, _message: GetPrice) -> int:
        msg = "a bug"
        raise ValueError(msg)

    line = f"tests/testing/test_leaks.py:{fail.__code__.co_firstlineno + 2}"
    async with leaking() as (runtime, caught):
        late = await runtime.new_actor(object, name="late").act_on(Work, rest).start()
        with trio.move_on_after(1):
            await late.ask(Work(2))
        async with open_ipc_pair(runtime) as (client, _):
            shop = await (
                runtime.new_actor(object, name="shop").act_on(GetPrice, fail).start()
            )
            runtime.ipc_expose("shop", shop)
            await client.actor("shop").send(GetPrice())
            await wait_idle(runtime)

    (leak,) = caught
    assert leak.text == (
        "GetPrice(item='tea') for shop, sent from another process: "
        f"its handler failed, ValueError('a bug') raised at {line}"
    )


async def rest(_model: object, message: Work) -> int:
    await trio.sleep(message.seconds)
    return 0


async def test_dead_letter_of_the_drain_is_a_leak(autojump_clock: MockClock) -> None:
    """What comes to light when the runtime closes is seen."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        await shop.send(Ping(1))
        await shop.send(Unknown())
        await shop.send(Ping(2))

    assert [each.kind for each in caught] == ["dead letter"]


async def test_dead_letter_that_was_asserted_is_no_leak() -> None:
    """`expect_event` is how a test says that it knows."""
    async with open_test_runtime() as runtime:
        shop = await runtime.start(Shop, name="shop")
        await shop.send(Unknown())
        letter = await expect_event(
            runtime, acton.DeadLetter, where=lambda each: each.target == "shop"
        )

    assert letter.message == Unknown()


async def test_failure_without_an_owner_is_a_leak() -> None:
    """An actor that fails and is not restarted has a bug, at that line."""
    async with leaking() as (runtime, caught):
        policy = acton.RestartPolicy.TEMPORARY
        shop = await runtime.start(Shop, name="shop", restart_policy=policy)
        await shop.send(Break())
        await shop.wait_stopped()

    (leak,) = caught
    assert leak.kind == "failure without an owner"
    assert leak.text.startswith(
        "shop has failed: ValueError('a bug'), raised at tests/testing/shops.py:"
    )


async def test_live_task_is_a_leak(autojump_clock: MockClock) -> None:
    """A task beside the test that is still there names itself and its line."""
    stays = trio.Event()

    async def stay() -> None:
        await stays.wait()

    async with leaking() as (runtime, caught):
        assert runtime.actors() == ()
        trio.lowlevel.spawn_system_task(stay, name="a guest")
    stays.set()

    line = f"tests/testing/test_leaks.py:{stay.__code__.co_firstlineno + 1}"
    assert caught == [Leak("task", f"a guest, which waits at {line}")]


async def test_message_on_its_way_is_a_leak(autojump_clock: MockClock) -> None:
    """What a fault has late when the test ends would have come some time."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        with faults.delay(Ping, 5):
            await shop.send(Ping(1))

    (leak,) = caught
    assert leak.kind == "task"
    assert leak.text.startswith("Ping for shop, delayed, which waits at ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other addresses")
async def test_live_timer_is_a_leak(autojump_clock: MockClock) -> None:
    """It says when it is due, and who has armed it; time does not pass for it."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        shop.send_after(0, Ping(1))
        await trio.sleep(5)
        shop.send_at(65.5, Ping(2))
        shop.send_every(10, Ping(3))
        lines = here(-2), here(-1)
        shop.send_after(0, Ping(4))
        shop.send_after(1, Ping(5)).cancel()

    assert trio.current_time() == 5
    assert caught == [
        Leak(
            "live timer", f"Ping(number=3) for shop, due in 10 s, armed at {lines[1]}"
        ),
        Leak(
            "live timer", f"Ping(number=2) for shop, due in 60.5 s, armed at {lines[0]}"
        ),
    ]


async def test_timer_that_waits_for_room_is_a_leak(autojump_clock: MockClock) -> None:
    """It is due, and its actor has not taken it yet."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop", mailbox_capacity=1)
        await shop.send(Work(5))
        await trio.testing.wait_all_tasks_blocked()
        await shop.send(Ping(1))
        shop.send_after(0, Ping(2))
        line = here(-1)

    assert caught == [
        Leak(
            "live timer",
            "Ping(number=2) for shop, waiting for room in the mailbox, "
            f"armed at {line}",
        )
    ]


async def test_timer_for_a_probe_is_a_leak_when_that_is_closed(
    autojump_clock: MockClock,
) -> None:
    """A probe ends before its runtime does, and has its own looked at then."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        async with open_probe(runtime, "till") as probe:
            probe.send_after(60, Ping())
            line = here(-1)
            receipt = shop.send_after(60, Ping())
        receipt.cancel()

    assert caught == [
        Leak("live timer", f"Ping(number=0) for till, due in 60 s, armed at {line}")
    ]


async def test_timer_of_an_actor_is_no_leak(autojump_clock: MockClock) -> None:
    """A service has a heartbeat, and ends with it."""
    ticks: list[float] = []

    def begin(_model: object, ctx: acton.Context) -> None:
        ctx.handle.send_every(10, Ping())
        ctx.start_soon(arm_soon, ctx.handle)

    async def arm_soon(handle: acton.ActorHandle) -> None:
        await trio.sleep(1)
        handle.send_after(60, Ping())

    def beat(_model: object, _message: Ping) -> None:
        ticks.append(trio.current_time())

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object, name="service")
        await idle.after_start(begin).mutate_on(Ping, beat).start()
        await trio.sleep(25)

    assert ticks == [10, 20]


async def test_timer_of_an_actor_that_was_stopped_is_no_leak(
    autojump_clock: MockClock,
) -> None:
    """Nothing more will come of it."""
    async with open_test_runtime() as runtime:
        shop = await runtime.start(Shop)
        shop.send_every(10, Ping())
        await shop.stop()


async def test_dead_letter_of_a_timer_names_the_line_that_has_armed_it(
    autojump_clock: MockClock,
) -> None:
    """Not one of the runtime, which has sent it; each time it is sent."""
    async with leaking() as (runtime, caught):
        shop = await runtime.start(Shop, name="shop")
        send = shop.send_every(10, Unknown())
        line = here(-1)
        await trio.sleep(25)
        send.cancel()

    assert [each.kind for each in caught] == ["dead letter"] * 2
    assert {f"Unknown() for shop, sent at {line}" in each.text for each in caught} == {
        True
    }


async def test_open_socket_is_a_leak() -> None:
    """It is named by its addresses, and by its line if that is known."""
    async with leaking() as (_, caught):
        left = socket.socketpair()
    with left[0], left[1]:
        pass
    numbers = [each.text.split(",")[0] for each in caught]

    assert [each.kind for each in caught] == ["socket", "socket"]
    assert all(each.startswith("file descriptor ") for each in numbers)
    assert caught[0].text.endswith(
        "SOCK_STREAM at no address to no address, "
        "made somewhere: python -X tracemalloc=10 tells where"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other addresses")
async def test_open_socket_names_its_line_under_tracemalloc() -> None:
    """With tracemalloc on the line is told where the socket was made."""
    tracemalloc.start(10)
    try:
        async with leaking() as (_, caught):
            line = here(+1)
            left = socket.create_server(("127.0.0.1", 0))
            address = left.getsockname()
    finally:
        tracemalloc.stop()
    left.close()

    (leak,) = caught
    assert leak.text.endswith(f"at {address!r} to nobody, made at {line}")


async def test_error_of_a_leak_lists_all(autojump_clock: MockClock) -> None:
    """One look at the failure shows everything that is left behind."""
    line, other = here(+4), here(+7)
    with pytest.raises(LeakError) as raised:
        async with open_test_runtime() as runtime:
            shop = await runtime.start(Shop, name="shop")
            await shop.send(Unknown())
            async with open_probe(runtime, "till") as probe:
                probe.must_read(Ping)
                await probe.send(Ping(1))

    assert str(raised.value) == (
        "the test has left something behind:\n"
        f"  unread message: Ping(number=1) to till, sent at {other}\n"
        f"  dead letter: Unknown() for shop, sent at {line}: no handler for its type"
    )


async def test_failing_block_is_not_blamed_for_leaks() -> None:
    """What went wrong first is what is told, and nothing else."""
    with pytest.raises(ZeroDivisionError) as raised:
        async with open_test_runtime() as runtime:
            shop = await runtime.start(Shop)
            await shop.send(Unknown())
            _ = 1 / 0

    assert raised.value.__context__ is None


async def test_runtimes_side_by_side_have_their_own_leaks(
    autojump_clock: MockClock,
) -> None:
    """Each is told what was left behind in it, not in its neighbour."""
    async with open_test_runtime() as clean:
        await clean.start(Shop, name="shop")
        async with leaking() as (runtime, caught):
            shop = await runtime.start(Shop, name="shop")
            await shop.send(Unknown())

    assert len(caught) == 1


async def test_expect_event_says_what_did_happen(autojump_clock: MockClock) -> None:
    """The reader of a failed test learns what the runtime told instead."""
    async with open_test_runtime() as runtime:
        with pytest.raises(EventError) as nothing:
            await expect_event(runtime, acton.DeadLetter, within=2)
        shop = await runtime.start(Shop, name="shop")
        await shop.stop()
        with pytest.raises(EventError) as something:
            await expect_event(runtime, acton.DeadLetter, where=lambda _: True)

    assert str(nothing.value) == (
        "expected DeadLetter within 2 s, and the runtime told of none.\n"
        "It has told nothing."
    )
    assert str(something.value) == (
        "expected DeadLetter that fits within 1 s, and the runtime told of none.\n"
        "It has told, since it was opened:\n"
        "  ChildSupervised(supervisor='runtime', child='shop', "
        "restart_policy=<RestartPolicy.PERMANENT: 'permanent'>)\n"
        "  ChildTerminated(supervisor='runtime', child='shop', "
        "reason=<TerminationReason.STOPPED: 'stopped'>, error=None, "
        "owned_by_supervisor=False)"
    )


async def test_expect_event_waits_in_several_tasks_at_once(
    autojump_clock: MockClock,
) -> None:
    """Each of them gets the event that it is for, whoever waited first."""
    seen = list[str]()

    async def expect(target: str) -> None:
        letter = await expect_event(
            runtime, acton.DeadLetter, where=lambda each: each.target == target
        )
        seen.append(letter.target)

    async with open_test_runtime() as runtime:
        shops = [await runtime.start(Shop, name=f"shop-{n}") for n in range(3)]
        async with trio.open_nursery() as nursery:
            for shop in shops:
                nursery.start_soon(expect, shop.name)
            await trio.testing.wait_all_tasks_blocked()
            for shop in reversed(shops):
                await shop.send(Unknown())

    assert sorted(seen) == ["shop-0", "shop-1", "shop-2"]


async def test_expect_event_needs_a_runtime_for_tests() -> None:
    """Where nothing was remembered the test is told what to open."""
    async with acton.open_runtime() as runtime:
        with pytest.raises(RuntimeError, match="correct:   async with open_test_run"):
            await expect_event(runtime, acton.DeadLetter)


async def test_expect_event_is_for_what_the_runtime_tells(
    runtime: acton.Runtime,
) -> None:
    """Waiting for a message that is never told is a mistake, and says so."""
    with pytest.raises(TypeError, match="Ping is not what a runtime tells"):
        await expect_event(runtime, Ping)


async def test_ledger_lets_go_of_its_runtime() -> None:
    """What a test has used is freed after it: many run in one process."""
    async with open_test_runtime() as runtime:
        seen = weakref.ref(runtime)
    del runtime
    gc.collect()

    assert seen() is None
