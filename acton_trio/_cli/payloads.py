"""What is to be said to an actor: JSON that was typed, piped or is in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO, NoReturn

from .failures import UsageError

__all__ = ["payload_of"]


def payload_of(text: str, stdin: BinaryIO) -> bytes:
    """Return the JSON that an argument means, exactly as it is written.

    Args:
        text: JSON itself; or ``-``, and it is in *stdin*; or ``@`` and the name
            of a file.
        stdin: What is piped into the command.

    Raises:
        UsageError: If it is no JSON, or cannot be read.
    """
    if text == "-":
        return _checked(stdin.read(), "stdin")
    if text.startswith("@"):
        return _checked(_read(text[1:]), text[1:])
    return _checked(text.encode(errors="surrogateescape"), repr(text))


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        msg = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        raise UsageError(msg) from error


def _checked(data: bytes, source: str) -> bytes:
    try:
        json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        msg = f"{source} is no JSON: {error}"
        raise UsageError(msg) from error
    return data


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is a number to Python alone"
    raise ValueError(msg)
