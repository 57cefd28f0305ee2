"""What can come out of a connection."""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias

import msgspec

from .._base.formats import Format
from .envelopes import Body
from .frames import FrameType
from .malformed import Malformed

__all__ = [
    "NEED_DATA",
    "ConnectionClosed",
    "Event",
    "Ignored",
    "NeedData",
    "Received",
]


class NeedData(enum.Enum):
    """The type of `NEED_DATA`, which is no event but the lack of one."""

    NEED_DATA = "NEED_DATA"


NEED_DATA: Final[Literal[NeedData.NEED_DATA]] = NeedData.NEED_DATA
"""Nothing more can be said before more bytes have come."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """The peer said something."""

    body: Body
    """What it said."""

    version: int
    """The protocol version it said it in, and expects the answer in."""

    format: Format
    """The format it said it in, and expects the answer in."""


class Ignored(msgspec.Struct, frozen=True):
    """The peer sent what only this side may send; it was read and dropped."""

    frame_type: FrameType
    """What it was."""


class ConnectionClosed(msgspec.Struct, frozen=True):
    """The peer has sent its last byte, and all before it was read."""

    truncated: bool
    """Whether it ended amid a frame."""


Event: TypeAlias = Received | Malformed | Ignored | ConnectionClosed
