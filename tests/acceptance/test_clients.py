"""Asks and streams of a client, over a connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import final

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair

from .items import covers


@acton.message(ipc=True)
class Value:
    """A reply."""

    value: int


@acton.message
class Hidden:
    """A reply that does not travel."""


@acton.message(ipc=True)
class GetValue(acton.Request[Value]):
    """Asks for the value."""


@acton.message(ipc=True)
class BeSilent(acton.Request[Value]):
    """Is not answered."""


@acton.message(ipc=True)
class Hold(acton.Request[Value]):
    """Is answered never, as its reply address is kept."""


@acton.message(ipc=True)
class GetHidden(acton.Request[object]):
    """Is answered with what does not travel."""


@acton.message(ipc=True)
class Unknown(acton.Request[Value]):
    """Is not known to the server."""


@acton.message(ipc=True)
class Numbers(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int


@final
@acton.actor
class Service:
    """Answers in several ways."""

    kept: list[acton.ReplyAddress] = attrs.field(factory=list[acton.ReplyAddress])

    @acton.act_on
    def get_value(self, _request: GetValue) -> Value:
        """Answer."""
        return Value(7)

    @acton.act_on
    def be_silent(self, _request: BeSilent) -> None:
        """Do not answer."""

    @acton.act_on
    def hold(self, _request: Hold, ctx: acton.Context) -> None:
        """Do not answer yet."""
        self.kept.append(ctx.reply_address)

    @acton.act_on
    def get_hidden(self, _request: GetHidden) -> object:
        """Answer with what does not travel."""
        return Hidden()

    @acton.act_on
    async def numbers(self, request: Numbers) -> AsyncGenerator[int, None]:
        """Count."""
        for number in range(request.upto):
            yield number


@asynccontextmanager
async def open_service() -> AsyncGenerator[acton.ipc.Client, None]:
    """Open a runtime with the service, and a client of it."""
    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with open_ipc_pair(runtime) as pair:
            yield pair.client


@covers(175)
async def test_stream_over_a_connection_has_every_reply_in_order(
    autojump_clock: MockClock,
) -> None:
    """Five of them, and then its end."""
    async with (
        open_service() as client,
        client.actor("service").stream(Numbers(5)) as numbers,
    ):
        got = [await anext(numbers) for _ in range(5)]
        with pytest.raises(StopAsyncIteration):
            await anext(numbers)

    assert got == [0, 1, 2, 3, 4]


@covers(176)
async def test_stream_from_an_unknown_actor_names_it_and_ends(
    autojump_clock: MockClock,
) -> None:
    """Its only frame is the error; after that the stream is at its end."""
    async with (
        open_service() as client,
        client.actor("nobody").stream(Numbers(5)) as numbers,
    ):
        with pytest.raises(acton.PeerRejectedError, match="nobody") as caught:
            await anext(numbers)
        with pytest.raises(StopAsyncIteration):
            await anext(numbers)

    assert caught.value.code == "STREAM_ERROR"


@covers(195)
async def test_ask_over_a_connection_is_answered_with_its_type(
    autojump_clock: MockClock,
) -> None:
    """As inside the process."""
    async with open_service() as client:
        assert await client.actor("service").ask(GetValue()) == Value(7)


@covers(196)
async def test_silent_handler_over_a_connection_is_no_reply(
    autojump_clock: MockClock,
) -> None:
    """The asker is told that there will be none."""
    async with open_service() as client:
        with pytest.raises(acton.NoReplyError):
            await client.actor("service").ask(BeSilent())


@covers(197)
async def test_reply_that_is_held_ends_when_the_asker_is_out_of_time(
    autojump_clock: MockClock,
) -> None:
    """At that very moment, in trio's way, and the client can be used on."""
    async with open_service() as client:
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.5):
            await client.actor("service").ask(Hold())
        since = trio.current_time()
        await client.actor("service").ask(GetValue())

    assert since == pytest.approx(0.5)


@covers(198, 199)
@pytest.mark.parametrize(
    ("target", "request_", "code"),
    [
        ("nobody", GetValue(), "ACTOR_NOT_FOUND"),
        ("service", Unknown(), "UNKNOWN_MESSAGE_TYPE"),
    ],
)
async def test_peer_that_refuses_tells_its_code(
    autojump_clock: MockClock, target: str, request_: acton.Request[Value], code: str
) -> None:
    """Nothing was dispatched, so that it is safe to try again."""
    async with open_service() as client:
        with pytest.raises(acton.PeerRejectedError) as caught:
            await client.actor(target).ask(request_)

    assert caught.value.code == code


@covers(200)
async def test_reply_that_does_not_travel_is_no_success(
    autojump_clock: MockClock,
) -> None:
    """The asker gets an error that names the type, not the reference's make-believe."""
    async with open_service() as client:
        with pytest.raises(acton.PeerRejectedError, match="Hidden") as caught:
            await client.actor("service").ask(GetHidden())

    assert caught.value.code == "SERIALIZATION_ERROR"


@covers(201)
async def test_mute_peer_is_waited_for_as_long_as_the_asker_will(
    autojump_clock: MockClock,
) -> None:
    """Its own deadline ends the ask, whatever the peer does."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(trio.TooSlowError), trio.fail_after(3):
            await client.actor("service").ask(GetValue())

    assert trio.current_time() == pytest.approx(3)


@covers(202)
async def test_closed_connection_is_told_from_an_answer(
    autojump_clock: MockClock,
) -> None:
    """Whether the request was handled is unknown, and the error says so."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(acton.PeerLostError, match="unknown"):
                await client.actor("service").ask(GetValue())

        nursery.start_soon(ask)
        await theirs.receive_some()
        await theirs.aclose()
