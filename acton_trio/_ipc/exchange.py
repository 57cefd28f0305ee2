"""Questions and answers as a client writes and reads them, without any I/O.

The trio client and the blocking one share this; so it does without trio.
What an answer means to the one who asked is in `results`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from .._base.errors import (
    ActonError,
    RemoteProtocolError,
    SerializationError,
)
from .._base.formats import Format
from .._base.teaching import class_line, lesson
from .._base.util import name_of, publish_names
from .._messages.codec import Codec, codec_of
from .._messages.declare import (
    Request as RequestMessage,
    StreamRequest,
    is_message,
    wire_name_of,
)
from .._wire.envelopes import Request, Response
from .._wire.malformed import Malformed

__all__ = [
    "DEFAULT_TIMEOUT",
    "FOREVER_MS",
    "Answer",
    "IpcResponse",
    "fresh",
    "milliseconds_left",
    "no_sense",
    "plain",
    "raw",
    "request_for",
    "stream_request_for",
]

DEFAULT_TIMEOUT: Final = 30.0
"""How long an answer is waited for by default, in seconds; the reference's."""

# The largest whole number that every language's JSON reader keeps exactly.
FOREVER_MS: Final = 2**53 - 1


@attrs.frozen
class IpcResponse:
    """An answer as it came, when its types are not at hand; a value."""

    correlation_id: str
    """The id of the request that it answers."""

    success: bool
    """Whether it is the reply, or says why there is none."""

    payload: Any = None
    """The reply as plain data: dicts, lists, strings and numbers."""

    error: str | None = None
    """Why there is no reply, in the peer's words."""

    error_code: str | None = None
    """The same as a code, for example ``ACTOR_NOT_FOUND``."""

    message_type: str | None = None
    """Name of the reply's type, if the peer tells it."""


# --- questions


def milliseconds_left(seconds: float) -> int:
    """Return *seconds* as the wire counts them: whole milliseconds, rounded up.

    >>> milliseconds_left(1.0001), milliseconds_left(-1), milliseconds_left(math.inf)
    (1001, 0, 9007199254740991)
    """
    if seconds * 1000 >= FOREVER_MS:
        return FOREVER_MS
    return max(math.ceil(seconds * 1000), 0)


def request_for(
    target: str,
    message: object,
    correlation_id: str,
    *,
    expects_reply: bool,
    timeout: float,
    headers: dict[str, str] | UnsetType = UNSET,
) -> Request:
    """Return the request that brings *message* to the actor *target*.

    Raises:
        TypeError: If it is no message, or not one for other processes, or no
            request although a reply is expected.
        SerializationError: If it cannot be written.
    """
    cls = type(message)
    manner = _manner_of(cls)
    if expects_reply and not manner.is_question:
        raise TypeError(_not_a_request(cls))
    return Request(
        correlation_id,
        target,
        manner.name,
        manner.payload_of(message),
        expects_reply=expects_reply,
        response_timeout_ms=milliseconds_left(timeout) if expects_reply else UNSET,
        headers=headers,
    )


def stream_request_for(
    target: str,
    message: object,
    correlation_id: str,
    *,
    timeout: float,
    headers: dict[str, str] | UnsetType = UNSET,
) -> Request:
    """Return the request that has the actor *target* answer with a stream.

    Raises:
        TypeError: If it is no message for other processes.
        SerializationError: If it cannot be written.
    """
    manner = _manner_of(type(message))
    return Request(
        correlation_id,
        target,
        manner.name,
        manner.payload_of(message),
        expects_stream=True,
        response_timeout_ms=milliseconds_left(timeout),
        headers=headers,
    )


class _Manner(NamedTuple):
    """How the messages of one type travel between processes."""

    name: str
    codec: Codec[Any]
    is_question: bool
    """Whether they are answered with one reply."""

    def payload_of(self, message: object) -> Raw:
        payload = self.codec.encode(message, Format.JSON)
        # A fieldless message is `null` to the reference, which refuses `{}`.
        return Raw(b"null" if payload == b"{}" else payload)


def _find_manner(cls: type) -> _Manner:
    """Return how messages of *cls* travel.

    Raises:
        TypeError: If they do not.
    """
    name = wire_name_of(cls) if is_message(cls) else None
    if name is None:
        raise TypeError(_not_for_peers(cls))
    return _Manner(name, codec_of(cls), issubclass(cls, RequestMessage))


_manner_of: Final[Callable[[type], _Manner]] = lru_cache(maxsize=1024)(_find_manner)


def _not_a_request(cls: type) -> str:
    name = name_of(cls)
    incorrect = f"await actor.ask({name}(...))"
    if issubclass(cls, StreamRequest):
        correct = f"async with actor.stream({name}(...)) as replies: ..."
        return lesson(f"{name} is answered with a stream.", incorrect, correct)
    return lesson(
        f"{name} is a message without a reply.",
        incorrect,
        f"await actor.send({name}(...))",
        f"class {name}(Request[int]): ...",
    )


def _not_for_peers(cls: type) -> str:
    """Return what is wrong with *cls*, whose instances do not travel."""
    if cls is type:
        return lesson(
            "a class does not travel between processes: a message of one that is "
            "declared with @message(ipc=True) does.",
            "await actor.ask(MyRequest)",
            "await actor.ask(MyRequest(...))",
        )
    if cls.__module__ == "builtins":
        return lesson(
            f"{name_of(cls)} does not travel between processes: a message does.",
            "await actor.send(...)",
            "@message(ipc=True)\nclass MyMessage: ...\nawait actor.send(MyMessage(...))",
        )
    line = class_line(cls)
    return lesson(
        f"{name_of(cls)} does not travel between processes.",
        f"@message\n{line}" if is_message(cls) else line,
        f"@message(ipc=True)\n{line}",
    )


def raw(payload: object) -> Raw:
    """Return plain data as a payload.

    Raises:
        SerializationError: If it holds what JSON cannot.
    """
    try:
        return Raw(msgspec.json.encode(payload))
    except Exception as error:
        msg = f"cannot write the payload as JSON: {error}"
        raise SerializationError(msg) from error


# --- answers


class Answer(NamedTuple):
    """An answer as it was read; lives until it is understood."""

    response: Response
    format: Format
    """The one of its frame, which its payload is written in as well."""


def no_sense(malformed: Malformed) -> RemoteProtocolError:
    """Return the error for an answer that is none."""
    return RemoteProtocolError(f"the answer makes no sense: {malformed.detail}")


def fresh(error: ActonError) -> ActonError:
    """Return *error* for one more caller, without the traceback of the others."""
    again = copy.copy(error)
    again.__traceback__ = None
    return again


def plain(answer: Answer) -> IpcResponse:
    """Return *answer* with its payload as plain data.

    Raises:
        SerializationError: If that cannot be read.
    """
    response, body_format = answer
    payload = response.payload
    value = None if payload is UNSET else codec_of(Any).decode(payload, body_format)
    return IpcResponse(
        response.correlation_id,
        response.success,
        value,
        response.error or None,
        response.error_code or None,
        response.message_type or None,
    )


publish_names(globals(), ["IpcResponse"], "acton_trio.ipc")
