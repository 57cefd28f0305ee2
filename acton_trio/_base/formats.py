"""The formats in which a body can be written, as the wire numbers them."""

from __future__ import annotations

import enum

__all__ = ["Format"]


class Format(enum.IntEnum):
    """How a frame's body is written; the value is the header's format byte."""

    JSON = 1
    MESSAGEPACK = 2
