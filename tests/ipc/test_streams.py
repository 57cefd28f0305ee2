"""Streams of replies, as a peer gets them that writes its own bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, final

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import (
    CANCEL,
    ERROR,
    MESSAGEPACK,
    UNLIMITED,
    OutOfStock,
    Peer,
    Private,
    Value,
    World,
    open_world,
)

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcTimeouts = acton.ipc.IpcTimeouts

STREAM = 9


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int
    pause: float = 0
    size: int = 0


@acton.message(ipc=True)
class Trouble(acton.StreamRequest[object]):
    """Asks for a stream that goes wrong after its first reply."""

    how: str


@final
@acton.actor
class Counter:
    """Counts, and notes how far it has come."""

    made: int = 0
    log: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    async def count(self, request: Count) -> AsyncGenerator[int, None]:
        """Count up."""
        try:
            for number in range(request.upto):
                self.made += 1
                yield number
                if request.pause:
                    await trio.sleep(request.pause)
        finally:
            self.log.append(f"ended at {self.made}")

    @acton.act_on
    async def trouble(self, request: Trouble) -> AsyncGenerator[object, None]:
        """Go wrong."""
        yield 1
        match request.how:
            case "reject":
                raise OutOfStock(3)
            case "private":
                yield Private()
            case "unwritable":
                yield "half a character: \udcff"
            case "huge":
                yield "x" * (17 * 1024 * 1024)
            case _:
                msg = "secret text"
                raise ValueError(msg)


class Office(NamedTuple):
    """A world with a counter in it."""

    world: World
    counter: Counter
    handle: acton.ActorHandle


@asynccontextmanager
async def open_office(
    config: acton.ipc.IpcConfig | None = None, **options: Any
) -> AsyncGenerator[Office, None]:
    """Open a world with a counter in it."""
    counter = Counter()
    async with open_world(config) as world:
        handle = await world.runtime.start(
            lambda: counter, name="counter", expose=True, **options
        )
        yield Office(world, counter, handle)


async def ask_for(
    peer: Peer, message_type: str, payload: Any, cid: str = "t", **more: Any
) -> None:
    """Write a request for a stream."""
    await peer.request(
        cid,
        message_type,
        payload,
        target=more.pop("target", "counter"),
        expects_stream=True,
        expects_reply=False,
        **more,
    )


async def read_all(peer: Peer) -> list[Any]:
    """Return the bodies of one stream's frames, up to the last."""
    bodies: list[Any] = []
    while not bodies or not bodies[-1]["is_final"]:
        kind, body = await peer.read()
        assert kind == STREAM
        bodies.append(body)
    return bodies


@pytest.mark.parametrize("form", [1, MESSAGEPACK])
async def test_stream_is_numbered_and_ends(
    autojump_clock: MockClock, form: int
) -> None:
    """Each reply is a frame, and one more says that there are no more."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 3}, form=form)
        bodies = await read_all(peer)

        assert [each.get("payload") for each in bodies] == [0, 1, 2, None]
        assert [each["sequence"] for each in bodies] == [0, 1, 2, 3]
        assert "payload" not in bodies[-1]


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("reject", "REJECTED", "OutOfStock"),
        ("private", "SERIALIZATION_ERROR", "Private"),
        ("unwritable", "SERIALIZATION_ERROR", "Serialization error"),
        ("huge", "SERIALIZATION_ERROR", "exceeds the limit"),
        ("raise", "HANDLER_FAILED", "ValueError"),
    ],
)
async def test_stream_that_breaks_says_why_and_the_actor_goes_on(
    autojump_clock: MockClock, how: str, code: str, text: str
) -> None:
    """The number of the last frame is that of the reply that did not come."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Trouble", {"how": how})
        first, last = await read_all(peer)
        await ask_for(peer, "Count", {"upto": 1})

        assert first["payload"] == 1
        assert (last["sequence"], last["error_code"]) == (1, code)
        assert text in last["error"] + last.get("message_type", "")
        assert "secret" not in last["error"]
        assert len(await read_all(peer)) == 2
        await wait_all_tasks_blocked()
        assert o.world.listener.statistics().in_flight_requests == 0


async def test_plain_request_with_a_stream_expected_is_a_stream_of_one(
    autojump_clock: MockClock,
) -> None:
    """Who expects a stream gets one, whoever answers; wins over a reply."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "GetValue", None, target="service")
        bodies = await read_all(peer)

        assert bodies[0]["payload"] == {"value": 0}
        assert bodies[0]["message_type"] == "Value"
        assert bodies[1] == {"correlation_id": "t", "sequence": 1, "is_final": True}


async def test_handler_without_a_reply_is_an_empty_stream(
    autojump_clock: MockClock,
) -> None:
    """There is one frame, which is the last."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "SetValue", {"value": 3}, target="service")

        assert await read_all(peer) == [
            {"correlation_id": "t", "sequence": 0, "is_final": True}
        ]
        assert o.world.service.values == [3]


async def test_stream_request_with_a_reply_expected_is_refused(
    autojump_clock: MockClock,
) -> None:
    """Which of many replies would it be?"""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request("r", "Count", {"upto": 1}, target="counter")
        kind, answer = await peer.read()

        assert (kind, answer["error_code"]) == (ERROR, "SERIALIZATION_ERROR")
        assert "expects_stream" in answer["error"]
        assert o.counter.made == 0


async def test_stream_request_that_expects_nothing_is_handled(
    autojump_clock: MockClock,
) -> None:
    """It is a message as any other; its replies go nowhere."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request(
            "r", "Count", {"upto": 2}, target="counter", expects_reply=False
        )
        answer = await peer.answer()
        await wait_all_tasks_blocked()

        assert answer["payload"] == {"status": "delivered"}
        assert o.counter.made == 2


@pytest.mark.parametrize(
    ("target", "name", "upto", "answer"),
    [
        ("nobody", "Count", 1, "STREAM_ERROR Actor not found: nobody"),
        ("counter", "What", 1, "SERIALIZATION_ERROR Unknown message type: What"),
        ("counter", "Count", "x", "SERIALIZATION_ERROR Serialization error: "),
    ],
)
async def test_refusal_of_a_stream_is_its_only_frame(
    autojump_clock: MockClock, target: str, name: str, upto: object, answer: str
) -> None:
    """With the codes that clients know."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, name, {"upto": upto}, target=target)
        (last,) = await read_all(peer)

        assert last["sequence"] == 0
        assert f"{last['error_code']} {last['error']}".startswith(answer)


async def test_full_mailbox_refuses_a_stream_in_its_own_words(
    autojump_clock: MockClock,
) -> None:
    """A stream needs room as every message."""
    async with open_world(mailbox_capacity=1) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.request("2", "Grind", {"seconds": 9})
        await ask_for(peer, "GetValue", None, target="service")
        (last,) = await read_all(peer)

        assert last["error_code"] == "TARGET_BUSY"
        assert last["error"] == "Actor inbox is full"


async def test_time_limit_bounds_the_whole_stream(autojump_clock: MockClock) -> None:
    """However often there is a reply; the handler is cancelled."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 9, "pause": 1}, response_timeout_ms=2500)
        bodies = await read_all(peer)

        assert bodies[-1]["error_code"] == "TIMEOUT"
        assert bodies[-1]["error"] == "Stream timed out after 2500 ms"
        assert bodies[-1]["sequence"] == 3
        assert trio.current_time() == pytest.approx(2.5)
        await wait_all_tasks_blocked()
        assert o.counter.log == ["ended at 3"]


async def test_stream_may_be_asked_for_without_a_time_limit(
    autojump_clock: MockClock,
) -> None:
    """What no clock counts up to is for ever, whatever a request may ask for."""
    config = IpcConfig(limits=IpcLimits(max_response_timeout=1))
    async with open_office(config) as o:
        peer = o.world.peer()
        for timeout in (2**53 - 1, 2**64 - 1):
            await ask_for(
                peer, "Count", {"upto": 3, "pause": 9}, response_timeout_ms=timeout
            )
            assert "error" not in (await read_all(peer))[-1]

        assert trio.current_time() == pytest.approx(54)


async def test_stream_without_a_named_limit_has_that_of_a_request(
    autojump_clock: MockClock,
) -> None:
    """As every request that does not say how long it will wait."""
    config = IpcConfig(timeouts=IpcTimeouts(request_timeout=4))
    async with open_office(config) as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 99, "pause": 3})
        bodies = await read_all(peer)

        assert bodies[-1]["error"] == "Stream timed out after 4000 ms"


async def test_cancelled_stream_ends_with_its_code(autojump_clock: MockClock) -> None:
    """The handler is cancelled, and nothing follows."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 9, "pause": 1})
        first = await peer.answer()
        await peer.say(CANCEL, {"correlation_id": "t"})
        last = await peer.answer()
        await wait_all_tasks_blocked()
        after = await peer.ask("GetValue")

        assert first["sequence"] == 0
        assert (last["sequence"], last["error_code"]) == (1, "CANCELLED")
        assert last["is_final"]
        assert after["correlation_id"] == "r"
        assert o.counter.log == ["ended at 1"]


async def test_peer_that_leaves_ends_its_streams(autojump_clock: MockClock) -> None:
    """Their handlers are cancelled at once, and nobody else's."""
    async with open_office() as o:
        leaving, staying = o.world.peer(), o.world.peer()
        for peer in (leaving, staying):
            await ask_for(peer, "Count", {"upto": 2, "pause": 1})
            await peer.answer()
        await leaving.stream.aclose()
        await wait_all_tasks_blocked()
        log = [*o.counter.log]

        assert log == ["ended at 2"]
        assert len(await read_all(staying)) == 2


async def test_stopped_actor_ends_its_streams_with_an_error(
    autojump_clock: MockClock,
) -> None:
    """An end that is none must not look like one."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 9, "pause": 1})
        await peer.answer()
        await o.handle.stop()
        last = await peer.answer()

        assert (last["is_final"], last["error_code"]) == (True, "IO_ERROR")


async def test_slow_reader_holds_the_handler_up_and_nobody_else(
    autojump_clock: MockClock,
) -> None:
    """Not everything is made at once for one that does not read."""
    async with open_office() as o:
        slow, quick = Peer(o.world.door.connect_in_lockstep()), o.world.peer()
        await ask_for(slow, "Count", {"upto": 5000}, response_timeout_ms=2**53 - 1)
        await wait_all_tasks_blocked()
        made = o.counter.made
        answer = await quick.ask("GetValue")
        bodies = await read_all(slow)

        assert answer["success"]
        assert made < 200
        assert [each["sequence"] for each in bodies] == list(range(5001))


async def test_flood_of_a_stream_lets_requests_of_its_connection_through(
    autojump_clock: MockClock,
) -> None:
    """They share the writer: what is asked meanwhile is answered among the rest."""
    async with open_office() as o:
        peer = Peer(o.world.door.connect_in_lockstep())
        await ask_for(peer, "Count", {"upto": 3000}, response_timeout_ms=2**53 - 1)
        await peer.answer()
        await peer.request("r", "GetValue", None)
        number = 0
        while (await peer.answer())["correlation_id"] != "r":
            number += 1

        assert number < 1000


async def test_streams_of_one_connection_run_side_by_side(
    autojump_clock: MockClock,
) -> None:
    """Each has its own numbers."""
    async with open_office() as o:
        peer = o.world.peer()
        for cid in "ab":
            await ask_for(peer, "Count", {"upto": 3, "pause": 1}, cid)
        seen: dict[str, list[int]] = {"a": [], "b": []}
        for _ in range(8):
            body = await peer.answer()
            seen[body["correlation_id"]].append(body["sequence"])

        assert seen == {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}
        assert trio.current_time() == pytest.approx(3)


async def test_drain_lets_a_stream_end(autojump_clock: MockClock) -> None:
    """A stream is in flight until its last frame is written."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for(peer, "Count", {"upto": 3, "pause": 1})
        await peer.answer()
        result = await o.world.listener.shutdown_gracefully()
        rest = await read_all(peer)

        assert result.drained_gracefully
        assert "error" not in rest[-1]


async def test_message_in_a_stream_says_its_type(autojump_clock: MockClock) -> None:
    """As every reply that is a message does."""

    @acton.message(ipc=True)
    class Prices(acton.StreamRequest[Value]):
        pass

    @acton.actor
    class Market:
        @acton.act_on
        async def prices(self, _request: Prices) -> AsyncGenerator[Value, None]:
            yield Value(1)

    async with open_world() as w:
        await w.runtime.start(Market, name="market", expose=True)
        peer = w.peer()
        await ask_for(peer, "Prices", None, target="market")

        assert (await read_all(peer))[0]["message_type"] == "Value"


async def test_many_streams_wait_their_turn_and_none_is_lost(
    autojump_clock: MockClock,
) -> None:
    """More than one connection may have in flight."""
    config = IpcConfig(limits=IpcLimits(max_in_flight=4), rate_limit=UNLIMITED)
    async with open_office(config) as o:
        peer = o.world.peer()
        for number in range(20):
            await ask_for(peer, "Count", {"upto": 2, "pause": 1}, f"{number}")
        ends = 0
        while ends < 20:
            ends += (await peer.answer())["is_final"]

        assert trio.current_time() == pytest.approx(10)
