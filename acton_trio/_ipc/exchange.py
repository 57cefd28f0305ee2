"""Questions and answers as a client writes and reads them, without any I/O.

The trio client and the blocking one share this; so it does without trio.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Final, NamedTuple, cast

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from .._base.errors import (
    ActonError,
    ActorStoppedError,
    AskError,
    HandlerFailedError,
    NoReplyError,
    PeerLostError,
    PeerRejectedError,
    RemoteProtocolError,
    SerializationError,
    UnexpectedReplyError,
)
from .._base.formats import Format
from .._base.util import name_of, publish_names
from .._messages.codec import codec_of
from .._messages.declare import (
    Rejection,
    RemoteRejection,
    Request as RequestMessage,
    is_message,
    rejection_named,
    reply_type_of,
    wire_name_of,
)
from .._wire.codes import NO_REPLY_TEXT, ErrorCode
from .._wire.envelopes import Request, Response
from .._wire.malformed import Malformed

__all__ = [
    "DEFAULT_TIMEOUT",
    "ActorInfo",
    "Answer",
    "Discovery",
    "IpcResponse",
    "acknowledged",
    "fresh",
    "milliseconds_left",
    "no_sense",
    "plain",
    "raw",
    "reply_in",
    "request_for",
    "timed_out",
]

DEFAULT_TIMEOUT: Final = 30.0
"""How long an answer is waited for by default, in seconds; the reference's."""

# The largest whole number that every language's JSON reader keeps exactly.
_FOREVER_MS: Final = 2**53 - 1


@attrs.frozen
class IpcResponse:
    """An answer as it came, when its types are not at hand."""

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


@attrs.frozen
class ActorInfo:
    """An actor that a peer exposes."""

    name: str
    """What it is called there."""

    ern: str
    """The same as nobody else is ever called."""

    accepts: tuple[str, ...] = ()
    """Names of the messages it handles, if the peer tells them."""


@attrs.frozen
class Discovery:
    """What a peer has to offer."""

    protocol_version: int
    """The newest version of the protocol that it speaks."""

    capabilities: frozenset[str]
    """What it can do: ``messagepack``, ``streaming``, ``push``, ``cancel``."""

    actors: tuple[ActorInfo, ...]
    """The actors that can be reached, by name."""

    message_types: tuple[str, ...]
    """Names of the messages it knows, sorted."""

    @classmethod
    def of(cls, response: Response) -> Discovery:
        """Return what *response* tells.

        Raises:
            PeerRejectedError: If it is an error.
        """
        version = response.protocol_version
        if not response.success or version is UNSET:
            raise _refusal(response)
        able = msgspec.structs.asdict(version.capabilities)
        actors = () if response.actors is UNSET else response.actors
        types = () if response.message_types is UNSET else response.message_types
        return cls(
            version.current,
            frozenset(name for name, can in able.items() if can),
            tuple(
                ActorInfo(
                    each.name, each.ern, () if each.accepts is UNSET else each.accepts
                )
                for each in sorted(actors, key=lambda each: each.name)
            ),
            tuple(sorted(types)),
        )


# --- questions


def milliseconds_left(seconds: float) -> int:
    """Return *seconds* as the wire counts them: whole milliseconds, rounded up.

    >>> milliseconds_left(1.0001), milliseconds_left(-1), milliseconds_left(math.inf)
    (1001, 0, 9007199254740991)
    """
    if seconds * 1000 >= _FOREVER_MS:
        return _FOREVER_MS
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
    name = wire_name_of(cls) if is_message(cls) else None
    if name is None:
        msg = (
            f"{name_of(cls)} does not travel between processes: declare it with "
            "@message(ipc=True)"
        )
        raise TypeError(msg)
    if expects_reply and not issubclass(cls, RequestMessage):
        msg = (
            f"{name_of(cls)} is a message without a reply: send() it, or declare "
            f"what it is answered with: class {cls.__name__}(Request[int])"
        )
        raise TypeError(msg)
    # A fieldless message is `null` to the reference, which refuses `{}`.
    payload = codec_of(cast("object", cls)).encode(message, Format.JSON)
    if payload == b"{}":
        payload = b"null"
    return Request(
        correlation_id,
        target,
        name,
        Raw(payload),
        expects_reply=expects_reply,
        response_timeout_ms=milliseconds_left(timeout) if expects_reply else UNSET,
        headers=headers,
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


def reply_in(answer: Answer, request: Request, message_type: type, after: float) -> Any:
    """Return the reply in *answer*, or raise what it says there is instead.

    Raises:
        AskError: See `ActorHandle.ask`.
        Rejection: If the handler raised one.
    """
    payload = answer.response.payload
    acknowledged(answer, request, after)
    if payload is UNSET:
        raise NoReplyError(request.target, request.message_type)
    expected = reply_type_of(message_type)
    try:
        return codec_of(expected).decode(payload, answer.format)
    except SerializationError as error:
        received = bytes(payload)[:200].decode(errors="replace")
        raise UnexpectedReplyError(
            request.target, request.message_type, name_of(expected), received
        ) from error


def acknowledged(answer: Answer, request: Request, after: float) -> None:
    """Check that *answer* is no error.

    Raises:
        AskError: If it is.
        Rejection: If the handler raised one.
    """
    if not answer.response.success:
        raise _failure(answer, request, after)


def _failure(answer: Answer, request: Request, after: float) -> AskError | Rejection:
    response = answer.response
    text = response.error or ""
    target, name = request.target, request.message_type
    match response.error_code:
        case ErrorCode.REJECTED:
            return _rejection(answer)
        case ErrorCode.IO_ERROR if text == NO_REPLY_TEXT:
            return NoReplyError(target, name)
        case ErrorCode.IO_ERROR:
            return ActorStoppedError(target, f"is not there any more: {text}")
        case ErrorCode.TIMEOUT:
            return timed_out(target, name, after, f"the peer says: {text}")
        case ErrorCode.HANDLER_FAILED:
            return HandlerFailedError(
                target, name, text.removeprefix("Handler failed: ")
            )
        case ErrorCode.CONNECTION_CLOSED:
            return PeerLostError(text)
        case _:
            return _refusal(response)


def _refusal(response: Response) -> PeerRejectedError:
    return PeerRejectedError(response.error_code or "UNKNOWN", response.error or "")


def timed_out(target: str, name: str, after: float, where: str) -> AskError:
    """Return the error for an answer that did not come in time."""
    # Imported when it is needed, and not before: it is a trio error, and the
    # blocking client runs without trio.
    from .._base.patience import AskTimeoutError  # noqa: PLC0415

    return AskTimeoutError(target, name, after, where)


def _rejection(answer: Answer) -> Rejection:
    response, body_format = answer
    name = response.message_type or "Rejection"
    detail = response.error or ""
    known = rejection_named(name)
    if response.payload is UNSET:
        return RemoteRejection(name, None, detail)
    if known is not None:
        try:
            return codec_of(known).decode(response.payload, body_format)
        except SerializationError:
            # Another version of it: what it says is still worth passing on.
            pass
    return RemoteRejection(name, plain(answer).payload, detail)


publish_names(globals(), ["ActorInfo", "Discovery", "IpcResponse"], "acton_trio.ipc")
