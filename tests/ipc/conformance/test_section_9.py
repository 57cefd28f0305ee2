"""Section 9: what closes a connection, and what does not."""

from __future__ import annotations

from typing import final

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from ..peers import (
    CANCEL,
    END,
    ERROR,
    HEARTBEAT,
    REQUEST,
    RESPONSE,
    Peer,
    World,
    frame,
    open_world,
)
from .offices import (
    PUSH,
    STREAM,
    UNSUBSCRIBE,
    check_that_it_goes_on,
    subscribe,
)
from .rows import row

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits
IpcTimeouts = acton.ipc.IpcTimeouts


async def check_that_it_is_closed(w: World, peer: Peer, code: str) -> None:
    """Check that *peer* hears *code* and the end, and that nobody else does."""
    kind, answer = await peer.read()
    end = await peer.read_frame()
    await wait_all_tasks_blocked()

    assert (kind, answer["error_code"]) == (ERROR, code)
    assert end == END
    assert w.listener.statistics().connections_active == 0
    await check_that_it_goes_on(w.peer())


@row("9.version")
@pytest.mark.parametrize("version", [0, 3, 0x7F, 0xFF])
async def test_rule_9_bad_version_closes(
    autojump_clock: MockClock, version: int
) -> None:
    """What follows is not read any more."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, b"", version=version) + frame(HEARTBEAT, b""))
        await check_that_it_is_closed(w, peer, "UNSUPPORTED_PROTOCOL_VERSION")


@row("9.type")
@pytest.mark.parametrize(
    ("frame_type", "version"), [(0, 2), (0x0B, 2), (0xFF, 2), (0, 1), (8, 1), (9, 1)]
)
async def test_rule_9_bad_type_closes(
    autojump_clock: MockClock, frame_type: int, version: int
) -> None:
    """In either version."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(frame_type, b"", version) + frame(HEARTBEAT, b""))
        await check_that_it_is_closed(w, peer, "PROTOCOL_ERROR")


@row("9.format")
@pytest.mark.parametrize("form", [0, 3, 0x7B, 0xFF])
async def test_rule_9_bad_format_closes(autojump_clock: MockClock, form: int) -> None:
    """Even that of a heartbeat, whose payload is ignored."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(HEARTBEAT, b"", form=form) + frame(HEARTBEAT, b""))
        await check_that_it_is_closed(w, peer, "PROTOCOL_ERROR")


@row("9.oversize")
@pytest.mark.parametrize("frame_type", [REQUEST, HEARTBEAT, RESPONSE])
async def test_rule_9_oversize_frame_closes(
    autojump_clock: MockClock, frame_type: int
) -> None:
    """On its header alone, of whatever type it is."""
    config = IpcConfig(limits=IpcLimits(max_message_size=500))
    async with open_world(config) as w:
        peer = w.peer()
        await peer.write(frame(frame_type, b"x" * 501)[:7])
        await check_that_it_is_closed(w, peer, "PROTOCOL_ERROR")


@row("9.oversize")
@pytest.mark.parametrize("version", [1, 2])
async def test_rule_9_frame_of_the_greatest_size_does_not_close(
    autojump_clock: MockClock, version: int
) -> None:
    """Only more is too much, and headers do not count."""
    body = b'{"correlation_id":"r","target":"service","message_type":"GetValue"}'
    config = IpcConfig(limits=IpcLimits(max_message_size=500))
    async with open_world(config) as w:
        peer = w.peer()
        await peer.write(frame(REQUEST, body.ljust(500), version=version))

        assert (await peer.answer())["success"] is True


@final
@attrs.define
class Faulty(trio.abc.Stream):
    """A stream that raises *error* where it is told to."""

    stream: trio.abc.Stream
    error: Exception
    fails_to_read: bool = False
    fails_to_write: bool = False
    closed: trio.Event = attrs.field(factory=trio.Event)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.fails_to_write:
            await trio.lowlevel.checkpoint()
            raise self.error
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.stream.receive_some(max_bytes)
        if self.fails_to_read:
            raise self.error
        return data

    async def aclose(self) -> None:
        self.closed.set()
        await self.stream.aclose()


def connect_faultily(w: World, error: Exception) -> tuple[Peer, Faulty]:
    """Return a new connection, and the server's end of it."""
    ours, theirs = trio.testing.memory_stream_pair()
    faulty = Faulty(theirs, error)
    w.door.admit(faulty)
    return Peer(ours), faulty


async def check_that_the_work_ends(w: World, faulty: Faulty) -> None:
    """Check that a connection is gone, with what ran for it, and no other one."""
    await wait_all_tasks_blocked()
    counted = w.listener.statistics()

    assert faulty.closed.is_set()
    assert (counted.connections_active, counted.in_flight_requests) == (0, 0)
    assert w.service.log == ["nap began", "nap cancelled"]
    await check_that_it_goes_on(w.peer())


@row("9.io")
async def test_rule_9_io_error_closes(autojump_clock: MockClock) -> None:
    """Its requests are called back, and nobody else notices."""
    async with open_world() as w:
        peer, faulty = connect_faultily(w, trio.BrokenResourceError())
        await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        faulty.fails_to_read = True
        await peer.write(b"\0")
        await check_that_the_work_ends(w, faulty)


@row("9.eof")
@pytest.mark.parametrize(
    "rest", [b"", b"\0", frame(REQUEST, b"{}")[:8]], ids=["whole", "header", "frame"]
)
async def test_rule_9_end_of_the_stream_closes(
    autojump_clock: MockClock, rest: bytes
) -> None:
    """Between two frames or amid one, and without a word."""
    async with open_world() as w:
        peer = w.peer()
        await check_that_it_goes_on(peer)
        await peer.write(rest)
        await peer.say_no_more()
        end = await peer.read_frame()
        await wait_all_tasks_blocked()

        assert end == END
        assert w.listener.statistics().connections_active == 0


@row("9.idle")
async def test_rule_9_idle_time_is_what_is_set(autojump_clock: MockClock) -> None:
    """After it the connection is closed."""
    config = IpcConfig(timeouts=IpcTimeouts(read_timeout=7))
    async with open_world(config) as w:
        peer = w.peer()
        await check_that_it_is_closed(w, peer, "CONNECTION_CLOSED")

        assert trio.current_time() == pytest.approx(7)


@row("9.idle")
async def test_rule_9_idle_time_of_zero_is_for_ever(autojump_clock: MockClock) -> None:
    """The limit is switched off."""
    config = IpcConfig(timeouts=IpcTimeouts(read_timeout=0))
    async with open_world(config) as w:
        peer = w.peer()
        await trio.sleep(10**6)
        await check_that_it_goes_on(peer)


@row("9.idle.subscribed")
async def test_rule_9_subscriber_is_not_cut_off_by_default(
    autojump_clock: MockClock,
) -> None:
    """It need not speak to be spoken to."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "T")
        await trio.sleep(10**6)
        await check_that_it_goes_on(peer)


@row("9.idle.subscribed")
@pytest.mark.parametrize("seconds", [5, 500])
async def test_rule_9_subscriber_has_an_idle_time_of_its_own(
    autojump_clock: MockClock, seconds: float
) -> None:
    """Shorter or longer than that of the others."""
    timeouts = IpcTimeouts(read_timeout=60, subscription_read_timeout=seconds)
    async with open_world(IpcConfig(timeouts=timeouts)) as w:
        peer = w.peer()
        await subscribe(peer, "T")
        await check_that_it_is_closed(w, peer, "CONNECTION_CLOSED")

        assert trio.current_time() == pytest.approx(seconds)


@row("9.idle.subscribed")
async def test_rule_9_who_has_unsubscribed_is_no_subscriber(
    autojump_clock: MockClock,
) -> None:
    """Which time it is, is looked at anew with each frame."""
    async with open_world() as w:
        peer = w.peer()
        await subscribe(peer, "T")
        await trio.sleep(100)
        await subscribe(peer, frame_type=UNSUBSCRIBE)
        await check_that_it_is_closed(w, peer, "CONNECTION_CLOSED")

        assert trio.current_time() == pytest.approx(160)


@row("9.idle.frame")
async def test_rule_9_time_is_for_a_whole_frame(autojump_clock: MockClock) -> None:
    """A frame that trickles longer than it is cut off amid it."""
    async with open_world() as w:
        peer = w.peer()
        async with trio.open_nursery() as nursery:

            async def trickle() -> None:
                for byte in frame(HEARTBEAT, b"x" * 20):
                    await peer.write(bytes([byte]))
                    await trio.sleep(20)

            nursery.start_soon(trickle)
            kind, answer = await peer.read()
            closed_at = trio.current_time()
            nursery.cancel_scope.cancel()

        assert (kind, answer["error_code"]) == (ERROR, "CONNECTION_CLOSED")
        assert closed_at == pytest.approx(60)


@row("9.idle.frame")
async def test_rule_9_time_begins_anew_with_each_frame(
    autojump_clock: MockClock,
) -> None:
    """Who speaks often enough is never idle."""
    async with open_world() as w:
        peer = w.peer()
        for _ in range(10):
            await trio.sleep(59)
            await peer.say(HEARTBEAT, {})

            assert await peer.read() == (HEARTBEAT, {})


@row("9.writer")
async def test_rule_9_writer_that_fails_closes(autojump_clock: MockClock) -> None:
    """What the peer asked for is called back."""
    async with open_world() as w:
        peer, faulty = connect_faultily(w, trio.BrokenResourceError())
        await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        faulty.fails_to_write = True
        await peer.say(HEARTBEAT, {})
        await wait_all_tasks_blocked()
        log = [*w.service.log]
        # What the peer had written before is still read.
        await trio.sleep(0.26)

        assert log == ["nap began", "nap cancelled"]
        await check_that_the_work_ends(w, faulty)


@row("9.stop")
async def test_rule_9_end_of_the_listener_closes(autojump_clock: MockClock) -> None:
    """All of its connections, at once."""
    async with open_world() as w:
        peers = [w.peer() for _ in range(3)]
        for peer in peers:
            await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        await w.listener.stop()

        for peer in peers:
            assert await peer.read_frame() == END
        assert trio.current_time() == 0
        assert w.service.log.count("nap cancelled") == 3


@row("9.panic")
@pytest.mark.parametrize("side", ["fails_to_read", "fails_to_write"])
async def test_rule_9_fault_in_the_task_closes_its_own_connection(
    autojump_clock: MockClock, side: str
) -> None:
    """Whatever is raised, the others go on."""
    async with open_world() as w:
        peer, faulty = connect_faultily(w, RuntimeError("nobody expects this"))
        await peer.request("r", "Nap", {"seconds": 9})
        await wait_all_tasks_blocked()
        setattr(faulty, side, True)
        await peer.say(HEARTBEAT, {})
        await check_that_the_work_ends(w, faulty)


@row("9.open")
@pytest.mark.parametrize(
    ("version", "frame_type"),
    [(1, RESPONSE), (1, ERROR), (2, RESPONSE), (2, ERROR), (2, PUSH), (2, STREAM)],
)
async def test_rule_9_frame_of_the_wrong_direction_is_passed_over(
    autojump_clock: MockClock, version: int, frame_type: int
) -> None:
    """It is no fault, and its payload is not looked at."""
    async with open_world() as w:
        peer = w.peer()
        for payload in (b"", b"{}", b"no JSON"):
            await peer.write(frame(frame_type, payload, version))
        await check_that_it_goes_on(peer)

        assert w.listener.statistics().errors == 0


@row("9.open")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(REQUEST, b""), id="an empty request"),
        pytest.param(frame(REQUEST, b"\xff" * 99), id="no JSON"),
        pytest.param(frame(REQUEST, b"\xc1", form=2), id="no MessagePack"),
        pytest.param(frame(6, b"[]"), id="a bad subscription"),
        pytest.param(frame(7, b"[]"), id="a bad reverse"),
        pytest.param(frame(8, b"[]"), id="a bad discovery"),
    ],
)
async def test_rule_9_body_that_cannot_be_parsed_does_not_close(
    autojump_clock: MockClock, data: bytes
) -> None:
    """It is answered, and that is all."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(data)
        kind, answer = await peer.read()
        await check_that_it_goes_on(peer)

        assert (kind, answer["success"]) == (ERROR, False)


@row("9.open")
@pytest.mark.parametrize("body", [b"", b"{}", b'{"correlation_id":"x"}'])
async def test_rule_9_cancelling_nothing_does_not_close(
    autojump_clock: MockClock, body: bytes
) -> None:
    """There may have been an answer meanwhile."""
    async with open_world() as w:
        peer = w.peer()
        await peer.write(frame(CANCEL, body))
        await peer.request("r", "GetValue", None)
        bodies = [await peer.answer()]
        while bodies[-1]["correlation_id"] != "r":
            bodies.append(await peer.answer())

        assert bodies[-1]["success"] is True
