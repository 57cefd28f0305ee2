"""Servers that follow a script, in a thread: for clients that block."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .answers import answer_frame
from .peers import CANCEL, DISCOVER, HEARTBEAT, REQUEST, RESPONSE, frame

PUSH, SUBSCRIBE, UNSUBSCRIBE, STREAM = 5, 6, 7, 9

Talk = Callable[[socket.socket], None]
GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}


@contextmanager
def serving(path: Path, talk: Talk) -> Generator[None, None, None]:
    """Accept one connection at *path* in a thread, and *talk* on it."""
    errors: list[Exception] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                # A test that hangs is worse than one that fails.
                connection.settimeout(20)
                try:
                    talk(connection)
                except Exception as error:  # noqa: BLE001 - told below
                    errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join()
    for error in errors:
        raise error


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Return the next *size* bytes, or fewer at the end."""
    data = bytearray()
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return bytes(data)


def read_request(connection: socket.socket) -> dict[str, Any] | None:
    """Return the body of the next request, or nothing at the end."""
    head = read_exactly(connection, 7)
    if len(head) < 7:
        return None
    body = json.loads(read_exactly(connection, int.from_bytes(head[:4], "big")))
    assert isinstance(body, dict)
    return body


def replying(body: dict[str, Any]) -> Talk:
    """Return what answers each request with *body*, until the client leaves."""

    def talk(connection: socket.socket) -> None:
        while request := read_request(connection):
            late = frame(RESPONSE, b'{"correlation_id":"late","success":true}')
            answer = answer_frame(request["correlation_id"], body)
            connection.sendall(late + frame(HEARTBEAT, b"") + answer)

    return talk


def read_to_the_end(connection: socket.socket) -> None:
    """Read, and say nothing; who leaves before it has read all resets a connection."""
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


def saying(data: bytes) -> Talk:
    """Return what answers the first request with *data*, and leaves."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(data)

    return talk


def read_frame(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Return the type and the body of the next frame; type 0 at the end."""
    head = read_exactly(connection, 7)
    if len(head) < 7:
        return 0, {}
    return head[5], json.loads(
        read_exactly(connection, int.from_bytes(head[:4], "big"))
    )


def read_one(connection: socket.socket, kind: int = REQUEST) -> dict[str, Any]:
    """Return the body of the next frame, which is of that type."""
    found, body = read_frame(connection)
    assert found == kind, (found, body)
    return body


def say(connection: socket.socket, kind: int, body: dict[str, Any]) -> None:
    """Write a frame; a client that has enough may have left."""
    with suppress(ConnectionError):
        connection.sendall(frame(kind, json.dumps(body).encode()))


def agree(connection: socket.socket, kind: int, *names: str) -> None:
    """Agree to a wish for, or against, pushes of those names."""
    wish = read_one(connection, kind)
    assert wish["message_types"] == list(names)
    good = {"success": True, "subscribed_types": []}
    connection.sendall(answer_frame(wish["correlation_id"], good))


def push(connection: socket.socket, name: str, payload: Any, **more: Any) -> None:
    """Push a message."""
    body = {
        "notification_id": "p1",
        "message_type": name,
        "payload": payload,
        "timestamp_ms": 1500,
    }
    say(connection, PUSH, body | more)


def begin_stream(
    connection: socket.socket, *, can_cancel: bool | None = None
) -> dict[str, Any]:
    """Return the request of a stream, and tell what was asked before it, if it was."""
    if can_cancel is not None:
        tell_whether_it_cancels(connection, can_cancel=can_cancel)
    request = read_one(connection)
    assert request["expects_stream"] is True
    return request


def tell_whether_it_cancels(connection: socket.socket, *, can_cancel: bool) -> None:
    """Answer the question for it."""
    question = read_one(connection, DISCOVER)
    able = {
        "messagepack": True,
        "streaming": True,
        "push": True,
        "discovery": True,
        "cancel": can_cancel,
    }
    versions = {
        "current": 2,
        "min_supported": 1,
        "max_supported": 2,
        "description": "",
        "capabilities": able,
    }
    body = {"success": True, "protocol_version": versions}
    connection.sendall(answer_frame(question["correlation_id"], body))


def reply(
    connection: socket.socket, request: dict[str, Any], sequence: int, **more: Any
) -> None:
    """Write a frame of a stream."""
    body = {"correlation_id": request["correlation_id"], "sequence": sequence}
    say(connection, STREAM, body | more)


def expect_cancel(connection: socket.socket, request: dict[str, Any]) -> None:
    """Read that a request is given up."""
    assert read_one(connection, CANCEL) == {"correlation_id": request["correlation_id"]}
