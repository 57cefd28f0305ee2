"""Bodies written as bytes, and read from them.

Reading never fails: a body that makes no sense is a finding of its own, with
the answer that is due to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET

from .._base.errors import SerializationError
from .._base.formats import Format
from .answers import Correlated, Push, Response, StreamItem
from .codes import ErrorCode
from .envelopes import (
    HEARTBEAT,
    Body,
    Cancel,
    Discover,
    Heartbeat,
    Request,
    Subscribe,
    Unsubscribe,
)
from .frames import Frame, FrameType
from .malformed import Malformed
from .refusals import UNKNOWN_CORRELATION_ID
from .salvage import (
    MAX_CORRELATION_ID_SIZE,
    UNREADABLE,
    is_too_long,
    salvage_correlation_id,
)

__all__ = [
    "MAX_HEADERS_SIZE",
    "ReadRequest",
    "decode_body",
    "encode_body",
    "frame_type_of",
]

ReadRequest: TypeAlias = Callable[[bytes, Format], "Request | None"]
"""Reads the body of a request, or leaves that to us; it raises nothing.

Who knows the types of messages can build the message in the same pass.  What
it returns has to be what we would have read, but for the payload.
"""

# Bytes in UTF-8, of names and values together.  What a handler asks takes them along,
# so large ones of a peer would make frames of ours that another server refuses.  For
# comparison: HTTP servers accept 8 to 16 KiB.
MAX_HEADERS_SIZE: Final = 16384

# In characters: no character takes more than four bytes.
_SURELY_SHORT: Final = MAX_CORRELATION_ID_SIZE // 4

_Decode: TypeAlias = Callable[[bytes], Body]

# As globals they are found faster.
_REQUEST: Final = FrameType.REQUEST
_RESPONSE: Final = FrameType.RESPONSE
_ERROR: Final = FrameType.ERROR

_STRUCTS: Final[Mapping[FrameType, type[Body]]] = {
    FrameType.REQUEST: Request,
    FrameType.RESPONSE: Response,
    FrameType.ERROR: Response,
    FrameType.PUSH: Push,
    FrameType.SUBSCRIBE: Subscribe,
    FrameType.UNSUBSCRIBE: Unsubscribe,
    FrameType.DISCOVER: Discover,
    FrameType.STREAM: StreamItem,
    FrameType.CANCEL: Cancel,
}

_FRAME_TYPES: Final[Mapping[type, FrameType]] = {
    Heartbeat: FrameType.HEARTBEAT,
    **{of: each for each, of in _STRUCTS.items() if of is not Response},
}


def _decode_heartbeat(_payload: bytes) -> Heartbeat:
    # Empty from some clients, `{}` from others: it has never meant anything.
    return HEARTBEAT


def _decoders(
    decoder: type[msgspec.json.Decoder[Body] | msgspec.msgpack.Decoder[Body]],
) -> dict[FrameType, _Decode]:
    decoders = {each: decoder(of).decode for each, of in _STRUCTS.items()}
    return {FrameType.HEARTBEAT: _decode_heartbeat, **decoders}


_DECODE: Final[Mapping[Format, Mapping[FrameType, _Decode]]] = {
    Format.JSON: _decoders(msgspec.json.Decoder),
    Format.MESSAGEPACK: _decoders(msgspec.msgpack.Decoder),
}

_ENCODE: Final[Mapping[Format, Callable[[Body], bytes]]] = {
    Format.JSON: msgspec.json.Encoder().encode,
    Format.MESSAGEPACK: msgspec.msgpack.Encoder().encode,
}


def frame_type_of(body: Body) -> FrameType:
    """Return the type of the frame that *body* belongs in."""
    if isinstance(body, Response):
        return _RESPONSE if body.success else _ERROR
    return _FRAME_TYPES[type(body)]


def encode_body(body: Body, body_format: Format) -> bytes:
    """Return *body* in bytes.

    Raises:
        SerializationError: If one of its strings is no text, as a lone
            surrogate is none, or its payload is a value that cannot be written.
    """
    try:
        return _ENCODE[body_format](body)
    except Exception as error:
        raise SerializationError(str(error)) from error


def decode_body(
    frame: Frame, read_request: ReadRequest | None = None
) -> Body | Malformed:
    """Return what the body of *frame* says, or what is wrong with it."""
    if read_request is not None and frame.type is _REQUEST:
        request = read_request(frame.payload, frame.format)
        if request is not None:
            is_modest = len(request.correlation_id) <= _SURELY_SHORT
            if is_modest and request.headers is UNSET and frame.version > 1:
                return request
            return _check(frame, request)
    try:
        body = _DECODE[frame.format][frame.type](frame.payload)
    except RecursionError:
        return _malformed(frame, "nested too deeply")
    except UNREADABLE as error:
        return _malformed(frame, str(error))
    return _check(frame, body)


def _check(frame: Frame, body: Body) -> Body | Malformed:
    # A short body cannot hold a long id: no escape stands for more bytes than
    # it takes itself.
    if len(frame.payload) > MAX_CORRELATION_ID_SIZE:
        return _check_sizes(frame, body)
    return body if frame.version > 1 else _check_v1(frame, body)


def _size_of_headers(request: Request) -> int:
    if request.headers is UNSET:
        return 0
    items = request.headers.items()
    return sum(len(key.encode()) + len(value.encode()) for key, value in items)


def _check_sizes(frame: Frame, body: Body) -> Body | Malformed:
    if isinstance(body, Correlated) and is_too_long(body.correlation_id):
        limit = f"{MAX_CORRELATION_ID_SIZE} bytes"
        return _forbidden(frame, f"correlation id exceeds the limit of {limit}")
    if len(frame.payload) > MAX_HEADERS_SIZE and isinstance(body, Request):
        size = _size_of_headers(body)
        if size > MAX_HEADERS_SIZE:
            detail = f"headers of {size} bytes exceed the limit of {MAX_HEADERS_SIZE}"
            return _forbidden(frame, detail, body.correlation_id)
    return body if frame.version > 1 else _check_v1(frame, body)


def _check_v1(frame: Frame, body: Body) -> Body | Malformed:
    # The answers would be frames of a type that version 1 does not have.
    if frame.version == 1 and isinstance(body, Request) and body.expects_stream:
        return _forbidden(
            frame, "streams need protocol version 0x02", body.correlation_id
        )
    return body


def _malformed(frame: Frame, detail: str) -> Malformed:
    found = salvage_correlation_id(frame.payload, frame.format)
    return Malformed(
        UNKNOWN_CORRELATION_ID if found is None else found,
        detail,
        frame.type,
        frame.version,
        frame.format,
    )


def _forbidden(
    frame: Frame, detail: str, correlation_id: str = UNKNOWN_CORRELATION_ID
) -> Malformed:
    return Malformed(
        correlation_id,
        detail,
        frame.type,
        frame.version,
        frame.format,
        ErrorCode.PROTOCOL_ERROR,
    )
