"""What the clients make of every answer, and of none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton


@acton.message(ipc=True)
class Value:
    """A reply."""

    value: int


@acton.message(ipc=True)
class GetValue(acton.Request[Value]):
    """Asks for the value."""


@acton.message(ipc=True)
class SetValue:
    """Sets the value."""

    value: int


@acton.message(ipc=True)
class Refused(acton.Rejection):
    """A rejection that the client knows."""

    left: int


@acton.message
class Local:
    """A message that does not travel."""


def frame(frame_type: int, body: Any, form: int = 1) -> bytes:
    """Return *body* in JSON behind a header."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return len(payload).to_bytes(4, "big") + bytes([2, frame_type, form]) + payload


def failure(code: str | None, text: str = "words", **more: Any) -> dict[str, Any]:
    """Return the body of an answer that is an error."""
    return {"success": False, "error": text, "error_code": code, **more}


ANSWERS = [
    pytest.param(failure("ACTOR_NOT_FOUND"), acton.PeerRejectedError, id="not found"),
    pytest.param(failure("TARGET_BUSY"), acton.PeerRejectedError, id="busy"),
    pytest.param(failure("SOMETHING_NEW"), acton.PeerRejectedError, id="unknown code"),
    pytest.param(failure("TIMEOUT"), acton.AskTimeoutError, id="timeout"),
    pytest.param(
        failure("HANDLER_FAILED", "Handler failed: KeyError"),
        acton.HandlerFailedError,
        id="handler failed",
    ),
    pytest.param(
        failure("IO_ERROR", "I/O error: Recipient channel is closed"),
        acton.ActorStoppedError,
        id="stopped",
    ),
    pytest.param(
        failure(
            "IO_ERROR",
            "I/O error: Response channel closed without receiving a response",
        ),
        acton.NoReplyError,
        id="no reply",
    ),
    pytest.param(failure("CONNECTION_CLOSED"), acton.PeerLostError, id="closed"),
    pytest.param(
        failure("REJECTED", message_type="Refused", payload={"left": 2}),
        Refused,
        id="known rejection",
    ),
    pytest.param(
        failure("REJECTED", message_type="Other", payload={"left": 2}),
        acton.RemoteRejection,
        id="unknown rejection",
    ),
    pytest.param(failure("REJECTED"), acton.RemoteRejection, id="bare rejection"),
    pytest.param(
        failure("REJECTED", message_type="Refused", payload={"left": "x"}),
        acton.RemoteRejection,
        id="rejection of another shape",
    ),
    pytest.param(
        {"success": True, "payload": {"value": "x"}},
        acton.UnexpectedReplyError,
        id="wrong shape",
    ),
    pytest.param({"success": True}, acton.NoReplyError, id="no payload"),
    pytest.param(
        {"success": "perhaps"}, acton.RemoteProtocolError, id="no answer at all"
    ),
]


async def answer(stream: trio.abc.Stream, body: dict[str, Any]) -> dict[str, Any]:
    """Read one request from *stream*, and answer it with *body*."""
    data = bytes(await stream.receive_some())
    request: dict[str, Any] = json.loads(data[7:])
    kind = 2 if body.get("success") is True else 3
    shown = {key: value for key, value in body.items() if value is not None}
    await stream.send_all(
        frame(kind, {"correlation_id": request["correlation_id"], **shown})
    )
    return request


@pytest.mark.parametrize(("body", "error"), ANSWERS)
async def test_each_answer_is_raised_as_what_it_is(
    autojump_clock: MockClock, body: dict[str, Any], error: type[Exception]
) -> None:
    """An asker over a socket gets what an asker in the process would get."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(answer, theirs, body)
        with pytest.raises(error) as caught:
            await client.actor("a").ask(GetValue())

    if error is acton.RemoteRejection and body.get("message_type") == "Other":
        assert caught.value == caught.value
        assert str(caught.value) == "words"
    if error is Refused:
        assert isinstance(caught.value, Refused)
        assert caught.value.left == 2


async def test_ask_and_send_over_memory_streams(
    world: Any, autojump_clock: MockClock
) -> None:
    """The same calls as inside the process, over real frames."""
    async with world() as w, acton.ipc.open_client(w.door.connect()) as client:
        service = client.actor("service")
        await service.send(SetValue(42))
        found = await client.discover()

        assert await service.ask(GetValue()) == Value(42)
        assert [each.name for each in found.actors] == ["service"]
        assert "messagepack" in found.capabilities
        assert "GetValue" in found.message_types


async def test_request_without_types_returns_errors_too(
    world: Any, autojump_clock: MockClock
) -> None:
    """Only the lack of an answer is raised."""
    async with world() as w, acton.ipc.open_client(w.door.connect()) as client:
        good = await client.request("service", "GetValue", {})
        bad = await client.request("nobody", "GetValue", {})

        assert (good.success, good.payload, good.message_type) == (
            True,
            {"value": 0},
            "Value",
        )
        assert (bad.success, bad.error_code) == (False, "ACTOR_NOT_FOUND")


async def test_deadline_of_the_caller_travels(autojump_clock: MockClock) -> None:
    """The peer hears how many milliseconds are left, rounded up."""
    ours, theirs = trio.testing.memory_stream_pair()
    seen: list[Any] = []

    async def serve() -> None:
        seen.append(await answer(theirs, {"success": True, "payload": {"value": 1}}))

    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with trio.fail_after(2.0001):
            await client.actor("a").ask(GetValue())

    assert seen[0]["response_timeout_ms"] == 2001
    assert seen[0]["payload"] is None
    assert seen[0]["expects_reply"]


async def test_mute_server_does_not_keep_its_askers(autojump_clock: MockClock) -> None:
    """Without a deadline an ask ends after 30 seconds, with one when that is."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(acton.AskTimeoutError):
            await client.actor("a").ask(GetValue())
        with trio.move_on_after(3) as scope:
            await client.actor("a").ask(GetValue())

    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(33)


async def test_silent_client_sends_heartbeats(
    world: Any, autojump_clock: MockClock
) -> None:
    """An idle client is not cut off."""
    async with world() as w, acton.ipc.open_client(w.door.connect()) as client:
        await trio.sleep(200)

        assert await client.actor("service").ask(GetValue()) == Value(0)


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


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"HTTP/1.1 400", acton.RemoteProtocolError, id="garbage"),
        pytest.param(
            frame(
                3,
                {
                    "correlation_id": "__acton_connection_rejected__",
                    "success": False,
                    "error": "full",
                    "error_code": "CONNECTION_LIMIT_REACHED",
                    "payload": {"limit": 7},
                },
            ),
            acton.ConnectionRefusedByPeerError,
            id="refusal",
        ),
        pytest.param(
            frame(3, {"correlation_id": "unknown", "success": False, "error": "bye"}),
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
        for _ in range(2):
            with pytest.raises(error):
                await client.actor("a").ask(GetValue())


async def test_late_answers_and_pushes_are_passed_over(
    autojump_clock: MockClock,
) -> None:
    """An answer to nobody goes nowhere."""
    ours, theirs = trio.testing.memory_stream_pair()
    push = {
        "notification_id": "p",
        "message_type": "T",
        "payload": 1,
        "timestamp_ms": 1,
    }
    late = {"correlation_id": "req_99", "success": True}
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        await theirs.send_all(frame(2, late) + frame(5, push) + frame(1, {}))
        nursery.start_soon(answer, theirs, {"success": True, "payload": {"value": 3}})

        assert await client.actor("a").ask(GetValue()) == Value(3)


async def test_body_error_leaves_the_client_as_it_is(autojump_clock: MockClock) -> None:
    """The client's own tasks wrap nothing in groups."""
    ours, _theirs = trio.testing.memory_stream_pair()
    with pytest.raises(KeyError, match="mine"):
        async with acton.ipc.open_client(ours):
            raise KeyError("mine")  # noqa: EM101


@pytest.mark.parametrize("thing", [Local(), 3, GetValue])
async def test_what_does_not_travel_is_a_type_error(
    autojump_clock: MockClock, thing: Any
) -> None:
    """The mistake is named where it is made, before anything is sent."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(TypeError, match="ipc=True"):
            await client.actor("a").send(thing)


async def test_asking_what_has_no_reply_is_a_type_error(
    autojump_clock: MockClock,
) -> None:
    """So is asking with a message that is only sent."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(TypeError, match="without a reply"):
            await client.actor("a").ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(acton.SerializationError):
            await client.request("a", "B", object())


# --- the blocking client, and real sockets


class FakeServer:
    """Answers on a socket from a thread, as it is told."""

    def __init__(self, path: Path, talk: Callable[[socket.socket], None]) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._talk = talk
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self._talk(connection)

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()
        self._listener.close()


def replying(body: dict[str, Any]) -> Callable[[socket.socket], None]:
    """Return what answers each request with *body*, until the client leaves."""

    def talk(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            cid = json.loads(data[7:])["correlation_id"]
            kind = 2 if body.get("success") is True else 3
            shown = {key: value for key, value in body.items() if value is not None}
            late = frame(2, {"correlation_id": "late", "success": True})
            connection.sendall(late + frame(kind, {"correlation_id": cid, **shown}))

    return talk


@pytest.mark.parametrize(("body", "error"), ANSWERS)
def test_blocking_client_raises_the_same(
    tmp_path: Path, body: dict[str, Any], error: type[Exception]
) -> None:
    """What a trio asker gets, a blocking one gets."""
    server = FakeServer(tmp_path / "s", replying(body))
    with acton.ipc.BlockingClient(tmp_path / "s") as client, pytest.raises(error):
        client.actor("a").ask(GetValue())
    server.join()


def test_blocking_client_asks_sends_and_requests(tmp_path: Path) -> None:
    """The same calls, from code that blocks."""
    server = FakeServer(
        tmp_path / "s", replying({"success": True, "payload": {"value": 4}})
    )
    with acton.ipc.BlockingClient(tmp_path / "s") as client:
        handle = client.actor("a")
        handle.send(SetValue(1))

        assert handle.ask(GetValue()) == Value(4)
        assert client.request("a", "GetValue").payload == {"value": 4}
        with pytest.raises(acton.PeerRejectedError):
            client.discover()
    server.join()
    with pytest.raises(acton.PeerLostError, match="closed"):
        handle.ask(GetValue())


def listening(connection: socket.socket) -> None:
    """Read, and say nothing."""
    connection.recv(1)


def test_blocking_client_gives_up_on_a_mute_server(tmp_path: Path) -> None:
    """A timeout ends the call, and the client can be used on."""
    server = FakeServer(tmp_path / "s", listening)
    with acton.ipc.BlockingClient(tmp_path / "s") as client:
        with pytest.raises(acton.AskTimeoutError):
            client.actor("a").ask(GetValue(), timeout=0)
        client.close()
    server.join()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"garbage of any kind", acton.RemoteProtocolError, id="garbage"),
        pytest.param(b"", acton.PeerLostError, id="the end"),
        pytest.param(
            frame(
                3,
                {
                    "correlation_id": "__acton_connection_rejected__",
                    "success": False,
                    "error_code": "ACCESS_DENIED",
                },
            ),
            acton.ConnectionRefusedByPeerError,
            id="refusal",
        ),
        pytest.param(
            frame(3, {"correlation_id": "unknown", "success": False, "error": "bye"}),
            acton.PeerLostError,
            id="last words",
        ),
    ],
)
def test_blocking_client_is_told_the_last_words(
    tmp_path: Path, data: bytes, error: type[Exception]
) -> None:
    """It never hangs on a server that leaves, and says why every time."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    server = FakeServer(tmp_path / "s", talk)
    with acton.ipc.BlockingClient(tmp_path / "s") as client:
        for _ in range(2):
            with pytest.raises(error):
                client.actor("a").ask(GetValue())
    server.join()


def test_nobody_listens_is_an_os_error(tmp_path: Path) -> None:
    """A missing socket is what it is."""
    with pytest.raises(FileNotFoundError):
        acton.ipc.BlockingClient(tmp_path / "none")
