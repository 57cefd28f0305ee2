"""The client against a server written by hand from the description of the wire.

Nothing of the client helps the stub server to speak: it is a second opinion.
"""

# The tests need the standard library only, like the client.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import contextlib
import copy
import io
import json
import pickle
import runpy
import socket
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent))

import acton_ipc
from acton_ipc import ActonClient

REQUEST, RESPONSE, ERROR, HEARTBEAT, PUSH = 1, 2, 3, 4, 5
SUBSCRIBE, UNSUBSCRIBE, DISCOVER, STREAM = 6, 7, 8, 9

Body: TypeAlias = dict[str, Any]


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self, expected_kind: int = REQUEST) -> Body:
        """Read one frame of this kind and return its body."""
        header = self._read_exactly(7)
        assert header[4] == 2, "version"
        assert header[5] == expected_kind, "kind"
        assert header[6] == 1, "format"
        body = self._read_exactly(int.from_bytes(header[:4], "big"))
        decoded: Body = json.loads(body)
        return decoded

    def write(self, kind: int, body: Body) -> None:
        """Write one frame."""
        self.write_bytes(frame(kind, body))

    def write_bytes(self, data: bytes) -> None:
        """Write anything."""
        self.connection.sendall(data)

    def answer(self, request: Body, payload: object) -> None:
        """Answer a request with success."""
        correlation_id = request["correlation_id"]
        body = {"correlation_id": correlation_id, "success": True, "payload": payload}
        self.write(RESPONSE, body)

    def fail(self, correlation_id: str, code: str, **more: object) -> None:
        """Answer a request, or the connection, with an error."""
        self.write(
            ERROR,
            {
                "correlation_id": correlation_id,
                "success": False,
                "error": f"text of {code}",
                "error_code": code,
                **more,
            },
        )

    def wait_closed(self) -> None:
        """Return when the client has left."""
        assert self.connection.recv(1) == b"", "the client sent more"

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            assert more, "the client left"
            data += more
        return data


def frame(kind: int, body: Body) -> bytes:
    """Return a frame as a server writes it."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return len(data).to_bytes(4, "big") + bytes([2, kind, 1]) + data


def push(value: int, **more: object) -> Body:
    """Return the body of a push."""
    return {
        "notification_id": f"push_{value}",
        "message_type": "PriceUpdate",
        "payload": {"price": value},
        "timestamp_ms": 1_700_000_000_000,
        **more,
    }


class ClientCase(unittest.TestCase):
    """A test that talks to a server which follows a script."""

    def connect(self, script: Callable[[Peer], None]) -> ActonClient:
        """Return a client of a server that follows the script."""
        client = ActonClient(self.serve(script), timeout=5)
        self.addCleanup(client.close)
        return client

    def serve(self, script: Callable[[Peer], None]) -> str:
        """Run the script for the first caller; return the path of the socket.

        A script that fails fails the test.
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = f"{folder.name}/ipc.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen()
        failures: list[Exception] = []

        def follow() -> None:
            with listener:
                connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    script(Peer(connection))
                except Exception as error:  # noqa: BLE001  # raised in the main thread
                    failures.append(error)

        def check() -> None:
            thread.join()
            if failures:
                raise failures[0]

        thread = threading.Thread(target=follow)
        thread.start()
        self.addCleanup(check)
        return path


class TestRequests(ClientCase):
    """Messages to an actor and the answers to them."""

    def test_send_returns_the_payload_of_the_reply(self) -> None:
        """The short form: a message goes in, a payload comes out."""
        requests: list[Body] = []

        def script(peer: Peer) -> None:
            requests.append(peer.read())
            peer.answer(requests[0], {"value": 7})

        client = self.connect(script)

        self.assertEqual(client.send("my-service", "GetValue", {}), {"value": 7})
        correlation_id = requests[0].pop("correlation_id")
        self.assertLessEqual(len(correlation_id), 245)
        self.assertEqual(
            requests[0],
            {
                "target": "my-service",
                "message_type": "GetValue",
                "payload": {},
                "response_timeout_ms": 30_000,
                "expects_reply": True,
            },
        )

    def test_a_missing_payload_travels_as_null(self) -> None:
        """The reference refuses requests without a payload."""

        def script(peer: Peer) -> None:
            request = peer.read()
            peer.answer(request, {"sent": request["payload"]})

        self.assertEqual(self.connect(script).send("a", "Ping"), {"sent": None})

    def test_request_tells_the_type_of_the_reply(self) -> None:
        """What travels beside the payload is not lost."""

        def script(peer: Peer) -> None:
            body = {"success": True, "payload": 1, "message_type": "ValueResponse"}
            body["correlation_id"] = peer.read()["correlation_id"]
            body["a key of the future"] = "ignored"
            peer.write(RESPONSE, body)

        response = self.connect(script).request("a", "GetValue", {})

        self.assertEqual(response.message_type, "ValueResponse")
        self.assertEqual(response.payload, 1)

    def test_fire_and_forget_reads_its_acknowledgement(self) -> None:
        """The answer to the next request is that request's answer."""

        def script(peer: Peer) -> None:
            message = peer.read()
            assert message["expects_reply"] is False
            peer.answer(message, {"status": "delivered"})
            peer.answer(peer.read(), {"value": 42})

        client = self.connect(script)
        client.fire_and_forget("my-service", "SetValue", {"value": 42})

        self.assertEqual(client.send("my-service", "GetValue", {}), {"value": 42})

    def test_fire_and_forget_raises_when_it_was_not_delivered(self) -> None:
        """A negative acknowledgement is an error."""

        def script(peer: Peer) -> None:
            peer.fail(peer.read()["correlation_id"], "TARGET_BUSY")

        with self.assertRaises(acton_ipc.TargetBusyError):
            self.connect(script).fire_and_forget("my-service", "SetValue", {})

    def test_errors_are_told_apart_by_code(self) -> None:
        """Every known code has a class; others keep their code."""
        classes: dict[str, type[acton_ipc.ActonError]] = {
            "ACTOR_NOT_FOUND": acton_ipc.ActorNotFoundError,
            "UNKNOWN_MESSAGE_TYPE": acton_ipc.UnknownMessageTypeError,
            "SERIALIZATION_ERROR": acton_ipc.SerializationError,
            "TARGET_BUSY": acton_ipc.TargetBusyError,
            "RATE_LIMITED": acton_ipc.RateLimitedError,
            "SHUTTING_DOWN": acton_ipc.ShuttingDownError,
            "HANDLER_FAILED": acton_ipc.HandlerFailedError,
            "REJECTED": acton_ipc.RejectedError,
            "TIMEOUT": acton_ipc.AnswerTimeoutError,
            "IO_ERROR": acton_ipc.ServerError,
            "OF_THE_FUTURE": acton_ipc.ServerError,
        }

        def script(peer: Peer) -> None:
            for code in classes:
                peer.fail(peer.read()["correlation_id"], code, payload={"short": 3})

        client = self.connect(script)

        for code, error_class in classes.items():
            with self.subTest(code), self.assertRaises(error_class) as caught:
                client.send("a", "Ping")
            error = caught.exception
            self.assertIs(type(error), error_class)
            self.assertIn(f"text of {code}", str(error))
            if isinstance(error, acton_ipc.ServerError):
                self.assertEqual((error.code, error.payload), (code, {"short": 3}))

    def test_timeouts_are_python_timeouts(self) -> None:
        """Whoever catches `TimeoutError` catches the server's as well."""

        def script(peer: Peer) -> None:
            peer.fail(peer.read()["correlation_id"], "TIMEOUT")

        with self.assertRaises(TimeoutError):
            self.connect(script).send("a", "Ping")

    def test_a_late_answer_is_dropped(self) -> None:
        """After a timeout the client is usable and answers are not mixed up."""

        def script(peer: Peer) -> None:
            late = peer.read()
            request = peer.read()
            peer.answer(late, "late")
            peer.answer({"correlation_id": "nobody's"}, "foreign")
            peer.answer(request, "in time")

        client = self.connect(script)
        with self.assertRaises(acton_ipc.AnswerTimeoutError):
            client.send("a", "Slow", timeout=0.02)

        self.assertEqual(client.send("a", "Fast"), "in time")
        self.assertEqual(vars(client)["_inboxes"], {})

    def test_a_timeout_inside_a_frame_loses_nothing(self) -> None:
        """The first half of a frame is kept for the next reader."""
        timed_out = threading.Event()

        def script(peer: Peer) -> None:
            late = peer.read()
            body = {"correlation_id": late["correlation_id"], "success": True}
            data = frame(RESPONSE, body)
            peer.write_bytes(data[:20])
            assert timed_out.wait(5)
            request = peer.read()
            peer.write_bytes(data[20:])
            peer.answer(request, "whole")

        client = self.connect(script)
        with self.assertRaises(TimeoutError):
            client.send("a", "Slow", timeout=0.05)
        timed_out.set()

        self.assertEqual(client.send("a", "Fast"), "whole")

    def test_frames_may_come_byte_by_byte(self) -> None:
        """However the stream is cut, the same answers come out."""

        def script(peer: Peer) -> None:
            correlation_id = peer.read()["correlation_id"]
            body = {"correlation_id": correlation_id, "success": True, "payload": "ü"}
            for byte in frame(PUSH, push(1)) + frame(RESPONSE, body):
                peer.write_bytes(bytes([byte]))

        self.assertEqual(self.connect(script).send("a", "Ping"), "ü")

    def test_large_messages_pass_both_ways(self) -> None:
        """Partial writes and reads are nobody's concern."""
        text = "x" * 3_000_000

        def script(peer: Peer) -> None:
            request = peer.read()
            peer.answer(request, request["payload"])

        self.assertEqual(self.connect(script).send("a", "Echo", text), text)

    def test_threads_share_a_client(self) -> None:
        """Answers in the reverse order reach the threads that asked."""
        count = 8
        answers: dict[int, object] = {}

        def script(peer: Peer) -> None:
            requests = [peer.read() for _ in range(count)]
            for request in reversed(requests):
                peer.answer(request, request["payload"])

        client = self.connect(script)

        def ask(number: int) -> None:
            answers[number] = client.send("a", "Echo", number, timeout=5)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(count)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        self.assertEqual(answers, {number: number for number in range(count)})
        self.assertLess(time.monotonic() - started, 4)


class TestStreams(ClientCase):
    """Messages with many replies."""

    def test_a_stream_yields_every_item_and_ends(self) -> None:
        """The final frame carries nothing and is not an item."""

        def script(peer: Peer) -> None:
            request = peer.read()
            assert request["expects_stream"] is True
            correlation_id = request["correlation_id"]
            for number in range(3):
                body = {"correlation_id": correlation_id, "sequence": number}
                peer.write(STREAM, {**body, "is_final": False, "payload": number})
                peer.write(PUSH, push(number))
            final = {"correlation_id": correlation_id, "sequence": 3, "is_final": True}
            peer.write(STREAM, final)

        client = self.connect(script)

        self.assertEqual(list(client.stream("search", "Query", {})), [0, 1, 2])

    def test_a_stream_raises_the_error_of_its_last_frame(self) -> None:
        """Items before the error are delivered."""

        def script(peer: Peer) -> None:
            correlation_id = peer.read()["correlation_id"]
            body: Body = {"correlation_id": correlation_id, "sequence": 0}
            peer.write(STREAM, {**body, "is_final": False, "payload": 1})
            body |= {"is_final": True, "error": "gone", "error_code": "STREAM_ERROR"}
            peer.write(STREAM, body)

        stream = self.connect(script).stream("search", "Query", {})

        self.assertEqual(next(stream), 1)
        with self.assertRaises(acton_ipc.ServerError) as caught:
            next(stream)
        self.assertEqual(caught.exception.code, "STREAM_ERROR")

    def test_a_stream_ends_on_a_plain_error(self) -> None:
        """A server that is draining answers with an ERROR frame."""

        def script(peer: Peer) -> None:
            peer.fail(peer.read()["correlation_id"], "SHUTTING_DOWN")

        with self.assertRaises(acton_ipc.ShuttingDownError):
            list(self.connect(script).stream("search", "Query", {}))

    def test_requests_pass_while_a_stream_is_open(self) -> None:
        """Items that come during another call wait for the stream's reader."""

        def script(peer: Peer) -> None:
            stream = peer.read()
            body = {"correlation_id": stream["correlation_id"], "is_final": False}
            peer.write(STREAM, {**body, "sequence": 0, "payload": "first"})
            request = peer.read()
            peer.write(STREAM, {**body, "sequence": 1, "payload": "second"})
            peer.answer(request, "answer")
            peer.write(STREAM, {**body, "sequence": 2, "is_final": True})

        client = self.connect(script)
        stream = client.stream("search", "Query", {})

        self.assertEqual(next(stream), "first")
        self.assertEqual(client.send("a", "Ping"), "answer")
        self.assertEqual(list(stream), ["second"])

    def test_a_stream_that_stalls_times_out(self) -> None:
        """No final frame is no reason to hang."""

        def script(peer: Peer) -> None:
            peer.read()
            peer.wait_closed()

        client = self.connect(script)

        with self.assertRaises(TimeoutError):
            list(client.stream("search", "Query", {}, timeout=0.02))
        client.close()


class TestPushes(ClientCase):
    """Messages that nobody asked for, or not just now."""

    def test_pushes_wait_for_their_reader(self) -> None:
        """A push between request and answer is neither lost nor the answer."""

        def script(peer: Peer) -> None:
            request = peer.read(SUBSCRIBE)
            assert request["message_types"] == ["PriceUpdate"]
            body = {"correlation_id": request["correlation_id"], "success": True}
            peer.write(PUSH, push(1))
            peer.write(RESPONSE, {**body, "subscribed_types": ["PriceUpdate"]})
            peer.write(PUSH, push(2, dropped=5, source_actor="prices"))
            request = peer.read(UNSUBSCRIBE)
            assert request["message_types"] == []
            body = {"correlation_id": request["correlation_id"], "success": True}
            peer.write(RESPONSE, {**body, "subscribed_types": []})

        client = self.connect(script)

        self.assertEqual(client.subscribe("PriceUpdate"), ["PriceUpdate"])
        pushes = client.pushes(timeout=5)
        first, second = next(pushes), next(pushes)
        self.assertEqual((first.payload, first.dropped), ({"price": 1}, 0))
        self.assertEqual((second.payload, second.dropped), ({"price": 2}, 5))
        self.assertEqual(second.source_actor, "prices")
        self.assertEqual(client.unsubscribe(), [])

    def test_unread_pushes_are_bounded_and_counted(self) -> None:
        """A client that does not read does not eat memory, and learns of it."""

        def script(peer: Peer) -> None:
            request = peer.read()
            for number in range(1030):
                peer.write(PUSH, push(number))
            peer.answer(request, None)
            request = peer.read()
            peer.write(PUSH, push(2000, dropped=1))
            peer.answer(request, None)

        client = self.connect(script)
        client.send("a", "Ping")
        pushes = client.pushes(timeout=5)
        for _ in range(1024):
            self.assertEqual(next(pushes).dropped, 0)
        client.send("a", "Ping")

        self.assertEqual(next(pushes).dropped, 6 + 1)

    def test_waiting_for_a_push_can_time_out(self) -> None:
        """Silence is not a reason to hang, if the caller says so."""

        def script(peer: Peer) -> None:
            peer.wait_closed()

        client = self.connect(script)

        with self.assertRaises(TimeoutError):
            next(client.pushes(timeout=0.02))
        client.close()


class TestConnection(ClientCase):
    """The connection itself: what the server is, and how things end."""

    def test_discovery_is_read_at_the_top_level(self) -> None:
        """The answer's own fields are the result; there is no payload."""
        offer = {
            "protocol_version": {"current": 2},
            "actors": [{"name": "my-service", "ern": "ern:acton:x"}],
            "message_types": ["GetValue"],
        }

        def script(peer: Peer) -> None:
            request = peer.read(DISCOVER)
            correlation_id = request.pop("correlation_id")
            expected = {"include_actors": True, "include_message_types": True}
            assert request == expected, request
            body = {"correlation_id": correlation_id, "success": True, **offer}
            peer.write(RESPONSE, body)

        self.assertEqual(self.connect(script).discover(), offer)

    def test_heartbeats_are_answered_with_or_without_a_body(self) -> None:
        """The reference answers with an empty body, others with an object."""

        def script(peer: Peer) -> None:
            peer.read(HEARTBEAT)
            peer.write_bytes(bytes.fromhex("00000000020401"))
            peer.read(HEARTBEAT)
            peer.write_bytes(bytes.fromhex("000000020204017b7d"))

        client = self.connect(script)

        client.heartbeat(timeout=5)
        client.heartbeat(timeout=5)

    def test_a_late_heartbeat_answers_nobody(self) -> None:
        """Heartbeats have no id; the client counts."""
        answered = threading.Event()

        def script(peer: Peer) -> None:
            peer.read(HEARTBEAT)
            peer.read(HEARTBEAT)
            peer.write(HEARTBEAT, {})
            assert answered.wait(5)
            peer.write(HEARTBEAT, {})
            peer.read(HEARTBEAT)
            peer.write(HEARTBEAT, {})

        client = self.connect(script)
        with self.assertRaises(TimeoutError):
            client.heartbeat(timeout=0.02)
        with self.assertRaises(TimeoutError):
            client.heartbeat(timeout=0.2)
        answered.set()
        client.heartbeat(timeout=5)

    def test_waiting_keeps_the_connection_alive(self) -> None:
        """A caller who waits longer than servers are patient is not cut."""

        def script(peer: Peer) -> None:
            request = peer.read()
            peer.read(HEARTBEAT)
            peer.write(HEARTBEAT, {})
            peer.answer(request, "at last")

        client = self.connect(script)
        with unittest.mock.patch.object(acton_ipc, "_KEEPALIVE", 0.05):
            self.assertEqual(client.send("a", "Slow", timeout=5), "at last")

    def test_the_end_of_the_connection_raises_at_once(self) -> None:
        """Nobody waits for a server that has left, now or later."""

        def script(peer: Peer) -> None:
            peer.read()

        client = self.connect(script)
        started = time.monotonic()

        for _ in range(2):
            with self.assertRaises(acton_ipc.ConnectionClosedError):
                client.send("a", "Ping")
        with self.assertRaises(ConnectionError):
            next(client.pushes())
        self.assertLess(time.monotonic() - started, 5)

    def test_the_end_inside_a_frame_raises_at_once(self) -> None:
        """Half an answer is no answer."""

        def script(peer: Peer) -> None:
            correlation_id = peer.read()["correlation_id"]
            body = {"correlation_id": correlation_id, "success": True}
            peer.write_bytes(frame(RESPONSE, body)[:-1])

        with self.assertRaises(acton_ipc.ConnectionClosedError):
            self.connect(script).send("a", "Ping")

    def test_an_answer_before_the_end_counts(self) -> None:
        """A server that answers and leaves has answered."""

        def script(peer: Peer) -> None:
            peer.answer(peer.read(), "goodbye")

        client = self.connect(script)

        self.assertEqual(client.send("a", "Ping"), "goodbye")

    def test_the_last_words_of_a_server_are_passed_on(self) -> None:
        """The reason that stands before the end is in the error."""

        def script(peer: Peer) -> None:
            peer.read()
            peer.fail("unknown", "CONNECTION_CLOSED")

        with self.assertRaisesRegex(
            acton_ipc.ConnectionClosedError, "text of CONNECTION_CLOSED"
        ):
            self.connect(script).send("a", "Ping")

    def test_a_full_server_says_so(self) -> None:
        """Every call reports the limit, though the server has left long ago."""
        left = threading.Event()

        def script(peer: Peer) -> None:
            sentinel = "__acton_connection_rejected__"
            code = "CONNECTION_LIMIT_REACHED"
            peer.fail(sentinel, code, payload={"limit": 3})
            peer.connection.shutdown(socket.SHUT_RDWR)
            left.set()

        client = self.connect(script)
        assert left.wait(5)

        for _ in range(2):
            with self.assertRaises(acton_ipc.ConnectionLimitError) as caught:
                client.send("a", "Ping")
            self.assertEqual(caught.exception.limit, 3)

    def test_other_refusals_are_told_apart(self) -> None:
        """A refused user is not a full server; new refusals keep their text."""
        refusals: dict[str, type[acton_ipc.ActonError]] = {
            "ACCESS_DENIED": acton_ipc.AccessDeniedError,
            "OF_THE_FUTURE": acton_ipc.ProtocolError,
        }
        for code, error_class in refusals.items():

            def script(peer: Peer, code: str = code) -> None:
                peer.fail("__acton_connection_rejected__", code)

            with self.subTest(code), self.assertRaisesRegex(error_class, code):
                self.connect(script).send("a", "Ping")

    def test_faulty_frames_end_the_connection(self) -> None:
        """After nonsense nothing that follows can be trusted."""
        good = frame(HEARTBEAT, {})
        faults = {
            "version": good[:4] + b"\x03" + good[5:],
            "frame type": good[:5] + b"\x63" + good[6:],
            "format": good[:6] + b"\x02" + good[7:],
            "exceeds the limit": (16 * 1024 * 1024 + 1).to_bytes(4, "big")
            + bytes([2, RESPONSE, 1]),
            "not JSON": bytes([0, 0, 0, 1, 2, RESPONSE, 1]) + b"{",
            "not an object": bytes([0, 0, 0, 2, 2, RESPONSE, 1]) + b"[]",
        }
        for name, data in faults.items():

            def script(peer: Peer, data: bytes = data) -> None:
                peer.read()
                peer.write_bytes(data)
                peer.wait_closed()

            with self.subTest(name):
                client = self.connect(script)
                for _ in range(2):
                    with self.assertRaisesRegex(acton_ipc.ProtocolError, name):
                        client.send("a", "Ping")

    def test_an_oversize_message_is_not_sent(self) -> None:
        """It is refused here, and the connection stays good."""

        def script(peer: Peer) -> None:
            peer.answer(peer.read(), "fine")

        client = self.connect(script)

        with self.assertRaises(acton_ipc.FrameTooLargeError):
            client.send("a", "Echo", "x" * acton_ipc.MAX_FRAME_SIZE)
        self.assertEqual(client.send("a", "Ping"), "fine")

    def test_half_a_frame_ends_the_connection(self) -> None:
        """A server that stops reading cannot be talked to after a timeout."""
        done = threading.Event()

        def script(_: Peer) -> None:
            assert done.wait(5)

        client = self.connect(script)

        with self.assertRaises(TimeoutError):
            client.send("a", "Echo", "x" * 4_000_000, timeout=0.05)
        with self.assertRaises(acton_ipc.ConnectionClosedError):
            client.send("a", "Ping")
        done.set()

    def test_closing_wakes_whoever_waits(self) -> None:
        """A thread in a call gets an error, not silence."""
        asked = threading.Event()
        errors: list[Exception] = []

        def script(peer: Peer) -> None:
            peer.read()
            asked.set()
            peer.wait_closed()

        client = self.connect(script)

        def ask() -> None:
            try:
                client.send("a", "Slow")
            except acton_ipc.ActonError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert asked.wait(5)
        client.close()
        thread.join(5)

        self.assertEqual([type(e) for e in errors], [acton_ipc.ConnectionClosedError])

    def test_a_closed_client_says_so(self) -> None:
        """Closing twice is fine, asking afterwards is not."""

        def script(peer: Peer) -> None:
            peer.wait_closed()

        with self.connect(script) as client:
            pass
        client.close()

        with self.assertRaises(acton_ipc.ConnectionClosedError):
            client.send("a", "Ping")

    def test_nobody_listens(self) -> None:
        """The error names the path and is a `ConnectionError`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "nobody.sock")

            with self.assertRaisesRegex(acton_ipc.ConnectError, r"nobody\.sock"):
                ActonClient(path)


class TestExample(ClientCase):
    """The program beside the client."""

    def test_the_example_sets_a_value_and_reads_it_back(self) -> None:
        """It prints what the service holds."""

        def script(peer: Peer) -> None:
            message = peer.read()
            assert message["message_type"] == "SetValue"
            peer.answer(message, {"status": "delivered"})
            peer.answer(peer.read(), message["payload"])

        path = self.serve(script)
        program = str(Path(__file__).with_name("example.py"))
        output = io.StringIO()
        with (
            unittest.mock.patch.object(sys, "argv", [program, path]),
            contextlib.redirect_stdout(output),
        ):
            runpy.run_path(program, run_name="__main__")

        self.assertEqual(output.getvalue(), 'Value: {"value":42}\n')


class TestErrors(unittest.TestCase):
    """The errors as values."""

    def test_errors_survive_copying(self) -> None:
        """They pass between threads and processes."""
        errors: list[acton_ipc.ActonError] = [
            acton_ipc.ConnectionLimitError(3),
            acton_ipc.ConnectionClosedError("why"),
            acton_ipc.AnswerTimeoutError("why"),
            acton_ipc.RejectedError("REJECTED", "why", {"short": 3}),
        ]
        for error in errors:
            pickled: acton_ipc.ActonError = pickle.loads(pickle.dumps(error))  # noqa: S301
            for twin in (copy.copy(error), pickled):
                self.assertIs(type(twin), type(error))
                self.assertEqual((str(twin), vars(twin)), (str(error), vars(error)))


if __name__ == "__main__":
    unittest.main()
