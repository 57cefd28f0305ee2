"""What the protocol's description promises, row by row, and who holds it to it.

The description is a document with numbered sections; the table here has a row
for each of its rows and rules that bind a server, and for those of section 0
that bind a client.  A test names the rows that it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

TestT = TypeVar("TestT", bound=Callable[..., object])

ROWS: Final[Mapping[str, str]] = {
    "0": "a v1 frame's type is one of v1; MessagePack is always there",
    "0.1": "the version of an answer",
    "0.2": "requests on one connection",
    "0.3": "the answer to a heartbeat",
    "0.4": "bad headers, oversize frames and idle connections",
    "0.5": "a request that cannot be parsed",
    "0.6": "a message without fields",
    "0.7": "correlation ids",
    "0.8": "a handler that raised",
    "0.9": "a reply whose type is not registered",
    "0.10": "errors of a stream before dispatch",
    "0.11": "the last answers at a drain",
    "0.12": "write and request timeouts",
    "0.13": "the listener and the runtime",
    "0.14": "a stale socket",
    "0.15": "permissions",
    "0.16": "who a peer is",
    "0.17": "pushes to a slow reader",
    "0.18": "the type of a reply",
    "0.19": "headers",
    "0.20": "giving up",
    "0.21": "discovery of what is accepted, and of schemas",
    "0.22": "backpressure of streams",
    "0.23": "a client that is idle",
    "0.24": "typed failures",
    "0.25": "a malformed configuration file",
    "0.26": "a key twice in one object",
    "6.1.correlation_id": "REQUEST: any string, required",
    "6.1.target": "REQUEST: the exact name of an exposed actor, required",
    "6.1.message_type": "REQUEST: a registered name, required",
    "6.1.payload": "REQUEST: anything, required",
    "6.1.expects_reply": "REQUEST: a flag, false by default",
    "6.1.expects_stream": "REQUEST: a flag, false by default, the stronger one",
    "6.1.response_timeout_ms": "REQUEST: whole milliseconds, 30000 by default",
    "6.1.order": "REQUEST: in which order it is checked",
    "6.1.bytes": "REQUEST: the examples",
    "6.2.fields": "SUBSCRIBE, UNSUBSCRIBE: both fields are required",
    "6.2.empty": "SUBSCRIBE, UNSUBSCRIBE: with no names",
    "6.2.names": "SUBSCRIBE, UNSUBSCRIBE: names are not validated; idempotent",
    "6.2.bytes": "SUBSCRIBE, UNSUBSCRIBE: the examples",
    "6.3.fields": "DISCOVER: everything is included by default",
    "6.3.bytes": "DISCOVER: the example",
    "6.4.bytes": "HEARTBEAT: the examples",
    "6.4.exempt": "HEARTBEAT: exempt from rate limit and drain",
    "6.4.idle": "HEARTBEAT: any frame resets the idle time",
    "6.4.initiative": "HEARTBEAT: none from the server by itself",
    "7.1.kind": "RESPONSE, ERROR: the type byte follows from success",
    "7.1.order": "RESPONSE, ERROR: order of the keys",
    "7.1.ack": "RESPONSE: the acknowledgement",
    "7.1.reply": "RESPONSE: the reply",
    "7.1.error": "ERROR: an error",
    "7.1.messagepack": "RESPONSE: an acknowledgement in MessagePack",
    "7.2.set": "subscription response: the whole set of the connection",
    "7.2.bytes": "subscription response: the example",
    "7.2.parse": "subscription response: what cannot be parsed",
    "7.3.bytes": "discovery response: the example, with what is new",
    "7.3.version": "discovery response: protocol_version on every success",
    "7.3.lists": "discovery response: lists, if requested",
    "7.3.parse": "discovery response: what cannot be parsed",
    "7.4.fields": "PUSH: its fields and their order",
    "7.4.json": "PUSH: always JSON",
    "7.4.registered": "PUSH: registered types only",
    "7.4.order": "PUSH: ordered on a connection",
    "7.4.replay": "PUSH: no replay",
    "7.4.dropped": "PUSH: a bounded queue",
    "7.5.bytes": "STREAM: the examples",
    "7.5.sequence": "STREAM: items are numbered, the last frame has none",
    "7.5.empty": "STREAM: no items",
    "7.5.timeout": "STREAM: the time of the whole",
    "7.5.actor": "STREAM: an unknown actor",
    "7.5.decode": "STREAM: an unknown type or a bad payload",
    "7.5.busy": "STREAM: a full mailbox",
    "7.5.closed": "STREAM: a mailbox that is closed",
    "7.5.plain": "STREAM: errors in plain frames",
    "7.5.backpressure": "STREAM: a slow reader",
    "7.6.bytes": "connection limit: the refusal",
    "7.6.count": "connection limit: what is counted",
    "7.6.haste": "connection limit: no more than 250 ms",
    "7.6.client": "connection limit: what a client makes of it",
    "8.ACTOR_NOT_FOUND": "no actor of that name is exposed",
    "8.UNKNOWN_MESSAGE_TYPE": "no type of that name is registered",
    "8.SERIALIZATION_ERROR": "a payload or an envelope that cannot be decoded",
    "8.TARGET_BUSY": "a full mailbox",
    "8.IO_ERROR.closed": "a mailbox that is closed",
    "8.IO_ERROR.reply": "a handler that finished without replying",
    "8.TIMEOUT": "no reply in time",
    "8.RATE_LIMITED": "too many requests",
    "8.SHUTTING_DOWN": "a request while draining",
    "8.CONNECTION_LIMIT_REACHED": "too many connections",
    "8.STREAM": "codes in STREAM frames",
    "8.CONNECTION_CLOSED": "idle for too long",
    "8.PROTOCOL_ERROR": "a frame that is none",
    "8.UNSUPPORTED_PROTOCOL_VERSION": "a version that is none",
    "8.HANDLER_FAILED": "section 0: a handler that raised",
    "8.CANCELLED": "section 0: a request that was called back",
    "8.REJECTED": "section 0: an expected failure",
    "8.ACCESS_DENIED": "section 0: a peer that may not connect",
    "9.version": "a bad version closes",
    "9.type": "a bad type closes",
    "9.format": "a bad format byte closes",
    "9.oversize": "an oversize frame closes",
    "9.io": "an I/O error closes",
    "9.eof": "the end of the stream closes",
    "9.idle": "a read timeout closes",
    "9.idle.subscribed": "a connection that has subscribed has its own timeout",
    "9.idle.frame": "the time is for a whole frame, anew for each",
    "9.writer": "a writer that fails closes",
    "9.stop": "the end of the listener closes",
    "9.panic": "a fault in the connection's task closes",
    "9.open": "nothing else closes",
}


def row(*numbers: str) -> Callable[[TestT], TestT]:
    """Say which rows a test is about."""

    def attach(test: TestT) -> TestT:
        vars(test)["rows"] = numbers
        return test

    return attach


def rows_of(test: object) -> tuple[str, ...]:
    """Return what *test* was said to be about."""
    numbers: tuple[str, ...] = getattr(test, "rows", ())
    return numbers
