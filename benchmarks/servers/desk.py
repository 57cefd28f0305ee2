"""The work that every server of the comparison does, typed, and its frames.

A request is decoded into objects, envelope and payload in one pass, a handler is
called with the payload, and what it returns is encoded: nobody is spared that,
and nobody does more.  The frames are those of our protocol, in version 2.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

__all__ = [
    "BACKLOG",
    "HEADER",
    "Confirmation",
    "Order",
    "Request",
    "Response",
    "answer",
    "answers",
    "confirm",
    "done_with",
    "listening_socket",
    "report_ready",
    "socket_path",
    "work",
]

T = TypeVar("T")

HEADER: Final = struct.Struct(">IBBB")
"""Length of the body, version, type and format."""

BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may allow fewer."""

LIFETIME: Final = 3600
"""What a server lives at most, in seconds, whatever becomes of its starter."""

_VERSION: Final = 2
_RESPONSE: Final = 2
_JSON: Final = 1


class Order(msgspec.Struct):
    """What is asked: 100 bytes, encoded."""

    symbol: str
    quantity: int
    note: str


class Confirmation(msgspec.Struct):
    """What is answered: about as much."""

    symbol: str
    quantity: int
    note: str


class Request(msgspec.Struct):
    """A REQUEST's body."""

    correlation_id: str
    target: str
    message_type: str
    payload: Order
    expects_reply: bool = False
    response_timeout_ms: int = 30_000


class Response(msgspec.Struct):
    """A RESPONSE's body."""

    correlation_id: str
    success: bool
    payload: Confirmation
    message_type: str


_decoder: Final = msgspec.json.Decoder(Request)
_order_decoder: Final = msgspec.json.Decoder(Order)
_encoder: Final = msgspec.json.Encoder()


def confirm(order: Order) -> Confirmation:
    """Handle an order."""
    return Confirmation(order.symbol, order.quantity + 1, order.note)


def work(data: bytes) -> bytes:
    """Do the same without an envelope, for those that bring a framing of their own."""
    return _encoder.encode(confirm(_order_decoder.decode(data)))


def answer(body: bytes | memoryview) -> bytes:
    """Return the frame that answers a REQUEST with this body."""
    request = _decoder.decode(body)
    reply = _encoder.encode(
        Response(
            request.correlation_id,
            success=True,
            payload=confirm(request.payload),
            message_type="Confirmation",
        )
    )
    return HEADER.pack(len(reply), _VERSION, _RESPONSE, _JSON) + reply


def answers(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the answers to all whole frames, and the bytes of the last one."""
    return done_with(data, answer)


def done_with(data: bytes, do: Callable[[bytes], T]) -> tuple[list[T], bytes]:
    """Return what *do* makes of the body of each whole frame, and what is left."""
    done: list[T] = []
    start, end = 0, len(data)
    while end - start >= HEADER.size:
        body = start + HEADER.size
        after = body + HEADER.unpack_from(data, start)[0]
        if after > end:
            break
        done.append(do(data[body:after]))
        start = after
    return done, data[start:]


def socket_path() -> str:
    """Return where the command line says that the socket shall be."""
    return sys.argv[1]


def listening_socket() -> socket.socket:
    """Return a socket that listens at `socket_path`; the caller closes it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(socket_path())
    Path(socket_path()).chmod(0o600)
    listener.listen(BACKLOG)
    return listener


def report_ready() -> None:
    """Tell whoever started the server that it listens; it lives for `LIFETIME`."""
    signal.alarm(LIFETIME)
    print("ready", flush=True)
