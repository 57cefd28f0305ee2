"""A client that outlives its connection."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, final

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .answers import answer_frame, answer_next, next_request
from .peers import (
    CANCEL,
    DISCOVER,
    ERROR,
    REQUEST,
    Echo,
    GetValue,
    Nap,
    Peer,
    SetValue,
    Value,
    frame,
    open_world,
)

Backoff = acton.ipc.Backoff
Client = acton.ipc.Client

PUSH, SUBSCRIBE, UNSUBSCRIBE = 5, 6, 7
GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}
SENTINEL = "__acton_connection_rejected__"


@acton.message(ipc=True)
class Numbers(acton.StreamRequest[int]):
    """Asks for numbers."""


@final
@attrs.define
class Place:
    """Where a client connects to; the test plays all servers that are there."""

    tries: list[float] = attrs.field(factory=list[float])
    is_open: bool = True
    _inlet: trio.MemorySendChannel[Peer] = attrs.field(init=False)
    _outlet: trio.MemoryReceiveChannel[Peer] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._inlet, self._outlet = trio.open_memory_channel[Peer](99)

    async def connect(self) -> trio.abc.Stream:
        """Connect, if anybody listens."""
        await trio.lowlevel.checkpoint()
        self.tries.append(trio.current_time())
        if not self.is_open:
            raise FileNotFoundError(2, "nobody is there")
        ours, theirs = trio.testing.memory_stream_pair()
        self._inlet.send_nowait(Peer(theirs))
        return ours

    async def accept(self) -> Peer:
        """Return the server's end of the next connection."""
        return await self._outlet.receive()


@asynccontextmanager
async def open_place(
    backoff: acton.ipc.Backoff | None = None,
) -> AsyncGenerator[tuple[Place, Client, Peer], None]:
    """Open a client that reconnects, and the first server of it."""
    place = Place()
    async with acton.ipc.open_client(
        place.connect, reconnect=backoff or Backoff()
    ) as client:
        yield place, client, await place.accept()


def refusal(code: str) -> bytes:
    """Return the frame that refuses a connection for the reason *code*."""
    body = {"correlation_id": SENTINEL, "success": False, "error_code": code}
    return frame(ERROR, json.dumps(body).encode())


async def agree(server: Peer) -> tuple[int, list[str]]:
    """Agree to the next wish, and return what it was."""
    kind, body = await server.read()
    await server.write(answer_frame(body["correlation_id"], {"success": True}))
    return kind, body["message_types"]


async def push(server: Peer, payload: Any) -> None:
    """Push a message of the type T."""
    body = {"notification_id": "p", "message_type": "T", "timestamp_ms": 1}
    await server.say(PUSH, {**body, "payload": payload})


async def test_next_call_goes_over_the_next_connection(
    autojump_clock: MockClock,
) -> None:
    """A handle stays what it is."""
    async with open_place() as (place, client, first):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, first, GOOD)
            before = await client.actor("a").ask(GetValue())
        await first.stream.aclose()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await answer_next(await place.accept(), GOOD)

            nursery.start_soon(serve)
            after = await client.actor("a").ask(GetValue())

    assert before == after == Value(3)
    assert place.tries == [0, pytest.approx(0.1)]


async def test_what_was_in_flight_is_lost_and_never_sent_again(
    autojump_clock: MockClock,
) -> None:
    """Nobody knows whether it was handled: so who asked has to decide."""
    lost: list[Exception] = []
    async with open_place() as (place, client, first):
        async with trio.open_nursery() as nursery:

            async def fail(call: Any, *args: Any) -> None:
                with pytest.raises(acton.PeerLostError) as caught:
                    await call(*args)
                lost.append(caught.value)

            async def read() -> None:
                async with client.actor("a").stream(Numbers()) as numbers:
                    await anext(numbers)

            nursery.start_soon(fail, client.actor("a").ask, GetValue())
            nursery.start_soon(fail, client.actor("a").send, SetValue(1))
            nursery.start_soon(fail, client.request, "a", "B")
            nursery.start_soon(fail, client.discover)
            nursery.start_soon(fail, read)
            await wait_all_tasks_blocked()
            await first.stream.aclose()
        second = await place.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.actor("a").send, SetValue(2))
            request = await answer_next(second, GOOD)

    assert len(lost) == 5
    assert request["payload"] == {"value": 2}


async def test_waits_between_tries_grow(autojump_clock: MockClock) -> None:
    """As the backoff says, on trio's clock; what answers begins it anew."""
    backoff = Backoff(initial=1.0, maximum=5.0, multiplier=2.0)
    async with open_place(backoff) as (place, client, first):
        place.is_open = False
        await first.stream.aclose()
        await trio.sleep(20)
        place.is_open = True
        second = await place.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, second, GOOD)
            await client.actor("a").ask(GetValue())
        again = trio.current_time()
        await second.stream.aclose()
        await place.accept()

    gaps = [b - a for a, b in zip(place.tries, place.tries[1:], strict=False)]
    assert gaps[:5] == pytest.approx([1, 2, 4, 5, 5])
    assert place.tries[-1] == pytest.approx(again + 1)


async def test_connections_that_never_work_are_made_ever_less_often(
    autojump_clock: MockClock,
) -> None:
    """To be accepted is no success, as long as the peer has said nothing."""
    async with open_place(Backoff(initial=1.0, maximum=60.0)) as (place, _, first):
        server = first
        for _ in range(5):
            await server.stream.aclose()
            server = await place.accept()

    assert place.tries == pytest.approx([0, 1, 3, 7, 15, 31])


async def test_jitter_makes_waits_longer_only(autojump_clock: MockClock) -> None:
    """By at most its part."""
    async with open_place(Backoff(initial=1.0, jitter=0.5)) as (place, _, first):
        await first.stream.aclose()
        await place.accept()

    assert 1 <= place.tries[1] <= 1.5


async def test_call_waits_for_the_connection_under_its_own_deadline(
    autojump_clock: MockClock,
) -> None:
    """What is left of it is what the peer is told."""
    async with open_place(Backoff(initial=4.0)) as (place, client, first):
        await first.stream.aclose()
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with trio.fail_after(10):
                    await client.actor("a").ask(GetValue())

            nursery.start_soon(ask)
            request = await answer_next(await place.accept(), GOOD)
        place.is_open = False
        with trio.move_on_after(3) as scope:
            await client.actor("a").ask(GetValue())

    assert request["response_timeout_ms"] == 6000
    assert scope.cancelled_caught


async def test_call_without_a_deadline_does_not_wait_for_ever(
    autojump_clock: MockClock,
) -> None:
    """After 30 seconds it is told that it was never sent, and why."""
    async with open_place() as (place, client, first):
        place.is_open = False
        await first.stream.aclose()
        await wait_all_tasks_blocked()

        async def stream() -> None:
            async with client.actor("a").stream(Numbers()):
                pass

        async def subscribe() -> None:
            async with client.subscribe("T"):
                pass

        for call in (
            lambda: client.actor("a").ask(GetValue()),
            lambda: client.actor("a").send(SetValue(1)),
            lambda: client.request("a", "B"),
            client.discover,
            stream,
            subscribe,
        ):
            since = trio.current_time()
            with pytest.raises(
                acton.AskTimeoutError, match="nobody is there"
            ) as caught:
                await call()
            assert trio.current_time() - since == pytest.approx(30)
            assert "not sent" in caught.value.where


async def test_mistake_is_told_without_a_connection(autojump_clock: MockClock) -> None:
    """What can never be sent does not wait until it could."""
    async with open_place() as (place, client, first):
        place.is_open = False
        await first.stream.aclose()
        await wait_all_tasks_blocked()
        with pytest.raises(TypeError):
            await client.actor("a").send(3)

    assert trio.current_time() == 0


@pytest.mark.parametrize("is_told", [False, True])
async def test_refusal_for_lack_of_room_passes(
    autojump_clock: MockClock, *, is_told: bool
) -> None:
    """The server may have room soon; who asks in the meantime hears of it."""
    async with open_place() as (place, client, first):
        if is_told:
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    with pytest.raises(acton.ConnectionRefusedByPeerError):
                        await client.actor("a").ask(GetValue())

                nursery.start_soon(ask)
                await next_request(first)
                await first.write(refusal("CONNECTION_LIMIT_REACHED"))
        else:
            await first.write(refusal("CONNECTION_LIMIT_REACHED"))
            await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await answer_next(await place.accept(), GOOD)

            nursery.start_soon(serve)
            assert await client.actor("a").ask(GetValue()) == Value(3)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(
            refusal("ACCESS_DENIED"), acton.ConnectionRefusedByPeerError, id="access"
        ),
        pytest.param(
            refusal("SOMETHING_NEW"), acton.ConnectionRefusedByPeerError, id="new"
        ),
        pytest.param(b"HTTP/1.1 400", acton.RemoteProtocolError, id="garbage"),
        pytest.param(b"\xff" * 7, acton.RemoteProtocolError, id="all ones"),
        pytest.param(
            frame(
                ERROR,
                b'{"correlation_id":"unknown","success":false,'
                b'"error_code":"UNSUPPORTED_PROTOCOL_VERSION"}',
            ),
            acton.RemoteProtocolError,
            id="another version",
        ),
    ],
)
async def test_reason_that_stays_is_final(
    autojump_clock: MockClock, data: bytes, error: type[Exception]
) -> None:
    """Who is not allowed, or not understood, does not try again and again."""
    async with open_place() as (place, client, first):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agree, first)
            subscription = client.subscribe("T")
            events = await subscription.__aenter__()
        await first.write(data)
        await trio.sleep(100)
        for call in (
            lambda: client.actor("a").ask(GetValue()),
            lambda: anext(events),
            client.discover,
        ):
            with pytest.raises(error):
                await call()
        await subscription.__aexit__(None, None, None)

    assert place.tries == [0]


async def test_last_words_without_a_lasting_reason_are_no_end(
    autojump_clock: MockClock,
) -> None:
    """A server that restarts says so, and is there again."""
    words = b'{"correlation_id":"unknown","success":false,"error_code":"%s"}'
    async with open_place() as (place, client, first):
        await first.write(frame(ERROR, words % b"CONNECTION_CLOSED"))
        second = await place.accept()
        await second.write(frame(ERROR, words % b"PROTOCOL_ERROR"))
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await answer_next(await place.accept(), GOOD)

            nursery.start_soon(serve)
            assert await client.actor("a").ask(GetValue()) == Value(3)


async def test_subscriptions_are_taken_up_again_and_the_gap_shows(
    autojump_clock: MockClock,
) -> None:
    """It lies between what came before and what came after."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T", "U") as events:
            await push(first, 1)
            await push(first, 2)
            await wait_all_tasks_blocked()
            await first.stream.aclose()
            second = await place.accept()
            seen = await agree(second)
            await push(second, 3)
            await wait_all_tasks_blocked()
            got: list[tuple[Any, int]] = [(None, events.gaps)]
            for _ in range(3):
                payload = (await anext(events)).payload
                got.append((payload, events.gaps))
            await second.stream.aclose()
            await agree(await place.accept())
            got.append((None, events.gaps))

    assert seen == (SUBSCRIBE, ["T", "U"])
    assert got == [(None, 0), (1, 0), (2, 0), (3, 1), (None, 2)]
    assert events.missed == 0
    assert events.statistics().gaps == 2


async def test_subscriber_that_waits_goes_on_waiting(
    autojump_clock: MockClock,
) -> None:
    """It does not notice, but for the gap."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T") as events:

            async def serve() -> None:
                await wait_all_tasks_blocked()
                await first.stream.aclose()
                second = await place.accept()
                await agree(second)
                await push(second, 5)

            nursery.start_soon(serve)
            assert (await anext(events)).payload == 5

    assert events.gaps == 1


async def test_subscription_that_is_refused_later_says_so(
    autojump_clock: MockClock,
) -> None:
    """Its reader does not wait for what never comes."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T") as events:
            await first.stream.aclose()
            second = await place.accept()
            _, body = await second.read()
            answer = {"success": False, "error": "no"}
            await second.write(answer_frame(body["correlation_id"], answer))
            with pytest.raises(acton.PeerRejectedError):
                await anext(events)


async def test_mute_server_does_not_keep_what_is_taken_up_again(
    autojump_clock: MockClock,
) -> None:
    """After 30 seconds its readers hear that it has not answered."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T") as events:
            await first.stream.aclose()
            with pytest.raises(acton.AskTimeoutError):
                await anext(events)

    assert len(place.tries) == 2
    assert trio.current_time() == pytest.approx(30.1)


async def test_connection_that_breaks_again_is_tried_again(
    autojump_clock: MockClock,
) -> None:
    """A subscription waits for the one that stays."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T") as events:
            await first.stream.aclose()
            second = await place.accept()
            await second.read()
            await second.stream.aclose()
            third = await place.accept()
            await agree(third)
            await push(third, 1)

            assert (await anext(events)).payload == 1
            assert events.gaps == 2


async def test_what_was_left_in_the_meantime_is_not_taken_up(
    autojump_clock: MockClock,
) -> None:
    """Only what is still read is asked for."""
    async with open_place() as (place, client, first), trio.open_nursery() as nursery:
        nursery.start_soon(agree, first)
        async with client.subscribe("T"):
            nursery.start_soon(agree, first)
            async with client.subscribe("U"):
                await first.stream.aclose()
                await wait_all_tasks_blocked()
            seen = await agree(await place.accept())

    assert seen == (SUBSCRIBE, ["T"])


async def test_each_connection_is_asked_anew_what_it_can(
    autojump_clock: MockClock,
) -> None:
    """A newer server may be followed by an older one."""
    able = dict.fromkeys(("messagepack", "streaming", "push", "discovery"), True)
    version = {"current": 2, "min_supported": 1, "max_supported": 2, "description": ""}
    async with open_place() as (place, client, first):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.discover)
            _, question = await first.read()
            told = version | {"capabilities": able | {"cancel": True}}
            body = {"success": True, "protocol_version": told}
            await first.write(answer_frame(question["correlation_id"], body))
        with trio.move_on_after(1):
            await client.actor("a").ask(GetValue())
        kinds = [(await first.read())[0] for _ in range(2)]
        await first.stream.aclose()
        second = await place.accept()
        with trio.move_on_after(1):
            await client.actor("a").ask(GetValue())
        more = [(await second.read())[0] for _ in range(2)]

    assert kinds == [REQUEST, CANCEL]
    assert more == [REQUEST, DISCOVER]


async def test_leaving_between_connections_ends_all_waits(
    autojump_clock: MockClock,
) -> None:
    """Nobody waits for a connection that is not made any more."""
    async with trio.open_nursery() as nursery:
        async with open_place() as (place, client, first):
            place.is_open = False
            await first.stream.aclose()
            await wait_all_tasks_blocked()

            async def ask() -> None:
                with pytest.raises(acton.PeerLostError, match="closed"):
                    await client.actor("a").ask(GetValue())

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
        with pytest.raises(acton.PeerLostError, match="closed"):
            await client.actor("a").ask(GetValue())

    assert trio.current_time() == 0


async def test_first_connection_is_not_tried_again(autojump_clock: MockClock) -> None:
    """A path that is wrong from the start is a mistake, and told at once."""
    place = Place(is_open=False)
    with pytest.raises(FileNotFoundError):
        async with acton.ipc.open_client(place.connect, reconnect=Backoff()):
            pass

    assert place.tries == [0]


async def test_what_cannot_be_opened_again_is_a_type_error(
    autojump_clock: MockClock,
) -> None:
    """A stream is one connection, and a backoff is no number."""
    ours, _ = trio.testing.memory_stream_pair()
    with pytest.raises(TypeError, match="path, or a function"):
        async with acton.ipc.open_client(ours, reconnect=Backoff()):
            pass
    wrong: Any = 3
    with pytest.raises(TypeError, match="Backoff"):
        async with acton.ipc.open_client(Place().connect, reconnect=wrong):
            pass


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"initial": -1.0}, ValueError),
        ({"maximum": float("inf")}, ValueError),
        ({"multiplier": 0.5}, ValueError),
        ({"jitter": float("nan")}, ValueError),
        ({"initial": "1"}, TypeError),
    ],
)
def test_backoff_is_checked(arguments: Any, error: type[Exception]) -> None:
    """A wait that cannot be is told where it is written."""
    with pytest.raises(error, match="Backoff"):
        Backoff(**arguments)


async def test_server_of_ours_that_restarts(autojump_clock: MockClock) -> None:
    """A function without async is as good; and the world goes on."""
    async with (
        open_world() as world,
        acton.ipc.open_client(world.door.connect, reconnect=Backoff()) as client,
    ):
        service = client.actor("service")
        async with client.subscribe(SetValue) as events:
            await service.ask(Echo("a"))
            async with trio.open_nursery() as nursery:

                async def nap() -> None:
                    with pytest.raises(acton.PeerLostError):
                        await service.ask(Nap(50))

                nursery.start_soon(nap)
                await wait_all_tasks_blocked()
                await trio.aclose_forcefully(stream_of(client))
            await service.send(SetValue(9))
            await trio.sleep(1)
            await world.runtime.broker.broadcast(SetValue(9))

            assert await service.ask(GetValue()) == Value(9)
            assert await anext(events) == SetValue(9)
            assert events.gaps == 1


async def test_path_is_connected_to_again(tmp_path: Path) -> None:
    """A socket that a new server has at the same path."""
    path = tmp_path / "s"
    async with acton.open_runtime() as runtime:
        listener = await runtime.start_ipc_listener(
            acton.ipc.IpcConfig(socket=acton.ipc.IpcSocket(path=path))
        )
        backoff = Backoff(initial=0.001, maximum=0.01)
        async with acton.ipc.open_client(path, reconnect=backoff) as client:
            before = await client.discover()
            await listener.stop()
            async with acton.ipc.open_listener(runtime, path=path):
                # In flight, or not yet known to be lost.
                while True:
                    try:
                        after = await client.discover()
                    except acton.PeerLostError:
                        continue
                    break

    assert before == after


def stream_of(client: Client) -> trio.abc.Stream:
    """Return what *client* talks over now."""
    return client._line.dialogue.stream
