"""What the trio client makes of a server that babbles, lies or leaves."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .answers import answer_frame, answer_next, next_request
from .peers import (
    ERROR,
    HEARTBEAT,
    JSON,
    MESSAGEPACK,
    RESPONSE,
    GetValue,
    Peer,
    SetValue,
    Value,
    frame,
)

GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}
SENTINEL = "__acton_connection_rejected__"


def refusal(code: str, **more: Any) -> bytes:
    """Return the frame that refuses a connection for the reason *code*."""
    body = {"correlation_id": SENTINEL, "success": False, "error": "words"}
    return frame(ERROR, json.dumps(body | {"error_code": code, **more}).encode())


async def test_end_of_the_connection_fails_all_who_wait(
    autojump_clock: MockClock,
) -> None:
    """Nobody is left waiting, and later calls fail at once."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(acton.PeerLostError):
                    await client.actor("a").ask(GetValue())

            nursery.start_soon(ask)
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            await theirs.aclose()
        with pytest.raises(acton.PeerLostError):
            await client.actor("a").send(SetValue(1))

    assert trio.current_time() == 0


async def test_end_amid_an_answer_is_a_lost_peer(autojump_clock: MockClock) -> None:
    """Half an answer is none."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def answer_by_half() -> None:
            cid = (await next_request(server))["correlation_id"]
            await server.write(answer_frame(cid, GOOD)[:-1])
            await theirs.aclose()

        nursery.start_soon(answer_by_half)
        with pytest.raises(acton.PeerLostError):
            await client.actor("a").ask(GetValue())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"HTTP/1.1 400", acton.RemoteProtocolError, id="garbage"),
        pytest.param(b"\xff" * 7, acton.RemoteProtocolError, id="all ones"),
        pytest.param(
            b"\xff\xff\xff\xff\x02\x02\x01", acton.RemoteProtocolError, id="4 GiB"
        ),
        pytest.param(
            b"\x01\0\0\x01\x02\x02\x01", acton.RemoteProtocolError, id="16 MiB and 1"
        ),
        pytest.param(b"\0\0\0\0\x02\x0b\x01", acton.RemoteProtocolError, id="type"),
        pytest.param(b"\0\0\0\0\x02\x02\x03", acton.RemoteProtocolError, id="format"),
        pytest.param(
            refusal("CONNECTION_LIMIT_REACHED", payload={"limit": 7}),
            acton.ConnectionRefusedByPeerError,
            id="limit",
        ),
        pytest.param(
            refusal("ACCESS_DENIED"), acton.ConnectionRefusedByPeerError, id="access"
        ),
        pytest.param(
            frame(ERROR, b'{"correlation_id":"unknown","success":false,"error":"bye"}'),
            acton.PeerLostError,
            id="last words",
        ),
    ],
)
async def test_last_words_of_a_server_are_told_to_all(
    autojump_clock: MockClock, data: bytes, error: type[Exception]
) -> None:
    """Whatever ends a connection is the reason that every call gives."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        await theirs.send_all(data)
        await wait_all_tasks_blocked()
        with suppress(trio.BrokenResourceError):
            await theirs.aclose()
        await wait_all_tasks_blocked()
        for _ in range(2):
            with pytest.raises(error):
                await client.actor("a").ask(GetValue())
            with pytest.raises(error):
                await client.request("a", "B")
            with pytest.raises(error):
                await client.discover()

    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        pytest.param({"payload": {"limit": 7}}, 7, id="told"),
        pytest.param({}, 0, id="missing"),
        pytest.param({"payload": {"limit": "many"}}, 0, id="of another type"),
        pytest.param({"payload": [7]}, 0, id="of another shape"),
    ],
)
async def test_refusal_tells_reason_and_limit(
    autojump_clock: MockClock, more: dict[str, Any], limit: int
) -> None:
    """The facts are attributes; a limit that is not told is none, or nothing."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        await theirs.send_all(refusal("CONNECTION_LIMIT_REACHED", **more))
        await wait_all_tasks_blocked()
        with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
            await client.actor("a").ask(GetValue())

    assert caught.value.reason == "CONNECTION_LIMIT_REACHED"
    assert caught.value.detail == "words"
    assert (caught.value.limit or 0) == limit


NOISE = [
    pytest.param(
        frame(RESPONSE, b'{"correlation_id":"req_99","success":true}'), id="late"
    ),
    pytest.param(frame(HEARTBEAT, b""), id="empty heartbeat"),
    pytest.param(frame(HEARTBEAT, b"nonsense"), id="heartbeat of nonsense"),
    pytest.param(
        frame(
            5,
            b'{"notification_id":"p","message_type":"T","payload":1,"timestamp_ms":1}',
        ),
        id="push",
    ),
    pytest.param(frame(5, b"nonsense"), id="push of nonsense"),
    pytest.param(
        frame(9, b'{"correlation_id":"t","sequence":0,"is_final":true}'), id="stream"
    ),
    pytest.param(frame(1, b"{}"), id="a client's frame"),
    pytest.param(frame(RESPONSE, b"nonsense"), id="answer of nonsense"),
    pytest.param(frame(RESPONSE, b"[" * 100_000), id="answer nested deep"),
    pytest.param(frame(RESPONSE, b"\xc1", form=MESSAGEPACK), id="bad MessagePack"),
]


@pytest.mark.parametrize("noise", NOISE)
async def test_frame_for_nobody_is_passed_over(
    autojump_clock: MockClock, noise: bytes
) -> None:
    """What nobody waits for harms nobody who waits."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        await theirs.send_all(noise * 3)
        await wait_all_tasks_blocked()
        nursery.start_soon(answer_next, Peer(theirs), GOOD)

        assert await client.actor("a").ask(GetValue()) == Value(3)


async def test_second_answer_goes_nowhere(autojump_clock: MockClock) -> None:
    """The first one counts."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def answer_thrice() -> None:
            cid = (await next_request(server))["correlation_id"]
            for number in range(3):
                body = GOOD | {"payload": {"value": number}}
                await server.write(answer_frame(cid, body))
            await answer_next(server, GOOD)

        nursery.start_soon(answer_thrice)
        first = await client.actor("a").ask(GetValue())
        second = await client.actor("a").ask(GetValue())

    assert (first, second) == (Value(0), Value(3))


@pytest.mark.parametrize(
    ("version", "form"),
    [
        pytest.param(1, JSON, id="v1"),
        pytest.param(2, JSON, id="v2 JSON"),
        pytest.param(2, MESSAGEPACK, id="v2 MessagePack"),
    ],
)
async def test_answer_is_read_by_its_own_header(
    autojump_clock: MockClock, version: int, form: int
) -> None:
    """Version and format of an answer are not those of the question."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def reply() -> None:
            cid = (await next_request(server))["correlation_id"]
            packed = form == MESSAGEPACK
            encode = msgspec.msgpack.encode if packed else msgspec.json.encode
            body = encode({"correlation_id": cid, **GOOD})
            await server.write(frame(RESPONSE, body, version, form))

        nursery.start_soon(reply)

        assert await client.actor("a").ask(GetValue()) == Value(3)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b'"success":true,"payload":' + b"[" * 100_000, id="deep"),
        pytest.param(
            b'"success":true,"payload":' + b"[" * 99_999 + b"]" * 99_999 + b"}",
            id="deep and whole",
        ),
        pytest.param(b'"success":true,"payload":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'"success":true,"payload":{"value":7.5}}', id="fraction"),
        pytest.param(b'"success":true,"payload":{"value":1e400}}', id="infinity"),
        pytest.param(b'"success":true,"payload":[]}', id="array"),
        pytest.param(b'"success":5}', id="success is a number"),
        pytest.param(b'"success":false,"error":{}}', id="error is an object"),
        pytest.param(
            b'"success":false,"error_code":"REJECTED","message_type":"OutOfStock",'
            b'"payload":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            id="rejection nested deep",
        ),
    ],
)
async def test_answer_without_sense_ends_its_ask_only(
    autojump_clock: MockClock, rest: bytes
) -> None:
    """The asker hears of it at once, and the client can be used on."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def reply() -> None:
            cid = (await next_request(server))["correlation_id"]
            body = b'{"correlation_id":"' + cid.encode() + b'",' + rest
            await server.write(frame(RESPONSE, body))
            await answer_next(server, GOOD)

        nursery.start_soon(reply)
        with pytest.raises((acton.ActonError, acton.Rejection)) as caught:
            await client.actor("a").ask(GetValue())
        after = await client.actor("a").ask(GetValue())

    assert not isinstance(caught.value, acton.AskTimeoutError)
    assert str(caught.value)
    assert after == Value(3)


async def test_absurd_announcement_costs_no_memory(autojump_clock: MockClock) -> None:
    """A client allots nothing for what it will not read."""
    ours, theirs = trio.testing.memory_stream_pair()
    tracemalloc.start()
    async with acton.ipc.open_client(ours) as client:
        await theirs.send_all(b"\xff\xff\xff\xff\x02\x02\x01" + b"x" * 1000)
        with pytest.raises(acton.RemoteProtocolError):
            await client.actor("a").ask(GetValue())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3_000_000


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=60), kind=st.none() | st.integers(2, 9))
async def test_whatever_a_server_says_the_asker_gets_an_error_of_ours(
    autojump_clock: MockClock, data: bytes, kind: int | None
) -> None:
    """No bytes hang an ask beyond its time, or raise what is not documented."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        await theirs.send_all(data if kind is None else frame(kind, data))
        with pytest.raises(acton.ActonError):
            await client.actor("a").ask(GetValue())


@acton.message(ipc=True)
class Numbers(acton.StreamRequest[int]):
    """Asks for numbers."""


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    frames=st.lists(
        st.tuples(
            st.sampled_from([2, 3, 4, 5, 9]),
            st.fixed_dictionaries(
                {},
                optional={
                    "correlation_id": st.sampled_from(["str_1", "sub_2", "req_3", "x"]),
                    "sequence": st.integers(-1, 3),
                    "is_final": st.booleans() | st.none(),
                    "success": st.booleans(),
                    "error": st.none() | st.just("words"),
                    "error_code": st.none() | st.sampled_from(["TIMEOUT", "REJECTED"]),
                    "payload": st.none() | st.integers(0, 3) | st.just({}),
                    "message_type": st.none() | st.just("T"),
                    "notification_id": st.just("p"),
                    "timestamp_ms": st.integers(-1, 1),
                    "dropped": st.integers(-1, 2),
                    "subscribed_types": st.none() | st.just(["T"]),
                },
            ),
        ),
        max_size=8,
    ),
    tail=st.binary(max_size=8),
)
async def test_whatever_a_server_says_nobody_waits_for_ever(
    autojump_clock: MockClock, frames: list[tuple[int, Any]], tail: bytes
) -> None:
    """When the connection ends, so do streams, subscriptions and asks, at once."""
    since = trio.current_time()
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def stream() -> None:
            async with client.actor("a").stream(Numbers()) as numbers:
                async for number in numbers:
                    assert isinstance(number, int)

        async def subscribe() -> None:
            async with client.subscribe("T") as events:
                async for event in events:
                    assert event.message_type == "T"

        async def ask() -> None:
            await client.actor("a").ask(GetValue())

        async def end(call: Any) -> None:
            with (
                suppress(acton.ActonError, acton.Rejection),
                trio.move_on_after(100),
            ):
                await call()

        for each in (stream, subscribe, ask):
            nursery.start_soon(end, each)
            await wait_all_tasks_blocked()
        for kind, body in frames:
            await theirs.send_all(frame(kind, json.dumps(body).encode()))
        await theirs.send_all(tail)
        await wait_all_tasks_blocked()
        await theirs.aclose()

    assert trio.current_time() == since
