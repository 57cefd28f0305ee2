"""A server that follows a script, written by hand from the description of the wire.

Nothing of the clients helps it to speak: it is a second opinion.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - what is tested is for asyncio
import contextlib
import functools
import json
import socket
import tempfile
import threading
import unittest
from collections.abc import Callable, Coroutine
from typing import Any

REQUEST, RESPONSE, ERROR, HEARTBEAT, PUSH = 1, 2, 3, 4, 5
SUBSCRIBE, UNSUBSCRIBE, DISCOVER, STREAM, CANCEL = 6, 7, 8, 9, 10

REFUSAL = "__acton_connection_rejected__"

# What hangs fails; nothing is ever waited for that long.
PATIENCE = 30

Body = dict[str, Any]


def frame(kind: int, body: Body, version: int = 2) -> bytes:
    """Return a frame as a server writes it."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return header(len(data), kind, version) + data


def header(size: int, kind: int, version: int = 2, form: int = 1) -> bytes:
    """Return the header of a frame."""
    head = size.to_bytes(4, "big") + bytes([version, kind])
    return head + bytes([form]) if version == 2 else head


def push(value: int, name: str = "PriceUpdate", **more: object) -> Body:
    """Return the body of a push."""
    return {
        "notification_id": f"push_{value}",
        "message_type": name,
        "payload": {"price": value},
        "timestamp_ms": 1_700_000_000_000,
        **more,
    }


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read_any(self) -> tuple[int, Body]:
        """Read one frame of version 2 in JSON; return its type and body."""
        head = self.read_exactly(7)
        assert head[4] == 2, "version"
        assert head[6] == 1, "format"
        body: Body = json.loads(self.read_exactly(int.from_bytes(head[:4], "big")))
        return head[5], body

    def read(self, expected: int = REQUEST) -> Body:
        """Read one frame of this type and return its body."""
        kind, body = self.read_any()
        assert kind == expected, f"type {kind} instead of {expected}: {body}"
        return body

    def write(self, kind: int, body: Body) -> None:
        """Write one frame."""
        self.write_bytes(frame(kind, body))

    def write_bytes(self, data: bytes) -> None:
        """Write anything; a client that has enough may have left."""
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(data)

    def answer(self, question: Body, payload: object = None, **more: object) -> None:
        """Answer a question with success."""
        correlation_id = question["correlation_id"]
        body = {"correlation_id": correlation_id, "success": True, "payload": payload}
        self.write(RESPONSE, {**body, **more})

    def fail(self, correlation_id: str, code: str, **more: object) -> None:
        """Answer a question, or the connection, with an error."""
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

    def reply(self, question: Body, sequence: int, **more: object) -> None:
        """Write a frame of a stream."""
        body = {"correlation_id": question["correlation_id"], "sequence": sequence}
        self.write(STREAM, {**body, **more})

    def tell_whether_it_cancels(self, *, can_cancel: bool = True) -> None:
        """Answer the question that precedes a stream, or follows a timeout."""
        question = self.read(DISCOVER)
        assert question["include_actors"] is False
        assert question["include_message_types"] is False
        able = {"messagepack": True, "streaming": True, "push": True}
        self.answer(
            question,
            protocol_version={"capabilities": {**able, "cancel": can_cancel}},
        )

    def wait_closed(self) -> None:
        """Return when the client has left."""
        # It is an error to leave what was written unread.
        with contextlib.suppress(ConnectionError):
            assert self.connection.recv(1) == b"", "the client sent more"

    def read_exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        data = bytearray()
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            assert more, "the client left"
            data += more
        return bytes(data)


Script = Callable[[Peer], None]


class ServerCase(unittest.TestCase):
    """A test that talks to a server which follows a script."""

    def serve(self, script: Script) -> str:
        """Run the script for the first caller; return the path of the socket.

        A script that fails fails the test.
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = f"{folder.name}/ipc.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen()
        failures: list[BaseException] = []

        def follow() -> None:
            with listener:
                connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                try:
                    script(Peer(connection))
                except Exception as error:  # noqa: BLE001 - raised in the main thread
                    failures.append(error)

        def check() -> None:
            thread.join()
            if failures:
                raise failures[0]

        thread = threading.Thread(target=follow)
        thread.start()
        self.addCleanup(check)
        return path


def in_loop(
    test: Callable[[Any], Coroutine[Any, Any, None]],
) -> Callable[[Any], None]:
    """Run a test's coroutine in an event loop of its own."""

    @functools.wraps(test)
    def run(self: Any) -> None:
        asyncio.run(asyncio.wait_for(test(self), PATIENCE))

    return run
