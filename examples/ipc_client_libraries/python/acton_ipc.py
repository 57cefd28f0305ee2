"""Talk to Acton actors from a Python program that has no actors of its own.

One file, standard library only: copy it beside your program.

An Acton server listens on a Unix socket and speaks in frames: seven bytes of
header (length of the body, version, kind, format), then a body in JSON.  A
request carries a correlation id and its answer repeats it, so answers may
overtake each other and pushes may come in between::

    client = ActonClient(path)
    response = client.send("my-service", "GetValue", {})

The client has no thread of its own.  Whoever waits reads for all: a frame for
somebody else goes to that caller's inbox, one that nobody waits for any more
is dropped.  Therefore threads may share a client, and a connection stays good
after a timeout: the late answer finds no inbox.
"""

from __future__ import annotations

import contextlib
import copy
import enum
import json
import math
import os
import select
import socket
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeAlias, TypedDict, TypeVar, Union, cast

__all__ = [
    "DEFAULT_TIMEOUT",
    "MAX_FRAME_SIZE",
    "AccessDeniedError",
    "ActonClient",
    "ActonError",
    "ActorNotFoundError",
    "AnswerTimeoutError",
    "ConnectError",
    "ConnectionClosedError",
    "ConnectionLimitError",
    "Discovery",
    "ExposedActor",
    "FrameTooLargeError",
    "HandlerFailedError",
    "Json",
    "ProtocolError",
    "Push",
    "RateLimitedError",
    "RejectedError",
    "Response",
    "SerializationError",
    "ServerError",
    "ShuttingDownError",
    "TargetBusyError",
    "UnknownMessageTypeError",
]

Json: TypeAlias = Union[bool, int, float, str, "list[Json]", "dict[str, Json]", None]
_Body: TypeAlias = "dict[str, Json]"
_T = TypeVar("_T")

MAX_FRAME_SIZE: Final = 16 * 1024 * 1024
"""Largest body the protocol allows in either direction, in bytes."""

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds to wait for an answer when the caller does not say."""

_VERSION: Final = 2
_JSON: Final = 1
_HEADER: Final = struct.Struct(">IBBB")
# Answers under this id are about the connection, not about a request.
_REFUSAL: Final = "__acton_connection_rejected__"
# A server cuts a connection that is silent for a minute.
_KEEPALIVE: Final = 30.0
_MAX_WAITING_PUSHES: Final = 1024
_LONGEST_TIMEOUT_MS: Final = 2**53


class _Kind(enum.IntEnum):
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


_CODES: Final = frozenset(int(kind) for kind in _Kind)


class ActonError(Exception):
    """Base of every error raised by this module."""


class ConnectError(ActonError, ConnectionError):
    """Nobody listens at the path, or we may not open it."""


class ConnectionClosedError(ActonError, ConnectionError):
    """The connection is gone; whether the message was handled is unknown."""


class ConnectionLimitError(ConnectionClosedError):
    """The server serves as many connections as it may, and refused this one."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the server is at its limit of {self.limit} connections"


class AccessDeniedError(ConnectionClosedError):
    """The server does not serve this user."""


class ProtocolError(ActonError):
    """The server sent something that is not the protocol; the connection ends."""


class FrameTooLargeError(ActonError):
    """The message is larger than a frame may be; nothing was sent."""


class AnswerTimeoutError(ActonError, TimeoutError):
    """No answer in time, by the server's clock or by ours.

    The actor may still handle the message.
    """


class ServerError(ActonError):
    """The server's answer was an error; codes of note have a class below."""

    _classes: ClassVar[dict[str, type[ServerError]]] = {}

    def __init__(self, code: str, text: str, payload: Json = None) -> None:
        super().__init__(code, text, payload)
        self.code = code
        self.text = text
        self.payload = payload

    def __init_subclass__(cls, *, code: str) -> None:
        super().__init_subclass__()
        cls._classes[code] = cls

    def __str__(self) -> str:
        return f"{self.text} ({self.code})"

    @classmethod
    def from_body(cls, body: _Body) -> ActonError:
        """Return the error that the body of an answer tells of."""
        code = str(body.get("error_code", "UNKNOWN"))
        text = str(body.get("error", "the server gave no reason"))
        if code == "TIMEOUT":
            return AnswerTimeoutError(text)
        return cls._classes.get(code, ServerError)(code, text, body.get("payload"))


class ActorNotFoundError(ServerError, code="ACTOR_NOT_FOUND"):
    """No actor is exposed under this name."""


class UnknownMessageTypeError(ServerError, code="UNKNOWN_MESSAGE_TYPE"):
    """The server has no message of this name."""


class SerializationError(ServerError, code="SERIALIZATION_ERROR"):
    """The payload does not fit the message type, or the reply cannot travel."""


class TargetBusyError(ServerError, code="TARGET_BUSY"):
    """The actor's mailbox is full; the message was not delivered."""


class RateLimitedError(ServerError, code="RATE_LIMITED"):
    """This connection sends too fast; the text says when to try again."""


class ShuttingDownError(ServerError, code="SHUTTING_DOWN"):
    """The server finishes what it has and takes nothing new."""


class HandlerFailedError(ServerError, code="HANDLER_FAILED"):
    """The actor raised while handling the message."""


class RejectedError(ServerError, code="REJECTED"):
    """The actor refused the message; ``payload`` has the refusal's fields."""


@dataclass(frozen=True)
class Response:
    """A successful answer, with what travels beside the payload."""

    correlation_id: str
    payload: Json
    message_type: str | None
    """Type of the reply, when the server says it."""


@dataclass(frozen=True)
class Push:
    """A message broadcast to everybody who subscribed to its type."""

    notification_id: str
    message_type: str
    payload: Json
    timestamp_ms: int
    source_actor: str | None
    dropped: int
    """How many pushes were lost before this one because nobody read them."""


class ExposedActor(TypedDict, total=False):
    """An actor that can be reached, as discovery describes it."""

    name: str
    ern: str
    accepts: list[str]


class Discovery(TypedDict, total=False):
    """What a server offers; keys not understood by the server are absent."""

    protocol_version: dict[str, Json]
    actors: list[ExposedActor]
    message_types: list[str]
    schemas: dict[str, Json]


class ActonClient:
    """One connection to a server, from construction until it is closed.

    When the connection is lost every call says so; make a new client then.
    Nothing is ever sent twice.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._socket = _connect(path, timeout)
        self._sending = threading.Lock()
        # Guards everything below.
        self._changed = threading.Condition()
        self._frames = _FrameBuffer()
        self._is_reading = False
        self._failure: ActonError | None = None
        self._last_words = ""
        self._last_sent = time.monotonic()
        self._inboxes: dict[str, deque[_Body]] = {}
        # Heartbeats have no id.  Their answers come in the order of asking.
        self._heartbeats: deque[deque[None]] = deque()
        self._pushes: deque[Push] = deque()
        self._lost_pushes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(
        self,
        target: str,
        message_type: str,
        payload: object = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Json:
        """Send a message and return the payload of its reply.

        Args:
            target: The name under which the actor is exposed.
            message_type: The name under which the message is registered.
            payload: Its fields, anything `json.dumps` takes.
            timeout: Seconds to wait for the reply.

        Raises:
            ServerError: The server or the actor answered with an error.
            AnswerTimeoutError: No reply in time; the client stays usable.
            ConnectionClosedError: The connection is gone.
        """
        return self.request(target, message_type, payload, timeout=timeout).payload

    def request(
        self,
        target: str,
        message_type: str,
        payload: object = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Response:
        """Send a message and return its whole answer; raises like `send`."""
        fields = _request_fields(target, message_type, payload, timeout)
        answer = self._ask(_Kind.REQUEST, {**fields, "expects_reply": True}, timeout)
        reply_type = answer.get("message_type")
        return Response(
            correlation_id=str(answer["correlation_id"]),
            payload=answer.get("payload"),
            message_type=None if reply_type is None else str(reply_type),
        )

    def fire_and_forget(
        self,
        target: str,
        message_type: str,
        payload: object = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Send a message; return when it is in the actor's mailbox.

        That is not to say that it was handled.  Raises like `send`.
        """
        fields = _request_fields(target, message_type, payload, timeout)
        self._ask(_Kind.REQUEST, {**fields, "expects_reply": False}, timeout)

    def stream(
        self,
        target: str,
        message_type: str,
        payload: object = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Iterator[Json]:
        """Send a message when iteration begins; yield the payload of each reply.

        The timeout is for the whole stream.  A stream that is left early goes
        on at the server until it ends or times out.  Raises like `send`.
        """
        fields = _request_fields(target, message_type, payload, timeout)
        fields |= {"expects_reply": False, "expects_stream": True}
        with self._conversation(_Kind.REQUEST, fields, timeout) as take:
            is_final = False
            while not is_final:
                body = take()
                # A plain answer ends a stream as well.
                is_final = body.get("is_final", True) is True
                if "payload" in body:
                    yield body["payload"]

    def subscribe(
        self, *message_types: str, timeout: float = DEFAULT_TIMEOUT
    ) -> list[str]:
        """Ask for pushes of these types; return all types now subscribed to."""
        return self._change_subscriptions(_Kind.SUBSCRIBE, message_types, timeout)

    def unsubscribe(
        self, *message_types: str, timeout: float = DEFAULT_TIMEOUT
    ) -> list[str]:
        """End pushes of these types, or of all; return what is left."""
        return self._change_subscriptions(_Kind.UNSUBSCRIBE, message_types, timeout)

    def pushes(self, *, timeout: float = math.inf) -> Iterator[Push]:
        """Yield pushes as they come; the timeout is for each of them.

        Pushes that arrive during other calls wait, up to a limit; the first
        one after a loss says how many are missing.
        """
        while True:
            yield self._take(self._pushes, time.monotonic() + timeout)

    def discover(
        self, *, include_schemas: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Discovery:
        """Return the actors, message types and abilities of the server."""
        fields: dict[str, object] = {
            "include_actors": True,
            "include_message_types": True,
        }
        if include_schemas:
            fields["include_schemas"] = True
        answer = self._ask(_Kind.DISCOVER, fields, timeout)
        known = Discovery.__annotations__
        return cast("Discovery", {key: answer[key] for key in known if key in answer})

    def heartbeat(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Return when the server has answered; keeps an idle connection open."""
        deadline = time.monotonic() + timeout
        inbox: deque[None] = deque()
        self._transmit(_Kind.HEARTBEAT, {}, deadline, inbox)
        self._take(inbox, deadline)

    def close(self) -> None:
        """End the connection; whoever still waits gets `ConnectionClosedError`."""
        with self._changed:
            self._fail(ConnectionClosedError("closed by this side"))
            # The number of a closed socket is soon somebody else's: let the
            # threads that still use ours leave first.  _fail has woken them.
            self._changed.wait_for(lambda: not self._is_reading)
        with self._sending:
            self._socket.close()

    def _change_subscriptions(
        self, kind: _Kind, message_types: tuple[str, ...], timeout: float
    ) -> list[str]:
        answer = self._ask(kind, {"message_types": message_types}, timeout)
        return cast("list[str]", answer.get("subscribed_types", []))

    def _ask(self, kind: _Kind, fields: dict[str, object], timeout: float) -> _Body:
        with self._conversation(kind, fields, timeout) as take:
            return take()

    @contextlib.contextmanager
    def _conversation(
        self, kind: _Kind, fields: dict[str, object], timeout: float
    ) -> Generator[Callable[[], _Body]]:
        """Send a frame and keep an inbox for its answers; give a way to take one."""
        correlation_id = f"{kind.name.lower()}_{uuid.uuid4().hex}"
        deadline = time.monotonic() + timeout
        inbox: deque[_Body] = deque()

        def take() -> _Body:
            body = self._take(inbox, deadline)
            if body.get("success", True) is not True or "error" in body:
                raise ServerError.from_body(body)
            return body

        with self._changed:
            self._inboxes[correlation_id] = inbox
        try:
            body = {"correlation_id": correlation_id, **fields}
            self._transmit(kind, body, deadline)
            yield take
        finally:
            with self._changed:
                del self._inboxes[correlation_id]

    def _transmit(
        self,
        kind: _Kind,
        body: dict[str, object],
        deadline: float,
        heartbeat: deque[None] | None = None,
    ) -> None:
        frame = _encode_frame(kind, body)
        if not self._sending.acquire(timeout=_seconds_until(deadline)):
            raise _timed_out()
        try:
            with self._changed:
                if self._failure is not None:
                    raise copy.copy(self._failure)
                if heartbeat is not None:
                    self._heartbeats.append(heartbeat)
            if not self._write(frame, deadline):
                with self._changed:
                    if heartbeat is not None:
                        self._heartbeats.remove(heartbeat)
                raise _timed_out()
            self._last_sent = time.monotonic()
        finally:
            self._sending.release()

    def _write(self, frame: bytes, deadline: float) -> bool:
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                if not _is_ready(self._socket, select.POLLOUT, deadline):
                    if len(rest) < len(frame):
                        # Nothing that follows half a frame makes sense.
                        with self._changed:
                            self._fail(ConnectionClosedError("a frame was cut short"))
                    return False
            except ConnectionError:
                # What the server said before it left is still to be read, and
                # after it the reader finds the end.
                return True
        return True

    def _take(self, inbox: deque[_T], deadline: float) -> _T:
        """Wait until there is something in the inbox, reading for everybody."""
        with self._changed:
            while not inbox:
                if self._failure is not None:
                    # A copy: several threads may raise it.
                    raise copy.copy(self._failure)
                if time.monotonic() >= deadline:
                    raise _timed_out()
                if self._is_reading:
                    self._changed.wait(_seconds_until(deadline))
                else:
                    self._read_once(deadline)
            return inbox.popleft()

    def _read_once(self, deadline: float) -> None:
        # Invariant: one thread at a time reads, and it reads unlocked.  Bytes
        # of an unfinished frame stay in the buffer for the next reader.
        self._is_reading = True
        self._changed.release()
        try:
            data = self._receive(deadline)
        finally:
            self._changed.acquire()
            self._is_reading = False
            self._changed.notify_all()
        if data is None:
            return
        try:
            for kind, body in self._frames.feed(data):
                self._route(kind, body)
        except ProtocolError as error:
            self._fail(error)
        if not data:
            self._fail(
                ConnectionClosedError(self._last_words or "closed by the server")
            )

    def _receive(self, deadline: float) -> bytes | None:
        """Return what has arrived, ``b""`` at the end, None if nothing came."""
        keepalive = self._last_sent + _KEEPALIVE
        if not _is_ready(self._socket, select.POLLIN, min(deadline, keepalive)):
            if time.monotonic() >= keepalive:
                # Sent if it can be sent at once; if not, we are not idle.
                with contextlib.suppress(ActonError):
                    self._transmit(_Kind.HEARTBEAT, {}, 0, deque())
                self._last_sent = time.monotonic()
            return None
        try:
            return self._socket.recv(64 * 1024)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b""

    def _route(self, kind: _Kind, body: _Body) -> None:
        if kind is _Kind.HEARTBEAT:
            if self._heartbeats:
                self._heartbeats.popleft().append(None)
        elif kind is _Kind.PUSH:
            self._keep_push(body)
        elif kind in {_Kind.RESPONSE, _Kind.ERROR, _Kind.STREAM}:
            correlation_id = str(body.get("correlation_id"))
            if correlation_id == _REFUSAL:
                self._fail(_refusal(body))
            elif correlation_id in self._inboxes:
                if kind is _Kind.STREAM:
                    body.setdefault("is_final", False)
                self._inboxes[correlation_id].append(body)
            elif correlation_id == "unknown":
                # A fault that the server cannot attribute; it may close now.
                self._last_words = str(ServerError.from_body(body))

    def _keep_push(self, body: _Body) -> None:
        if len(self._pushes) >= _MAX_WAITING_PUSHES:
            self._lost_pushes += 1 + _integer(body, "dropped")
            return
        source = body.get("source_actor")
        self._pushes.append(
            Push(
                notification_id=str(body.get("notification_id", "")),
                message_type=str(body.get("message_type", "")),
                payload=body.get("payload"),
                timestamp_ms=_integer(body, "timestamp_ms"),
                source_actor=None if source is None else str(source),
                dropped=self._lost_pushes + _integer(body, "dropped"),
            )
        )
        self._lost_pushes = 0

    def _fail(self, error: ActonError) -> None:
        """Let every call raise this, unless an earlier failure says more."""
        if self._failure is None:
            self._failure = error
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._changed.notify_all()


class _FrameBuffer:
    """The bytes that have come, cut into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[_Kind, _Body]]:
        """Add bytes; yield the frames that are complete with them."""
        self._bytes += data
        while len(self._bytes) >= _HEADER.size:
            size, version, code, encoding = cast(
                "tuple[int, int, int, int]", _HEADER.unpack_from(self._bytes)
            )
            kind = _check_header(size, version, code, encoding)
            end = _HEADER.size + size
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[_HEADER.size : end])
            del self._bytes[:end]
            # A heartbeat says nothing, in any number of bytes.
            yield kind, {} if kind is _Kind.HEARTBEAT else _decode_body(body)


def _check_header(size: int, version: int, code: int, encoding: int) -> _Kind:
    problem = ""
    if version != _VERSION:
        problem = f"unsupported protocol version {version:#04x}"
    elif code not in _CODES:
        problem = f"unknown frame type {code:#04x}"
    elif encoding != _JSON:
        problem = f"unsupported format {encoding:#04x}"
    elif size > MAX_FRAME_SIZE:
        problem = f"frame of {size} bytes exceeds the limit of {MAX_FRAME_SIZE}"
    if problem:
        raise ProtocolError(problem)
    return _Kind(code)


def _decode_body(data: bytes) -> _Body:
    try:
        body = cast("Json", json.loads(data))
    except (ValueError, RecursionError) as error:
        problem = f"the body of a frame is not JSON: {error}"
        raise ProtocolError(problem) from error
    if not isinstance(body, dict):
        problem = "the body of a frame is not an object"
        raise ProtocolError(problem)
    return body


def _encode_frame(kind: _Kind, body: dict[str, object]) -> bytes:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    data = text.encode()
    if len(data) > MAX_FRAME_SIZE:
        problem = f"message of {len(data)} bytes exceeds {MAX_FRAME_SIZE}"
        raise FrameTooLargeError(problem)
    return _HEADER.pack(len(data), _VERSION, kind, _JSON) + data


def _request_fields(
    target: str, message_type: str, payload: object, timeout: float
) -> dict[str, object]:
    return {
        "target": target,
        "message_type": message_type,
        "payload": payload,
        "response_timeout_ms": int(min(max(timeout, 0) * 1000, _LONGEST_TIMEOUT_MS)),
    }


def _refusal(body: _Body) -> ActonError:
    match body.get("error_code"):
        case "CONNECTION_LIMIT_REACHED":
            payload = body.get("payload")
            return ConnectionLimitError(
                _integer(payload, "limit") if isinstance(payload, dict) else 0
            )
        case "ACCESS_DENIED":
            return AccessDeniedError(str(body.get("error")))
        case _:
            return ProtocolError(str(body.get("error")))


def _integer(body: _Body, key: str) -> int:
    value = body.get(key)
    return value if isinstance(value, int) else 0


def _connect(path: str | os.PathLike[str], timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(min(timeout, threading.TIMEOUT_MAX))
        connection.connect(os.fspath(path))
        connection.setblocking(False)  # noqa: FBT003  # positional in the library
    except OSError as error:
        connection.close()
        problem = f"cannot connect to {os.fspath(path)}: {error}"
        raise ConnectError(problem) from error
    return connection


def _is_ready(connection: socket.socket, event: int, deadline: float) -> bool:
    # Not socket.settimeout: the reader's patience is not the writer's.
    poll = select.poll()
    poll.register(connection, event)
    return bool(poll.poll(math.ceil(min(_seconds_until(deadline), 3600) * 1000)))


def _seconds_until(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0), threading.TIMEOUT_MAX)


def _timed_out() -> AnswerTimeoutError:
    return AnswerTimeoutError("no answer in time")
