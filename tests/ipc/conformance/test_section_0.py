"""Section 0: what our server and clients do better than the reference."""

from __future__ import annotations

import json
import logging
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import MemoryListener, open_ipc_pair

from ..answers import answer_frame, answer_next, next_request
from ..peers import (
    CANCEL,
    DISCOVER,
    END,
    ERROR,
    HEARTBEAT,
    JSON,
    MESSAGEPACK,
    REQUEST,
    RESPONSE,
    Break,
    Done,
    Flush,
    GetValue,
    Nap,
    OutOfStock,
    Peer,
    Value,
    frame,
    open_world,
)
from .offices import (
    STREAM,
    Bulletin,
    Tally,
    ask_for_stream,
    broadcast,
    check_that_it_goes_on,
    open_office,
    read_pushes,
    read_stream,
    subscribe,
    without_rate_limit,
)
from .rows import row

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcRateLimit, IpcTimeouts = acton.ipc.IpcRateLimit, acton.ipc.IpcTimeouts

GOOD = {"success": True, "payload": {"value": 3}}


# What is below the table.


@row("0")
@pytest.mark.parametrize("frame_type", [5, 6, 7, 8, 9])
async def test_row_00_type_of_a_v1_frame_is_one_of_v1(
    autojump_clock: MockClock, frame_type: int
) -> None:
    """What came with version 2 is nothing in version 1."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(frame_type, b'{"correlation_id":"x"}', version=1))
        kind, answer = await peer.read()

        assert kind == ERROR
        assert answer["error_code"] == "PROTOCOL_ERROR"
        assert await peer.read_frame() == END


@row("0")
async def test_row_00_messagepack_is_always_there(autojump_clock: MockClock) -> None:
    """The server says so, and it is so."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        version = (await peer.answer())["protocol_version"]
        await peer.request("r", "GetValue", None, form=MESSAGEPACK)
        seen = await peer.read_frame()

        assert version["capabilities"]["messagepack"] is True
        assert (seen.kind, seen.form) == (RESPONSE, MESSAGEPACK)
        assert seen.body["payload"] == {"value": 0}


# 1. The version of an answer.


@row("0.1")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("more", "kind"),
    [
        pytest.param({}, RESPONSE, id="a reply"),
        pytest.param({"expects_reply": False}, RESPONSE, id="an acknowledgement"),
        pytest.param({"target": "nobody"}, ERROR, id="an error"),
        pytest.param({"response_timeout_ms": 0}, ERROR, id="a timeout"),
        pytest.param({"target": 5}, ERROR, id="a request that cannot be parsed"),
    ],
)
async def test_row_01_answer_has_the_version_of_its_request(
    autojump_clock: MockClock, version: int, more: dict[str, Any], kind: int
) -> None:
    """A client of version 1 can read what it is answered."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "GetValue", None, version=version, **more)
        data = await peer.read_bytes()
        header = 6 if version == 1 else 7

        assert (data[4], data[5]) == (version, kind)
        assert len(data) == header + int.from_bytes(data[:4], "big")
        assert json.loads(data[header:])["correlation_id"] == "r"


@row("0.1")
async def test_row_01_versions_mix_on_one_connection(
    autojump_clock: MockClock,
) -> None:
    """The version belongs to the frame."""
    async with open_world() as w:
        peer = w.peer()
        for version in (1, 2, 1):
            await peer.request("r", "GetValue", None, version=version)

            assert (await peer.read_frame()).version == version


# 2. Requests on one connection.


@row("0.2")
async def test_row_02_requests_of_one_connection_overlap(
    autojump_clock: MockClock,
) -> None:
    """A slow one blocks nothing, and answers overtake each other."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("slow", "Nap", {"seconds": 9})
        await peer.request("fast", "GetValue", None)
        await peer.say(HEARTBEAT, {})
        await peer.say(DISCOVER, {"correlation_id": "found"})
        first = [await peer.read() for _ in range(3)]
        meanwhile = trio.current_time()
        last = await peer.answer()

        assert {body.get("correlation_id", kind) for kind, body in first} == {
            "fast",
            HEARTBEAT,
            "found",
        }
        assert meanwhile == 0
        assert last["correlation_id"] == "slow"


@row("0.2")
async def test_row_02_sixty_four_requests_are_in_flight_at_most(
    autojump_clock: MockClock,
) -> None:
    """What is beyond waits, and none of it is dropped."""
    async with open_world(without_rate_limit()) as w:
        peer = w.peer()
        for number in range(65):
            await peer.request(f"{number}", "Nap", {"seconds": 1})
        await wait_all_tasks_blocked()
        running = len(w.service.log)
        ids = {(await peer.answer())["correlation_id"] for _ in range(65)}

        assert running == 64
        assert ids == {f"{number}" for number in range(65)}
        assert trio.current_time() == pytest.approx(2)


@row("0.2")
async def test_row_02_reader_stops_at_the_limit(autojump_clock: MockClock) -> None:
    """Past the limit not even a heartbeat is read."""
    async with open_world(IpcConfig(limits=IpcLimits(max_in_flight=2))) as w:
        peer = w.peer()
        for number in range(3):
            await peer.request(f"{number}", "Nap", {"seconds": 1})
        await peer.say(HEARTBEAT, {})
        kinds = [(await peer.read())[0] for _ in range(4)]

        assert kinds[0] == RESPONSE
        assert sorted(kinds) == [RESPONSE] * 3 + [HEARTBEAT]


@row("0.2")
async def test_row_02_messages_of_one_connection_keep_their_order(
    autojump_clock: MockClock,
) -> None:
    """One actor's mailbox gets them as they were sent, replies or not."""
    async with open_world(without_rate_limit()) as w:
        peer = w.peer()
        for number in range(90):
            await peer.request(
                "r", "SetValue", {"value": number}, expects_reply=number % 3 == 0
            )
        for _ in range(90):
            await peer.answer()
        await wait_all_tasks_blocked()

        assert w.service.values == list(range(90))


# 3. The answer to a heartbeat.


@row("0.3")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
@pytest.mark.parametrize("payload", [b"", b"{}", b"\x80", b"anything at all \xff"])
async def test_row_03_heartbeat_is_answered_with_an_empty_object(
    autojump_clock: MockClock, payload: bytes, form: int
) -> None:
    """Whatever was in it is ignored, and the answer is JSON."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(HEARTBEAT, payload, form=form))
        answer = await peer.read_bytes()
        await check_that_it_goes_on(peer)

        assert answer == bytes.fromhex("000000020204017b7d")


@row("0.3", "0.1")
async def test_row_03_heartbeat_of_version_1_is_answered_in_version_1(
    autojump_clock: MockClock,
) -> None:
    """It has no format byte."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(bytes.fromhex("000000000104"))

        assert await peer.read_bytes() == bytes.fromhex("0000000201047b7d")


# 4. Bad headers, oversize frames, idle connections.

FAULTS = [
    pytest.param(
        frame(REQUEST, b"{}", version=0xFF),
        "UNSUPPORTED_PROTOCOL_VERSION",
        id="version 255",
    ),
    pytest.param(
        frame(REQUEST, b"{}", version=0), "UNSUPPORTED_PROTOCOL_VERSION", id="version 0"
    ),
    pytest.param(
        frame(REQUEST, b"{}", version=3), "UNSUPPORTED_PROTOCOL_VERSION", id="version 3"
    ),
    pytest.param(frame(0, b"{}"), "PROTOCOL_ERROR", id="type 0"),
    pytest.param(frame(0x0B, b"{}"), "PROTOCOL_ERROR", id="type 11"),
    pytest.param(frame(0xFF, b"{}"), "PROTOCOL_ERROR", id="type 255"),
    pytest.param(frame(REQUEST, b"{}", form=0), "PROTOCOL_ERROR", id="format 0"),
    pytest.param(frame(REQUEST, b"{}", form=3), "PROTOCOL_ERROR", id="format 3"),
    pytest.param(b"\x00\x10\x00\x01\x02\x01\x01", "PROTOCOL_ERROR", id="oversize"),
]


@row("0.4")
@pytest.mark.parametrize(("data", "code"), FAULTS)
async def test_row_04_fault_is_answered_before_the_connection_is_closed(
    autojump_clock: MockClock, data: bytes, code: str
) -> None:
    """The peer hears why, and it is counted once."""
    async with open_world() as w:
        peer, other = w.peer(), w.peer()
        await peer.write(data)
        seen = await peer.read_frame()
        end = await peer.read_frame()
        await check_that_it_goes_on(other)

        assert (seen.version, seen.kind, seen.form) == (2, ERROR, JSON)
        assert seen.body["correlation_id"] == "unknown"
        assert seen.body["success"] is False
        assert seen.body["error_code"] == code
        assert end == END
        assert w.listener.statistics().errors == 1
        assert trio.current_time() == 0


@row("0.4")
async def test_row_04_idle_connection_is_told_why_it_is_closed(
    autojump_clock: MockClock,
) -> None:
    """After a minute without a frame, and that is counted, too."""
    async with open_world() as w:
        peer = w.peer()
        kind, answer = await peer.read()
        closed_at = trio.current_time()
        end = await peer.read_frame()
        await wait_all_tasks_blocked()

        assert (kind, answer["correlation_id"]) == (ERROR, "unknown")
        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert closed_at == pytest.approx(60)
        assert end == END
        assert w.listener.statistics().errors == 1


@row("0.4")
@pytest.mark.parametrize(("data", "code"), FAULTS)
async def test_row_04_peer_that_does_not_read_is_closed_in_250_ms(
    autojump_clock: MockClock, data: bytes, code: str
) -> None:
    """The last word is not waited for any longer."""
    async with open_world() as w:
        deaf = w.door.connect_in_lockstep()
        await deaf.send_all(data[:7])
        await trio.sleep(0.26)

        assert w.listener.statistics().connections_active == 0


# 5. A request that cannot be parsed.


@row("0.5")
@pytest.mark.parametrize(
    ("body", "cid"),
    [
        pytest.param(b'{"correlation_id":"x"}', "x", id="fields are missing"),
        pytest.param(b'{"correlation_id":"x","target":5}', "x", id="wrong type"),
        pytest.param(b'{"target":"a","correlation_id":"x"}', "x", id="other order"),
        pytest.param(b'{"correlation_id":5,"target":"a"}', "unknown", id="a number"),
        pytest.param(b'{"correlation_id":null}', "unknown", id="null"),
        pytest.param(b'{"target":"a"}', "unknown", id="no id"),
        pytest.param(b'["correlation_id","x"]', "unknown", id="no object"),
        pytest.param(b'{"correlation_id":"x"', "unknown", id="cut off"),
        pytest.param(b'{"correlation_id":"x"}}', "unknown", id="trailing garbage"),
        pytest.param(b"", "unknown", id="nothing"),
        pytest.param(b"\xff\xfe", "unknown", id="no text"),
    ],
)
async def test_row_05_id_of_what_cannot_be_parsed_is_salvaged(
    autojump_clock: MockClock, body: bytes, cid: str
) -> None:
    """It is that of an object which holds one that is a string."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, body))
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert (kind, answer["correlation_id"]) == (ERROR, cid)


@row("0.5")
async def test_row_05_id_is_salvaged_in_messagepack(autojump_clock: MockClock) -> None:
    """The format makes no difference."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(REQUEST, {"correlation_id": "x"}, form=MESSAGEPACK)
        seen = await peer.read_frame()

        assert (seen.kind, seen.form) == (ERROR, MESSAGEPACK)
        assert seen.body["correlation_id"] == "x"


# 6. A message without fields.


@row("0.6")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"payload": None}, id="null"),
        pytest.param({"payload": {}}, id="an empty object"),
        pytest.param({}, id="nothing"),
    ],
)
async def test_row_06_message_without_fields_is_written_in_three_ways(
    autojump_clock: MockClock, payload: dict[str, Any], form: int
) -> None:
    """All three mean the same, and the reply without fields is an empty object."""
    async with open_world() as w:
        peer = w.peer()
        body = {
            "correlation_id": "r",
            "target": "service",
            "message_type": "Flush",
            "expects_reply": True,
        }
        await peer.say(REQUEST, body | payload, form=form)
        answer = await peer.answer()

        assert answer["success"] is True
        assert answer["payload"] == {}


@row("0.6")
async def test_row_06_client_sends_null_for_no_fields(
    autojump_clock: MockClock,
) -> None:
    """A unit struct of the reference takes nothing else."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.actor("a").ask, Flush())
        data = await server.read_bytes()
        cid = json.loads(data[7:])["correlation_id"]
        await server.write(answer_frame(cid, {"success": True, "payload": {}}))

    assert b'"payload":null' in data


@row("0.6")
@pytest.mark.parametrize("payload", [None, {}])
async def test_row_06_client_takes_null_and_an_empty_object(
    autojump_clock: MockClock, payload: object
) -> None:
    """A reply without fields is written in two ways."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        body = {"success": True, "payload": payload}
        nursery.start_soon(answer_next, Peer(theirs), body)

        assert await client.actor("a").ask(Flush()) == Done()


@row("0.6")
async def test_row_06_reply_that_is_absent_is_none(autojump_clock: MockClock) -> None:
    """Only in a request is nothing the same as no fields."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(answer_next, Peer(theirs), {"success": True})
        with pytest.raises(acton.NoReplyError):
            await client.actor("a").ask(Flush())


# 7. Correlation ids.


@row("0.7")
@pytest.mark.parametrize(
    "cid",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 246, id="246 bytes"),
        pytest.param("x" * 1024, id="1024 bytes"),
        pytest.param("é" * 512, id="512 letters of two bytes"),
        pytest.param('\x00\n"\\/\U0001f600', id="odd characters"),
    ],
)
async def test_row_07_id_is_echoed_verbatim(
    autojump_clock: MockClock, cid: str
) -> None:
    """Any string of up to 1024 bytes is one."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request(cid, "GetValue", None)
        kind, answer = await peer.read()

        assert (kind, answer["correlation_id"]) == (RESPONSE, cid)


@row("0.7")
@pytest.mark.parametrize("cid", ["x" * 1025, "é" * 513], ids=["ASCII", "two bytes"])
async def test_row_07_overlong_id_is_a_protocol_error(
    autojump_clock: MockClock, cid: str
) -> None:
    """The message goes nowhere, and the connection stays open."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request(cid, "SetValue", {"value": 1})
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert (kind, answer["error_code"]) == (ERROR, "PROTOCOL_ERROR")
        assert w.service.values == []


# 8. A handler that raised.


@row("0.8")
@pytest.mark.parametrize(
    ("message_type", "payload", "name"),
    [
        pytest.param("Break", {"how": "raise"}, "ValueError", id="one that reads"),
        pytest.param("Spoil", None, "LookupError", id="one that changes"),
    ],
)
async def test_row_08_failed_handler_is_named_by_its_exception_only(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    message_type: str,
    payload: Any,
    name: str,
) -> None:
    """What the exception says stays in the server's log."""
    caplog.set_level(logging.DEBUG, "acton_trio")
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", message_type, payload)
        data = await peer.read_bytes()
        answer = json.loads(data[7:])
        await wait_all_tasks_blocked()

        assert answer["error_code"] == "HANDLER_FAILED"
        assert name in answer["error"]
        assert b"secret" not in data
        assert b"Traceback" not in data
        await wait_all_tasks_blocked()
        assert "secret text" in caplog.text


@row("0.8")
async def test_row_08_details_are_exposed_where_that_is_set(
    autojump_clock: MockClock,
) -> None:
    """Then the peer hears the exception's text, too."""
    config = IpcConfig(errors=acton.ipc.IpcErrors(expose_details=True))
    async with open_world(config) as w:
        answer = await w.peer().ask("Break", {"how": "raise"})

        assert answer["error_code"] == "HANDLER_FAILED"
        assert "ValueError" in answer["error"]
        assert "secret text" in answer["error"]


@row("0.8")
async def test_row_08_silent_handler_keeps_the_exact_sentence(
    autojump_clock: MockClock,
) -> None:
    """Clients match on it to mean that there was no reply."""
    async with open_world() as w:
        answer = await w.peer().ask("Break", {"how": "silence"})

        assert answer["error_code"] == "IO_ERROR"
        assert answer["error"] == (
            "I/O error: Response channel closed without receiving a response"
        )


# 9. A reply whose type is not registered.


@row("0.9")
async def test_row_09_unregistered_reply_is_an_error(autojump_clock: MockClock) -> None:
    """It names the type, and does not look like a success."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "GetPrivate", None)
        kind, answer = await peer.read()

        assert (kind, answer["success"]) == (ERROR, False)
        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert "Private" in answer["error"]
        assert "payload" not in answer


@row("0.9")
async def test_row_09_unregistered_item_ends_the_stream(
    autojump_clock: MockClock,
) -> None:
    """With the error that an unregistered reply is."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Leak", None)
        (body,) = await read_stream(peer)

        assert body["error_code"] == "SERIALIZATION_ERROR"
        assert "Private" in body["error"]
        assert "payload" not in body


# 10. Errors of a stream before dispatch.


@row("0.10")
async def test_row_10_unknown_actor_is_an_error_in_the_stream(
    autojump_clock: MockClock,
) -> None:
    """The reference's frame, and its code."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1}, target="nobody")
        kind, body = await peer.read()

        assert (kind, body["is_final"]) == (STREAM, True)
        assert body["error_code"] == "STREAM_ERROR"


@row("0.10")
async def test_row_10_stream_while_draining_is_a_plain_error(
    autojump_clock: MockClock,
) -> None:
    """So the reference says it, and clients depend on that."""
    async with open_office() as o, trio.open_nursery() as nursery:
        peer = o.world.peer()
        await peer.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        nursery.start_soon(o.world.listener.shutdown_gracefully)
        await wait_all_tasks_blocked()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1})
        kind, body = await peer.read()

        assert (kind, body["correlation_id"]) == (ERROR, "t")
        assert body["error_code"] == "SHUTTING_DOWN"


@row("0.10")
async def test_row_10_stream_beyond_the_rate_is_a_plain_error(
    autojump_clock: MockClock,
) -> None:
    """So the reference says it, and clients depend on that."""
    config = IpcConfig(rate_limit=IpcRateLimit(burst_size=1))
    async with open_office(config) as o:
        peer = o.world.peer()
        await check_that_it_goes_on(peer)
        await ask_for_stream(peer, "t", "Tally", {"upto": 1})
        kind, body = await peer.read()

        assert (kind, body["correlation_id"]) == (ERROR, "t")
        assert body["error_code"] == "RATE_LIMITED"


@row("0.10")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(
            STREAM,
            {
                "sequence": 0,
                "is_final": True,
                "error": "Actor not found: a",
                "error_code": "STREAM_ERROR",
            },
            id="in the stream",
        ),
        pytest.param(
            ERROR,
            {
                "success": False,
                "error": "Server is shutting down",
                "error_code": "SHUTTING_DOWN",
            },
            id="plain",
        ),
    ],
)
async def test_row_10_client_ends_the_stream_on_either(
    autojump_clock: MockClock, kind: int, body: dict[str, Any]
) -> None:
    """Whoever reads it hears the peer's code."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)

    async def refuse() -> None:
        request = await next_request(server)
        await server.say(kind, {"correlation_id": request["correlation_id"]} | body)

    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        remote: Any = client.actor("a")
        with pytest.raises(acton.PeerRejectedError) as caught:
            async with remote.stream(Tally(3)) as items:
                _ = [each async for each in items]

    assert caught.value.code == body["error_code"]
    assert caught.value.detail == body["error"]


# 11. The last answers at a drain.


@row("0.11")
async def test_row_11_last_answers_are_written_before_the_end(
    autojump_clock: MockClock,
) -> None:
    """In flight is what is not written yet, and the queue is flushed."""
    async with open_world() as w:
        slow = Peer(w.door.connect_in_lockstep())
        for number in range(5):
            await slow.request(f"{number}", "GetValue", None)
        await wait_all_tasks_blocked()
        results: list[acton.ipc.ShutdownResult] = []

        async def drain() -> None:
            results.append(await w.listener.shutdown_gracefully())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await trio.sleep(4)
            before = list(results)
            answers = [await slow.answer() for _ in range(5)]
            end = await slow.read_frame()

        assert before == []
        assert {each["correlation_id"] for each in answers} == set("01234")
        assert all(each["success"] for each in answers)
        assert end == END
        assert results == [
            acton.ipc.ShutdownResult(5, drained_gracefully=True, forced_closed=0)
        ]


# 12. Write and request timeouts.


@row("0.12")
async def test_row_12_peer_that_does_not_read_is_disconnected(
    autojump_clock: MockClock,
) -> None:
    """After the write timeout, not before."""
    config = IpcConfig(timeouts=IpcTimeouts(write_timeout=3))
    async with open_world(config) as w:
        deaf = Peer(w.door.connect_in_lockstep())
        await deaf.request("r", "GetValue", None)
        await trio.sleep(2.9)
        before = w.listener.statistics().connections_active
        await trio.sleep(0.5)
        after = w.listener.statistics().connections_active

        assert (before, after) == (1, 0)


@row("0.12")
@pytest.mark.parametrize(
    ("timeouts", "limits", "more", "milliseconds"),
    [
        pytest.param({"request_timeout": 2}, {}, {}, 2000, id="none is named"),
        pytest.param(
            {"request_timeout": 2},
            {},
            {"response_timeout_ms": 4000},
            4000,
            id="a longer one is named",
        ),
        pytest.param(
            {},
            {"max_response_timeout": 2},
            {"response_timeout_ms": 99_000},
            2000,
            id="too long a one is named",
        ),
        pytest.param(
            {},
            {"max_response_timeout": 2},
            {"response_timeout_ms": 500},
            500,
            id="a shorter one than the most is named",
        ),
    ],
)
async def test_row_12_request_times_out(
    autojump_clock: MockClock,
    timeouts: dict[str, Any],
    limits: dict[str, Any],
    more: dict[str, int],
    milliseconds: int,
) -> None:
    """After what it names, or what stands in for it, or what is the most."""
    config = IpcConfig(timeouts=IpcTimeouts(**timeouts), limits=IpcLimits(**limits))
    async with open_world(config) as w:
        answer = await w.peer().ask("Nap", {"seconds": 200}, **more)

        assert answer["error_code"] == "TIMEOUT"
        assert trio.current_time() == pytest.approx(milliseconds / 1000)


@row("0.12")
async def test_row_12_streams_may_take_longer_than_requests(
    autojump_clock: MockClock,
) -> None:
    """The most that a request may name is not theirs."""
    config = IpcConfig(limits=IpcLimits(max_response_timeout=2))
    async with open_office(config) as o:
        peer = o.world.peer()
        await ask_for_stream(
            peer, "t", "Tally", {"upto": 5, "pause": 1}, response_timeout_ms=60_000
        )
        bodies = await read_stream(peer)

        assert [each.get("payload") for each in bodies] == [
            *({"n": number} for number in range(1, 6)),
            None,
        ]
        assert "error" not in bodies[-1]


@row("0.12")
@pytest.mark.parametrize("named", [0, 1])
async def test_row_12_message_without_reply_has_no_deadline(
    autojump_clock: MockClock, named: int
) -> None:
    """Whatever it says: nobody waits."""
    config = IpcConfig(
        limits=IpcLimits(max_response_timeout=1),
        timeouts=IpcTimeouts(request_timeout=1),
    )
    async with open_world(config) as w:
        peer, other = w.peer(), w.peer()
        await other.request("r", "Grind", {"seconds": 50}, expects_reply=False)
        await other.answer()
        answer = await peer.ask(
            "SetValue", {"value": 4}, expects_reply=False, response_timeout_ms=named
        )
        await trio.sleep(51)

        assert answer["payload"] == {"status": "delivered"}
        assert w.service.values == [4]


# 13. The listener and the runtime.


@row("0.13")
@pytest.mark.parametrize("how", ["stop", "drain"])
async def test_row_13_listener_stops_alone(autojump_clock: MockClock, how: str) -> None:
    """No actor is cancelled, and another listener serves on."""
    async with open_world() as w, trio.open_nursery() as nursery:
        door = MemoryListener()
        serve = partial(acton.ipc.serve, w.runtime, [door])
        await nursery.start(serve)
        await w.peer().ask("SetValue", {"value": 4})
        if how == "stop":
            await w.listener.stop()
        else:
            await w.listener.shutdown_gracefully()
        answer = await Peer(door.connect()).ask("GetValue")

        assert w.handle.status.state is acton.ActorState.RUNNING
        assert await w.handle.ask(GetValue()) == Value(4)
        assert answer["payload"] == {"value": 4}
        nursery.cancel_scope.cancel()


@row("0.13")
async def test_row_13_runtime_drains_its_listeners_first(
    autojump_clock: MockClock,
) -> None:
    """What was accepted is answered, and then the connection ends."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 2})
        await peer.request("q", "Grind", {"seconds": 1})
        await wait_all_tasks_blocked()
    answers = [await peer.answer() for _ in range(2)]

    assert {each["correlation_id"]: each["success"] for each in answers} == {
        "r": True,
        "q": True,
    }
    assert await peer.read_frame() == END


@row("0.13")
@pytest.mark.parametrize("how", ["its block is left", "shutdown_all"])
async def test_row_13_runtime_that_shuts_down_lets_nothing_new_in(
    autojump_clock: MockClock, how: str
) -> None:
    """Its listeners are draining before any actor ends."""
    async with trio.open_nursery() as nursery:
        async with open_world() as w:
            peer = w.peer()
            await peer.request("old", "Nap", {"seconds": 2})
            await wait_all_tasks_blocked()

            async def ask_late() -> None:
                await trio.sleep(1)
                await peer.request("new", "GetValue", None)

            nursery.start_soon(ask_late)
            if how == "shutdown_all":
                await w.runtime.shutdown_all()
        answers = {
            each["correlation_id"]: each
            for each in [await peer.answer(), await peer.answer()]
        }

        assert answers["old"]["success"] is True
        assert answers["new"].get("error_code") == "SHUTTING_DOWN"
        assert await peer.read_frame() == END


# 17. Pushes to a slow reader.


@row("0.17")
async def test_row_17_next_push_tells_how_many_were_dropped(
    autojump_clock: MockClock,
) -> None:
    """Between two pushes are as many as the second one says."""
    config = IpcConfig(limits=IpcLimits(push_buffer_size=3))
    async with open_office(config) as o:
        slow = Peer(o.world.door.connect_in_lockstep())
        await subscribe(slow, "Bulletin")
        await broadcast(o.world, *(Bulletin(number) for number in range(20)))
        pushes = await read_pushes(slow)
        await broadcast(o.world, Bulletin(20), Bulletin(21))
        pushes += await read_pushes(slow)
        seen = [(each["payload"]["number"], each.get("dropped", 0)) for each in pushes]

        assert seen[0] == (0, 0)
        assert [number for number, _ in seen[-2:]] == [20, 21]
        assert [dropped for _, dropped in seen[1:]] == [
            number - before - 1 for (before, _), (number, _) in pairwise(seen)
        ]
        assert sum(dropped for _, dropped in seen) >= 10
        assert all("dropped" not in each or each["dropped"] for each in pushes)


@row("0.17")
async def test_row_17_slow_reader_costs_others_nothing(
    autojump_clock: MockClock,
) -> None:
    """Each connection has a queue of its own."""
    config = IpcConfig(limits=IpcLimits(push_buffer_size=3))
    async with open_office(config) as o:
        deaf = Peer(o.world.door.connect_in_lockstep())
        await subscribe(deaf, "Bulletin")
        peer = o.world.peer()
        await subscribe(peer, "Bulletin")
        for number in range(20):
            await broadcast(o.world, Bulletin(number))
        pushes = await read_pushes(peer)

        assert [each["payload"]["number"] for each in pushes] == list(range(20))
        assert not any("dropped" in each for each in pushes)


# 18. The type of a reply.


@row("0.18")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_row_18_reply_names_its_registered_type(
    autojump_clock: MockClock, form: int
) -> None:
    """What is no registered type is not named."""
    async with open_world() as w:
        peer = w.peer()
        named = await peer.ask("GetValue", form=form)
        plain = await peer.ask("Echo", {"text": "x"}, form=form)

        assert named["message_type"] == "Value"
        assert "message_type" not in plain


@row("0.18")
async def test_row_18_item_of_a_stream_names_its_registered_type(
    autojump_clock: MockClock,
) -> None:
    """What is no registered type is not named."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Quotes", {"upto": 2})
        named = await read_stream(peer)
        await ask_for_stream(peer, "t", "Tally", {"upto": 2})
        plain = await read_stream(peer)

        assert [each.get("message_type") for each in named[:-1]] == ["Value"] * 2
        assert [each["payload"] for each in named[:-1]] == [{"value": 1}, {"value": 2}]
        assert not any("message_type" in each for each in plain)


@row("0.18")
async def test_row_18_client_passes_over_keys_that_it_does_not_know(
    autojump_clock: MockClock,
) -> None:
    """Servers of later versions may say more."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        body = GOOD | {"of_a_later_version": [1]}
        nursery.start_soon(answer_next, Peer(theirs), body)

        assert await client.actor("a").ask(GetValue()) == Value(3)


# 19. Headers.


@row("0.19")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_row_19_headers_reach_the_handler(
    autojump_clock: MockClock, form: int
) -> None:
    """They are an object of strings, and need not be there."""
    headers = {"traceparent": "00-1-2-3", "": "é"}
    async with open_world() as w:
        peer = w.peer()
        with_some = await peer.ask("GetHeaders", headers=headers, form=form)
        without = await peer.ask("GetHeaders", form=form)

        assert with_some["payload"] == headers
        assert without["payload"] == {}


@row("0.19")
async def test_row_19_headers_are_kept_with_the_message(
    autojump_clock: MockClock,
) -> None:
    """However long it waits in the mailbox, and whatever else comes meanwhile."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("first", "Grind", {"seconds": 1})
        for number in range(3):
            headers = {"number": f"{number}"}
            await peer.request(f"{number}", "GetHeaders", None, headers=headers)
        answers = [await peer.answer() for _ in range(4)]

        assert {each["correlation_id"]: each["payload"] for each in answers} == {
            "first": 1,
            **{f"{number}": {"number": f"{number}"} for number in range(3)},
        }


@row("0.19")
@pytest.mark.parametrize("headers", [{"a": 5}, ["a"], "a"])
async def test_row_19_headers_are_strings(
    autojump_clock: MockClock, headers: object
) -> None:
    """Anything else is a request that cannot be parsed."""
    async with open_world() as w:
        peer = w.peer()
        answer = await peer.ask("GetHeaders", headers=headers)
        await check_that_it_goes_on(peer)

        assert answer["correlation_id"] == "r"
        assert answer["error_code"] == "SERIALIZATION_ERROR"


# 20. Giving up.


@row("0.20")
async def test_row_20_running_reader_is_cancelled(autojump_clock: MockClock) -> None:
    """Its request is answered once, and the frame itself is not."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "1"})
        kind, answer = await peer.read()
        await peer.say(HEARTBEAT, {})
        following = await peer.read()

        assert (kind, answer["correlation_id"]) == (ERROR, "1")
        assert answer["error_code"] == "CANCELLED"
        assert following == (HEARTBEAT, {})
        assert w.service.log == ["nap began", "nap cancelled"]
        assert trio.current_time() == 0


@row("0.20")
async def test_row_20_request_that_has_not_started_is_dropped(
    autojump_clock: MockClock,
) -> None:
    """It never reaches its handler."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2}, expects_reply=False)
        await peer.answer()
        await peer.request("2", "SetValue", {"value": 9})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "2"})
        answer = await peer.answer()
        await trio.sleep(3)

        assert answer["correlation_id"] == "2"
        assert answer["error_code"] == "CANCELLED"
        assert w.service.values == []


@row("0.20")
async def test_row_20_running_change_completes(autojump_clock: MockClock) -> None:
    """Half a change would be worse."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "1"})
        answer = await peer.answer()
        await trio.sleep(3)

        assert answer["error_code"] == "CANCELLED"
        assert w.service.log == ["grind began", "grind ended"]


@row("0.20")
async def test_row_20_running_stream_is_cancelled(autojump_clock: MockClock) -> None:
    """The generator ends, and nothing more of it is written."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 1, "end": "never"})
        first = await peer.answer()
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "t"})
        kind, answer = await peer.read()
        await wait_all_tasks_blocked()
        await peer.say(HEARTBEAT, {})
        following = await peer.read()

        assert first["payload"] == {"n": 1}
        assert kind in {STREAM, ERROR}
        assert answer["correlation_id"] == "t"
        assert answer["error_code"] == "CANCELLED"
        assert following == (HEARTBEAT, {})
        assert o.clerk.log == ["tally cancelled"]
        assert trio.current_time() == 0


@row("0.20")
async def test_row_20_server_says_that_it_can(autojump_clock: MockClock) -> None:
    """Among its capabilities."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        version = (await peer.answer())["protocol_version"]

        assert version["capabilities"]["cancel"] is True


@row("0.20")
async def test_row_20_client_that_gives_up_calls_the_work_back(
    autojump_clock: MockClock,
) -> None:
    """A server that says that it can is told."""
    async with open_world() as w, open_ipc_pair(w.runtime) as (client, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.actor("service").ask, Nap(20))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await trio.sleep(1)

        assert w.service.log == ["nap began", "nap cancelled"]


@row("0.20")
@pytest.mark.parametrize("able", [True, False])
async def test_row_20_client_tells_only_a_server_that_can(
    autojump_clock: MockClock, *, able: bool
) -> None:
    """The reference would close the connection for a frame it does not know."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    seen: list[tuple[int, Any]] = []
    version = {
        "current": 2,
        "min_supported": 1,
        "max_supported": 2,
        "description": "",
        "capabilities": {
            "messagepack": True,
            "streaming": True,
            "push": True,
            "discovery": True,
            **({"cancel": True} if able else {}),
        },
    }

    async def serve() -> None:
        while (frame := await server.read())[0]:
            seen.append(frame)
            if frame[0] == DISCOVER:
                body = {"success": True, "protocol_version": version}
                cid = frame[1]["correlation_id"]
                await server.write(answer_frame(cid, body))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with acton.ipc.open_client(ours) as client:
            await client.discover()
            async with trio.open_nursery() as asking:
                asking.start_soon(client.actor("a").ask, Nap(20))
                await wait_all_tasks_blocked()
                asking.cancel_scope.cancel()
            await wait_all_tasks_blocked()
    asked = [body["correlation_id"] for kind, body in seen if kind == REQUEST]
    cancelled = [body for kind, body in seen if kind == CANCEL]

    assert len(asked) == 1
    assert cancelled == ([{"correlation_id": asked[0]}] if able else [])


# 21. Discovery.


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that *schema* refers to, or itself."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


@row("0.21")
async def test_row_21_discovery_tells_what_each_actor_accepts(
    autojump_clock: MockClock,
) -> None:
    """The names of the message types, and only of those that travel."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        actors = (await peer.answer())["actors"]
        accepts = {each["name"]: set(each["accepts"]) for each in actors}

        assert accepts["a"] == {"Leak", "Ping", "Tally", "Quotes"}
        assert {"GetValue", "SetValue", "Flush"} <= accepts["service"]
        assert "Private" not in accepts["service"]


@row("0.21")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_row_21_discovery_describes_the_types_when_asked_to(
    autojump_clock: MockClock, form: int
) -> None:
    """Each message type has a JSON Schema."""
    async with open_office() as o:
        peer = o.world.peer()
        body = {"correlation_id": "d", "include_schemas": True}
        await peer.say(DISCOVER, body, form=form)
        answer = await peer.answer()
        schema = resolve(answer["schemas"]["SetValue"])

        assert set(answer["schemas"]) == set(answer["message_types"])
        assert schema["type"] == "object"
        assert schema["properties"]["value"]["type"] == "integer"
        assert schema["required"] == ["value"]


@row("0.21")
@pytest.mark.parametrize("wish", [{}, {"include_schemas": False}])
async def test_row_21_discovery_does_not_describe_what_nobody_asked_for(
    autojump_clock: MockClock, wish: dict[str, bool]
) -> None:
    """Schemas can be long."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"} | wish)
        answer = await peer.answer()

        assert answer["success"] is True
        assert "schemas" not in answer


# 22. Backpressure of streams.


@row("0.22")
async def test_row_22_handler_waits_for_a_slow_reader(
    autojump_clock: MockClock,
) -> None:
    """Nothing piles up meanwhile, and nothing is lost."""
    async with open_office() as o:
        slow = Peer(o.world.door.connect_in_lockstep())
        await ask_for_stream(slow, "t", "Tally", {"upto": 1000})
        await trio.sleep(1)
        produced = o.clerk.produced
        bodies = await read_stream(slow)

        assert 1 <= produced < 200
        assert [each["sequence"] for each in bodies] == list(range(1001))
        assert "error" not in bodies[-1]


@row("0.22")
async def test_row_22_slow_stream_holds_up_no_other_request(
    autojump_clock: MockClock,
) -> None:
    """They share the writer, and nothing else."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 3, "pause": 5})
        first = await peer.answer()
        await peer.request("r", "GetValue", None)
        second = await peer.answer()
        answered_at = trio.current_time()
        rest = await read_stream(peer)

        assert first["correlation_id"] == "t"
        assert second["correlation_id"] == "r"
        assert answered_at == 0
        assert [each.get("payload") for each in rest] == [{"n": 2}, {"n": 3}, None]


# 23. A client that is idle.


@row("0.23")
async def test_row_23_idle_client_sends_a_heartbeat(autojump_clock: MockClock) -> None:
    """After half a minute, and again after the next one."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    beats: list[float] = []
    async with acton.ipc.open_client(ours):
        for _ in range(2):
            seen = await server.read_frame()
            beats.append(trio.current_time())
            await server.say(HEARTBEAT, {})

            assert seen.kind == HEARTBEAT

    assert beats == pytest.approx([30, 60])


@row("0.23")
async def test_row_23_traffic_is_as_good_as_a_heartbeat(
    autojump_clock: MockClock,
) -> None:
    """Half the idle time counts from what was sent last."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client:
        await trio.sleep(20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, server, GOOD)
            await client.actor("a").ask(GetValue())
        seen = await server.read_frame()

        assert seen.kind == HEARTBEAT
        assert trio.current_time() == pytest.approx(50)


@row("0.23")
async def test_row_23_idle_client_is_not_cut_off(autojump_clock: MockClock) -> None:
    """Not after any time."""
    async with open_world() as w, open_ipc_pair(w.runtime) as (client, server):
        await trio.sleep(1000)

        assert await client.actor("service").ask(GetValue()) == Value(0)
        assert server.statistics().errors == 0


# 24. Typed failures.


@row("0.24")
@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_row_24_rejection_travels_with_its_fields(
    autojump_clock: MockClock, form: int
) -> None:
    """Its text, its wire name and its fields."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "reject"}, form=form)
        kind, answer = await peer.read()

        assert kind == ERROR
        assert answer == {
            "correlation_id": "r",
            "success": False,
            "error": str(OutOfStock(3)),
            "error_code": "REJECTED",
            "payload": {"left": 3},
            "message_type": "OutOfStock",
        }


@row("0.24")
async def test_row_24_rejection_that_does_not_travel_keeps_its_fields(
    autojump_clock: MockClock,
) -> None:
    """Only the code is told."""
    async with open_world() as w:
        answer = await w.peer().ask("Break", {"how": "reject in private"})

        assert answer["error_code"] == "REJECTED"
        assert "payload" not in answer


@row("0.24")
async def test_row_24_rejection_ends_a_stream(autojump_clock: MockClock) -> None:
    """The final frame has what an error frame would have."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"upto": 2, "end": "reject"})
        bodies = await read_stream(peer)

        assert [each.get("error") for each in bodies[:-1]] == [None, None]
        assert bodies[-1] == {
            "correlation_id": "t",
            "sequence": 2,
            "is_final": True,
            "error": str(OutOfStock(3)),
            "error_code": "REJECTED",
            "payload": {"left": 3},
            "message_type": "OutOfStock",
        }


@row("0.24")
async def test_row_24_asker_gets_the_rejection_itself(
    autojump_clock: MockClock,
) -> None:
    """With the fields that it had."""
    async with open_world() as w, open_ipc_pair(w.runtime) as (client, _):
        with pytest.raises(OutOfStock) as caught:
            await client.actor("service").ask(Break("reject"))

        assert caught.value.left == 3


# 25. A malformed configuration file.


@row("0.25")
@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("[limits", "", id="no TOML"),
        pytest.param(
            "[limits]\nmax_connections = 'many'",
            "limits.max_connections",
            id="wrong type",
        ),
        pytest.param(
            "[timeouts]\nread_timeout_ms = -1", "timeouts.read_timeout_ms", id="value"
        ),
        pytest.param("[limits]\nmax_conections = 3", "limits.", id="unknown key"),
    ],
)
def test_row_25_malformed_file_is_an_error(tmp_path: Path, text: str, key: str) -> None:
    """It names the file, the key and what was expected."""
    folder = tmp_path / "acton"
    folder.mkdir()
    (folder / "ipc.toml").write_text(text)
    with pytest.raises(acton.ConfigError) as caught:
        IpcConfig.load("orders", environ={"XDG_CONFIG_HOME": str(tmp_path)})

    assert caught.value.source == str(folder / "ipc.toml")
    assert caught.value.key.startswith(key)
    assert caught.value.expected


# 26. A key twice in one object.


@row("0.26")
async def test_row_26_last_one_of_two_counts(autojump_clock: MockClock) -> None:
    """In the envelope and in the payload."""
    text = (
        b'{"correlation_id":"first","target":"nobody","correlation_id":"last",'
        b'"target":"service","message_type":"SetValue",'
        b'"payload":{"value":1,"value":2}}'
    )
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, text))
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert (kind, answer["correlation_id"]) == (RESPONSE, "last")
        assert w.service.values == [2]
