"""The correlation id of a body that cannot be read, so that its asker hears.

Only what is cheap is tried: the bodies in question are the hostile ones too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from .._base.formats import Format

__all__ = [
    "MAX_CORRELATION_ID_SIZE",
    "UNREADABLE",
    "is_too_long",
    "salvage_correlation_id",
]

# Bytes in UTF-8.  Ids of the known clients take 30; the reference breaks at
# 246.
MAX_CORRELATION_ID_SIZE: Final = 1024

# What decoding a body can raise.  Nesting that is too deep is a
# RecursionError, UTF-8 that is none a ValueError.
UNREADABLE: Final = (
    msgspec.MsgspecError,
    ValueError,
    OverflowError,
    RecursionError,
)


class _Anything(msgspec.Struct, frozen=True):
    correlation_id: str


_DECODE: Final[Mapping[Format, Callable[[bytes], _Anything]]] = {
    Format.JSON: msgspec.json.Decoder(_Anything).decode,
    Format.MESSAGEPACK: msgspec.msgpack.Decoder(_Anything).decode,
}

# An object that begins with its correlation id, as those of all known clients
# do.  A character is six bytes at most: ``\u0000``.
_JSON_OPENING: Final = re.compile(
    rb'\s*\{\s*"correlation_id"\s*:\s*"(?:[^"\\]|\\.){0,6144}"', re.DOTALL
)
_MESSAGEPACK_OPENING: Final = re.compile(
    rb"(?:[\x80-\x8f]|\xde..|\xdf....)(\xaecorrelation_id"
    rb"(?:([\xa0-\xbf])|\xd9(.)|\xda(..)))",
    re.DOTALL,
)


def salvage_correlation_id(body: bytes, body_format: Format) -> str | None:
    """Return the correlation id of *body*, or ``None`` if there is none to use.

    The body has to be an object that holds it, whatever else it holds.  One
    that is nested too deeply to be seen as a whole has to begin with it.
    """
    try:
        found = _DECODE[body_format](body).correlation_id
    except RecursionError:
        return _salvage_from(_opening(body, body_format), body_format)
    except UNREADABLE:
        return None
    return None if is_too_long(found) else found


def is_too_long(correlation_id: str) -> bool:
    """Return whether a correlation id takes more bytes than we repeat."""
    # No character takes more than four bytes: most ids need no encoding.
    return (
        len(correlation_id) > MAX_CORRELATION_ID_SIZE // 4
        and len(correlation_id.encode()) > MAX_CORRELATION_ID_SIZE
    )


def _salvage_from(opening: bytes | None, body_format: Format) -> str | None:
    # An opening is shallow: there is no third try.
    return None if opening is None else salvage_correlation_id(opening, body_format)


def _opening(body: bytes, body_format: Format) -> bytes | None:
    if body_format is Format.JSON:
        found = _JSON_OPENING.match(body)
        return found and found[0] + b"}"
    found = _MESSAGEPACK_OPENING.match(body)
    return found and b"\x81" + body[found.start(1) : found.end() + _size(found)]


def _size(found: re.Match[bytes]) -> int:
    _, short, *longer = found.groups()
    if short:
        return short[0] & 0x1F
    return int.from_bytes(b"".join(each for each in longer if each))
