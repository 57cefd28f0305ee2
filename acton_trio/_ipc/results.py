"""What an answer means to the one who asked: a reply, or an error.

The trio client and the blocking one share this; so it does without trio.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final, cast

from msgspec import UNSET, Raw

from .._base.errors import (
    ActonError,
    ActorStoppedError,
    AskCycleError,
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
from .._base.util import name_of
from .._messages.codec import Codec, codec_of
from .._messages.declare import (
    Rejection,
    RemoteRejection,
    rejection_named,
    reply_type_of,
)
from .._wire.codes import NO_REPLY_TEXT, RECIPIENT_CLOSED_TEXT, ErrorCode
from .._wire.envelopes import Request, Response
from .._wire.refusals import UNKNOWN_CORRELATION_ID, refusal_of
from .exchange import Answer, plain

__all__ = [
    "acknowledged",
    "decoded",
    "failure_in",
    "last_words_in",
    "refusal_in",
    "reply_in",
    "timed_out",
]

_paths: Final = codec_of(dict[str, tuple[str, ...]])


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
    return decoded(payload, answer.format, request, message_type)


def decoded(
    payload: Raw, body_format: Format, request: Request, message_type: type
) -> Any:
    """Return the reply that *payload* is, to a request of *message_type*.

    Raises:
        UnexpectedReplyError: If it is none that the type declares.
    """
    codec, expected = _codec_for(cast("Hashable", message_type))
    try:
        return codec.decode(payload, body_format)
    except SerializationError as error:
        received = bytes(payload)[:200].decode(errors="replace")
        raise UnexpectedReplyError(
            request.target, request.message_type, expected, received
        ) from error


@lru_cache(maxsize=1024)
def _codec_for(message_type: Hashable) -> tuple[Codec[Any], str]:
    assert isinstance(message_type, type)
    expected = reply_type_of(message_type)
    return codec_of(expected), name_of(expected)


def acknowledged(answer: Answer, request: Request, after: float) -> None:
    """Check that *answer* is no error.

    Raises:
        AskError: If it is.
        Rejection: If the handler raised one.
    """
    if not answer.response.success:
        raise failure_in(answer, request, after)


def failure_in(answer: Answer, request: Request, after: float) -> AskError | Rejection:
    """Return the error for the answer that there is no reply, or no more of them.

    Args:
        answer: What the peer says.
        request: What it was asked.
        after: How long its asker would wait, in seconds.
    """
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
        case ErrorCode.STREAM_ERROR if text == RECIPIENT_CLOSED_TEXT:
            return ActorStoppedError(target, f"is not there any more: {text}")
        case ErrorCode.ASK_CYCLE:
            return AskCycleError(_path_in(answer, target))
        case ErrorCode.TIMEOUT:
            return timed_out(target, name, after, f"the peer says: {text}")
        case ErrorCode.HANDLER_FAILED:
            return HandlerFailedError(
                target, name, text.removeprefix("Handler failed: ")
            )
        case ErrorCode.CONNECTION_CLOSED:
            return PeerLostError(text)
        case _:
            return refusal_in(response)


def _path_in(answer: Answer, target: str) -> tuple[str, ...]:
    payload = answer.response.payload
    try:
        if payload is not UNSET:
            return _paths.decode(payload, answer.format)["path"]
    except (SerializationError, KeyError):
        # A peer that words it in another way: that it is one is still known.
        pass
    return target, target


def refusal_in(response: Response) -> PeerRejectedError:
    """Return the error for an answer whose code means nothing in particular."""
    return PeerRejectedError(response.error_code or "UNKNOWN", response.error or "")


def last_words_in(response: Response) -> ActonError | None:
    """Return why there will be no more answers, if *response* says that."""
    refusal = refusal_of(response)
    if refusal is not None:
        return refusal
    if response.correlation_id != UNKNOWN_CORRELATION_ID or response.success:
        # Any other answer is a late one, and has an id.
        return None
    code = response.error_code or ErrorCode.CONNECTION_CLOSED
    words = f"the peer says {code}: {response.error or 'no more than that'}"
    if code == ErrorCode.UNSUPPORTED_PROTOCOL_VERSION:
        return RemoteProtocolError(words)
    return PeerLostError(words)


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
    try:
        fields = plain(answer).payload
    except SerializationError:
        fields = None
    return RemoteRejection(name, fields, detail)
