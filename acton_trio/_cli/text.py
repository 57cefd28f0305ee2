"""Text as a terminal shows it: what peers say cannot steer it, and fits its width.

Everything that another process says is untrusted: it may hold what moves the
cursor, colours the screen, or turns the direction of writing.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Final

import msgspec

from .._base.util import shown

__all__ = ["clean", "clipped", "json_of", "padded", "width_of"]

_ELLIPSIS: Final = "…"

# Categories of Unicode that take no room of their own.
_MARKS: Final = frozenset({"Mn", "Me"})

# Values of `unicodedata.east_asian_width` that take the room of two.
_WIDE: Final = frozenset({"W", "F"})


def clean(text: str) -> str:
    r"""Return *text* on one line, with all escaped that is not plainly seen.

    >>> clean("a\x1b[2Jb\u202e\n")
    'a\\x1b[2Jb\\u202e\\n'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def json_of(value: object, *, indent: int = 0) -> str:
    r"""Return plain data as JSON that can be shown; it never fails.

    What JSON has no word for is shown as Python would show it.

    Args:
        value: Dicts, lists, strings and numbers.
        indent: How far to indent what is inside; on one line if it is 0.

    >>> json_of({"text": "\x9b31m", "data": b"ok", "n": None})
    '{"text": "\\u009b31m", "data": "b2s=", "n": null}'
    """
    try:
        data = msgspec.json.encode(value, enc_hook=shown)
        text = msgspec.json.format(data, indent=indent).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = json.dumps(shown(value))
    if text.isprintable():
        return text
    lines = text.split("\n")
    return "\n".join("".join(map(_in_json, line)) for line in lines)


def _in_json(character: str) -> str:
    # Only strings of JSON hold such characters, and there this is the same.
    return character if character.isprintable() else json.dumps(character)[1:-1]


def width_of(text: str) -> int:
    r"""Return how many columns *text* takes.

    >>> width_of("abc"), width_of("価格"), width_of("e\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def clipped(text: str, width: int) -> str:
    """Return *text*, or its beginning if it takes more than *width* columns.

    >>> clipped("prices/alpha", 8), clipped("価格", 3), clipped("ab", 2)
    ('prices/…', '価…', 'ab')
    """
    if width_of(text) <= width:
        return text
    left, kept = width - 1, list[str]()
    for each in text:
        left -= _width(each)
        if left < 0:
            break
        kept.append(each)
    return "".join(kept) + _ELLIPSIS if width > 0 else ""


def padded(text: str, width: int, *, to_right: bool = False) -> str:
    """Return *text* in exactly *width* columns, clipped or with spaces.

    >>> padded("7", 3, to_right=True), padded("価", 3)
    ('  7', '価 ')
    """
    text = clipped(text, width)
    spaces = " " * (width - width_of(text))
    return spaces + text if to_right else text + spaces
