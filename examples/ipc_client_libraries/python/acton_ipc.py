"""Talk to Acton actors from a Python program that has no actors of its own.

One file, the standard library only, Python 3.9 or later: copy it beside your
program.  `ActonClient` blocks, `AsyncActonClient` is for asyncio::

    with ActonClient(path) as client:
        response = client.send("my-service", "GetValue", {})

    async with AsyncActonClient(path) as client:
        response = await client.send("my-service", "GetValue", {})

A server listens on a Unix socket and speaks in frames: a header (length of the
body, version, type, format), then a body in JSON or MessagePack.  A question
carries a correlation id which its answers repeat, so answers may overtake each
other and pushes may come in between.

Three parts stand below each other.  `_Conversation` is all that a client knows of
its connection; it does no I/O, reads no clock and takes no lock.  `_Wire` moves
its bytes over a socket that is never waited for.  A `_Line` waits: one with
threads, one with asyncio.
"""

# For Python 3.9, and under names without "Error" where those are taken.
# ruff: noqa: N818, PYI034

from __future__ import annotations

import asyncio  # noqa: TID251 - for programs that run on it
import contextlib
import copy
import enum
import functools
import importlib
import json
import logging
import math
import os
import re
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict, TypeVar, Union, cast

__all__ = [
    "DEFAULT_TIMEOUT",
    "MAX_FRAME_SIZE",
    "ActonClient",
    "ActonError",
    "AsyncActonClient",
    "AsyncStream",
    "AsyncSubscription",
    "ConnectionRefused",
    "Discovery",
    "ExposedActor",
    "PeerLost",
    "ProtocolError",
    "Push",
    "Rejected",
    "RequestError",
    "Stream",
    "Subscription",
    "TimedOut",
    "default_path",
]

_T = TypeVar("_T")
_Body = dict[str, Any]
_Path = Union[str, "os.PathLike[str]"]

MAX_FRAME_SIZE: Final = 16 * 1024 * 1024
"""Largest body the protocol allows in either direction, in bytes."""

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds to wait for an answer when nobody says how many."""

_JSON: Final = 1
_MESSAGEPACK: Final = 2
_CHUNK: Final = 64 * 1024
# The id of an answer that is about the connection, not about a question ...
_REFUSAL: Final = "__acton_connection_rejected__"
# ... and of one to a question that nobody could read, or of last words.
_UNKNOWN: Final = "unknown"
# No deadline: the largest integer that every reader of JSON keeps.
_FOREVER_MS: Final = 2**53 - 1
# Beyond what poll and threading can count to.
_LONGEST_WAIT: Final = 3600.0
_MOST_ABANDONED: Final = 64
# Replies of one stream that are kept unread while nobody waits for anything.
_MOST_UNREAD: Final = 64
# How soon to knock again where too many others do.
_KNOCK_AGAIN: Final = 0.01

_log = logging.getLogger("acton_ipc")


class _Type(enum.IntEnum):
    REQUEST = 1
    RESPONSE = 2
    ERROR = 3
    HEARTBEAT = 4
    PUSH = 5
    SUBSCRIBE = 6
    UNSUBSCRIBE = 7
    DISCOVER = 8
    STREAM = 9
    CANCEL = 10


_TYPES: Final[dict[int, frozenset[int]]] = {
    1: frozenset({1, 2, 3, 4}),
    2: frozenset(int(each) for each in _Type),
}


# --- errors

# Of a message with such an answer the server says that nobody handled it.
_NOT_HANDLED: Final = frozenset(
    {
        "ACTOR_NOT_FOUND",
        "ASK_CYCLE",
        "PROTOCOL_ERROR",
        "RATE_LIMITED",
        "SHUTTING_DOWN",
        "STREAM_ERROR",
        "TARGET_BUSY",
        "UNKNOWN_MESSAGE_TYPE",
    }
)


class ActonError(Exception):
    """Base of every error of this module."""


class RequestError(ActonError):
    """The answer is an error; ``code`` says which."""

    def __init__(self, code: str, text: str = "", payload: Any = None) -> None:
        super().__init__(code, text, payload)
        self.code = code
        self.text = text
        self.payload = payload

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    @property
    def may_be_repeated(self) -> bool:
        """Whether the message was certainly not handled, and will not be."""
        return self.code in _NOT_HANDLED

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try, if the server has named them."""
        found = re.search(r"retry after (\d+)ms$", self.text)
        return int(found[1]) / 1000 if found else None


class Rejected(ActonError):
    """The actor refused: an answer like others, and no fault."""

    def __init__(self, message_type: str, fields: Any = None, text: str = "") -> None:
        super().__init__(message_type, fields, text)
        self.message_type = message_type
        self.fields = fields
        self.text = text

    def __str__(self) -> str:
        return self.text or self.message_type


class TimedOut(ActonError, TimeoutError):
    """No answer in time, by the server's clock or by ours.

    The actor may still handle the message.
    """


class PeerLost(ActonError, ConnectionError):
    """The connection is gone.

    If ``was_sent`` is false nothing of the message has left this process.
    Otherwise nobody knows whether it was handled.
    """

    was_sent = True


class ConnectionRefused(ActonError, ConnectionError):
    """The server does not want this connection: too many of them, or not you."""

    def __init__(self, code: str, limit: int | None = None, text: str = "") -> None:
        super().__init__(text or code)
        self.code = code
        self.limit = limit
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.limit, self.text)


class ProtocolError(ActonError):
    """What was to be said, or what the server said, is not in the protocol."""


def _fresh(error: ActonError) -> ActonError:
    # Several threads may raise it, each with its own traceback.
    return copy.copy(error).with_traceback(None)


def _error_in(body: _Body) -> ActonError:
    code = str(body.get("error_code") or "UNKNOWN")
    text = str(body.get("error") or "the server gives no reason")
    if code == "REJECTED":
        name = str(body.get("message_type") or "Rejection")
        return Rejected(name, body.get("payload"), text)
    if code == "TIMEOUT":
        return TimedOut(text)
    return RequestError(code, text, body.get("payload"))


def _refusal_in(body: _Body) -> ConnectionRefused:
    code = str(body.get("error_code") or "PROTOCOL_ERROR")
    limit = None
    if code == "CONNECTION_LIMIT_REACHED":
        payload = body.get("payload")
        found = _object(payload).get("limit")
        limit = found if isinstance(found, int) else 0
    return ConnectionRefused(code, limit, str(body.get("error") or ""))


def _last_words_in(body: _Body) -> ActonError:
    error = _error_in(body)
    if body.get("error_code") == "UNSUPPORTED_PROTOCOL_VERSION":
        return ProtocolError(str(error))
    return PeerLost(f"the server has closed the connection: {error}")


# --- what comes out


@dataclass(frozen=True)
class Push:
    """A broadcast of a type that was subscribed to."""

    message_type: str
    payload: Any
    notification_id: str = ""
    timestamp_ms: int = 0
    """When, in milliseconds since 1970."""

    source_actor: str | None = None
    dropped: int = 0
    """How many pushes were lost before this one, by the server or by us."""


class ExposedActor(TypedDict, total=False):
    """An actor that can be reached, as the server describes it."""

    name: str
    ern: str
    accepts: list[str]


class Discovery(TypedDict, total=False):
    """What a server offers; what it does not tell is absent."""

    protocol_version: dict[str, Any]
    actors: list[ExposedActor]
    message_types: list[str]
    schemas: dict[str, Any]


# --- frames


class _Frame(NamedTuple):
    type: _Type
    format: int
    data: bytes


class _FrameReader:
    """The bytes that have come, cut into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[_Frame]:
        """Add bytes; return the frames that are complete with them."""
        self._bytes += data
        while True:
            frame = self._next()
            if frame is None:
                return
            yield frame

    def _next(self) -> _Frame | None:
        if len(self._bytes) < 6:
            return None
        size = int.from_bytes(self._bytes[:4], "big")
        version, code = self._bytes[4], self._bytes[5]
        if version not in _TYPES:
            problem = f"unsupported protocol version {version:#04x}"
            raise ProtocolError(problem)
        if code not in _TYPES[version]:
            problem = f"unknown frame type {code:#04x} in version {version}"
            raise ProtocolError(problem)
        form, start = _JSON, 6
        if version > 1:
            if len(self._bytes) < 7:
                return None
            form, start = self._bytes[6], 7
        if form not in {_JSON, _MESSAGEPACK}:
            problem = f"unknown format {form:#04x}"
            raise ProtocolError(problem)
        if size > MAX_FRAME_SIZE:
            problem = f"frame of {size} bytes exceeds the limit of {MAX_FRAME_SIZE}"
            raise ProtocolError(problem)
        end = start + size
        if len(self._bytes) < end:
            return None
        data = bytes(self._bytes[start:end])
        del self._bytes[:end]
        return _Frame(_Type(code), form, data)


class _Packer(NamedTuple):
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


@functools.cache
def _messagepack() -> _Packer | None:
    with contextlib.suppress(ImportError):
        library: Any = importlib.import_module("msgspec.msgpack")
        return _Packer(library.encode, library.decode)
    with contextlib.suppress(ImportError):
        library = importlib.import_module("msgpack")
        return _Packer(
            functools.partial(library.packb, datetime=True),
            functools.partial(library.unpackb, timestamp=3, strict_map_key=False),
        )
    return None


def _no_constant(name: str) -> Any:
    problem = f"{name} is no JSON"
    raise ValueError(problem)


def _decode_body(form: int, data: bytes) -> _Body:
    """Return what a body says; raise `ValueError` if that cannot be told."""
    try:
        if form == _MESSAGEPACK:
            packer = _messagepack()
            body = packer.decode(data) if packer else None
        else:
            text = data.decode()
            body = json.loads(text, parse_constant=_no_constant)
            if "\\u" in text:
                # An escape may be half a character, which is no JSON.
                json.dumps(body, ensure_ascii=False).encode()
    except Exception as error:
        # Other libraries have errors of their own.
        problem = f"a body that cannot be read: {error}"
        raise ValueError(problem) from error
    if not isinstance(body, dict):
        problem = "a body that is no object"
        raise ValueError(problem)  # noqa: TRY004 - of the value, not of the caller
    return cast("_Body", body)


def _encode_frame(kind: _Type, body: _Body, version: int, form: int) -> bytes:
    packer = _messagepack()
    if form == _MESSAGEPACK and packer is not None:
        data = packer.encode(body)
    else:
        text = json.dumps(
            body, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        data = text.encode()
    if len(data) > MAX_FRAME_SIZE:
        problem = f"a message of {len(data)} bytes exceeds {MAX_FRAME_SIZE}"
        raise ProtocolError(problem)
    if version == 1:
        return struct.pack(">IBB", len(data), version, kind) + data
    return struct.pack(">IBBB", len(data), version, kind, form) + data


# --- the conversation: no I/O, no clock, no lock


class _Question:
    """A question, and what has come for it so far."""

    def __init__(self, kind: _Type, correlation_id: str = "") -> None:
        self.kind = kind
        self.id = correlation_id
        self.has_begun = False
        """Whether any of it has been written."""

        self.is_cancellable = False
        self.expects_stream = False
        self.answers: deque[_Body | ActonError] = deque()
        self.replies = 0
        """How many replies of its stream were taken."""

        self.watchers: list[Callable[[], None]] = []


class _Inbox:
    """Pushes of some types, and how many were lost."""

    def __init__(self, types: set[str], capacity: int) -> None:
        self.types = types
        self.capacity = capacity
        self.pushes: deque[Push] = deque()
        self.dropped = 0
        """How many were lost, all told."""

        self.untold = 0
        """How many of them no push has told yet."""

        self.watchers: list[Callable[[], None]] = []


class _Outgoing:
    """A frame on its way out."""

    def __init__(self, data: bytes, question: _Question | None) -> None:
        self.rest = memoryview(data)
        self.question = question


class _Conversation:
    """What a client knows of its connection: who asked what, and what came.

    Bytes go in by `receive`; those that are to be written are told by `unsent`
    and crossed out by `sent`.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.format = _JSON
        self.failure: ActonError | None = None
        """Why there will be no more answers, once there will be none."""

        self._frames = _FrameReader()
        self._count = 0
        self._outgoing: deque[_Outgoing] = deque()
        self._waiting: dict[str, _Question] = {}
        # Heartbeats have no ids: they are answered in order.
        self._heartbeats: deque[_Question] = deque()
        self._inboxes: list[_Inbox] = []
        self._last_words: ActonError | None = None
        self._can_cancel: bool | None = None
        self._was_asked_to_cancel = False
        self._abandoned: deque[str] = deque(maxlen=_MOST_ABANDONED)

    # What is written.

    @property
    def unsent(self) -> memoryview | None:
        """The bytes that come next, if there are any to be written."""
        return self._outgoing[0].rest if self._outgoing else None

    def sent(self, count: int) -> None:
        """Note that so many of them are written."""
        first = self._outgoing[0]
        first.rest = first.rest[count:]
        if first.question is not None:
            first.question.has_begun = True
        if not first.rest:
            self._outgoing.popleft()

    def cannot_send(self) -> None:
        """Note that nobody reads any more; what was said can still be read."""
        self._outgoing.clear()

    def ask(self, kind: _Type, fields: Mapping[str, Any]) -> _Question:
        """Ask something; a stream or a reply can be cancelled."""
        if self.version == 1 and (
            kind is not _Type.REQUEST or fields.get("expects_stream")
        ):
            problem = "version 1 of the protocol has requests and heartbeats only"
            raise ProtocolError(problem)
        if self.failure is not None:
            raise self._failure_for(None)
        question = _Question(kind, self._new_id())
        question.expects_stream = bool(fields.get("expects_stream"))
        question.is_cancellable = question.expects_stream or bool(
            fields.get("expects_reply")
        )
        data = self._encoded(kind, {"correlation_id": question.id, **fields})
        if question.expects_stream:
            # Who leaves a stream early has no time to ask.
            self._ask_to_cancel()
        self._outgoing.append(_Outgoing(data, question))
        self._waiting[question.id] = question
        return question

    def beat(self) -> _Question:
        """Ask for a sign of life."""
        if self.failure is not None:
            raise self._failure_for(None)
        question = _Question(_Type.HEARTBEAT)
        data = _encode_frame(_Type.HEARTBEAT, {}, self.version, _JSON)
        self._outgoing.append(_Outgoing(data, question))
        self._heartbeats.append(question)
        return question

    def give_up(self, question: _Question) -> None:
        """Want no more answers; do nothing if all of them have come."""
        if question.kind is _Type.HEARTBEAT:
            if self._withdraw(question):
                self._heartbeats.remove(question)
            return
        if self._waiting.pop(question.id, None) is None or self.failure is not None:
            return
        if self._withdraw(question) or not question.is_cancellable:
            return
        if self._can_cancel:
            self._put(_Type.CANCEL, {"correlation_id": question.id})
        elif self._can_cancel is None and self.version > 1:
            self._abandoned.append(question.id)
            self._ask_to_cancel()

    def _withdraw(self, question: _Question) -> bool:
        for each in self._outgoing:
            if each.question is question and not question.has_begun:
                self._outgoing.remove(each)
                return True
        return False

    def _ask_to_cancel(self) -> None:
        if not self._was_asked_to_cancel:
            self._was_asked_to_cancel = True
            body = {
                "correlation_id": self._new_id(),
                "include_actors": False,
                "include_message_types": False,
            }
            self._put(_Type.DISCOVER, body)

    def _learn(self, protocol_version: object) -> None:
        able = _object(_object(protocol_version).get("capabilities"))
        self._can_cancel = able.get("cancel") is True
        while self._abandoned:
            correlation_id = self._abandoned.popleft()
            if self._can_cancel:
                self._put(_Type.CANCEL, {"correlation_id": correlation_id})

    def _put(self, kind: _Type, body: _Body) -> None:
        self._outgoing.append(_Outgoing(self._encoded(kind, body), None))

    def _encoded(self, kind: _Type, body: _Body) -> bytes:
        return _encode_frame(kind, body, self.version, self.format)

    def _new_id(self) -> str:
        self._count += 1
        return f"py_{self._count}"

    # What is read.

    def receive(self, data: bytes) -> None:
        """Take what has come; nothing at all means that the peer has left."""
        if not data:
            self.fail(self._last_words or PeerLost("the server has left"))
        try:
            for frame in self._frames.feed(data):
                if self.failure is not None:
                    return
                self._route(frame)
        except ProtocolError as error:
            self.fail(error)

    def fail(self, error: ActonError) -> None:
        """Let every question end with this, unless an earlier error says more."""
        if self.failure is None:
            self.failure = error
            self._outgoing.clear()
            for question in (*self._waiting.values(), *self._heartbeats):
                _wake(question)
            for inbox in self._inboxes:
                _wake(inbox)

    @property
    def is_behind(self) -> bool:
        """Whether replies of a stream come faster than they are taken."""
        waiting = self._waiting.values()
        return any(len(each.answers) >= _MOST_UNREAD for each in waiting)

    def answer(self, question: _Question) -> _Body | None:
        """Return the one answer, once it is there; raise if it is an error."""
        body = self._taken(question)
        if body is not None and body.get("success") is not True:
            raise _error_in(body)
        return body

    def reply(self, question: _Question) -> _Body | None:
        """Return the next frame of a stream, once it is there; raise its errors."""
        body = self._taken(question)
        if body is None:
            return None
        if body["sequence"] != question.replies:
            problem = f"reply {question.replies} of a stream is missing"
            raise ProtocolError(problem)
        if body.get("error_code") or body.get("error"):
            raise _error_in(body)
        question.replies += 1
        return body

    def _taken(self, question: _Question) -> _Body | None:
        if question.answers:
            found = question.answers.popleft()
            if isinstance(found, ActonError):
                raise found
            return found
        if self.failure is not None:
            raise self._failure_for(question)
        return None

    def _failure_for(self, question: _Question | None) -> ActonError:
        assert self.failure is not None
        error = _fresh(self.failure)
        if isinstance(error, PeerLost):
            error.was_sent = question is not None and question.has_begun
        return error

    def _route(self, frame: _Frame) -> None:
        if frame.type is _Type.HEARTBEAT:
            # Its body says nothing, and need not be one.
            if self._heartbeats:
                self._hand(self._heartbeats.popleft(), {"success": True})
            return
        if frame.type not in {
            _Type.RESPONSE,
            _Type.ERROR,
            _Type.STREAM,
            _Type.PUSH,
        }:
            return
        try:
            body = _decode_body(frame.format, frame.data)
            if frame.type is _Type.PUSH:
                self._keep(_push_in(body))
                return
            correlation_id = body.get("correlation_id")
            if not isinstance(correlation_id, str):
                problem = "an answer without an id"
                raise ValueError(problem)  # noqa: TRY004, TRY301 - logged below
        except ValueError as error:
            _log.warning("passed over from the server: %s", error)
            return
        question = self._waiting.get(correlation_id)
        if frame.type is _Type.STREAM:
            self._take_reply(question, body)
        else:
            self._take_answer(question, body)

    def _take_reply(self, question: _Question | None, body: _Body) -> None:
        if question is None:
            return
        sequence, is_final = body.get("sequence"), body.get("is_final", False)
        if not question.expects_stream:
            self._end(question, ProtocolError("a stream of replies, for one"))
        elif not _is_natural(sequence) or not isinstance(is_final, bool):
            self._end(question, ProtocolError("a reply of a stream makes no sense"))
        elif is_final:
            self._end(question, body)
        else:
            self._hand(question, body)

    def _take_answer(self, question: _Question | None, body: _Body) -> None:
        if body["correlation_id"] == _REFUSAL:
            self.fail(_refusal_in(body))
            return
        if isinstance(body.get("protocol_version"), dict):
            self._learn(body["protocol_version"])
        if question is not None:
            if not isinstance(body.get("success"), bool):
                self._end(question, ProtocolError("the answer makes no sense"))
            elif not question.expects_stream:
                self._end(question, body)
            elif body["success"]:
                self._end(question, ProtocolError("one reply, for a stream"))
            else:
                # As when the server drains: it ends the stream.
                self._end(question, _error_in(body))
        elif body["correlation_id"] == _UNKNOWN and body.get("success") is False:
            self._last_words = _last_words_in(body)

    def _end(self, question: _Question, answer: _Body | ActonError) -> None:
        self._waiting.pop(question.id, None)
        self._hand(question, answer)

    def _hand(self, question: _Question, answer: _Body | ActonError) -> None:
        question.answers.append(answer)
        _wake(question)

    # Pushes.

    def open_inbox(self, types: tuple[str, ...], capacity: int) -> _Inbox:
        """Be ready for pushes of these types."""
        inbox = _Inbox(set(types), capacity)
        self._inboxes.append(inbox)
        return inbox

    def close_inbox(self, inbox: _Inbox) -> None:
        """Want no more of them, and tell the server what nobody wants now."""
        if inbox not in self._inboxes:
            return
        self._inboxes.remove(inbox)
        wanted = {name for each in self._inboxes for name in each.types}
        unwanted = sorted(inbox.types - wanted)
        inbox.types = set[str]()
        _wake(inbox)
        # An empty list would mean all.
        if unwanted and self.failure is None:
            body = {"correlation_id": self._new_id(), "message_types": unwanted}
            self._put(_Type.UNSUBSCRIBE, body)

    def unsubscribe(self, types: tuple[str, ...]) -> _Question:
        """Want no pushes of these types any more, or of none."""
        question = self.ask(_Type.UNSUBSCRIBE, {"message_types": list(types)})
        for inbox in list(self._inboxes):
            inbox.types = inbox.types - set(types) if types else set[str]()
            if not inbox.types:
                self._inboxes.remove(inbox)
                _wake(inbox)
        return question

    def push(self, inbox: _Inbox) -> Push | bool | None:
        """Return the next push, None if there is none yet, False if none will be."""
        if inbox.pushes:
            return inbox.pushes.popleft()
        if not inbox.types:
            return False
        if self.failure is not None:
            raise _fresh(self.failure)
        return None

    def _keep(self, push: Push) -> None:
        for inbox in self._inboxes:
            # What the server dropped may have been for any of them.
            inbox.dropped += push.dropped
            inbox.untold += push.dropped
            if push.message_type not in inbox.types:
                continue
            if len(inbox.pushes) >= inbox.capacity:
                inbox.dropped += 1
                inbox.untold += 1
                continue
            inbox.pushes.append(
                Push(
                    push.message_type,
                    push.payload,
                    push.notification_id,
                    push.timestamp_ms,
                    push.source_actor,
                    inbox.untold,
                )
            )
            inbox.untold = 0
            _wake(inbox)


def _wake(watched: _Question | _Inbox) -> None:
    for each in tuple(watched.watchers):
        each()


def _object(value: object) -> _Body:
    """Return *value* if it is an object, and an empty one if not."""
    return cast("_Body", value) if isinstance(value, dict) else {}


def _is_natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _push_in(body: _Body) -> Push:
    name, source = body.get("message_type"), body.get("source_actor")
    timestamp, dropped = body.get("timestamp_ms", 0), body.get("dropped", 0)
    if (
        not isinstance(name, str)
        or "payload" not in body
        or not _is_natural(timestamp)
        or not _is_natural(dropped)
    ):
        problem = "a push that makes no sense"
        raise ValueError(problem)
    return Push(
        name,
        body["payload"],
        str(body.get("notification_id", "")),
        timestamp,
        None if source is None else str(source),
        dropped,
    )


# --- the socket


class _Wire:
    """A socket that is never waited for, and the conversation over it."""

    def __init__(self, link: socket.socket, talk: _Conversation) -> None:
        self._socket = link
        self._talk = talk
        self.last_sent = time.monotonic()

    def fileno(self) -> int:
        """Return its number, for those who wait."""
        return self._socket.fileno()

    def write(self) -> None:
        """Write as much as there is room for."""
        data = self._talk.unsent
        while data is not None:
            try:
                count = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # What the server said before it left is still to be read, and
                # after it the reader finds the end.
                self._talk.cannot_send()
                return
            self._talk.sent(count)
            self.last_sent = time.monotonic()
            data = self._talk.unsent

    def read(self) -> None:
        """Read what has come, if anything has."""
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._talk.receive(data)

    def shut(self) -> None:
        """End the connection; who waits for it hears of that."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def default_path(app_name: str) -> str:
    """Return where a server of this name listens unless it is told otherwise."""
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not folder.startswith("/"):
        folder = "/tmp"  # noqa: S108 - where servers look, too
    return f"{folder}/acton/{app_name}/ipc.sock"


def _has_connected(link: socket.socket, path: _Path) -> bool:
    """Connect, if there is room in the server's queue at the moment."""
    address = os.fspath(path)
    if address.startswith("@"):
        # An abstract name, which is no file.
        address = "\0" + address[1:]
    try:
        link.connect(address)
    except BlockingIOError:
        return False
    return True


def _check_patience(path: _Path, left: float) -> None:
    if left <= 0:
        problem = f"no room in the queue of {os.fspath(path)}"
        raise TimedOut(problem)


def _new_socket() -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.setblocking(False)  # noqa: FBT003 - positional in the library
    return link


# --- what both clients have in common


class _Options(NamedTuple):
    timeout: float
    version: int
    messagepack: bool
    grace: float
    heartbeat: float


def _options(
    timeout: float,
    version: int,
    form: str,
    grace: float,
    heartbeat: float,
) -> _Options:
    if version not in _TYPES:
        problem = f"version {version}: there are 1 and 2"
        raise ValueError(problem)
    if form not in {"json", "messagepack"}:
        problem = f"format {form!r}: there are 'json' and 'messagepack'"
        raise ValueError(problem)
    messagepack = form == "messagepack"
    if messagepack and version == 1:
        problem = "version 1 of the protocol has no MessagePack"
        raise ValueError(problem)
    if messagepack and _messagepack() is None:
        problem = "MessagePack needs the package msgspec or msgpack"
        raise ImportError(problem)
    return _Options(timeout, version, messagepack, grace, heartbeat)


def _request_fields(
    target: str,
    message_type: str,
    payload: Any,
    timeout: float | None,
    headers: Mapping[str, str] | None,
    **expects: bool,
) -> _Body:
    fields: _Body = {
        "target": target,
        "message_type": message_type,
        "payload": payload,
        **expects,
    }
    if timeout is not None:
        fields["response_timeout_ms"] = _milliseconds(timeout)
    if headers is not None:
        fields["headers"] = dict(headers)
    return fields


def _milliseconds(seconds: float) -> int:
    if seconds * 1000 >= _FOREVER_MS:
        return _FOREVER_MS
    return max(math.ceil(seconds * 1000), 0)


def _discover_fields(include_schemas: bool) -> _Body:  # noqa: FBT001 - nobody else's function
    fields: _Body = {"include_actors": True, "include_message_types": True}
    if include_schemas:
        fields["include_schemas"] = True
    return fields


def _discovery_in(body: _Body) -> Discovery:
    known = Discovery.__annotations__
    return cast("Discovery", {key: body[key] for key in known if key in body})


def _check_messagepack(found: Discovery) -> None:
    able = _object(found.get("protocol_version", {}).get("capabilities"))
    if able.get("messagepack") is not True:
        problem = "the server reads no MessagePack"
        raise ProtocolError(problem)


def _subscribed(body: _Body) -> list[str]:
    return [str(each) for each in body.get("subscribed_types", ())]


def _timed_out() -> TimedOut:
    return TimedOut("no answer in time")


# --- the client that blocks


class _Line:
    """A connection that threads wait for.

    There is no thread of its own.  Of those who wait, one does the socket's work
    for all; when it has its answer another takes over.  All else happens under a
    lock which nobody holds while waiting.
    """

    def __init__(self, path: _Path, options: _Options) -> None:
        self.talk: Final = _Conversation(options.version)
        self._heartbeat = options.heartbeat
        # Not reentrant: whoever is interrupted by a finalizer holds it already.
        self._changed: Final = threading.Condition(threading.Lock())
        self._is_pumping = False
        self._is_closed = False
        self._forgotten: deque[Callable[[], None]] = deque()
        link = _new_socket()
        try:
            deadline = time.monotonic() + options.timeout
            while not _has_connected(link, path):
                _check_patience(path, deadline - time.monotonic())
                time.sleep(_KNOCK_AGAIN)
            self._bell, self._ringer = socket.socketpair()
        except BaseException:
            link.close()
            raise
        self._bell.setblocking(False)  # noqa: FBT003 - positional in the library
        self._ringer.setblocking(False)  # noqa: FBT003 - positional in the library
        self._wire = _Wire(link, self.talk)

    def do(self, what: Callable[[], _T], *, stirs: bool = False) -> _T:
        """Do something to the conversation, and write what comes of it.

        If it *stirs*, those who wait look again whether there is what they want.
        """
        with self._changed:
            if not self._is_pumping:
                # The server may have left: better to hear of it before speaking.
                self._work()
            result = what()
            self._flush()
            if stirs:
                self._changed.notify_all()
                self._ring()
            return result

    def wait(self, take: Callable[[], _T | None], deadline: float) -> _T:
        """Return what there is to take, as soon as there is anything."""
        with self._changed:
            while True:
                found = take()
                if found is not None:
                    return found
                if time.monotonic() >= deadline:
                    raise _timed_out()
                if self._is_pumping:
                    self._changed.wait(_seconds_until(deadline))
                else:
                    self._pump(deadline)

    def forget(self, what: Callable[[], None]) -> None:
        """Do something soon: now, or when somebody else lets go of the lock.

        For finalizers, which run in any thread at any time.
        """
        self._forgotten.append(what)
        if self._changed.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._changed.release()

    def close(self) -> None:
        """End the connection; whoever still waits hears of it."""
        with self._changed:
            self.talk.fail(PeerLost("closed by this side"))
            self._changed.notify_all()
            if self._is_closed:
                return
            self._is_closed = True
            self._wire.shut()
            # The number of a closed socket is soon somebody else's: let the
            # thread that waits for ours leave first.
            self._changed.wait_for(lambda: not self._is_pumping)
            for each in (self._wire, self._bell, self._ringer):
                each.close()

    def _pump(self, deadline: float) -> None:
        self._is_pumping = True
        writes = select.POLLOUT if self.talk.unsent is not None else 0
        until = min(deadline, self._wire.last_sent + self._heartbeat)
        self._changed.release()
        try:
            self._poll(select.POLLIN | writes, until)
        finally:
            self._changed.acquire()
            self._is_pumping = False
            self._changed.notify_all()
        self._work()
        if time.monotonic() >= self._wire.last_sent + self._heartbeat:
            self._wire.last_sent = time.monotonic()
            if self.talk.failure is None:
                self.talk.beat()
                self._flush()

    def _poll(self, events: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._wire.fileno(), events)
        poll.register(self._bell, select.POLLIN)
        poll.poll(math.ceil(_seconds_until(deadline) * 1000))
        with contextlib.suppress(OSError):
            self._bell.recv(_CHUNK)

    def _work(self) -> None:
        if self.talk.failure is None:
            self._wire.read()
            self._flush()
            if self.talk.failure is not None:
                self._wire.shut()

    def _flush(self) -> None:
        while self._forgotten:
            self._forgotten.popleft()()
        if self._is_closed:
            return
        self._wire.write()
        if self.talk.unsent is not None:
            self._ring()

    def _ring(self) -> None:
        """Have the thread that does the socket's work begin anew, if there is one."""
        if self._is_pumping and not self._is_closed:
            with contextlib.suppress(OSError):
                self._ringer.send(b"!")


def _seconds_until(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0), _LONGEST_WAIT)


class ActonClient:
    """One connection to a server, from construction until it is closed.

    Threads may share it.  When the connection is lost every call says so; make a
    new client then.  Nothing is ever sent twice.

    Args:
        path: Where the server's socket is; ``@name`` for an abstract one.
        timeout: Seconds that a call may take unless it is told otherwise.
        version: Of the protocol; 1 has requests and heartbeats only.
        format: ``"json"`` or ``"messagepack"``.
        grace: Seconds to wait longer than we say: the server's word that the
            time is up tells more than silence.
        heartbeat: Seconds without a word after which whoever waits sends one.

    Raises:
        OSError: Nobody listens there, or we may not open it.
        ProtocolError: MessagePack is wanted, and the server reads none.
    """

    def __init__(
        self,
        path: _Path,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        version: int = 2,
        format: str = "json",  # noqa: A002 - the protocol's word
        grace: float = 1.0,
        heartbeat: float = 30.0,
    ) -> None:
        self._options = _options(timeout, version, format, grace, heartbeat)
        self._line = _Line(path, self._options)
        if self._options.messagepack:
            try:
                _check_messagepack(self.discover())
            except BaseException:
                self.close()
                raise
            self._line.talk.format = _MESSAGEPACK

    def __enter__(self) -> ActonClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a message and return the payload of its reply.

        Args:
            target: The name under which the actor is exposed.
            message_type: The name under which the message is registered.
            payload: Its fields, anything that can be written.
            timeout: Seconds to wait for the reply; the server hears of them.
            headers: What is to travel beside it.

        Raises:
            RequestError: The answer is an error.
            Rejected: The actor refused.
            TimedOut: No reply in time; the client stays usable.
            PeerLost: The connection is gone.
            ConnectionRefused: The server did not want it.
            ProtocolError: One of the two sides has it wrong.
        """
        seconds = self._seconds(timeout)
        fields = _request_fields(
            target, message_type, payload, seconds, headers, expects_reply=True
        )
        answer = self._ask(_Type.REQUEST, fields, seconds + self._options.grace)
        return answer.get("payload")

    def send(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Do what `request` does, under a shorter name."""
        return self.request(
            target, message_type, payload, timeout=timeout, headers=headers
        )

    def fire_and_forget(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message; return when it is in the actor's mailbox.

        That is not to say that it was handled.  Raises what `request` raises.
        """
        fields = _request_fields(
            target, message_type, payload, None, headers, expects_reply=False
        )
        self._ask(_Type.REQUEST, fields, self._seconds(timeout))

    def stream(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """Send a message now; return an iterator over the payloads of its replies.

        The timeout is for the whole stream.  Iterating raises what `request`
        raises.
        """
        seconds = self._seconds(timeout)
        fields = _request_fields(
            target,
            message_type,
            payload,
            seconds,
            headers,
            expects_reply=False,
            expects_stream=True,
        )
        talk = self._line.talk
        question = self._line.do(lambda: talk.ask(_Type.REQUEST, fields))
        deadline = time.monotonic() + seconds + self._options.grace
        return Stream(self._line, question, deadline)

    def subscribe(
        self,
        *message_types: str,
        timeout: float | None = None,
        capacity: int = 1024,
    ) -> Subscription:
        """Ask for pushes of these types; return an iterator over them.

        Args:
            message_types: Names of the types.
            timeout: Seconds to wait for the server's answer.
            capacity: How many pushes are kept for you while you do not look.
        """
        talk = self._line.talk
        inbox = self._line.do(lambda: talk.open_inbox(message_types, capacity))
        try:
            fields = {"message_types": list(message_types)}
            self._ask(_Type.SUBSCRIBE, fields, self._seconds(timeout))
        except BaseException:
            self._line.do(lambda: talk.close_inbox(inbox), stirs=True)
            raise
        return Subscription(self._line, inbox)

    def unsubscribe(
        self, *message_types: str, timeout: float | None = None
    ) -> list[str]:
        """End pushes of these types, or of all; return which are left.

        Subscriptions that have no types any more end after what they hold.
        """
        talk = self._line.talk
        deadline = time.monotonic() + self._seconds(timeout)
        question = self._line.do(lambda: talk.unsubscribe(message_types), stirs=True)
        return _subscribed(self._answer(question, deadline))

    def discover(
        self, *, include_schemas: bool = False, timeout: float | None = None
    ) -> Discovery:
        """Return the actors, message types and abilities of the server."""
        fields = _discover_fields(include_schemas)
        return _discovery_in(self._ask(_Type.DISCOVER, fields, self._seconds(timeout)))

    def heartbeat(self, *, timeout: float | None = None) -> None:
        """Return when the server has answered; keeps an idle connection open."""
        deadline = time.monotonic() + self._seconds(timeout)
        self._answer(self._line.do(self._line.talk.beat), deadline)

    def close(self) -> None:
        """End the connection; whoever still waits gets `PeerLost`."""
        self._line.close()

    def _seconds(self, timeout: float | None) -> float:
        return self._options.timeout if timeout is None else timeout

    def _ask(self, kind: _Type, fields: _Body, seconds: float) -> _Body:
        deadline = time.monotonic() + seconds
        talk = self._line.talk
        question = self._line.do(lambda: talk.ask(kind, fields))
        return self._answer(question, deadline)

    def _answer(self, question: _Question, deadline: float) -> _Body:
        talk = self._line.talk
        try:
            return self._line.wait(lambda: talk.answer(question), deadline)
        finally:
            self._line.do(lambda: talk.give_up(question))


class Stream:
    """The replies to one message, as an iterator over their payloads.

    Leaving early, by the end of a ``with`` block, `close`, or just by dropping
    it, has the server give the rest up, if it can.
    """

    def __init__(self, line: _Line, question: _Question, deadline: float) -> None:
        self._line = line
        self._question = question
        self._deadline = deadline
        self._is_done = False

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_done:
            give_up = self._line.talk.give_up
            self._line.forget(functools.partial(give_up, self._question))

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        if self._is_done:
            raise StopIteration
        talk, question = self._line.talk, self._question
        try:
            body = self._line.wait(lambda: talk.reply(question), self._deadline)
        except BaseException:
            self.close()
            raise
        if body.get("is_final") is True:
            self._is_done = True
            raise StopIteration
        return body.get("payload")

    def close(self) -> None:
        """Leave it."""
        if not self._is_done:
            self._is_done = True
            talk, question = self._line.talk, self._question
            self._line.do(lambda: talk.give_up(question))


class Subscription:
    """Pushes of some types, as an iterator that ends when they are unsubscribed.

    They come when somebody waits: here, or in any other call.
    """

    def __init__(self, line: _Line, inbox: _Inbox) -> None:
        self._line = line
        self._inbox = inbox

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        close_inbox = self._line.talk.close_inbox
        self._line.forget(functools.partial(close_inbox, self._inbox))

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Push:
        push = self._next(math.inf)
        if push is None:
            raise StopIteration
        return push

    @property
    def dropped(self) -> int:
        """How many pushes were lost, by the server or by us, so far."""
        return self._inbox.dropped

    def next(self, *, timeout: float | None = None) -> Push:
        """Return the next push, waiting for it no longer than *timeout* seconds.

        Raises:
            TimedOut: There was none.
            PeerLost: The connection is gone, or these pushes are unsubscribed.
        """
        push = self._next(math.inf if timeout is None else time.monotonic() + timeout)
        if push is None:
            problem = "these pushes are unsubscribed"
            raise PeerLost(problem)
        return push

    def close(self) -> None:
        """Want no more of them."""
        talk, inbox = self._line.talk, self._inbox
        self._line.do(lambda: talk.close_inbox(inbox), stirs=True)

    def _next(self, deadline: float) -> Push | None:
        talk, inbox = self._line.talk, self._inbox
        push = self._line.wait(lambda: talk.push(inbox), deadline)
        return push if isinstance(push, Push) else None


# --- the client for asyncio


class _AsyncLine:
    """A connection that tasks wait for; belongs to one event loop.

    It is read all the time, but for one case: a stream that nobody takes replies
    of slows its server down only if nothing is read at all.  So it is while
    nobody waits for anything else.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, link: socket.socket, options: _Options
    ) -> None:
        self.talk: Final = _Conversation(options.version)
        self.loop: Final = loop
        self._wire: Final = _Wire(link, self.talk)
        self._heartbeat: Final = options.heartbeat
        self._is_closed = False
        self._reads = True
        self._writes = False
        self._tasks_waiting = 0
        self._timer = loop.call_later(options.heartbeat, self._keep_alive)
        loop.add_reader(self._wire.fileno(), self._work)

    def do(self, what: Callable[[], _T]) -> _T:
        """Do something to the conversation, and write what comes of it."""
        result = what()
        self._flush()
        return result

    async def wait(
        self,
        take: Callable[[], _T | None],
        watched: _Question | _Inbox,
        deadline: float,
    ) -> _T:
        """Return what there is to take, as soon as there is anything."""
        while True:
            found = take()
            if found is not None:
                return found
            await self._change_of(watched, deadline)

    def forget(self, what: Callable[[], None]) -> None:
        """Do something soon; for finalizers, which run in any thread."""
        # A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.do, what)

    def close(self) -> None:
        """End the connection; whoever still waits hears of it."""
        self.talk.fail(PeerLost("closed by this side"))
        if not self._is_closed:
            self._is_closed = True
            self._timer.cancel()
            self.loop.remove_reader(self._wire.fileno())
            self.loop.remove_writer(self._wire.fileno())
            self._wire.close()

    async def _change_of(self, watched: _Question | _Inbox, deadline: float) -> None:
        waiter: asyncio.Future[None] = self.loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def expire() -> None:
            if not waiter.done():
                waiter.set_exception(_timed_out())

        timer = None
        if deadline < math.inf:
            timer = self.loop.call_at(deadline, expire)
        watched.watchers.append(wake)
        self._tasks_waiting += 1
        self._read_on()
        try:
            await waiter
        finally:
            self._tasks_waiting -= 1
            watched.watchers.remove(wake)
            if timer is not None:
                timer.cancel()

    def _read_on(self) -> None:
        if not self._reads and not self._is_closed:
            self._reads = True
            self.loop.add_reader(self._wire.fileno(), self._work)

    def _work(self) -> None:
        if self.talk.is_behind and not self._tasks_waiting:
            self._reads = False
            self.loop.remove_reader(self._wire.fileno())
            return
        self._wire.read()
        self._flush()

    def _flush(self) -> None:
        if self._is_closed:
            return
        if self.talk.failure is not None:
            self.close()
            return
        self._wire.write()
        writes = self.talk.unsent is not None
        if writes and not self._writes:
            self.loop.add_writer(self._wire.fileno(), self._flush)
        elif self._writes and not writes:
            self.loop.remove_writer(self._wire.fileno())
        self._writes = writes

    def _keep_alive(self) -> None:
        left = self._wire.last_sent + self._heartbeat - time.monotonic()
        if left <= 0:
            self._wire.last_sent = time.monotonic()
            self.do(self.talk.beat)
            left = self._heartbeat
        if not self._is_closed:
            self._timer = self.loop.call_later(left, self._keep_alive)


class AsyncActonClient:
    """One connection to a server, for the tasks of one event loop.

    ``async with AsyncActonClient(path) as client`` connects and closes, and so do
    `connect` and `close`.  It sends heartbeats by itself.  When the connection is
    lost every call says so; make a new client then.  Nothing is ever sent twice.

    A task that is cancelled in a call has the server give the request up, if it
    can.

    Args:
        path: Where the server's socket is; ``@name`` for an abstract one.
        timeout: Seconds that a call may take unless it is told otherwise.
        version: Of the protocol; 1 has requests and heartbeats only.
        format: ``"json"`` or ``"messagepack"``.
        grace: Seconds to wait longer than we say: the server's word that the
            time is up tells more than silence.
        heartbeat: Seconds without a word after which the client sends one.
    """

    def __init__(
        self,
        path: _Path,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        version: int = 2,
        format: str = "json",  # noqa: A002 - the protocol's word
        grace: float = 1.0,
        heartbeat: float = 30.0,
    ) -> None:
        self._path = path
        self._options = _options(timeout, version, format, grace, heartbeat)
        self._open_line: _AsyncLine | None = None

    async def __aenter__(self) -> AsyncActonClient:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> AsyncActonClient:
        """Connect, once.

        Raises:
            OSError: Nobody listens there, or we may not open it.
            ProtocolError: MessagePack is wanted, and the server reads none.
        """
        if self._open_line is not None:
            problem = "a client connects once"
            raise RuntimeError(problem)
        loop = asyncio.get_running_loop()
        link = _new_socket()
        try:
            deadline = loop.time() + self._options.timeout
            while not _has_connected(link, self._path):
                _check_patience(self._path, deadline - loop.time())
                await asyncio.sleep(_KNOCK_AGAIN)
            self._open_line = _AsyncLine(loop, link, self._options)
        except BaseException:
            link.close()
            raise
        if self._options.messagepack:
            try:
                _check_messagepack(await self.discover())
            except BaseException:
                await self.close()
                raise
            self._open_line.talk.format = _MESSAGEPACK
        return self

    async def request(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it travels
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a message and return the payload of its reply.

        Takes and raises what `ActonClient.request` does.
        """
        seconds = self._seconds(timeout)
        fields = _request_fields(
            target, message_type, payload, seconds, headers, expects_reply=True
        )
        answer = await self._ask(_Type.REQUEST, fields, seconds + self._options.grace)
        return answer.get("payload")

    async def send(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it travels
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Do what `request` does, under a shorter name."""
        return await self.request(
            target, message_type, payload, timeout=timeout, headers=headers
        )

    async def fire_and_forget(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message; return when it is in the actor's mailbox.

        That is not to say that it was handled.  Raises what `request` raises.
        """
        fields = _request_fields(
            target, message_type, payload, None, headers, expects_reply=False
        )
        await self._ask(_Type.REQUEST, fields, self._seconds(timeout))

    def stream(
        self,
        target: str,
        message_type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncStream:
        """Send a message now; return an iterator over the payloads of its replies.

        The timeout is for the whole stream.  Iterating raises what `request`
        raises.
        """
        seconds = self._seconds(timeout)
        fields = _request_fields(
            target,
            message_type,
            payload,
            seconds,
            headers,
            expects_reply=False,
            expects_stream=True,
        )
        line = self._line
        question = line.do(lambda: line.talk.ask(_Type.REQUEST, fields))
        deadline = line.loop.time() + seconds + self._options.grace
        return AsyncStream(line, question, deadline)

    async def subscribe(
        self,
        *message_types: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
        capacity: int = 1024,
    ) -> AsyncSubscription:
        """Ask for pushes of these types; return an iterator over them.

        Args:
            message_types: Names of the types.
            timeout: Seconds to wait for the server's answer.
            capacity: How many pushes are kept for you while you do not look.
        """
        line = self._line
        inbox = line.talk.open_inbox(message_types, capacity)
        try:
            fields = {"message_types": list(message_types)}
            await self._ask(_Type.SUBSCRIBE, fields, self._seconds(timeout))
        except BaseException:
            line.do(lambda: line.talk.close_inbox(inbox))
            raise
        return AsyncSubscription(line, inbox)

    async def unsubscribe(
        self,
        *message_types: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
    ) -> list[str]:
        """End pushes of these types, or of all; return which are left.

        Subscriptions that have no types any more end after what they hold.
        """
        line = self._line
        question = line.do(lambda: line.talk.unsubscribe(message_types))
        return _subscribed(await self._answer(question, self._seconds(timeout)))

    async def discover(
        self,
        *,
        include_schemas: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
    ) -> Discovery:
        """Return the actors, message types and abilities of the server."""
        fields = _discover_fields(include_schemas)
        answer = await self._ask(_Type.DISCOVER, fields, self._seconds(timeout))
        return _discovery_in(answer)

    async def heartbeat(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
    ) -> None:
        """Return when the server has answered."""
        line = self._line
        await self._answer(line.do(line.talk.beat), self._seconds(timeout))

    async def close(self) -> None:
        """End the connection; whoever still waits gets `PeerLost`."""
        if self._open_line is not None:
            self._open_line.close()

    @property
    def _line(self) -> _AsyncLine:
        if self._open_line is None:
            problem = "not connected yet: use 'async with', or connect()"
            raise RuntimeError(problem)
        return self._open_line

    def _seconds(self, timeout: float | None) -> float:
        return self._options.timeout if timeout is None else timeout

    async def _ask(self, kind: _Type, fields: _Body, seconds: float) -> _Body:
        line = self._line
        question = line.do(lambda: line.talk.ask(kind, fields))
        return await self._answer(question, seconds)

    async def _answer(self, question: _Question, seconds: float) -> _Body:
        line = self._line
        deadline = line.loop.time() + seconds
        try:
            return await line.wait(
                lambda: line.talk.answer(question), question, deadline
            )
        finally:
            line.do(lambda: line.talk.give_up(question))


class AsyncStream:
    """The replies to one message, as an async iterator over their payloads.

    Leaving early, by the end of an ``async with`` block, `aclose`, by being
    cancelled, or just by dropping it, has the server give the rest up, if it can.
    """

    def __init__(self, line: _AsyncLine, question: _Question, deadline: float) -> None:
        self._line = line
        self._question = question
        self._deadline = deadline
        self._is_done = False

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if not self._is_done:
            give_up = self._line.talk.give_up
            self._line.forget(functools.partial(give_up, self._question))

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Any:
        if self._is_done:
            raise StopAsyncIteration
        talk, question = self._line.talk, self._question
        try:
            body = await self._line.wait(
                lambda: talk.reply(question), question, self._deadline
            )
        except BaseException:
            self._leave()
            raise
        if body.get("is_final") is True:
            self._is_done = True
            raise StopAsyncIteration
        return body.get("payload")

    async def aclose(self) -> None:
        """Leave it."""
        self._leave()

    def _leave(self) -> None:
        if not self._is_done:
            self._is_done = True
            talk, question = self._line.talk, self._question
            self._line.do(lambda: talk.give_up(question))


class AsyncSubscription:
    """Pushes of some types, as an async iterator.

    It ends when they are unsubscribed.  Who is cancelled while waiting loses none.
    """

    def __init__(self, line: _AsyncLine, inbox: _Inbox) -> None:
        self._line = line
        self._inbox = inbox

    async def __aenter__(self) -> AsyncSubscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        close_inbox = self._line.talk.close_inbox
        self._line.forget(functools.partial(close_inbox, self._inbox))

    def __aiter__(self) -> AsyncSubscription:
        return self

    async def __anext__(self) -> Push:
        push = await self._next(math.inf)
        if push is None:
            raise StopAsyncIteration
        return push

    @property
    def dropped(self) -> int:
        """How many pushes were lost, by the server or by us, so far."""
        return self._inbox.dropped

    async def next(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for the others
    ) -> Push:
        """Return the next push, waiting for it no longer than *timeout* seconds.

        Raises:
            TimedOut: There was none.
            PeerLost: The connection is gone, or these pushes are unsubscribed.
        """
        deadline = math.inf if timeout is None else self._line.loop.time() + timeout
        push = await self._next(deadline)
        if push is None:
            problem = "these pushes are unsubscribed"
            raise PeerLost(problem)
        return push

    async def aclose(self) -> None:
        """Want no more of them."""
        talk, inbox = self._line.talk, self._inbox
        self._line.do(lambda: talk.close_inbox(inbox))

    async def _next(self, deadline: float) -> Push | None:
        talk, inbox = self._line.talk, self._inbox
        push = await self._line.wait(lambda: talk.push(inbox), inbox, deadline)
        return push if isinstance(push, Push) else None
