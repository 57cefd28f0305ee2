"""Broadcasts to actors: who gets them, until when, and when all is delivered."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import expect_event, open_test_runtime

from .families import Fail, Worker
from .items import covers


@acton.message
class Ping:
    """Is broadcast."""


@acton.message
class Pong:
    """Is broadcast too."""


@acton.message
class Relay:
    """Has somebody broadcast a ping."""


@acton.message
class Heard:
    """What somebody has heard."""

    pings: int
    pongs: int


@acton.message
class GetHeard(acton.Request[Heard]):
    """Asks for it."""


@acton.message
class Leave:
    """Has somebody not listen for pings any more."""


@acton.actor
class Listener:
    """Counts what it hears, each of which takes it a while."""

    log: list[str] = attrs.field(factory=list[str])
    takes: float = 0
    pings: int = 0
    pongs: int = 0

    @acton.mutate_on(subscribe=True)
    async def hear_ping(self, _ping: Ping, ctx: acton.Context) -> None:
        """Count it."""
        await trio.sleep(self.takes)
        self.pings += 1
        self.log.append(ctx.handle.name)

    @acton.mutate_on(subscribe=True)
    def hear_pong(self, _pong: Pong) -> None:
        """Count it."""
        self.pongs += 1

    @acton.mutate_on
    def leave(self, _command: Leave, ctx: acton.Context) -> None:
        """Leave."""
        ctx.handle.unsubscribe(Ping)

    @acton.mutate_on
    def fail(self, message: Fail) -> None:
        """Fail."""
        raise RuntimeError(message.text)

    @acton.act_on
    def get_heard(self, _request: GetHeard) -> Heard:
        """Tell."""
        return Heard(self.pings, self.pongs)


@acton.actor
class Relayer:
    """Broadcasts when it is told to."""

    @acton.act_on
    async def relay(self, _command: Relay, ctx: acton.Context) -> None:
        """Broadcast."""
        await ctx.broker.broadcast(Ping())


@covers(18)
async def test_subscriber_gets_the_types_it_has_subscribed_to(
    autojump_clock: MockClock,
) -> None:
    """Each gets what is of its own types, and as often as it was broadcast."""
    async with open_test_runtime() as runtime:
        both = await runtime.start(Listener)
        one = await runtime.start(Listener)
        one.unsubscribe(Pong)
        await runtime.broker.broadcast(Ping())
        await runtime.broker.broadcast(Pong())

        assert await both.ask(GetHeard()) == Heard(1, 1)
        assert await one.ask(GetHeard()) == Heard(1, 0)


@covers(19)
async def test_handler_can_broadcast(autojump_clock: MockClock) -> None:
    """What a handler broadcasts reaches other actors, as what anybody does."""
    async with open_test_runtime() as runtime:
        listener = await runtime.start(Listener)
        relayer = await runtime.start(Relayer)
        await relayer.send(Relay())
        await relayer.stop()

        assert await listener.ask(GetHeard()) == Heard(1, 0)


@covers(20)
async def test_unsubscribing_is_from_one_type_and_for_one_actor(
    autojump_clock: MockClock,
) -> None:
    """It gets the other type as before, and so do others both."""
    async with open_test_runtime() as runtime:
        leaving = await runtime.start(Listener)
        staying = await runtime.start(Listener)
        await runtime.broker.broadcast(Ping())
        leaving.unsubscribe(Ping)
        await runtime.broker.broadcast(Ping())
        await runtime.broker.broadcast(Pong())

        assert await leaving.ask(GetHeard()) == Heard(1, 1)
        assert await staying.ask(GetHeard()) == Heard(2, 1)


@covers(21)
async def test_actor_unsubscribes_itself_without_waiting(
    autojump_clock: MockClock,
) -> None:
    """A handler that cannot wait can do it, and it holds from then on."""
    async with open_test_runtime() as runtime:
        listener = await runtime.start(Listener)
        await runtime.broker.broadcast(Ping())
        await listener.send(Leave())
        assert await listener.ask(GetHeard()) == Heard(1, 0)
        await runtime.broker.broadcast(Ping())
        await runtime.broker.broadcast(Pong())

        assert await listener.ask(GetHeard()) == Heard(1, 1)


@covers(22)
async def test_successor_of_a_stopped_actor_has_its_own_subscription(
    autojump_clock: MockClock,
) -> None:
    """The one that has stopped hears nothing more; that of the same name does."""
    before: list[str] = []
    after: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        first = await boss.supervise(Listener, before, name="ear")
        await first.stop()
        await runtime.broker.broadcast(Ping())
        second = await boss.supervise(Listener, after, name="ear")
        await runtime.broker.broadcast(Ping())
        await runtime.broker.broadcast(Pong())

        assert second.id == first.id
        assert await second.ask(GetHeard()) == Heard(1, 1)
    assert (before, after) == ([], ["boss/ear"])


@covers(57)
async def test_successor_of_a_failed_actor_has_its_own_subscription(
    autojump_clock: MockClock,
) -> None:
    """A failure after which nobody comes back ends a subscription as a stop does."""
    before: list[str] = []
    after: list[str] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Worker, name="boss")
        first = await boss.supervise(
            Listener, before, name="ear", restart_policy=acton.RestartPolicy.TEMPORARY
        )
        await first.send(Fail())
        await first.wait_stopped()
        event = await expect_event(runtime, acton.ChildTerminated)
        await runtime.broker.broadcast(Ping())
        second = await boss.supervise(Listener, after, name="ear")
        await runtime.broker.broadcast(Ping())

        assert event.reason is acton.TerminationReason.FAILED
        assert second.id == first.id
        assert await second.ask(GetHeard()) == Heard(1, 0)
    assert (before, after) == ([], ["boss/ear"])


@covers(23, 24)
@pytest.mark.parametrize("listeners", [0, 3])
async def test_flush_of_what_is_delivered_takes_no_time(
    listeners: int, autojump_clock: MockClock
) -> None:
    """Whether anybody has subscribed, or nobody."""
    async with open_test_runtime() as runtime:
        for _ in range(listeners):
            await runtime.start(Listener)
        await runtime.broker.broadcast(Ping())
        await runtime.broker.flush()

        assert trio.current_time() == 0


@covers(25, 27)
async def test_ask_after_a_flush_is_handled_after_all_broadcasts(
    autojump_clock: MockClock,
) -> None:
    """Flushed is delivered and not handled; the answer proves that it was handled."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        listener = await runtime.start(Listener, log, 1)
        for _ in range(25):
            await runtime.broker.broadcast(Ping())
        await runtime.broker.flush()

        assert (trio.current_time(), len(log)) == (0, 0)
        assert await listener.ask(GetHeard()) == Heard(25, 0)
        assert (trio.current_time(), len(log)) == (25, 25)


@covers(25, 27)
async def test_flush_waits_for_room_in_every_mailbox(
    autojump_clock: MockClock,
) -> None:
    """Also for what whoever has broadcast it does not wait for any more."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        listener = await runtime.start(Listener, log, 1, mailbox_capacity=2)
        for _ in range(5):
            with trio.move_on_after(0.125):
                await runtime.broker.broadcast(Ping())
        began = trio.current_time()
        await runtime.broker.flush()

        # One is at work and two are queued: there was room for the last.
        assert len(log) == 2
        assert trio.current_time() - began == pytest.approx(2 - began)
        assert await listener.ask(GetHeard()) == Heard(5, 0)


@covers(26)
async def test_what_was_broadcast_before_the_shutdown_is_handled(
    autojump_clock: MockClock,
) -> None:
    """All of it, by everybody, however the actors are told to stop right after."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        for number in range(5):
            await runtime.start(Listener, log, name=f"listener-{number}")
        for _ in range(10):
            await runtime.broker.broadcast(Ping())
        await runtime.shutdown_all()

        assert runtime.actors() == ()
        assert [log.count(f"listener-{number}") for number in range(5)] == [10] * 5
