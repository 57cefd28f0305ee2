"""Both clients against a real service, in a process of its own."""

# ruff: noqa: PT009, PT027

from __future__ import annotations

import asyncio  # noqa: TID251 - what is tested is for asyncio
import importlib.util
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).parent))

import acton_ipc
from acton_ipc import ActonClient, AsyncActonClient
from scripted_server import PATIENCE, in_loop

FOLDER = Path(__file__).parent


@unittest.skipIf(
    importlib.util.find_spec("acton_trio") is None, "the service needs acton_trio"
)
class ServiceCase(unittest.TestCase):
    """A test with a service that has been running for the tests before."""

    path: ClassVar[str] = ""

    @classmethod
    def setUpClass(cls) -> None:
        """Start the service, and have it end with the tests."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.path = f"{folder.name}/ipc.sock"
        process = subprocess.Popen(  # noqa: S603 - what lies beside this
            [sys.executable, str(FOLDER / "real_service.py"), cls.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(4 * PATIENCE, process.kill)
        watchdog.start()
        cls.addClassCleanup(process.stdout.close)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(watchdog.cancel)
        cls.addClassCleanup(process.stdin.close)
        assert process.stdout.readline() == "listening\n"

    def connect(self, **options: object) -> ActonClient:
        """Return a client of the service."""
        client = ActonClient(self.path, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self.addCleanup(client.close)
        return client


class TestBlocking(ServiceCase):
    """The client that blocks."""

    def test_every_call_is_answered(self) -> None:
        """In both versions and both formats."""
        for options in (
            {},
            {"version": 1},
            {"format": "messagepack"},
        ):
            if options.get("format") and acton_ipc.__dict__["_messagepack"]() is None:
                continue
            with self.subTest(options):
                client = self.connect(**options)
                value = [1, "ü", None, {"a": 1.5}]
                self.assertEqual(
                    client.send("service", "Echo", {"value": value}), value
                )
                client.fire_and_forget("service", "Note", {"text": f"{options}"})
                self.assertIn(f"{options}", client.send("service", "GetNotes"))
                headers = {"x": "y"}
                found = client.send("service", "GetHeaders", headers=headers)
                self.assertEqual(found, headers)
                client.heartbeat()
                with self.assertRaises(acton_ipc.RequestError) as missing:
                    client.send("nobody", "Echo")
                self.assertEqual(missing.exception.code, "ACTOR_NOT_FOUND")
                with self.assertRaises(acton_ipc.RequestError) as failed:
                    client.send("service", "Fail")
                self.assertEqual(failed.exception.code, "HANDLER_FAILED")
                with self.assertRaises(acton_ipc.Rejected) as rejected:
                    client.send("service", "Refuse")
                self.assertEqual(rejected.exception.message_type, "OutOfPaper")
                self.assertEqual(rejected.exception.fields, {"needed": 3})
                with self.assertRaises(acton_ipc.TimedOut):
                    client.send("service", "WaitForEver", timeout=0)

    def test_bytes_travel_as_they_are_in_messagepack(self) -> None:
        """In JSON they are text."""
        self.assertEqual(
            self.connect().send("service", "Digest", {"data": "AP8Q"}), "EP8A"
        )
        if acton_ipc.__dict__["_messagepack"]() is not None:
            client = self.connect(format="messagepack")
            data = b"\x00\xff\x10"
            self.assertEqual(
                client.send("service", "Digest", {"data": data}), data[::-1]
            )

    def test_discovery_tells_what_there_is(self) -> None:
        """With schemas, if they are wanted."""
        found = self.connect().discover(include_schemas=True)

        assert "actors" in found
        assert "schemas" in found
        assert "message_types" in found
        (actor,) = found["actors"]
        self.assertEqual(actor.get("name"), "service")
        self.assertIn("Echo", actor.get("accepts", []))
        self.assertIn("PriceUpdate", found["message_types"])
        self.assertEqual(
            found["schemas"]["Digest"]["properties"]["data"]["type"], "string"
        )

    def test_streams_end_are_left_and_break(self) -> None:
        """An endless one is given up where it is left."""
        client = self.connect()

        numbers = client.stream("service", "CountUp", {"limit": 300})
        self.assertEqual(list(numbers), list(range(300)))
        broken = client.stream("service", "CountAndFail")
        self.assertEqual(next(broken), 0)
        with self.assertRaises(acton_ipc.Rejected):
            next(broken)
        for number in client.stream("service", "CountUp", {}):
            if number == 100:
                break
        # It is not in the way of others, and its end comes before the clients'.
        client.send("service", "WaitForNote", {"text": "counts no more"})

    def test_pushes_come_in_order(self) -> None:
        """To each subscription those that it wants."""
        client = self.connect()
        with client.subscribe("PriceUpdate") as pushes:
            publish = {"symbol": "ACME", "count": 10}
            self.assertEqual(client.send("service", "Publish", publish), 10)
            found = [next(pushes) for _ in range(10)]
        self.assertEqual(
            [each.payload for each in found],
            [{"symbol": "ACME", "price": price} for price in range(10)],
        )
        self.assertEqual(client.unsubscribe(), [])

    def test_threads_share_a_connection(self) -> None:
        """Streams, pushes and questions at once."""
        client = self.connect()
        pushes = client.subscribe("PriceUpdate")
        results: list[object] = []

        def ask() -> None:
            for number in range(10):
                answer = client.send("service", "Echo", {"value": number})
                results.append(answer == number)

        def count() -> None:
            numbers = client.stream("service", "CountUp", {"limit": 200})
            results.append(list(numbers) == list(range(200)))

        def listen() -> None:
            results.append([next(pushes).payload["price"] for _ in range(3)])

        jobs = [ask, ask, ask, count, count, listen]
        threads = [threading.Thread(target=each) for each in jobs]
        for thread in threads:
            thread.start()
        client.send("service", "Publish", {"symbol": "X", "count": 3})
        for thread in threads:
            thread.join()

        self.assertEqual(results.count(True), 32)
        self.assertIn([0, 1, 2], results)


class TestAsync(ServiceCase):
    """The client for asyncio."""

    @in_loop
    async def test_every_call_is_answered(self) -> None:
        """One after the other, and all at once."""
        async with AsyncActonClient(self.path) as client:
            answers = await asyncio.gather(
                *(client.send("service", "Echo", {"value": n}) for n in range(40))
            )
            self.assertEqual(answers, list(range(40)))
            await client.fire_and_forget("service", "Note", {"text": "async"})
            self.assertIn("async", await client.send("service", "GetNotes"))
            await client.heartbeat()
            found = await client.discover()
            self.assertIn("Echo", found.get("message_types", []))

    @in_loop
    async def test_a_cancelled_task_ends_its_handler(self) -> None:
        """The service hears of it, and does not work for nobody."""
        async with AsyncActonClient(self.path) as client:
            task = asyncio.ensure_future(client.send("service", "WaitForEver"))
            await client.send("service", "WaitForNote", {"text": "began to wait"})
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await client.send("service", "WaitForNote", {"text": "waits no more"})

    @in_loop
    async def test_streams_end_and_are_left(self) -> None:
        """An endless one is given up where it is left."""
        async with AsyncActonClient(self.path) as client:
            numbers = client.stream("service", "CountUp", {"limit": 300})
            self.assertEqual([each async for each in numbers], list(range(300)))
            async with client.stream("service", "CountUp", {}) as numbers:
                async for number in numbers:
                    if number == 100:
                        break
            await client.send("service", "WaitForNote", {"text": "counts no more"})

    @in_loop
    async def test_pushes_come_in_order(self) -> None:
        """While their subscriber asks for more."""
        async with AsyncActonClient(self.path) as client:
            pushes = await client.subscribe("PriceUpdate")
            await client.send("service", "Publish", {"symbol": "X", "count": 5})
            found = [(await pushes.next()).payload["price"] for _ in range(5)]
            self.assertEqual(found, [0, 1, 2, 3, 4])


del ServiceCase

if __name__ == "__main__":
    unittest.main()
