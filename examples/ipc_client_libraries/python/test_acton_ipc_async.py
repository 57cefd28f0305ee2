"""The client for asyncio, against servers that follow a script."""

# The tests need the standard library only, like the client.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import asyncio  # noqa: TID251 - what is tested is for asyncio
import contextlib
import gc
import sys
import threading
import unittest
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import acton_ipc
from acton_ipc import AsyncActonClient
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
    in_loop,
    push,
)


class AsyncCase(ServerCase):
    """A test with one client of one server."""

    @contextlib.asynccontextmanager
    async def connected(
        self, script: Script, **options: Any
    ) -> AsyncGenerator[AsyncActonClient, None]:
        """Have a client of a server that follows the script."""
        path = self.serve(script)
        async with AsyncActonClient(path, timeout=PATIENCE, **options) as client:
            yield client


async def told(event: threading.Event) -> None:
    """Return when a thread has set this, and let other tasks run meanwhile."""
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, event.wait, PATIENCE)


class TestCalls(AsyncCase):
    """Questions and answers."""

    @in_loop
    async def test_answers_overtake_each_other(self) -> None:
        """Each task gets its own, and pushes come in between."""

        def script(peer: Peer) -> None:
            requests = [peer.read() for _ in range(8)]
            for request in reversed(requests):
                peer.write(PUSH, push(1))
                peer.answer(request, request["payload"])

        async with self.connected(script) as client:
            answers = await asyncio.gather(
                *(client.send("a", "Echo", number) for number in range(8))
            )
        self.assertEqual(answers, list(range(8)))

    @in_loop
    async def test_every_call_says_what_it_has_to(self) -> None:
        """And returns what the answer says."""
        offer: Body = {"protocol_version": {"current": 2}, "schemas": {"A": {}}}

        def script(peer: Peer) -> None:
            request = peer.read()
            assert request["response_timeout_ms"] == 2001
            assert request["headers"] == {"x": "y"}
            peer.answer(request, 1)
            message = peer.read()
            assert "response_timeout_ms" not in message
            peer.answer(message, {"status": "delivered"})
            question = peer.read(DISCOVER)
            assert question["include_schemas"] is True
            peer.answer(question, **offer)
            peer.read(HEARTBEAT)
            peer.write_bytes(header(0, HEARTBEAT))
            peer.fail(peer.read()["correlation_id"], "ACTOR_NOT_FOUND")

        async with self.connected(script) as client:
            headers = {"x": "y"}
            answer = await client.request("a", "B", timeout=2.0001, headers=headers)
            self.assertEqual(answer, 1)
            await client.fire_and_forget("a", "B")
            self.assertEqual(await client.discover(include_schemas=True), offer)
            await client.heartbeat()
            with self.assertRaises(acton_ipc.RequestError):
                await client.fire_and_forget("a", "B")

    @in_loop
    async def test_large_messages_pass_both_ways_at_once(self) -> None:
        """Reading does not stop for writing."""
        text = "x" * 3_000_000

        def script(peer: Peer) -> None:
            peer.write(PUSH, push(1, note=text))
            request = peer.read()
            peer.answer(request, request["payload"])

        async with self.connected(script) as client:
            self.assertEqual(await client.send("a", "Echo", text), text)

    @in_loop
    async def test_a_cancelled_task_cancels_its_request(self) -> None:
        """The server is told, and the late answer is dropped."""
        asked = threading.Event()

        def script(peer: Peer) -> None:
            request = peer.read()
            asked.set()
            peer.tell_whether_it_cancels()
            # The next request may have been on its way already.
            found = dict(peer.read_any() for _ in range(2))
            assert found[CANCEL]["correlation_id"] == request["correlation_id"]
            peer.fail(request["correlation_id"], "CANCELLED")
            peer.answer(found[REQUEST], "fine")

        async with self.connected(script) as client:
            task = asyncio.ensure_future(client.send("a", "Slow"))
            await told(asked)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual(await client.send("a", "Ping"), "fine")

    @in_loop
    async def test_a_timeout_cancels_the_request(self) -> None:
        """If the server can; what was not written is taken back."""
        gave_up = threading.Event()

        def script(peer: Peer) -> None:
            assert gave_up.wait(PATIENCE)
            first = peer.read()
            peer.tell_whether_it_cancels()
            last = peer.read()
            assert last["message_type"] == "last"
            assert peer.read(CANCEL)["correlation_id"] == first["correlation_id"]
            peer.answer(last, "fine")

        async with self.connected(script, grace=0) as client:
            with self.assertRaises(acton_ipc.TimedOut):
                await client.send("a", "first", "x" * 4_000_000, timeout=0)
            with self.assertRaises(acton_ipc.TimedOut):
                await client.send("a", "second", timeout=0)
            last = asyncio.ensure_future(client.send("a", "last"))
            await asyncio.sleep(0)
            gave_up.set()
            self.assertEqual(await last, "fine")

    @in_loop
    async def test_what_cannot_be_written_is_not_sent(self) -> None:
        """It is refused here, and the connection stays good."""

        def script(peer: Peer) -> None:
            peer.answer(peer.read(), "fine")

        async with self.connected(script) as client:
            with self.assertRaises(acton_ipc.ProtocolError):
                await client.send("a", "Echo", "x" * acton_ipc.MAX_FRAME_SIZE)
            with self.assertRaises(TypeError):
                await client.send("a", "Echo", object())
            self.assertEqual(await client.send("a", "Ping"), "fine")


class TestStreams(AsyncCase):
    """Messages with many replies."""

    @in_loop
    async def test_a_stream_yields_every_item_and_ends(self) -> None:
        """While other questions are answered."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            peer.reply(request, 0, payload=0)
            other = peer.read()
            peer.reply(request, 1, payload=1)
            peer.answer(other, "other")
            peer.reply(request, 2, is_final=True)

        async with self.connected(script) as client:
            stream = client.stream("a", "Count")
            self.assertEqual(await stream.__anext__(), 0)
            self.assertEqual(await client.send("a", "Ping"), "other")
            self.assertEqual([each async for each in stream], [1])
            self.assertEqual([each async for each in stream], [])

    @in_loop
    async def test_errors_end_a_stream(self) -> None:
        """A final frame, a plain ERROR, a gap, and the end of the connection."""

        def final(peer: Peer, request: Body) -> None:
            more: Body = {"is_final": True, "error": "no", "error_code": "REJECTED"}
            peer.reply(request, 0, **more)

        def plain(peer: Peer, request: Body) -> None:
            peer.fail(request["correlation_id"], "SHUTTING_DOWN")

        def gap(peer: Peer, request: Body) -> None:
            peer.reply(request, 7, payload=0)

        def end(peer: Peer, request: Body) -> None:
            peer.reply(request, 0, payload=0)

        for way, error in (
            (final, acton_ipc.Rejected),
            (plain, acton_ipc.RequestError),
            (gap, acton_ipc.ProtocolError),
            (end, acton_ipc.PeerLost),
        ):

            def script(peer: Peer, way: Any = way) -> None:
                peer.tell_whether_it_cancels()
                way(peer, peer.read())

            with self.subTest(way.__name__):
                async with self.connected(script) as client:
                    with self.assertRaises(error):
                        async for _ in client.stream("a", "Count"):
                            pass

    @in_loop
    async def test_leaving_a_stream_early_cancels_it(self) -> None:
        """By the end of a block, by being cancelled, or by dropping it."""
        asked = threading.Event()

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            for number in range(3):
                request = peer.read()
                peer.reply(request, 0, payload=0)
                if number == 1:
                    asked.set()
                assert peer.read(CANCEL)["correlation_id"] == request["correlation_id"]
            peer.answer(peer.read(), "fine")

        async def exhaust(stream: acton_ipc.AsyncStream) -> None:
            async for _ in stream:
                pass

        async with self.connected(script) as client:
            async with client.stream("a", "Count") as stream:
                self.assertEqual(await stream.__anext__(), 0)
            self.assertEqual([each async for each in stream], [])
            task = asyncio.ensure_future(exhaust(client.stream("a", "Count")))
            await told(asked)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            async for reply in client.stream("a", "Count"):
                self.assertEqual(reply, 0)
                break
            gc.collect()
            # What finalizers ask for is done in a turn of the loop.
            await asyncio.sleep(0)
            self.assertEqual(await client.send("a", "Ping"), "fine")

    @in_loop
    async def test_an_unread_stream_slows_its_server_down(self) -> None:
        """But not if somebody waits for something else."""
        is_full = threading.Event()

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            peer.connection.setblocking(False)  # noqa: FBT003 - positional in the library
            sequence = 0
            with contextlib.suppress(BlockingIOError):
                for sequence in range(100_000):
                    body: Body = {"sequence": sequence, "payload": "x" * 1000}
                    body["correlation_id"] = request["correlation_id"]
                    whole = frame(9, body)
                    if peer.connection.send(whole) < len(whole):
                        break
            assert 64 <= sequence < 99_999
            is_full.set()

        async with self.connected(script) as client:
            stream = client.stream("a", "Count")
            await told(is_full)
            count = 0
            # The server has left amid a frame.
            with self.assertRaises(acton_ipc.PeerLost):
                async for _ in stream:
                    count += 1
            self.assertGreaterEqual(count, 64)

    @in_loop
    async def test_answers_get_past_an_unread_stream(self) -> None:
        """Who waits is not kept by who does not read."""

        def script(peer: Peer) -> None:
            peer.tell_whether_it_cancels()
            request = peer.read()
            for sequence in range(1000):
                peer.reply(request, sequence, payload="x" * 1000)
            peer.answer(peer.read(), "fine")
            peer.reply(request, 1000, is_final=True)

        async with self.connected(script) as client:
            stream = client.stream("a", "Count")
            self.assertEqual(await client.send("a", "Ping"), "fine")
            self.assertEqual(len([each async for each in stream]), 1000)


class TestPushes(AsyncCase):
    """Messages that nobody asked for, or not just now."""

    @in_loop
    async def test_pushes_come_until_they_are_unsubscribed(self) -> None:
        """Losses are told, at the push and in all."""

        def script(peer: Peer) -> None:
            question = peer.read(SUBSCRIBE)
            peer.write(PUSH, push(1, "T"))
            peer.answer(question, subscribed_types=["T"])
            peer.write(PUSH, push(2, "T", dropped=5))
            question = peer.read(UNSUBSCRIBE)
            peer.write(PUSH, push(3, "T"))
            peer.answer(question, subscribed_types=[])

        async with self.connected(script) as client:
            pushes = await client.subscribe("T")
            first, second = await pushes.next(), await pushes.__anext__()
            self.assertEqual((first.dropped, second.dropped), (0, 5))
            self.assertEqual(pushes.dropped, 5)
            self.assertEqual(await client.unsubscribe("T"), [])
            self.assertEqual([each async for each in pushes], [])
            with self.assertRaises(acton_ipc.PeerLost):
                await pushes.next()

    @in_loop
    async def test_who_is_cancelled_while_waiting_loses_nothing(self) -> None:
        """Nor does who has waited long enough."""
        gave_up = threading.Event()

        def script(peer: Peer) -> None:
            peer.answer(peer.read(SUBSCRIBE), subscribed_types=["T"])
            assert gave_up.wait(PATIENCE)
            peer.write(PUSH, push(1, "T"))
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["T"]

        async with self.connected(script) as client:
            async with await client.subscribe("T") as pushes:
                task = asyncio.ensure_future(pushes.next())
                await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                with self.assertRaises(acton_ipc.TimedOut):
                    await pushes.next(timeout=0)
                gave_up.set()
                self.assertEqual((await pushes.next()).payload, {"price": 1})
            self.assertEqual([each async for each in pushes], [])

    @in_loop
    async def test_a_refused_subscription_leaves_nothing(self) -> None:
        """Its error is raised; one that is dropped is closed."""

        def script(peer: Peer) -> None:
            peer.fail(peer.read(SUBSCRIBE)["correlation_id"], "PROTOCOL_ERROR")
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["T"]
            peer.answer(peer.read(SUBSCRIBE), subscribed_types=["U"])
            assert peer.read(UNSUBSCRIBE)["message_types"] == ["U"]
            peer.answer(peer.read(), "fine")

        async with self.connected(script) as client:
            with self.assertRaises(acton_ipc.RequestError):
                await client.subscribe("T")
            await client.subscribe("U")
            gc.collect()
            await asyncio.sleep(0)
            self.assertEqual(await client.send("a", "Ping"), "fine")


class TestConnection(AsyncCase):
    """How connections begin and end."""

    @in_loop
    async def test_heartbeats_go_by_themselves(self) -> None:
        """So that a connection that is idle is not cut."""
        enough = threading.Event()

        def script(peer: Peer) -> None:
            for _ in range(3):
                peer.read(HEARTBEAT)
                peer.write(HEARTBEAT, {})
            enough.set()

        async with self.connected(script, heartbeat=0.001):
            await told(enough)

    @in_loop
    async def test_refusals_are_told_every_time(self) -> None:
        """Though the server had left before the first word."""
        left = threading.Event()

        def script(peer: Peer) -> None:
            peer.fail(REFUSAL, "CONNECTION_LIMIT_REACHED", payload={"limit": 3})
            peer.connection.close()
            left.set()

        path = self.serve(script)
        client = AsyncActonClient(path)
        await client.connect()
        # Nothing is read in between: the loop has no turn.
        assert left.wait(PATIENCE)
        for _ in range(2):
            with self.assertRaises(acton_ipc.ConnectionRefused) as caught:
                await client.send("a", "Ping")
            self.assertEqual(caught.exception.limit, 3)
        await client.close()

    @in_loop
    async def test_nobody_waits_for_a_server_that_has_left(self) -> None:
        """Whatever it said before it left."""
        half = frame(RESPONSE, {"correlation_id": "py_1", "success": True})[:-1]
        words = {"correlation_id": "unknown", "success": False, "error": "bye"}
        for name, data, error in (
            ("nothing", b"", acton_ipc.PeerLost),
            ("half a frame", half, acton_ipc.PeerLost),
            ("last words", frame(3, words), acton_ipc.PeerLost),
            ("garbage", b"garbage of any kind", acton_ipc.ProtocolError),
            ("4 GiB", b"\xff\xff\xff\xff\x02\x02\x01", acton_ipc.ProtocolError),
        ):

            def script(peer: Peer, data: bytes = data) -> None:
                peer.read()
                peer.write_bytes(data)

            with self.subTest(name):
                async with self.connected(script) as client:
                    calls = [client.send("a", "Ping") for _ in range(2)]
                    results = await asyncio.gather(*calls, return_exceptions=True)
                    self.assertEqual([type(each) for each in results], [error] * 2)
                    with self.assertRaises(error):
                        await client.heartbeat()

    @in_loop
    async def test_closing_wakes_whoever_waits(self) -> None:
        """With an error, and so does every later call."""

        def script(peer: Peer) -> None:
            peer.read(DISCOVER)
            peer.read(REQUEST)
            peer.read(REQUEST)
            peer.wait_closed()

        client = AsyncActonClient(self.serve(script))
        with self.assertRaises(RuntimeError):
            await client.send("a", "Ping")
        await client.connect()
        with self.assertRaises(RuntimeError):
            await client.connect()
        stream = client.stream("a", "Count")
        task = asyncio.ensure_future(client.send("a", "Slow"))
        await asyncio.sleep(0)
        await client.close()
        await client.close()
        for call in (task, stream.__anext__(), client.send("a", "Ping")):
            with self.assertRaises(acton_ipc.PeerLost):
                await call

    @in_loop
    async def test_nobody_listens(self) -> None:
        """The error is the system's; closing what never was open is fine."""
        client = AsyncActonClient("@nobody/is/here")
        with self.assertRaises(OSError):
            await client.connect()
        await client.close()

    @in_loop
    async def test_messagepack_is_written_if_the_server_reads_it(self) -> None:
        """It is asked first."""
        packer = acton_ipc.__dict__["_messagepack"]()
        if packer is None:
            self.skipTest("no library for MessagePack")

        def script(peer: Peer) -> None:
            able = {"capabilities": {"messagepack": True}}
            peer.answer(peer.read(DISCOVER), protocol_version=able)
            head = peer.read_exactly(7)
            assert head[4:] == bytes([2, REQUEST, 2])
            request = packer.decode(peer.read_exactly(int.from_bytes(head[:4], "big")))
            peer.answer(request, len(request["payload"]))

        def other(peer: Peer) -> None:
            peer.answer(peer.read(DISCOVER), protocol_version={})

        async with self.connected(script, format="messagepack") as client:
            self.assertEqual(await client.send("a", "Echo", b"\xff\xfe"), 2)
        with self.assertRaises(acton_ipc.ProtocolError):
            async with self.connected(other, format="messagepack"):
                pass


if __name__ == "__main__":
    unittest.main()
