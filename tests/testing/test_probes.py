"""Probes: what they see, what they answer, and what they say."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import (
    LeakError,
    Probe,
    ProbeError,
    open_probe,
    open_test_runtime,
    wait_idle,
)

from .shops import Clerk, GetPrice, ListItems, Ping, SoldOut, Unknown, Work


async def test_probe_is_a_handle(runtime: acton.Runtime, probe: Probe) -> None:
    """It can be passed wherever an actor is wanted, and found as one."""
    await wait_idle(runtime)

    assert isinstance(probe, acton.ActorHandle)
    assert runtime.find("probe-0") is probe
    assert repr(probe) == "<Probe probe-0>"


async def test_names_of_probes_are_numbered(runtime: acton.Runtime) -> None:
    """Several probes of a test can be told apart without naming them."""
    async with (
        open_probe(runtime) as first,
        open_probe(runtime) as second,
        open_probe(runtime, "till") as third,
    ):
        names = [each.name for each in (first, second, third)]
        assert names == ["probe-0", "probe-1", "till"]


async def test_expect_returns_the_message(probe: Probe) -> None:
    """What was sent is what is expected, and stays in the list of all."""
    ping = Ping(1)
    await probe.send(ping)

    assert await probe.expect(Ping) is ping
    assert probe.received == (ping,)


async def test_expect_waits_for_what_comes_later(
    probe: Probe, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A message that comes within the time is in time, at the last instant too."""

    async def send_later() -> None:
        await trio.sleep(1)
        await probe.send(Ping(1))

    nursery.start_soon(send_later)

    assert await probe.expect(Ping, within=1.5) == Ping(1)
    assert trio.current_time() == 1


async def test_expect_leaves_other_messages_unread(probe: Probe) -> None:
    """What came before it, or does not fit, is there for another expect."""
    for message in (Unknown(), Ping(1), Ping(2)):
        await probe.send(message)

    assert await probe.expect(Ping, where=lambda ping: ping.number == 2) == Ping(2)
    assert await probe.expect(Ping) == Ping(1)
    assert await probe.expect(Unknown) == Unknown()


async def test_failing_expect_says_what_came_and_when(
    autojump_clock: MockClock,
) -> None:
    """The reader of a failed test need not run it again to know what happened."""
    async with acton.open_runtime() as runtime:
        await trio.sleep(7)
        async with open_probe(runtime) as probe:
            clerk = await runtime.start(Clerk, probe, name="clerk")
            await probe.send(Ping(1))
            await probe.expect(Ping)
            await trio.sleep(0.5)
            await clerk.send(Ping(2))
            with pytest.raises(ProbeError) as raised:
                await probe.expect(Unknown, within=2)

    assert str(raised.value) == (
        "probe-0 expected Unknown within 2 s, and none came.\n"
        "It has received, since it was opened:\n"
        "  0 s: Ping(number=1) from plain code, read\n"
        "  0.5 s: Ping(number=2) from clerk"
    )


async def test_failing_expect_says_that_nothing_came(
    probe: Probe, autojump_clock: MockClock
) -> None:
    """A probe that nobody has written to says so; and that a condition was given."""
    with pytest.raises(ProbeError) as raised:
        await probe.expect(Ping, where=lambda ping: ping.number == 2)

    assert isinstance(raised.value, AssertionError)
    assert str(raised.value) == (
        "probe-0 expected Ping that fits within 1 s, and none came.\n"
        "It has received nothing."
    )


async def test_expect_nothing_waits(probe: Probe, autojump_clock: MockClock) -> None:
    """Silence is silence for as long as was said."""
    await probe.send(Ping())
    await probe.expect(Ping)
    await probe.expect_nothing(within=3)

    assert trio.current_time() == 3


async def test_expect_nothing_fails_for_what_comes(
    probe: Probe, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It fails as soon as something comes, and says what."""

    async def send_later() -> None:
        await trio.sleep(1)
        await probe.send(Ping(1))

    nursery.start_soon(send_later)
    with pytest.raises(ProbeError) as raised:
        await probe.expect_nothing(within=3)

    assert trio.current_time() == 1
    assert str(raised.value) == (
        "probe-0 expected nothing within 3 s.\n"
        "It has received, since it was opened:\n"
        "  1 s: Ping(number=1) from plain code"
    )


async def test_reply_answers_the_ask(probe: Probe, nursery: trio.Nursery) -> None:
    """The asker gets what the test replies."""
    prices = list[int]()

    async def ask() -> None:
        prices.append(await probe.ask(GetPrice()))

    nursery.start_soon(ask)
    await probe.expect(GetPrice)
    probe.reply(3)
    await trio.testing.wait_all_tasks_blocked()

    assert prices == [3]


async def test_reply_to_another_request_than_the_last(probe: Probe) -> None:
    """Requests can be answered in any order, each by itself."""
    prices = dict[str, int]()

    async def ask(item: str) -> None:
        prices[item] = await probe.ask(GetPrice(item))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask, "tea")
        asking.start_soon(ask, "rice")
        tea = await probe.expect(GetPrice, where=lambda each: each.item == "tea")
        rice = await probe.expect(GetPrice, where=lambda each: each.item == "rice")
        probe.reply(1, to=tea)
        probe.reply(2, to=rice)

    assert prices == {"tea": 1, "rice": 2}


async def test_rejection_reaches_the_asker_as_itself(probe: Probe) -> None:
    """What a service refuses can be played by a test."""
    refusal = SoldOut(0)
    async with trio.open_nursery() as asking:
        asking.start_soon(refused, probe, refusal)
        await probe.expect(GetPrice)
        probe.reject(refusal)


async def refused(probe: Probe, refusal: SoldOut) -> None:
    with pytest.raises(SoldOut) as raised:
        await probe.ask(GetPrice())

    assert raised.value is refusal


async def test_failure_reaches_the_asker_and_leaves_the_probe(probe: Probe) -> None:
    """A service that fails can be played, and goes on."""

    async def ask() -> None:
        with pytest.raises(acton.HandlerFailedError) as raised:
            await probe.ask(GetPrice())
        assert isinstance(raised.value.__cause__, ValueError)

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await probe.expect(GetPrice)
        probe.fail(ValueError("a bug"))

    assert probe.status.generation == 0


async def test_reply_of_the_wrong_type_is_the_askers_error(probe: Probe) -> None:
    """A probe is held to what a request declares, as every actor is."""
    probe.script(GetPrice, lambda _: "three")

    with pytest.raises(acton.UnexpectedReplyError):
        await probe.ask(GetPrice())


async def test_script_answers_by_itself(probe: Probe) -> None:
    """Requests that are beside the point are answered while the test goes on."""
    probe.script(GetPrice, lambda request: len(request.item))

    assert await probe.ask(GetPrice("rice")) == 4
    assert probe.received == (GetPrice("rice"),)


async def test_script_may_refuse(probe: Probe) -> None:
    """What a script raises goes to the asker; the probe goes on."""

    def refuse(_request: GetPrice) -> int:
        raise SoldOut(1)

    probe.script(GetPrice, refuse)
    await probe.send(GetPrice())
    with pytest.raises(SoldOut):
        await probe.ask(GetPrice())

    assert probe.status.generation == 0


async def test_script_is_for_requests(probe: Probe) -> None:
    """Whoever scripts what nobody waits for is told so."""
    await probe.send(Ping())

    with pytest.raises(TypeError, match="Ping is not a Request"):
        probe.script(Ping, lambda _: None)


async def test_stream_gets_what_is_replied_until_the_end(probe: Probe) -> None:
    """Each reply is an item, and the test says when it was the last."""
    items = list[str]()

    async def read() -> None:
        async with probe.stream(ListItems()) as stream:
            items.extend([item async for item in stream])

    async with trio.open_nursery() as reading:
        reading.start_soon(read)
        await probe.expect(ListItems)
        probe.reply("tea")
        probe.reply("rice")
        probe.end()

    assert items == ["tea", "rice"]


async def test_stream_can_fail_after_items(probe: Probe) -> None:
    """A stream that breaks amid its items can be played."""
    items = list[str]()

    async def read() -> None:
        async with probe.stream(ListItems()) as stream:
            with pytest.raises(acton.HandlerFailedError):
                async for item in stream:
                    items.append(item)

    async with trio.open_nursery() as reading:
        reading.start_soon(read)
        await probe.expect(ListItems)
        probe.reply("tea")
        probe.fail(ValueError("a bug"))

    assert items == ["tea"]


async def test_script_of_a_stream_gives_all_its_items(probe: Probe) -> None:
    """A stream is scripted by all that it yields."""
    probe.script(ListItems, lambda _: ["tea", "rice"])
    async with probe.stream(ListItems()) as stream:
        assert [item async for item in stream] == ["tea", "rice"]


async def test_reply_needs_a_request(probe: Probe) -> None:
    """A test that replies to nothing, to no request, or twice is told so."""
    with pytest.raises(ProbeError, match=r"probe-0 has nothing to reply to yet"):
        probe.reply(1)
    await probe.send(Ping(1))
    await probe.expect(Ping)
    with pytest.raises(ProbeError, match=r"Ping\(number=1\) asks nothing"):
        probe.reply(1)
    with pytest.raises(ProbeError, match="has not received this very"):
        probe.reply(1, to=Ping(1))
    await probe.send(GetPrice())
    await probe.expect(GetPrice)
    with pytest.raises(ProbeError, match="asks for no stream"):
        probe.end()
    probe.reply(1)
    with pytest.raises(ProbeError, match=r"GetPrice\(item='tea'\) was answered"):
        probe.reply(2)


async def test_asker_that_has_gone_is_no_error(probe: Probe) -> None:
    """Replying to who has given up goes nowhere, as with every actor."""
    with trio.move_on_after(0):
        await probe.ask(GetPrice())
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as asking:
            asking.start_soon(probe.ask, GetPrice())
            await probe.expect(GetPrice)
            scope.cancel()
    probe.reply(3)


async def test_sender_is_the_probe_itself(runtime: acton.Runtime, probe: Probe) -> None:
    """What is sent as the probe can be answered by a message to it."""
    senders = list[acton.ActorHandle | None]()

    def note(_model: object, message: Ping, ctx: acton.Context) -> None:
        senders.append(ctx.sender)

    actor = await runtime.new_actor(object, name="plain").act_on(Ping, note).start()
    with probe.as_sender():
        await actor.send(Ping())
    await actor.send(Ping())
    await wait_idle(runtime)

    assert senders[0] is probe
    assert senders[1:] == [None]


async def test_ask_that_a_probe_leaves_unanswered_ends_with_it(
    autojump_clock: MockClock,
) -> None:
    """Nobody waits for a probe that is gone."""
    async with (
        trio.open_nursery() as asking,
        acton.open_runtime() as runtime,
        open_probe(runtime) as probe,
    ):
        asking.start_soon(never_answered, probe)  # noqa: ASYNC111 - is outlived
        await probe.expect(GetPrice)
    assert trio.current_time() < 1


async def never_answered(probe: Probe) -> None:
    with pytest.raises(acton.NoReplyError):
        await probe.ask(GetPrice())


async def test_message_that_must_be_read_fails_the_block() -> None:
    """What is marked as expected, and came, was meant to be looked at."""
    async with acton.open_runtime() as runtime:
        with pytest.raises(LeakError) as raised:
            async with open_probe(runtime) as probe:
                probe.must_read(Ping)
                await probe.send(Ping(1))
                await probe.send(Unknown())
                await wait_idle(runtime)

    assert str(raised.value) == (
        "the test has left something behind:\n"
        "  unread message: Ping(number=1) to probe-0"
    )


async def test_message_that_must_be_read_and_was_is_no_leak() -> None:
    """Reading it is all that it takes."""
    async with open_test_runtime() as runtime, open_probe(runtime) as probe:
        probe.must_read(Ping)
        await probe.send(Ping(1))
        await probe.expect(Ping)


async def test_slow_handlers_of_others_do_not_hold_a_probe_up(
    runtime: acton.Runtime, probe: Probe
) -> None:
    """A probe takes any number of messages while requests of it wait."""
    async with trio.open_nursery() as asking:
        for _ in range(200):
            asking.start_soon(probe.ask, Work())
        await trio.testing.wait_all_tasks_blocked()
        assert len(probe.received) == 200
        for request in probe.received:
            probe.reply(1, to=request)


@acton.actor
class Leaver:
    """Says goodbye when it stops."""

    friend: acton.ActorHandle

    @acton.before_stop
    async def say_goodbye(self) -> None:
        """Tell, and ask, whoever is left."""
        await self.friend.send(Ping(1))
        with pytest.raises(acton.NoReplyError):
            await self.friend.ask(GetPrice())


async def test_actor_may_say_goodbye_to_a_probe(
    runtime: acton.Runtime, probe: Probe, autojump_clock: MockClock
) -> None:
    """A probe takes messages until the runtime ends, and keeps nobody waiting."""
    await runtime.start(Leaver, probe)
