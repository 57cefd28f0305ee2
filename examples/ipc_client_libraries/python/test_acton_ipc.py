"""The client that blocks, against servers that follow a script."""

# The tests need the standard library only, like the client.
# ruff: noqa: PT009, PT027, S108

from __future__ import annotations

import contextlib
import copy
import gc
import io
import os
import pickle
import runpy
import sys
import tempfile
import threading
import unittest
import unittest.mock
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import acton_ipc
from acton_ipc import ActonClient
from scripted_server import (
    CANCEL,
    DISCOVER,
    HEARTBEAT,
    PATIENCE,
    PUSH,
    REFUSAL,
    REQUEST,
    RESPONSE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Body,
    Peer,
    Script,
    ServerCase,
    frame,
    header,
    push,
)


class ClientCase(ServerCase):
    """A test with one client of one server."""

    def connect(self, script: Script, **options: Any) -> ActonClient:
        """Return a client of a server that follows the script."""
        options.setdefault("timeout", PATIENCE)
        client = ActonClient(self.serve(script), **options)
        self.addCleanup(client.close)
        return client


class TestRequests(ClientCase):
    """Messages to an actor and the answers to them."""

    def test_send_returns_the_payload_of_the_reply(self) -> None:
        """The short form: a message goes in, a payload comes out."""
        requests: list[Body] = []

        def script(peer: Peer) -> None:
            requests.append(peer.read())
            peer.answer(requests[0], {"value": 7}, message_type="V", future=[1])

        client = self.connect(script, timeout=30.0001)

        self.assertEqual(client.send("my-service", "GetValue", {}), {"value": 7})
        self.assertLessEqual(len(requests[0].pop("correlation_id")), 245)
        self.assertEqual(
            requests[0],
            {
                "target": "my-service",
                "message_type": "GetValue",
                "payload": {},
                "response_timeout_ms": 30_001,
                "expects_reply": True,
            },
        )

    def test_request_says_all_that_it_is_told(self) -> None:
        """Headers travel; without a payload there is null; for ever is a number."""

        def script(peer: Peer) -> None:
            request = peer.read()
            peer.answer(
                request,
                [
                    request["payload"],
                    request["headers"],
                    request["response_timeout_ms"],
                ],
            )

        client = self.connect(script)

        self.assertEqual(
            client.request("a", "Ping", headers={"x": "y"}, timeout=float("inf")),
            [None, {"x": "y"}, 2**53 - 1],
        )

    def test_fire_and_forget_reads_its_acknowledgement(self) -> None:
        """The answer to the next request is that request's answer."""

        def script(peer: Peer) -> None:
            message = peer.read()
            assert message["expects_reply"] is False
            assert "response_timeout_ms" not in message
            peer.answer(message, {"status": "delivered"})
            peer.answer(peer.read(), {"value": 42})

        client = self.connect(script)
        client.fire_and_forget("my-service", "SetValue", {"value": 42})

        self.assertEqual(client.send("my-service", "GetValue", {}), {"value": 42})

    def test_errors_are_told_apart_by_code(self) -> None:
        """Timeouts and refusals have classes, everything else its code."""
        codes = ("ACTOR_NOT_FOUND", "TARGET_BUSY", "IO_ERROR", "OF_THE_FUTURE")

        def script(peer: Peer) -> None:
            for code in codes:
                peer.fail(peer.read()["correlation_id"], code, payload=[3])
            peer.fail(peer.read()["correlation_id"], "TIMEOUT")
            more: Body = {"payload": {"left": 3}, "message_type": "OutOfStock"}
            peer.fail(peer.read()["correlation_id"], "REJECTED", **more)
            peer.fail(peer.read()["correlation_id"], "TARGET_BUSY")

        client = self.connect(script)

        for code in codes:
            with self.subTest(code):
                with self.assertRaises(acton_ipc.RequestError) as caught:
                    client.send("a", "Ping")
                error = caught.exception
                self.assertEqual((error.code, error.payload), (code, [3]))
                self.assertEqual(error.text, f"text of {code}")
                self.assertIn(code, str(error))
                self.assertEqual(
                    error.may_be_repeated, code in {"ACTOR_NOT_FOUND", "TARGET_BUSY"}
                )
        with self.assertRaises(TimeoutError) as timed_out:
            client.send("a", "Ping")
        self.assertIs(type(timed_out.exception), acton_ipc.TimedOut)
        with self.assertRaises(acton_ipc.Rejected) as rejected:
            client.send("a", "Ping")
        self.assertEqual(rejected.exception.message_type, "OutOfStock")
        self.assertEqual(rejected.exception.fields, {"left": 3})
        self.assertEqual(str(rejected.exception), "text of REJECTED")
        with self.assertRaises(acton_ipc.RequestError):
            client.fire_and_forget("a", "Ping")

    def test_the_rate_limit_says_when_to_come_back(self) -> None:
        """Its text is part of the protocol."""
        text = "Rate limit exceeded, retry after 1250ms"

        self.assertEqual(acton_ipc.RequestError("RATE_LIMITED", text).retry_after, 1.25)
        self.assertIsNone(acton_ipc.RequestError("TARGET_BUSY", "full").retry_after)

    def test_an_answer_that_makes_no_sense_is_an_error(self) -> None:
        """Of that question alone."""

        def script(peer: Peer) -> None:
            first = peer.read()["correlation_id"]
            peer.write(RESPONSE, {"correlation_id": first, "success": "perhaps"})
            second = peer.read()
            peer.reply(second, 0, is_final=True)
            peer.write_bytes(header(1, RESPONSE) + b"{" + header(2, PUSH) + b"[]")
            peer.write(RESPONSE, {"correlation_id": 3, "success": True})
            peer.write(PUSH, {"message_type": "without the rest"})
            peer.write(REQUEST, {})
            peer.answer(peer.read(), "fine")

        client = self.connect(script)

        with self.assertLogs("acton_ipc", "WARNING"):
            for _ in range(2):
                with self.assertRaises(acton_ipc.ProtocolError):
                    client.send("a", "Ping")
            self.assertEqual(client.send("a", "Ping"), "fine")

    def test_frames_may_come_byte_by_byte(self) -> None:
        """However the stream is cut, the same answers come out."""

        def script(peer: Peer) -> None:
            correlation_id = peer.read()["correlation_id"]
            body = {"correlation_id": correlation_id, "success": True, "payload": "ü"}
            for byte in frame(PUSH, push(1)) + frame(RESPONSE, body):
                peer.write_bytes(bytes([byte]))

        self.assertEqual(self.connect(script).send("a", "Ping"), "ü")

    def test_large_messages_pass_both_ways_at_once(self) -> None:
        """Reading does not stop for writing."""
        text = "x" * 3_000_000

        def script(peer: Peer) -> None:
            # Before it has read what the client writes.
            peer.write(PUSH, push(1, note=text))
            request = peer.read()
            peer.answer(request, request["payload"])

        self.assertEqual(self.connect(script).send("a", "Echo", text), text)

    def test_what_cannot_be_written_is_not_sent(self) -> None:
        """It is refused here, and the connection stays good."""

        def script(peer: Peer) -> None:
            peer.answer(peer.read(), "fine")

        client = self.connect(script)

        with self.assertRaises(acton_ipc.ProtocolError):
            client.send("a", "Echo", "x" * acton_ipc.MAX_FRAME_SIZE)
        for nonsense in (object(), float("nan"), "\ud800"):
            with self.assertRaises((TypeError, ValueError)):
                client.send("a", "Echo", nonsense)
        self.assertEqual(client.send("a", "Ping"), "fine")


class TestTimeouts(ClientCase):
    """A server that takes its time."""

    def test_a_late_answer_is_dropped(self) -> None:
        """After a timeout the client is usable and answers are not mixed up."""

        def script(peer: Peer) -> None:
            late = peer.read()
            peer.tell_whether_it_cancels(can_cancel=False)
            request = peer.read()
            peer.answer(late, "late")
            peer.answer({"correlation_id": "nobody's"}, "foreign")
            peer.answer(request, "in time")

        client = self.connect(script, grace=0)
        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "Slow", timeout=0)

        self.assertEqual(client.send("a", "Fast"), "in time")

    def test_a_timeout_inside_a_frame_loses_nothing(self) -> None:
        """The first half of a frame is kept for the next reader."""
        half_told, gave_up = threading.Event(), threading.Event()

        def script(peer: Peer) -> None:
            body = {"correlation_id": peer.read()["correlation_id"], "success": True}
            peer.read(DISCOVER)
            data = frame(RESPONSE, body)
            peer.write_bytes(data[:20])
            half_told.set()
            peer.read(HEARTBEAT)
            assert gave_up.wait(PATIENCE)
            request = peer.read()
            peer.write_bytes(data[20:])
            peer.answer(request, "whole")

        client = self.connect(script, grace=0)
        with self.assertRaises(TimeoutError):
            client.send("a", "Slow", timeout=0)
        assert half_told.wait(PATIENCE)
        with self.assertRaises(TimeoutError):
            client.heartbeat(timeout=0)
        gave_up.set()

        self.assertEqual(client.send("a", "Fast"), "whole")

    def test_the_server_is_given_time_to_say_that_time_is_up(self) -> None:
        """Its word tells more than silence."""

        def script(peer: Peer) -> None:
            request = peer.read()
            assert request["response_timeout_ms"] == 0
            peer.fail(request["correlation_id"], "TIMEOUT")

        client = self.connect(script, grace=PATIENCE)

        with self.assertRaisesRegex(acton_ipc.TimedOut, "text of TIMEOUT"):
            client.send("a", "Slow", timeout=0)

    def test_a_request_that_timed_out_is_cancelled(self) -> None:
        """Once the server has said that it knows how."""
        cancelled: list[str] = []

        def script(peer: Peer) -> None:
            first = peer.read()
            peer.tell_whether_it_cancels()
            for _ in range(2):
                kind, body = peer.read_any()
                if kind == CANCEL:
                    cancelled.append(body["correlation_id"])
            assert cancelled == [first["correlation_id"]]
            peer.write(HEARTBEAT, {})
            second = peer.read()
            assert peer.read(CANCEL)["correlation_id"] == second["correlation_id"]

        client = self.connect(script, grace=0)
        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "Slow", timeout=0)
        client.heartbeat()
        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "Slow", timeout=0)

    def test_a_message_without_a_reply_is_not_cancelled(self) -> None:
        """There is nothing to give up."""

        def script(peer: Peer) -> None:
            peer.read()
            peer.read(HEARTBEAT)
            peer.write(HEARTBEAT, {})

        client = self.connect(script)
        with self.assertRaises(acton_ipc.TimedOut):
            client.fire_and_forget("a", "Note", timeout=0)
        client.heartbeat()

    def test_a_server_that_does_not_read_keeps_nobody(self) -> None:
        """What has begun is written later, what has not is taken back."""
        gave_up = threading.Event()
        seen: list[object] = []

        def script(peer: Peer) -> None:
            assert gave_up.wait(PATIENCE)
            while "last" not in seen:
                kind, body = peer.read_any()
                if kind == REQUEST:
                    seen.append(body["message_type"])
                    if body["message_type"] == "last":
                        peer.answer(body, "fine")

        client = self.connect(script, grace=0)
        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "first", "x" * 4_000_000, timeout=0)
        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "second", timeout=0)
        gave_up.set()

        self.assertEqual(client.send("a", "last"), "fine")
        self.assertEqual(seen, ["first", "last"])


class TestStreams(ClientCase):
    """Messages with many replies."""

    def test_a_stream_yields_every_item_and_ends(self) -> None:
        """The final frame carries nothing and is not an item."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            assert request["expects_stream"] is True
            for number in range(3):
                peer.reply(request, number, is_final=False, payload=number)
                peer.write(PUSH, push(number))
            peer.reply(request, 3, is_final=True)
            # What comes after the end is for nobody.
            peer.reply(request, 4, payload=4)

        client = self.connect(script)
        stream = client.stream("search", "Query", {})

        self.assertEqual(list(stream), [0, 1, 2])
        self.assertEqual(list(stream), [])

    def test_a_stream_raises_the_error_of_its_last_frame(self) -> None:
        """Items before the error are delivered."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            peer.reply(request, 0, payload=1)
            more: Body = {"is_final": True, "error": "no", "error_code": "REJECTED"}
            peer.reply(request, 1, message_type="X", payload={"n": 1}, **more)

        stream = self.connect(script).stream("search", "Query", {})

        self.assertEqual(next(stream), 1)
        with self.assertRaises(acton_ipc.Rejected) as caught:
            next(stream)
        self.assertEqual(caught.exception.fields, {"n": 1})
        self.assertEqual(list(stream), [])

    def test_a_stream_ends_on_a_plain_error(self) -> None:
        """A server that is draining answers with an ERROR frame."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            peer.fail(peer.read()["correlation_id"], "SHUTTING_DOWN")

        with self.assertRaises(acton_ipc.RequestError) as caught:
            list(self.connect(script).stream("search", "Query", {}))
        self.assertEqual(caught.exception.code, "SHUTTING_DOWN")

    def test_a_stream_with_a_gap_is_an_error(self) -> None:
        """So are one that ends with the connection, a plain reply and nonsense."""

        def gap(peer: Peer, request: Body) -> None:
            peer.reply(request, 1, payload=1)
            assert peer.read(CANCEL)["correlation_id"] == request["correlation_id"]

        def end(peer: Peer, request: Body) -> None:
            peer.reply(request, 0, payload=0)

        def plain(peer: Peer, request: Body) -> None:
            peer.answer(request, 0)

        def nonsense(peer: Peer, request: Body) -> None:
            peer.reply(request, -1, payload=0)

        for way, error in (
            (gap, acton_ipc.ProtocolError),
            (end, acton_ipc.PeerLost),
            (plain, acton_ipc.ProtocolError),
            (nonsense, acton_ipc.ProtocolError),
        ):

            def script(peer: Peer, way: Any = way) -> None:
                peer.tell_whether_it_cancels()
                way(peer, peer.read())

            with self.subTest(way.__name__), self.assertRaises(error):
                list(self.connect(script).stream("search", "Query", {}))

    def test_leaving_a_stream_early_cancels_it(self) -> None:
        """By the end of a block, by closing it, or by dropping it."""
        ways = ("block", "close", "drop", "cycle")

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            for _ in ways:
                request = peer.read()
                peer.reply(request, 0, payload=0)
                assert peer.read(CANCEL)["correlation_id"] == request["correlation_id"]
                final: Body = {"is_final": True, "error_code": "CANCELLED"}
                peer.reply(request, 1, **final)
            peer.answer(peer.read(), "fine")

        client = self.connect(script)
        with client.stream("a", "Count") as stream:
            self.assertEqual(next(stream), 0)
        self.assertEqual(list(stream), [])
        stream = client.stream("a", "Count")
        self.assertEqual(next(stream), 0)
        stream.close()
        stream.close()
        for reply in client.stream("a", "Count"):
            self.assertEqual(reply, 0)
            break
        stream = client.stream("a", "Count")
        self.assertEqual(next(stream), 0)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        del stream, cycle
        gc.collect()

        self.assertEqual(client.send("a", "Ping"), "fine")

    def test_a_finalizer_does_not_wait_for_the_lock(self) -> None:
        """It may run in the thread that holds it; then its work is done later."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            peer.reply(request, 0, payload=0)
            assert peer.read(CANCEL)["correlation_id"] == request["correlation_id"]
            peer.answer(peer.read(), "fine")

        client = self.connect(script)
        streams = [client.stream("a", "Count")]
        self.assertEqual(next(streams[0]), 0)
        vars(client)["_line"].do(streams.clear)

        self.assertEqual(client.send("a", "Ping"), "fine")

    def test_a_server_that_cannot_cancel_is_not_told_to(self) -> None:
        """To it CANCEL would be the end of the connection."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels(can_cancel=False)
            for _ in range(2):
                peer.reply(peer.read(), 0, payload=0)
            peer.answer(peer.read(), "fine")

        client = self.connect(script)
        for _ in range(2):
            with client.stream("a", "Count") as stream:
                self.assertEqual(next(stream), 0)

        self.assertEqual(client.send("a", "Ping"), "fine")

    def test_requests_pass_while_a_stream_is_open(self) -> None:
        """Items that come during another call wait for the stream's reader."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            stream = peer.read()
            peer.reply(stream, 0, payload="first")
            request = peer.read()
            peer.reply(stream, 1, payload="second")
            peer.answer(request, "answer")
            peer.reply(stream, 2, is_final=True)

        client = self.connect(script)
        stream = client.stream("search", "Query", {})

        self.assertEqual(next(stream), "first")
        self.assertEqual(client.send("a", "Ping"), "answer")
        self.assertEqual(list(stream), ["second"])

    def test_a_stream_that_stalls_times_out(self) -> None:
        """No final frame is no reason to hang."""

        def script(peer: Peer) -> None:
            peer.read(DISCOVER)
            peer.read(REQUEST)
            peer.wait_closed()

        client = self.connect(script, grace=0)

        with self.assertRaises(TimeoutError):
            list(client.stream("search", "Query", {}, timeout=0))
        client.close()


class TestPushes(ClientCase):
    """Messages that nobody asked for, or not just now."""

    def test_pushes_wait_for_their_reader(self) -> None:
        """A push between request and answer is neither lost nor the answer."""

        def script(peer: Peer) -> None:
            request = peer.read(SUBSCRIBE)
            assert request["message_types"] == ["PriceUpdate"]
            peer.write(PUSH, push(1))
            peer.answer(request, subscribed_types=["PriceUpdate"])
            peer.write(PUSH, push(9, "Unwanted", dropped=1))
            peer.write(PUSH, push(2, dropped=5, source_actor="prices"))
            request = peer.read(UNSUBSCRIBE)
            assert request["message_types"] == []
            peer.write(PUSH, push(3))
            peer.answer(request, subscribed_types=[])

        client = self.connect(script)
        pushes = client.subscribe("PriceUpdate")
        first, second = next(pushes), next(pushes)

        self.assertEqual((first.payload, first.dropped), ({"price": 1}, 0))
        self.assertEqual((second.payload, second.dropped), ({"price": 2}, 6))
        self.assertEqual(second.source_actor, "prices")
        self.assertEqual(second.timestamp_ms, 1_700_000_000_000)
        self.assertEqual(pushes.dropped, 6)
        self.assertEqual(client.unsubscribe(), [])
        self.assertEqual(list(pushes), [])
        with self.assertRaises(acton_ipc.PeerLost):
            pushes.next()

    def test_unread_pushes_are_bounded_and_counted(self) -> None:
        """A client that does not read does not eat memory, and learns of it."""

        def script(peer: Peer) -> None:
            peer.answer(peer.read(SUBSCRIBE), subscribed_types=["PriceUpdate"])
            request = peer.read()
            for number in range(7):
                peer.write(PUSH, push(number))
            peer.answer(request)
            request = peer.read()
            peer.write(PUSH, push(8, dropped=1))
            peer.answer(request)

        client = self.connect(script)
        pushes = client.subscribe("PriceUpdate", capacity=2)
        client.send("a", "Ping")
        self.assertEqual([next(pushes).dropped, next(pushes).dropped], [0, 0])
        client.send("a", "Ping")

        self.assertEqual(next(pushes).dropped, 5 + 1)
        self.assertEqual(pushes.dropped, 6)

    def test_subscriptions_do_not_take_from_each_other(self) -> None:
        """Each has its own pushes; the server hears of what nobody wants."""

        def script(peer: Peer) -> None:
            for names in (["A", "B"], ["B", "C"]):
                question = peer.read(SUBSCRIBE)
                assert question["message_types"] == names
                peer.answer(question, subscribed_types=["A", "B", "C"])
            for name in "ABC":
                peer.write(PUSH, push(ord(name), name))
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["A"]
            peer.write(PUSH, push(1, "B"))
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["B", "C"]

        client = self.connect(script)
        one, two = client.subscribe("A", "B"), client.subscribe("B", "C")
        with one:
            self.assertEqual([next(one).message_type for _ in "AB"], ["A", "B"])
        self.assertEqual([next(two).message_type for _ in "BCB"], ["B", "C", "B"])
        del two

    def test_a_refused_subscription_leaves_nothing(self) -> None:
        """Its error is raised, and no pushes are kept."""

        def script(peer: Peer) -> None:
            peer.fail(peer.read(SUBSCRIBE)["correlation_id"], "PROTOCOL_ERROR")
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["T"]

        with self.assertRaises(acton_ipc.RequestError):
            self.connect(script).subscribe("T")

    def test_waiting_for_a_push_can_time_out(self) -> None:
        """Silence is not a reason to hang, if the caller says so."""
        gave_up = threading.Event()

        def script(peer: Peer) -> None:
            peer.answer(peer.read(SUBSCRIBE), subscribed_types=["T"])
            assert gave_up.wait(PATIENCE)

        pushes = self.connect(script).subscribe("T")

        with self.assertRaises(TimeoutError):
            pushes.next(timeout=0)
        gave_up.set()
        with self.assertRaises(acton_ipc.PeerLost):
            next(pushes)


class TestThreads(ClientCase):
    """Several threads, one client."""

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
            answers[number] = client.send("a", "Echo", number)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        self.assertEqual(answers, {number: number for number in range(count)})

    def test_a_large_request_is_written_while_another_thread_waits(self) -> None:
        """Who waits is told that there is something to write."""
        asked = threading.Event()
        answers: list[object] = []

        def script(peer: Peer) -> None:
            slow = peer.read()
            asked.set()
            large = peer.read()
            peer.answer(slow, "slow")
            peer.answer(large, len(large["payload"]))

        client = self.connect(script)
        thread = threading.Thread(
            target=lambda: answers.append(client.send("a", "Slow"))
        )
        thread.start()
        assert asked.wait(PATIENCE)

        self.assertEqual(client.send("a", "Large", "x" * 4_000_000), 4_000_000)
        thread.join()
        self.assertEqual(answers, ["slow"])

    def test_ending_a_subscription_wakes_who_waits_for_it(self) -> None:
        """Whichever thread does the reading."""
        for close in (True, False):
            waits = threading.Event()
            ends: list[list[acton_ipc.Push]] = []

            def script(peer: Peer, waits: threading.Event = waits) -> None:
                peer.answer(peer.read(SUBSCRIBE), subscribed_types=["T"])
                peer.write(PUSH, push(1, "T"))
                assert waits.wait(PATIENCE)
                question = peer.read(UNSUBSCRIBE)
                assert question["message_types"] == ["T"]
                peer.answer(question, subscribed_types=[])
                peer.wait_closed()

            client = self.connect(script)
            pushes = client.subscribe("T")
            self.assertEqual(next(pushes).payload, {"price": 1})

            def read(
                pushes: acton_ipc.Subscription = pushes,
                ends: list[list[acton_ipc.Push]] = ends,
            ) -> None:
                ends.append(list(pushes))

            with self.subTest(close=close):
                thread = threading.Thread(target=read)
                thread.start()
                waits.set()
                if close:
                    pushes.close()
                else:
                    self.assertEqual(client.unsubscribe("T"), [])
                thread.join()
                self.assertEqual(ends, [[]])
            client.close()

    def test_closing_wakes_whoever_waits(self) -> None:
        """A thread in a call gets an error, not silence."""
        asked = threading.Event()
        errors: list[Exception] = []

        def script(peer: Peer) -> None:
            peer.read()
            peer.read()
            asked.set()
            peer.wait_closed()

        client = self.connect(script)

        def ask() -> None:
            try:
                client.send("a", "Slow")
            except acton_ipc.ActonError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert asked.wait(PATIENCE)
        client.close()
        for thread in threads:
            thread.join()

        self.assertEqual([type(e) for e in errors], [acton_ipc.PeerLost] * 2)
        self.assertIsNot(errors[0], errors[1])


class TestConnection(ClientCase):
    """The connection itself: what the server is, and how things end."""

    def test_discovery_is_read_at_the_top_level(self) -> None:
        """The answer's own fields are the result; there is no payload."""
        offer: Body = {
            "protocol_version": {"current": 2},
            "actors": [{"name": "my-service", "ern": "ern:acton:x"}],
            "message_types": ["GetValue"],
        }

        def script(peer: Peer) -> None:
            question = peer.read(DISCOVER)
            expected = {"include_actors": True, "include_message_types": True}
            assert question.items() >= expected.items()
            assert "include_schemas" not in question
            peer.answer(question, **offer)
            question = peer.read(DISCOVER)
            assert question["include_schemas"] is True
            peer.answer(question, schemas={"GetValue": {}}, **offer)

        client = self.connect(script)

        self.assertEqual(client.discover(), offer)
        self.assertEqual(
            client.discover(include_schemas=True),
            {**offer, "schemas": {"GetValue": {}}},
        )

    def test_heartbeats_are_answered_in_order(self) -> None:
        """Whatever their bodies are; a late one answers nobody."""

        def script(peer: Peer) -> None:
            peer.read(HEARTBEAT)
            peer.write_bytes(bytes.fromhex("00000000020401"))
            peer.read(HEARTBEAT)
            peer.read(HEARTBEAT)
            peer.write_bytes(bytes.fromhex("0000000102040180"))

        client = self.connect(script)
        client.heartbeat()
        with self.assertRaises(TimeoutError):
            client.heartbeat(timeout=0)
        # The one answer is to the heartbeat before.
        with self.assertRaises(acton_ipc.PeerLost):
            client.heartbeat()

    def test_waiting_keeps_the_connection_alive(self) -> None:
        """A caller who waits longer than servers are patient is not cut."""

        def script(peer: Peer) -> None:
            request = peer.read()
            for _ in range(3):
                peer.read(HEARTBEAT)
                peer.write(HEARTBEAT, {})
            peer.answer(request, "at last")

        client = self.connect(script, heartbeat=0.001)

        self.assertEqual(client.send("a", "Slow"), "at last")
        client.close()

    def test_the_end_of_the_connection_raises_at_once(self) -> None:
        """Nobody waits for a server that has left, now or later."""

        def script(peer: Peer) -> None:
            peer.read()

        client = self.connect(script)

        with self.assertRaises(acton_ipc.PeerLost) as caught:
            client.send("a", "Ping")
        self.assertTrue(caught.exception.was_sent)
        with self.assertRaises(ConnectionError) as again:
            client.send("a", "Ping")
        assert isinstance(again.exception, acton_ipc.PeerLost)
        self.assertFalse(again.exception.was_sent)

    def test_a_server_that_has_left_is_not_spoken_to(self) -> None:
        """So that it is known that nothing was handled."""
        left = threading.Event()

        def script(peer: Peer) -> None:
            peer.answer(peer.read(), "goodbye")
            peer.connection.close()
            left.set()

        client = self.connect(script)
        self.assertEqual(client.send("a", "Ping"), "goodbye")
        assert left.wait(PATIENCE)

        with self.assertRaises(acton_ipc.PeerLost) as caught:
            client.send("a", "Ping")
        self.assertFalse(caught.exception.was_sent)

    def test_the_end_inside_a_frame_raises_at_once(self) -> None:
        """Half an answer is no answer."""

        def script(peer: Peer) -> None:
            correlation_id = peer.read()["correlation_id"]
            body = {"correlation_id": correlation_id, "success": True}
            peer.write_bytes(frame(RESPONSE, body)[:-1])

        with self.assertRaises(acton_ipc.PeerLost):
            self.connect(script).send("a", "Ping")

    def test_the_last_words_of_a_server_are_passed_on(self) -> None:
        """The reason that stands before the end is in the error."""
        for code, error in (
            ("CONNECTION_CLOSED", acton_ipc.PeerLost),
            ("UNSUPPORTED_PROTOCOL_VERSION", acton_ipc.ProtocolError),
        ):

            def script(peer: Peer, code: str = code) -> None:
                peer.read()
                peer.fail("unknown", code)

            with self.subTest(code), self.assertRaisesRegex(error, f"text of {code}"):
                self.connect(script).send("a", "Ping")

    def test_refusals_are_told_every_time(self) -> None:
        """Though the server has left long ago, and whatever it refused for."""
        for code, limit in (
            ("CONNECTION_LIMIT_REACHED", 3),
            ("ACCESS_DENIED", None),
            ("OF_THE_FUTURE", None),
        ):
            left = threading.Event()

            def script(
                peer: Peer, code: str = code, left: threading.Event = left
            ) -> None:
                peer.fail(REFUSAL, code, payload={"limit": 3})
                peer.connection.close()
                left.set()

            with self.subTest(code):
                client = self.connect(script)
                assert left.wait(PATIENCE)
                for _ in range(2):
                    with self.assertRaises(acton_ipc.ConnectionRefused) as caught:
                        client.send("a", "Ping")
                    self.assertEqual(caught.exception.code, code)
                    self.assertEqual(caught.exception.limit, limit)
                    self.assertEqual(str(caught.exception), f"text of {code}")

    def test_faulty_headers_end_the_connection(self) -> None:
        """After nonsense nothing that follows can be trusted."""
        for name, data in {
            "version": bytes.fromhex("000000000302"),
            "frame type": bytes.fromhex("000000000263"),
            "type 0x05 in version 1": bytes.fromhex("000000000105"),
            "format": bytes.fromhex("00000000020203"),
            "exceeds the limit": header(16 * 1024 * 1024 + 1, RESPONSE),
        }.items():

            def script(peer: Peer, data: bytes = data) -> None:
                peer.read()
                peer.write_bytes(data)
                peer.wait_closed()

            with self.subTest(name):
                client = self.connect(script)
                for _ in range(2):
                    with self.assertRaisesRegex(acton_ipc.ProtocolError, name):
                        client.send("a", "Ping")

    def test_version_1_has_requests_and_heartbeats(self) -> None:
        """For servers that know no other; there are no streams and no pushes."""

        def script(peer: Peer) -> None:
            for _ in range(2):
                head = peer.read_exactly(6)
                assert head[4:] == bytes([1, REQUEST])
                peer.read_exactly(int.from_bytes(head[:4], "big"))
            body = {"correlation_id": "py_1", "success": True, "payload": 1}
            # The answer to the first one comes too late.
            peer.write_bytes(frame(RESPONSE, body, 1))
            body["correlation_id"] = "py_2"
            peer.write_bytes(frame(RESPONSE, body, 1))
            assert peer.read_exactly(8) == bytes.fromhex("0000000201047b7d")
            peer.write_bytes(bytes.fromhex("000000000104"))

        client = self.connect(script, version=1, grace=0)

        with self.assertRaises(acton_ipc.TimedOut):
            client.send("a", "Ping", timeout=0)
        self.assertEqual(client.send("a", "Ping"), 1)
        client.heartbeat()
        for call in (
            client.discover,
            lambda: client.stream("a", "Count"),
            lambda: client.subscribe("T"),
            client.unsubscribe,
        ):
            with self.assertRaises(acton_ipc.ProtocolError):
                call()

    def test_messagepack_is_written_if_the_server_reads_it(self) -> None:
        """It is asked first; answers are read by their own headers."""
        packer = acton_ipc.__dict__["_messagepack"]()
        if packer is None:
            self.skipTest("no library for MessagePack")

        def script(peer: Peer) -> None:
            able = {"capabilities": {"messagepack": True}}
            peer.answer(peer.read(DISCOVER), protocol_version=able)
            head = peer.read_exactly(7)
            assert head[4:] == bytes([2, REQUEST, 2])
            data = peer.read_exactly(int.from_bytes(head[:4], "big"))
            request = packer.decode(data)
            body = {
                "correlation_id": request["correlation_id"],
                "success": True,
                "payload": request["payload"],
            }
            data = packer.encode(body)
            peer.write_bytes(header(len(data), RESPONSE, form=2) + data)

        client = self.connect(script, format="messagepack")

        self.assertEqual(client.send("a", "Echo", b"\xff"), b"\xff")

    def test_a_server_without_messagepack_is_not_sent_any(self) -> None:
        """That it is wanted all the same is an error."""

        def script(peer: Peer) -> None:
            able = {"capabilities": {"messagepack": False}}
            peer.answer(peer.read(DISCOVER), protocol_version=able)
            peer.wait_closed()

        with (
            unittest.mock.patch.object(acton_ipc, "_messagepack"),
            self.assertRaises(acton_ipc.ProtocolError),
        ):
            self.connect(script, format="messagepack")

    def test_options_that_cannot_be_are_refused(self) -> None:
        """Before anything is connected."""
        for version, form in ((3, "json"), (2, "xml"), (1, "messagepack")):
            with self.assertRaises(ValueError):
                ActonClient("/nowhere", version=version, format=form)
        with (
            unittest.mock.patch.object(acton_ipc, "_messagepack", return_value=None),
            self.assertRaises(ImportError),
        ):
            ActonClient("/nowhere", format="messagepack")

    def test_a_closed_client_says_so(self) -> None:
        """Closing twice is fine, asking afterwards is not."""

        def script(peer: Peer) -> None:
            peer.wait_closed()

        with self.connect(script) as client:
            pass
        client.close()

        with self.assertRaisesRegex(acton_ipc.PeerLost, "closed by this side"):
            client.send("a", "Ping")

    def test_nobody_listens(self) -> None:
        """The error is the system's."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "nobody.sock")

            with self.assertRaises(FileNotFoundError):
                ActonClient(path)

    def test_default_paths_are_those_of_servers(self) -> None:
        """A folder of the user's own, if there is one."""
        for folder, path in (
            ("/run/user/1", "/run/user/1/acton/app/ipc.sock"),
            ("relative", "/tmp/acton/app/ipc.sock"),
            ("", "/tmp/acton/app/ipc.sock"),
        ):
            with unittest.mock.patch.dict(os.environ, XDG_RUNTIME_DIR=folder):
                self.assertEqual(acton_ipc.default_path("app"), path)


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
        lost = acton_ipc.PeerLost("why")
        lost.was_sent = False
        for error in (
            lost,
            acton_ipc.ConnectionRefused("CONNECTION_LIMIT_REACHED", 3, "why"),
            acton_ipc.TimedOut("why"),
            acton_ipc.ProtocolError("why"),
            acton_ipc.RequestError("IO_ERROR", "why", {"short": 3}),
            acton_ipc.Rejected("OutOfStock", {"left": 3}, "why"),
        ):
            pickled: acton_ipc.ActonError = pickle.loads(pickle.dumps(error))  # noqa: S301
            for twin in (copy.copy(error), pickled):
                self.assertIs(type(twin), type(error))
                self.assertEqual((str(twin), vars(twin)), (str(error), vars(error)))


if __name__ == "__main__":
    unittest.main()
