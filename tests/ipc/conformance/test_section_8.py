"""Section 8: error codes, their words, and what becomes of the connection."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from ..peers import (
    CANCEL,
    END,
    ERROR,
    REQUEST,
    OutOfStock,
    Peer,
    frame,
    open_world,
)
from .offices import (
    STREAM,
    ask_for_stream,
    check_that_it_goes_on,
    open_leaving_office,
    open_office,
    read_stream,
)
from .rows import row

pytestmark = pytest.mark.usefixtures("each_transport")

IpcAccess, IpcConfig = acton.ipc.IpcAccess, acton.ipc.IpcConfig
IpcLimits, IpcRateLimit = acton.ipc.IpcLimits, acton.ipc.IpcRateLimit


async def read_error(peer: Peer) -> tuple[str, str, str]:
    """Return the id, the code and the words of an error frame."""
    kind, body = await peer.read()

    assert (kind, body["success"]) == (ERROR, False)
    return body["correlation_id"], body["error_code"], body["error"]


@row("8.ACTOR_NOT_FOUND")
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_rule_8_unknown_actor_is_named(
    autojump_clock: MockClock, *, expects_reply: bool
) -> None:
    """It is looked for before the type, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "X", None, target="x", expects_reply=expects_reply)
        error = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert error == ("r", "ACTOR_NOT_FOUND", "Actor not found: x")


@row("8.UNKNOWN_MESSAGE_TYPE")
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_rule_8_unknown_type_is_named(
    autojump_clock: MockClock, *, expects_reply: bool
) -> None:
    """The connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "X", None, expects_reply=expects_reply)
        error = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert error == ("r", "UNKNOWN_MESSAGE_TYPE", "Unknown message type: X")


@row("8.UNKNOWN_MESSAGE_TYPE")
async def test_rule_8_type_that_the_actor_does_not_handle_is_unknown_to_it(
    autojump_clock: MockClock,
) -> None:
    """It is registered, and yet there is nobody to handle it."""
    async with open_office() as o:
        peer = o.world.peer()
        await peer.request("r", "Ping", None)
        _, code, text = await read_error(peer)

        assert code == "UNKNOWN_MESSAGE_TYPE"
        assert "Ping" in text


@row("8.SERIALIZATION_ERROR")
async def test_rule_8_payload_and_envelope_are_told_apart(
    autojump_clock: MockClock,
) -> None:
    """By the beginning of the text, and by the id."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "SetValue", {"value": "x"})
        payload = await read_error(peer)
        await peer.write(frame(REQUEST, b"{"))
        envelope = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert payload[:2] == ("r", "SERIALIZATION_ERROR")
        assert payload[2].startswith("Serialization error: ")
        assert envelope[:2] == ("unknown", "SERIALIZATION_ERROR")
        assert envelope[2].startswith("Failed to parse envelope: Serialization error: ")


@row("8.TARGET_BUSY")
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_rule_8_full_mailbox_is_told_at_once(
    autojump_clock: MockClock, *, expects_reply: bool
) -> None:
    """Nothing waits for room, and it is counted."""
    async with open_world(mailbox_capacity=1) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 2})
        await wait_all_tasks_blocked()
        await peer.request("2", "GetValue", None)
        await peer.request("r", "GetValue", None, expects_reply=expects_reply)
        error = await read_error(peer)
        told_at = trio.current_time()
        rest = [await peer.answer() for _ in range(2)]

        assert error == ("r", "TARGET_BUSY", "Target actor inbox is full")
        assert told_at == 0
        assert all(each["success"] for each in rest)
        assert w.listener.statistics().backpressure_rejections == 1


@row("8.IO_ERROR.closed")
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_rule_8_closed_mailbox_is_an_io_error(
    autojump_clock: MockClock, *, expects_reply: bool
) -> None:
    """The actor has stopped, and its name is still exposed."""
    async with open_leaving_office() as peer:
        await peer.request("r", "Ping", None, target="a", expects_reply=expects_reply)
        error = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert error == ("r", "IO_ERROR", "I/O error: Recipient channel is closed")


@row("8.IO_ERROR.closed")
async def test_rule_8_mailbox_that_closes_tells_those_who_wait_in_it(
    autojump_clock: MockClock,
) -> None:
    """Their requests are never handled."""
    async with open_world(restart_policy=acton.RestartPolicy.TEMPORARY) as w:
        peer = w.peer()
        await peer.request("1", "Grind", {"seconds": 1})
        await wait_all_tasks_blocked()
        await peer.request("2", "Spoil", None, expects_reply=False)
        await peer.request("r", "GetValue", None)
        answers = [await peer.answer() for _ in range(3)]
        (last,) = [each for each in answers if each["correlation_id"] == "r"]
        again = await peer.ask("GetValue")

        assert last["error_code"] == "IO_ERROR"
        assert last["error"] == "I/O error: Recipient channel is closed"
        assert again["error_code"] == "ACTOR_NOT_FOUND"


@row("8.IO_ERROR.reply")
async def test_rule_8_silent_handler_is_an_io_error(autojump_clock: MockClock) -> None:
    """The sentence is fixed, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "silence"})
        error = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert error == (
            "r",
            "IO_ERROR",
            "I/O error: Response channel closed without receiving a response",
        )


@row("8.TIMEOUT")
@pytest.mark.parametrize("milliseconds", [0, 1, 1500])
async def test_rule_8_late_reply_is_a_timeout(
    autojump_clock: MockClock, milliseconds: int
) -> None:
    """A change completes, its reply is discarded, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request(
            "r", "Grind", {"seconds": 2}, response_timeout_ms=milliseconds
        )
        error = await read_error(peer)
        told_at = trio.current_time()
        await trio.sleep(3)
        await check_that_it_goes_on(peer)

        assert error == (
            "r",
            "TIMEOUT",
            f"Request timed out after {milliseconds} ms waiting for response",
        )
        assert told_at == pytest.approx(milliseconds / 1000)


@row("8.RATE_LIMITED")
@pytest.mark.parametrize(
    ("settings", "burst", "milliseconds"),
    [
        pytest.param({}, 50, 10, id="by default"),
        pytest.param({"requests_per_second": 2, "burst_size": 3}, 3, 500, id="as set"),
        pytest.param(
            {"requests_per_second": 3, "burst_size": 1}, 1, 333, id="rounded down"
        ),
    ],
)
async def test_rule_8_request_beyond_the_rate_hears_when_to_come_again(
    autojump_clock: MockClock,
    settings: dict[str, Any],
    burst: int,
    milliseconds: int,
) -> None:
    """It is counted, other connections have their own rate, and time mends it."""
    config = IpcConfig(rate_limit=IpcRateLimit(**settings))
    async with open_world(config) as w:
        peer, other = w.peer(), w.peer()
        for _ in range(burst):
            await check_that_it_goes_on(peer)
        await peer.request("r", "SetValue", {"value": 1}, expects_reply=False)
        error = await read_error(peer)
        await check_that_it_goes_on(other)
        counted: Any = w.listener.statistics()
        await trio.sleep((milliseconds + 1) / 1000)
        await check_that_it_goes_on(peer)

        assert error == (
            "r",
            "RATE_LIMITED",
            f"Rate limit exceeded, retry after {milliseconds}ms",
        )
        assert counted.rate_limited == 1
        assert counted.messages_received == burst + 2
        assert w.service.values == []


@row("8.RATE_LIMITED")
async def test_rule_8_bucket_is_no_larger_than_the_burst(
    autojump_clock: MockClock,
) -> None:
    """However long nothing was asked."""
    settings = IpcRateLimit(requests_per_second=10, burst_size=3)
    async with open_world(IpcConfig(rate_limit=settings)) as w:
        peer = w.peer()
        await trio.sleep(50)
        codes = [(await peer.ask("GetValue")).get("error_code") for _ in range(5)]

        assert codes == [None, None, None, "RATE_LIMITED", "RATE_LIMITED"]


@row("8.RATE_LIMITED")
async def test_rule_8_rate_without_a_limit_is_none(autojump_clock: MockClock) -> None:
    """Where it is switched off, nobody is refused."""
    settings = IpcRateLimit(enabled=False, requests_per_second=1, burst_size=1)
    async with open_world(IpcConfig(rate_limit=settings)) as w:
        peer = w.peer()
        for _ in range(200):
            await check_that_it_goes_on(peer)

        assert trio.current_time() == 0


@row("8.SHUTTING_DOWN")
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_rule_8_request_while_draining_is_refused(
    autojump_clock: MockClock, *, expects_reply: bool
) -> None:
    """Whoever it is for, on a connection old or new, until the drain ends both."""
    async with open_world() as w, trio.open_nursery() as nursery:
        busy = w.peer()
        await busy.request("old", "Nap", {"seconds": 2})
        await wait_all_tasks_blocked()
        nursery.start_soon(w.listener.shutdown_gracefully)
        await wait_all_tasks_blocked()
        late = w.peer()
        errors: list[tuple[str, str, str]] = []
        for peer in (busy, late):
            await peer.request("r", "X", None, target="x", expects_reply=expects_reply)
            errors.append(await read_error(peer))
        answer = await busy.answer()
        ends = [await busy.read_frame(), await late.read_frame()]

        assert errors == [("r", "SHUTTING_DOWN", "Server is shutting down")] * 2
        assert answer["payload"] == 2
        assert ends == [END, END]


@row("8.CONNECTION_LIMIT_REACHED")
async def test_rule_8_connection_beyond_the_limit_is_told_so_and_closed(
    autojump_clock: MockClock,
) -> None:
    """The words name the limit."""
    config = IpcConfig(limits=IpcLimits(max_connections=2))
    async with open_world(config) as w:
        for _ in range(2):
            await check_that_it_goes_on(w.peer())
        peer = w.peer()
        error = await read_error(peer)
        end = await peer.read_frame()

        assert error == (
            "__acton_connection_rejected__",
            "CONNECTION_LIMIT_REACHED",
            (
                "Server refused the connection: connection limit reached "
                "(2 concurrent connections)"
            ),
        )
        assert end == END


@row("8.STREAM")
@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        pytest.param(
            {"target": "x"}, "STREAM_ERROR", "Actor not found: x", id="no actor"
        ),
        pytest.param(
            {"message_type": "X"},
            "SERIALIZATION_ERROR",
            "Unknown message type: X",
            id="no type",
        ),
        pytest.param({}, "TIMEOUT", "Stream timed out after 30 ms", id="no time"),
    ],
)
async def test_rule_8_streams_have_codes_of_their_own(
    autojump_clock: MockClock, more: dict[str, str], code: str, text: str
) -> None:
    """They come in the final frame, and the connection goes on."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(
            peer, "t", "Tally", {"end": "never"}, response_timeout_ms=30, **more
        )
        (body,) = await read_stream(peer)
        await check_that_it_goes_on(peer)

        assert (body["error_code"], body["error"]) == (code, text)


@row("8.CONNECTION_CLOSED")
async def test_rule_8_idle_connection_hears_that_it_is_closed(
    autojump_clock: MockClock,
) -> None:
    """In the words of the reference's table."""
    async with open_world() as w:
        peer = w.peer()
        error = await read_error(peer)

        assert error == ("unknown", "CONNECTION_CLOSED", "Connection closed")
        assert await peer.read_frame() == END


@row("8.PROTOCOL_ERROR")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(99, b"{}"), id="type"),
        pytest.param(frame(REQUEST, b"{}", form=9), id="format"),
        pytest.param(b"\xff\xff\xff\xff\x02\x01\x01", id="size"),
    ],
)
async def test_rule_8_frame_that_is_none_is_a_protocol_error(
    autojump_clock: MockClock, data: bytes
) -> None:
    """In the words of the reference's table."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(data)
        cid, code, text = await read_error(peer)

        assert (cid, code) == ("unknown", "PROTOCOL_ERROR")
        assert text.startswith("Protocol error: ")
        assert await peer.read_frame() == END


@row("8.PROTOCOL_ERROR")
async def test_rule_8_overlong_id_is_a_protocol_error(
    autojump_clock: MockClock,
) -> None:
    """The connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("x" * 1025, "GetValue", None)
        _, code, text = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert code == "PROTOCOL_ERROR"
        assert text.startswith("Protocol error: ")


@row("8.UNSUPPORTED_PROTOCOL_VERSION")
@pytest.mark.parametrize(
    ("version", "written"), [(0xFF, "0xff"), (0, "0x00"), (3, "0x03")]
)
async def test_rule_8_unsupported_version_is_named(
    autojump_clock: MockClock, version: int, written: str
) -> None:
    """In the words of the reference's table."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, b"{}", version=version))
        error = await read_error(peer)

        assert error == (
            "unknown",
            "UNSUPPORTED_PROTOCOL_VERSION",
            f"Unsupported protocol version {written}, supported range: 0x01-0x02",
        )
        assert await peer.read_frame() == END


@row("8.HANDLER_FAILED")
@pytest.mark.parametrize(
    ("message_type", "payload", "name"),
    [
        pytest.param("Break", {"how": "raise"}, "ValueError", id="reads"),
        pytest.param("Spoil", None, "LookupError", id="changes"),
        pytest.param(
            "Break", {"how": "unspeakable"}, "UnspeakableError", id="has no text"
        ),
    ],
)
async def test_rule_8_failed_handler_is_named_by_its_exception(
    autojump_clock: MockClock, message_type: str, payload: Any, name: str
) -> None:
    """The connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", message_type, payload)
        cid, code, text = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert (cid, code) == ("r", "HANDLER_FAILED")
        assert name in text


@row("8.CANCELLED")
async def test_rule_8_request_that_was_called_back_is_answered(
    autojump_clock: MockClock,
) -> None:
    """The connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await peer.say(CANCEL, {"correlation_id": "r"})
        cid, code, _ = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert (cid, code) == ("r", "CANCELLED")


@row("8.REJECTED")
async def test_rule_8_rejection_has_its_own_words(autojump_clock: MockClock) -> None:
    """The connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Break", {"how": "reject"})
        error = await read_error(peer)
        await check_that_it_goes_on(peer)

        assert error == ("r", "REJECTED", str(OutOfStock(3)))


@row("8.ACCESS_DENIED")
async def test_rule_8_peer_that_may_not_connect_is_told_so_and_closed(
    autojump_clock: MockClock,
) -> None:
    """A stream in memory has nobody behind it, who is not among those allowed."""
    config = IpcConfig(access=IpcAccess(allow_uids=(0, 12345)))
    async with open_world(config) as w:
        peer = Peer(w.door.connect_in_lockstep())
        await peer.say_no_more()
        cid, code, _ = await read_error(peer)

        assert (cid, code) == ("__acton_connection_rejected__", "ACCESS_DENIED")
        assert await peer.read_frame() == END


@row("8.STREAM")
async def test_rule_8_rejected_stream_is_no_plain_error(
    autojump_clock: MockClock,
) -> None:
    """Codes of a handler come in the stream once that has begun."""
    async with open_office() as o:
        peer = o.world.peer()
        await ask_for_stream(peer, "t", "Tally", {"end": "reject"})
        kind, body = await peer.read()

        assert (kind, body["is_final"]) == (STREAM, True)
        assert body["error_code"] == "REJECTED"
