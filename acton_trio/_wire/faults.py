"""What a peer can get wrong in a header, and what to tell it before leaving.

A body that cannot be read harms one request; a header that cannot be read
leaves nobody knowing where the next frame begins, so the connection ends.
"""

from __future__ import annotations

import attrs

from .._base.errors import RemoteProtocolError
from .answers import Response
from .refusals import farewell
from .versions import CURRENT_VERSION, MAX_VERSION, MIN_VERSION

__all__ = [
    "BadFormatError",
    "BadFrameTypeError",
    "BadHeaderError",
    "FrameTooLargeError",
    "UnsupportedVersionError",
]


class BadHeaderError(RemoteProtocolError):
    """Base of the faults after which the stream cannot be read any further."""

    @property
    def hint(self) -> Response:
        """What to send to the peer before the connection is closed."""
        return farewell(self.code, f"Protocol error: {self.detail}")

    @property
    def hint_version(self) -> int:
        """Protocol version to send it in: the frame's, where that is known."""
        version: int = getattr(self, "version", CURRENT_VERSION)
        return version


@attrs.define(eq=False, getstate_setstate=False)
class UnsupportedVersionError(BadHeaderError):
    """The frame is of a protocol version that this side does not speak."""

    code = "UNSUPPORTED_PROTOCOL_VERSION"

    announced: int
    """The version byte."""

    detail: str = attrs.field(init=False)
    """The fault in the words that go over the wire."""

    def __attrs_post_init__(self) -> None:
        self.detail = (
            f"Unsupported protocol version 0x{self.announced:02x}, "
            f"supported range: 0x{MIN_VERSION:02x}-0x{MAX_VERSION:02x}"
        )

    @property
    def hint(self) -> Response:
        """What to send to the peer before the connection is closed."""
        return farewell(self.code, self.detail)


@attrs.define(eq=False, getstate_setstate=False)
class BadFrameTypeError(BadHeaderError):
    """The frame's protocol version has no frames of its type."""

    frame_type: int
    """The type byte."""

    version: int
    """The frame's protocol version."""

    detail: str = attrs.field(init=False)
    """The fault, as a phrase."""

    def __attrs_post_init__(self) -> None:
        self.detail = (
            f"unknown frame type 0x{self.frame_type:02x} "
            f"in protocol version 0x{self.version:02x}"
        )


@attrs.define(eq=False, getstate_setstate=False)
class BadFormatError(BadHeaderError):
    """The frame's body is written in a format that this side cannot read."""

    body_format: int
    """The format byte."""

    version: int
    """The frame's protocol version."""

    detail: str = attrs.field(init=False)
    """The fault, as a phrase."""

    def __attrs_post_init__(self) -> None:
        self.detail = (
            f"unknown format 0x{self.body_format:02x}, "
            "expected 0x01 (JSON) or 0x02 (MessagePack)"
        )


@attrs.define(eq=False, getstate_setstate=False)
class FrameTooLargeError(BadHeaderError):
    """The frame announces a payload larger than this side accepts."""

    size: int
    """Announced size, in bytes."""

    limit: int
    """Largest size accepted, in bytes."""

    version: int = CURRENT_VERSION
    """The frame's protocol version."""

    detail: str = attrs.field(init=False)
    """The fault, as a phrase."""

    def __attrs_post_init__(self) -> None:
        self.detail = f"frame of {self.size} bytes exceeds the limit of {self.limit}"
