"""Where a frame begins and ends: bytes in, frames out, and back.

A frame is a header and a payload.  The first four bytes are the payload's
length, unsigned and big-endian; then come the protocol version, the frame's
type and, from version 2 on, the payload's format.  The version belongs to the
frame, not to the connection: a peer may mix them.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from typing import Final, final

import attrs
import msgspec

from .._base.errors import LocalProtocolError
from .._base.formats import Format
from .faults import (
    BadFormatError,
    BadFrameTypeError,
    FrameTooLargeError,
    UnsupportedVersionError,
)
from .versions import CURRENT_VERSION, MAX_VERSION

__all__ = [
    "DEFAULT_MAX_MESSAGE_SIZE",
    "FRAME_TYPES",
    "HEADER_SIZE_V1",
    "MAX_FRAME_SIZE",
    "MAX_HEADER_SIZE",
    "Frame",
    "FrameDecoder",
    "FrameType",
    "encode_frame",
]

# Bytes of payload that no frame may exceed, whatever is configured.  For
# comparison: HTTP/2 frames 16 MiB, D-Bus messages 128 MiB.
MAX_FRAME_SIZE: Final = 16 * 1024 * 1024

# Bytes of payload that a server accepts unless configured otherwise: large
# enough for any sane message, small enough that a peer cannot make us buffer
# much.  For comparison: gRPC 4 MiB, NATS 1 MiB.
DEFAULT_MAX_MESSAGE_SIZE: Final = 1024 * 1024

_HEADER_V1: Final = struct.Struct(">IBB")
_HEADER_V2: Final = struct.Struct(">IBBB")

# That of version 2 again, with all but the size in one: what most frames are is
# found with one look, and no byte is judged on its own.
_HEADER: Final = struct.Struct(">I3s")

# Bytes that the header takes: at most, and in version 1.
MAX_HEADER_SIZE: Final = _HEADER_V2.size
HEADER_SIZE_V1: Final = _HEADER_V1.size


class FrameType(enum.IntEnum):
    """What a frame is; the value is the header's type byte."""

    REQUEST = 0x01
    RESPONSE = 0x02
    ERROR = 0x03
    HEARTBEAT = 0x04
    PUSH = 0x05
    SUBSCRIBE = 0x06
    UNSUBSCRIBE = 0x07
    DISCOVER = 0x08
    STREAM = 0x09
    CANCEL = 0x0A


FRAME_TYPES: Final[Mapping[int, Mapping[int, FrameType]]] = {
    1: {
        FrameType.REQUEST: FrameType.REQUEST,
        FrameType.RESPONSE: FrameType.RESPONSE,
        FrameType.ERROR: FrameType.ERROR,
        FrameType.HEARTBEAT: FrameType.HEARTBEAT,
    },
    2: {each: each for each in FrameType},
}
"""By protocol version, the type bytes that it knows."""

_FORMATS: Final[Mapping[int, Format]] = {each: each for each in Format}

_KINDS: Final[Mapping[bytes, tuple[int, FrameType, Format]]] = {
    bytes((2, each, body_format)): (2, each, body_format)
    for each in FRAME_TYPES[2].values()
    for body_format in Format
}


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame as it was read, its payload not yet looked at."""

    version: int
    """Protocol version of this frame."""

    type: FrameType
    """What it is."""

    format: Format
    """How the payload is written; JSON in version 1, which has no such byte."""

    payload: bytes
    """The body, encoded."""


def encode_frame(
    frame_type: FrameType,
    payload: bytes,
    *,
    version: int = CURRENT_VERSION,
    format: Format = Format.JSON,  # noqa: A002 - the protocol's word
) -> bytes:
    """Return *payload* behind its header.

    Raises:
        LocalProtocolError: If that version has no such type or format, or the
            payload is larger than any peer accepts.

    >>> encode_frame(FrameType.HEARTBEAT, b"{}").hex()
    '000000020204017b7d'
    """
    size = len(payload)
    if size <= MAX_FRAME_SIZE and version == MAX_VERSION:
        return _HEADER_V2.pack(size, version, frame_type, format) + payload
    if frame_type not in FRAME_TYPES.get(version, ()):
        msg = f"protocol version {version} has no {frame_type.name} frames"
        raise LocalProtocolError(msg)
    if size > MAX_FRAME_SIZE:
        msg = f"payload of {size} bytes exceeds the limit of {MAX_FRAME_SIZE}"
        raise LocalProtocolError(msg)
    if format is not Format.JSON:
        msg = f"protocol version 1 has JSON only, not {format.name}"
        raise LocalProtocolError(msg)
    return _HEADER_V1.pack(size, version, frame_type) + payload


@final
@attrs.define(eq=False)
class FrameDecoder:
    """Cuts the bytes of one connection into frames; lives as long as it.

    Between calls it holds less than one frame, provided that `next_frame` is
    called until it returns ``None`` before more bytes are given to it.
    """

    max_payload: int = DEFAULT_MAX_MESSAGE_SIZE
    """Largest payload accepted, in bytes."""

    _limit: int = attrs.field(init=False, repr=False)

    # A chunk stays what it is until more has to be put behind it: most hold whole
    # frames, and these are cut from bytes at less than half the cost.
    _buffer: bytes | bytearray = attrs.field(default=b"", init=False, repr=False)
    _start: int = attrs.field(default=0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._limit = min(self.max_payload, MAX_FRAME_SIZE)

    @property
    def buffered(self) -> int:
        """How many bytes wait to become frames."""
        return len(self._buffer) - self._start

    @property
    def wanted(self) -> int:
        """How many more bytes belong to the frame that is begun, as far as known.

        At least 1.  Who reads no more than this never reads into the frame
        after it.
        """
        buffered = self.buffered
        if buffered < _HEADER_V1.size:
            return _HEADER_V1.size - buffered
        size, version, _ = _HEADER_V1.unpack_from(self._buffer, self._start)
        header = _HEADER_V1.size if version == 1 else _HEADER_V2.size
        missing = header - buffered if buffered < header else header + size - buffered
        return max(missing, 1)

    def receive_data(self, data: bytes) -> None:
        """Take the next bytes of the stream, as many as there are."""
        if self._start == len(self._buffer):
            self._buffer, self._start = bytes(data), 0
            return
        self._forget_consumed()
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """Return the next frame, or ``None`` until more bytes have come.

        Each byte of the header is judged as soon as the one before it has
        passed, and the payload is not waited for: an absurd announcement costs
        us seven bytes and not a buffer of that size.

        Raises:
            UnsupportedVersionError: If the version is none of ours.
            BadFrameTypeError: If that version has no such type.
            BadFormatError: If the format byte is unknown.
            FrameTooLargeError: If the payload would exceed `max_payload` or
                `MAX_FRAME_SIZE`.

        After a fault nobody knows where the next frame begins, so the fault
        stays: every further call raises it again.
        """
        buffer, begin = self._buffer, self._start + _HEADER.size
        if len(buffer) >= begin:
            size, kind = _HEADER.unpack_from(buffer, self._start)
            known, end = _KINDS.get(kind), begin + size
            if known is not None and size <= self._limit and len(buffer) >= end:
                if type(buffer) is not bytes:
                    return Frame(*known, self._cut(begin, end))
                self._start = end
                return Frame(*known, buffer[begin:end])
        elif len(buffer) == self._start:
            self.discard()
            return None
        frame = self._judge()
        if frame is None:
            self._forget_consumed()
        return frame

    def discard(self) -> None:
        """Forget what is buffered."""
        self._buffer, self._start = b"", 0

    def _judge(self) -> Frame | None:
        """Return what `next_frame` does, having looked at each byte on its own."""
        buffer, start = self._buffer, self._start
        begin = start + _HEADER_V1.size
        if len(buffer) < begin:
            return None
        size, version, code = _HEADER_V1.unpack_from(buffer, start)
        frame_type = _frame_type(version, code)
        body_format = Format.JSON
        if version > 1:
            if len(buffer) == begin:
                return None
            body_format = _body_format(version, buffer[begin])
            begin += 1
        if size > self._limit:
            raise FrameTooLargeError(size, self._limit, version)
        if len(buffer) - begin < size:
            return None
        payload = self._cut(begin, begin + size)
        return Frame(version, frame_type, body_format, payload)

    def _cut(self, begin: int, end: int) -> bytes:
        self._start = end
        if isinstance(self._buffer, bytes):
            return self._buffer[begin:end]
        # Through a view, so that it is copied once.
        return bytes(memoryview(self._buffer)[begin:end])

    def _forget_consumed(self) -> None:
        # Deleting at the front moves the start of a bytearray, not its bytes:
        # the whole stays linear however the stream is cut.
        if not self._start:
            return
        if isinstance(self._buffer, bytearray):
            del self._buffer[: self._start]
        else:
            self._buffer = self._buffer[self._start :]
        self._start = 0


def _frame_type(version: int, code: int) -> FrameType:
    known = FRAME_TYPES.get(version)
    if known is None:
        raise UnsupportedVersionError(version)
    frame_type = known.get(code)
    if frame_type is None:
        raise BadFrameTypeError(code, version)
    return frame_type


def _body_format(version: int, code: int) -> Format:
    body_format = _FORMATS.get(code)
    if body_format is None:
        raise BadFormatError(code, version)
    return body_format
