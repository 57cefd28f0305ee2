"""The answer to a request, from what the actor made of it."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, cast

from msgspec import UNSET, Raw, UnsetType

from .._base.errors import (
    ActorStoppedError,
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
    unknown_message_type_text,
)
from .._wire.envelopes import Request, Response

__all__ = ["answer_failure", "answer_reply"]


def answer_reply(
    request: Request,
    message: object,
    value: object,
    registry: MessageRegistry,
    body_format: Format,
) -> Response:
    """Return the answer that carries *value*, the reply to *message*.

    What is not registered does not travel: the answer is an error that names
    the type, as an error must not look like a success.
    """
    cls = type(value)
    name = registry.name_of(cls)
    if name is None and is_message(cls):
        text = f"Serialization error: the reply type {cls.__name__} is not registered"
        return request.failure(ErrorCode.SERIALIZATION_ERROR, text)
    try:
        payload = _codec_for(
            cast("Hashable", type(message)), cast("Hashable", cls)
        ).encode(value, body_format)
    except SerializationError as error:
        text = f"Serialization error: {error}"
        return request.failure(ErrorCode.SERIALIZATION_ERROR, text)
    return request.reply(Raw(payload), name if name is not None else UNSET)


@lru_cache(maxsize=1024)
def _codec_for(message_type: Hashable, value_type: Hashable) -> Codec[Any]:
    assert isinstance(message_type, type)
    # By the declared type, so that a union is written as whoever reads the
    # declaration expects it.
    if is_question(message_type):
        return codec_of(reply_type_of(message_type))
    return codec_of(value_type)


def answer_failure(
    request: Request,
    error: BaseException,
    timeout_ms: int,
    body_format: Format,
    *,
    expose_details: bool,
) -> Response:
    """Return the answer that says why there is no reply.

    Whatever the error is, there is one: a text that cannot be had or written
    is made up for.
    """
    if isinstance(error, Rejection):
        return _rejected(request, error, body_format)
    match error:
        case NoReplyError():
            code, text = ErrorCode.IO_ERROR, NO_REPLY_TEXT
        case ActorStoppedError():
            code, text = ErrorCode.IO_ERROR, RECIPIENT_CLOSED_TEXT
        case AskTimeoutError():
            code, text = ErrorCode.TIMEOUT, request_timed_out_text(timeout_ms)
        case UnhandledMessageError():
            code = ErrorCode.UNKNOWN_MESSAGE_TYPE
            text = unknown_message_type_text(request.message_type)
        case UnexpectedReplyError() | SerializationError() | LocalProtocolError():
            code = ErrorCode.SERIALIZATION_ERROR
            text = f"Serialization error: {_words_of(error)}"
        case _:
            code = ErrorCode.HANDLER_FAILED
            text = _failure_text(error, expose_details=expose_details)
    return request.failure(code, _writable(text))


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


def _rejected(request: Request, error: Rejection, body_format: Format) -> Response:
    name: str | None
    payload: Raw | UnsetType = UNSET
    if isinstance(error, RemoteRejection):
        name = error.type_name
    else:
        name = wire_name_of(type(error))
        if name is not None:
            payload = _fields_of(error, body_format)
    return request.failure(
        ErrorCode.REJECTED,
        _writable(_words_of(error)),
        payload=payload,
        message_type=name if name is not None else UNSET,
    )


def _fields_of(error: Rejection, body_format: Format) -> Raw | UnsetType:
    try:
        return Raw(codec_of(type(error)).encode(error, body_format))
    except (SerializationError, TypeError):
        # What cannot travel stays here; that it was a rejection does not.
        return UNSET
