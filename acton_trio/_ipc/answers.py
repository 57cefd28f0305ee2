"""What a request is answered with, from what the actor made of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from .._base.errors import (
    ActorStoppedError,
    AskCycleError,
    HandlerFailedError,
    LocalProtocolError,
    NoReplyError,
    SerializationError,
    UnexpectedReplyError,
    UnhandledMessageError,
)
from .._base.formats import Format
from .._base.patience import AskTimeoutError
from .._messages.codec import Codec, codec_of
from .._messages.declare import (
    Rejection,
    RemoteRejection,
    is_message,
    is_question,
    reply_type_of,
    wire_name_of,
)
from .._messages.registry import MessageRegistry
from .._wire.codes import (
    NO_REPLY_TEXT,
    RECIPIENT_CLOSED_TEXT,
    ErrorCode,
    request_timed_out_text,
    stream_timed_out_text,
    unknown_message_type_text,
)
from .._wire.envelopes import Request, Response

__all__ = ["Failure", "Reply", "failure_of", "plain_answer_of", "reply_of"]


_paths: Final = codec_of(dict[str, list[str]])


class Reply(NamedTuple):
    """A reply as it is written."""

    payload: Raw
    message_type: str | UnsetType
    """Its name on the wire, if it is a message."""


class Failure(NamedTuple):
    """Why there is no reply, as a peer is told."""

    code: str
    text: str
    payload: Raw | UnsetType = UNSET
    """The fields of a rejection."""

    message_type: str | UnsetType = UNSET
    """The name of a rejection."""


def reply_of(
    message: object, value: object, registry: MessageRegistry, body_format: Format
) -> Reply:
    """Return *value*, a reply to *message*, in bytes.

    Raises:
        SerializationError: If its type is not registered, or it cannot be
            written: an error must not look like a success.
    """
    codec, is_named = _manner_of(type(message), type(value))
    name = _name_for(type(value), registry) if is_named else UNSET
    return Reply(Raw(codec.encode(value, body_format)), name)


def plain_answer_of(
    request: Request, message: object, value: object, registry: MessageRegistry
) -> Response | None:
    """Return the answer that *value*, a reply to *message*, is written along with.

    That is possible if msgspec alone writes it as it should be; if not, there is
    ``None``.

    Raises:
        SerializationError: If its type is not registered.
    """
    cls = type(value)
    reply: Any = value
    codec, is_named = _manner_of(type(message), cls)
    if not codec.native or cls is UnsetType:
        return None
    if not is_named:
        return request.reply(reply)
    return request.reply(reply, registry.name_of(cls) or _name_for(cls, registry))


def _name_for(cls: type, registry: MessageRegistry) -> str:
    name = registry.name_of(cls)
    if name is None:
        msg = f"the reply type {cls.__name__} is not registered"
        raise SerializationError(msg)
    return name


def _find_manner(message_type: type, value_type: type) -> tuple[Codec[Any], bool]:
    """Return how a reply is written, and whether it is a message and has a name."""
    # By the declared type, so that a union is written as whoever reads the
    # declaration expects it.
    is_declared = is_question(message_type)
    written_as = reply_type_of(message_type) if is_declared else value_type
    return codec_of(written_as), is_message(value_type)


_manner_of: Final[Callable[[type, type], tuple[Codec[Any], bool]]] = lru_cache(
    maxsize=1024
)(_find_manner)


def failure_of(
    request: Request,
    error: BaseException,
    timeout_ms: int,
    body_format: Format,
    *,
    expose_details: bool,
) -> Failure:
    """Return what a peer is told of *error*.

    Whatever it is, there is something: a text that cannot be had or written
    is made up for.
    """
    if isinstance(error, Rejection):
        return _rejected(error, body_format)
    match error:
        case NoReplyError():
            return Failure(ErrorCode.IO_ERROR, NO_REPLY_TEXT)
        case ActorStoppedError():
            return Failure(ErrorCode.IO_ERROR, RECIPIENT_CLOSED_TEXT)
        case AskCycleError():
            path = _paths.encode({"path": list(error.path)}, body_format)
            return Failure(ErrorCode.ASK_CYCLE, _writable(str(error)), Raw(path))
        case AskTimeoutError() if request.expects_stream:
            return Failure(ErrorCode.TIMEOUT, stream_timed_out_text(timeout_ms))
        case AskTimeoutError():
            return Failure(ErrorCode.TIMEOUT, request_timed_out_text(timeout_ms))
        case UnhandledMessageError():
            text = unknown_message_type_text(request.message_type)
            return Failure(ErrorCode.UNKNOWN_MESSAGE_TYPE, text)
        case UnexpectedReplyError() | SerializationError() | LocalProtocolError():
            text = f"Serialization error: {_words_of(error)}"
            return Failure(ErrorCode.SERIALIZATION_ERROR, _writable(text))
        case _:
            text = _failure_text(error, expose_details=expose_details)
            return Failure(ErrorCode.HANDLER_FAILED, _writable(text))


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever its class makes of that
        return "an error without words"


def _writable(text: str) -> str:
    # Names of files hold what is no text: half characters.
    return text.encode(errors="backslashreplace").decode()


def _failure_text(error: BaseException, *, expose_details: bool) -> str:
    # A peer learns the type only: texts of exceptions hold paths, queries and
    # other people's data.
    if not isinstance(error, HandlerFailedError):
        return f"Handler failed: {type(error).__name__}"
    if expose_details and error.__cause__ is not None:
        return f"Handler failed: {error.error}: {_words_of(error.__cause__)}"
    return f"Handler failed: {error.error}"


def _rejected(error: Rejection, body_format: Format) -> Failure:
    name: str | None
    payload: Raw | UnsetType = UNSET
    if isinstance(error, RemoteRejection):
        name = error.type_name
    else:
        name = wire_name_of(type(error))
        if name is not None:
            payload = _fields_of(error, body_format)
    return Failure(
        ErrorCode.REJECTED,
        _writable(_words_of(error)),
        payload,
        name if name is not None else UNSET,
    )


def _fields_of(error: Rejection, body_format: Format) -> Raw | UnsetType:
    try:
        return Raw(codec_of(type(error)).encode(error, body_format))
    except (SerializationError, TypeError):
        # What cannot travel stays here; that it was a rejection does not.
        return UNSET
