"""Names of actors, and identifiers that nobody else has.

An identifier is a TypeID: a prefix that says of what, and a UUIDv7 in 26
letters and digits, so that identifiers sort by the time they were made.
The caller brings the time and the randomness: nothing here reads a clock.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["check_name", "ern_of", "type_id"]

# Crockford's base 32: no i, l, o or u, which are easily misread.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]

_NOT_IN_PREFIX: Final = re.compile("[^a-z_]")

# One part of a supervision path; the reference allows the same for children.
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def check_name(name: object) -> str:
    """Return *name* if an actor may be called so.

    Raises:
        ValueError: If it is not 1 to 63 ASCII letters, digits, ``-``, ``_``
            or ``.``.
        TypeError: If it is no string.
    """
    if not isinstance(name, str):
        msg = f"the name of an actor is a str, not {name!r}"
        raise TypeError(msg)
    if _NAME.fullmatch(name) is None:
        msg = (
            f"{name!r} cannot be the name of an actor: expected 1 to 63 letters, "
            "digits, '-', '_' or '.'"
        )
        raise ValueError(msg)
    return name


def type_id(prefix: str, milliseconds: int, randomness: int) -> str:
    """Return a TypeID: *prefix*, and a UUIDv7 from a time and 74 random bits.

    >>> type_id("req", 1_700_000_000_000, 0)
    'req_01hf7yat00e008000000000000'
    """
    high, low = randomness >> 62 & 0xFFF, randomness & (1 << 62) - 1
    uuid = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | high << 64 | 2 << 62 | low
    text = "".join([_PAIRS[uuid >> shift & 1023] for shift in range(120, -1, -10)])
    return f"{prefix}_{text}" if prefix else text


def ern_of(path: str, identifier: str) -> str:
    """Return the ERN of the actor at *path*, whose root has that identifier.

    The root's part of it is a TypeID, whose prefix takes lower-case letters
    and ``_`` only: an ERN is for people and logs, actors are found by name.

    >>> ern_of("prices-2/alpha", "01h455vb4pex5vsknk084sn02q")
    'ern:acton:reactive:component:prices_01h455vb4pex5vsknk084sn02q/alpha'
    """
    root, *parts = path.split("/")
    prefix = _NOT_IN_PREFIX.sub("", root.lower()).strip("_")
    first = f"{prefix}_{identifier}" if prefix else identifier
    return "ern:acton:reactive:component:" + "/".join([first, *parts])
