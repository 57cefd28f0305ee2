"""Single envelopes and answers, by hand on any stream."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MemorySendStream, MockClock, memory_stream_one_way_pair

import acton_trio as acton

from .peers import ERROR, HEARTBEAT, MESSAGEPACK, RESPONSE, frame, open_world

pytestmark = pytest.mark.usefixtures("each_transport")

IpcEnvelope, IpcResponse = acton.ipc.IpcEnvelope, acton.ipc.IpcResponse
protocol = acton.ipc.protocol
GOOD = {"correlation_id": "r1", "success": True, "payload": {"value": 7}}


def encode(body: Any) -> bytes:
    """Return *body* in JSON."""
    return json.dumps(body).encode()


async def written(envelope: acton.ipc.IpcEnvelope) -> bytes:
    """Return what is written for *envelope*."""
    sender, receiver = memory_stream_one_way_pair()
    await protocol.write_envelope(sender, envelope)
    return bytes(await receiver.receive_some())


async def read_from(data: bytes, max_size: int = 1024) -> acton.ipc.IpcResponse:
    """Return the answer that *data* holds, given that nothing follows."""
    sender, receiver = memory_stream_one_way_pair()
    await sender.send_all(data)
    await sender.aclose()
    return await protocol.read_response(receiver, max_size)


async def test_envelope_is_written_as_the_reference_writes_it() -> None:
    """Byte for byte: version 2, JSON, keys in their order, nothing left out."""
    envelope = IpcEnvelope("a", "Ping", None, correlation_id="r1", expects_reply=False)

    assert await written(envelope) == bytes.fromhex(
        "000000920201017b22636f7272656c6174696f6e5f6964223a227231222c22746172676574"
        "223a2261222c226d6573736167655f74797065223a2250696e67222c227061796c6f616422"
        "3a6e756c6c2c22657870656374735f7265706c79223a66616c73652c22657870656374735f"
        "73747265616d223a66616c73652c22726573706f6e73655f74696d656f75745f6d73223a33"
        "303030307d"
    )


async def test_envelope_expects_a_reply_unless_told_otherwise() -> None:
    """The defaults are those of a question, with half a minute to answer it."""
    body = json.loads((await written(IpcEnvelope("a", "B", {"c": [1]})))[7:])

    assert body.pop("correlation_id")
    assert body == {
        "target": "a",
        "message_type": "B",
        "payload": {"c": [1]},
        "expects_reply": True,
        "expects_stream": False,
        "response_timeout_ms": 30000,
    }


def test_ids_are_made_in_the_reference_s_form() -> None:
    """A prefix, and 26 characters of Crockford's alphabet; no two are the same."""
    ids = [IpcEnvelope("a", "B", {}).correlation_id for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(re.fullmatch("req_[0-9a-hjkmnp-tv-z]{26}", each) for each in ids)


def test_what_may_be_left_out_is_given_by_name() -> None:
    """Positions are for target, type and payload."""
    with pytest.raises(TypeError):
        IpcEnvelope("a", "B", {}, "r1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("payload", [object(), "\ud800", {"a": {1j}}])
async def test_payload_that_is_no_plain_data_is_not_written(payload: object) -> None:
    """Nothing is on the stream, so that it can be used on."""
    sender, receiver = memory_stream_one_way_pair()
    with pytest.raises(acton.SerializationError):
        await protocol.write_envelope(sender, IpcEnvelope("a", "B", payload))
    await sender.aclose()

    assert await receiver.receive_some() == b""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(RESPONSE, encode(GOOD)), id="version 2"),
        pytest.param(frame(RESPONSE, encode(GOOD), version=1), id="version 1"),
        pytest.param(
            frame(RESPONSE, msgspec.msgpack.encode(GOOD), form=MESSAGEPACK),
            id="MessagePack",
        ),
        pytest.param(
            frame(HEARTBEAT, b"") + frame(RESPONSE, encode(GOOD)),
            id="behind an empty heartbeat",
        ),
        pytest.param(
            frame(5, b"nonsense") + frame(9, b"{}") + frame(RESPONSE, encode(GOOD)),
            id="behind a push and an item that make no sense",
        ),
        pytest.param(
            frame(1, b"{}") + frame(RESPONSE, encode(GOOD)),
            id="behind what only a client says",
        ),
        pytest.param(
            frame(RESPONSE, encode(GOOD | {"later": "version"})), id="unknown key"
        ),
    ],
)
async def test_answer_is_read_in_every_form(data: bytes) -> None:
    """Each frame says by itself how it is written."""
    assert await read_from(data) == IpcResponse(
        "r1", success=True, payload={"value": 7}
    )


async def test_answer_that_is_an_error_is_returned() -> None:
    """It is an answer: only the lack of one is raised."""
    body = {
        "correlation_id": "r1",
        "success": False,
        "error": "words",
        "error_code": "NEW_CODE",
        "payload": [1],
        "message_type": "T",
    }

    assert await read_from(frame(ERROR, encode(body))) == IpcResponse(
        "r1",
        success=False,
        payload=[1],
        error="words",
        error_code="NEW_CODE",
        message_type="T",
    )


async def test_answer_is_read_to_its_end_and_no_further() -> None:
    """Who reads the stream next finds the next frame whole."""
    sender, receiver = memory_stream_one_way_pair()
    for number in range(3):
        body = GOOD | {"payload": number}
        await sender.send_all(frame(RESPONSE, encode(body)))
    await sender.send_all(b"rest")
    payloads = [(await protocol.read_response(receiver, 99)).payload for _ in range(3)]

    assert payloads == [0, 1, 2]
    assert await receiver.receive_some() == b"rest"


async def test_answer_may_come_byte_by_byte() -> None:
    """Where the network cuts does not matter."""
    sender, receiver = memory_stream_one_way_pair()

    async def dribble(into: MemorySendStream) -> None:
        for byte in frame(RESPONSE, encode(GOOD)):
            await into.send_all(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dribble, sender)
        response = await protocol.read_response(receiver, 1024)

    assert response.payload == {"value": 7}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", acton.PeerLostError, id="nothing"),
        pytest.param(b"\0\0\0", acton.PeerLostError, id="half a header"),
        pytest.param(
            frame(RESPONSE, encode(GOOD))[:-1], acton.PeerLostError, id="half a body"
        ),
        pytest.param(b"HTTP/1.1 400", acton.RemoteProtocolError, id="garbage"),
        pytest.param(
            b"\xff\xff\xff\xff\x02\x02\x01", acton.RemoteProtocolError, id="4 GiB"
        ),
        pytest.param(
            b"\0\0\x04\x01\x02\x02\x01", acton.RemoteProtocolError, id="one too many"
        ),
        pytest.param(b"\0\0\0\0\x02\x02\x07", acton.RemoteProtocolError, id="format"),
    ],
)
async def test_lack_of_an_answer_is_raised(data: bytes, error: type[Exception]) -> None:
    """A peer that leaves and one that babbles are told apart."""
    with pytest.raises(error):
        await read_from(data)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"nonsense", b"{}", b'{"correlation_id":5}']
)
async def test_answer_without_sense_is_the_peer_s_fault(body: bytes) -> None:
    """A body that is no answer is named as such."""
    with pytest.raises((acton.RemoteProtocolError, acton.SerializationError)):
        await read_from(frame(RESPONSE, body))


async def test_answer_of_the_largest_size_passes() -> None:
    """The limit itself is allowed."""
    body = encode(GOOD).ljust(200)

    assert (await read_from(frame(RESPONSE, body), 200)).success


async def test_server_answers_what_is_written_by_hand(
    autojump_clock: MockClock,
) -> None:
    """The two functions are a whole client."""
    async with open_world() as w:
        stream = w.door.connect()
        for number in range(5):
            envelope = IpcEnvelope("service", "Echo", {"text": f"{number}"})
            await protocol.write_envelope(stream, envelope)
            response = await protocol.read_response(stream, 1024)

            assert response.correlation_id == envelope.correlation_id
            assert response.payload == f"{number}"


async def test_single_answer_that_does_not_come_is_an_error() -> None:
    """A peer that leaves or refuses does not keep a script waiting."""
    ours, theirs = trio.testing.memory_stream_pair()
    refusal = (
        b'{"correlation_id":"__acton_connection_rejected__","success":false,'
        b'"error":"no","error_code":"ACCESS_DENIED"}'
    )
    head = len(refusal).to_bytes(4, "big") + b"\x02\x03\x01"
    await theirs.send_all(b"\x00\x00\x00\x02\x01\x04{}" + head + refusal)
    with pytest.raises(acton.ConnectionRefusedByPeerError):
        await protocol.read_response(ours, 1024)
    await theirs.aclose()
    with pytest.raises(acton.PeerLostError):
        await protocol.read_response(ours, 1024)
