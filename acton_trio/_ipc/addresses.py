"""Where a socket is, and how the kernel is told.

What begins with ``@`` is an abstract name, as systemd and ss write them: Linux
has them, and no file is anywhere.  All else is a path.  A socket's address has
little room for one; a longer path is told by way of its folder, held open.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from .._base.errors import ConfigError

__all__ = ["address_of", "is_abstract", "path_of", "unusable"]

# What fits in a sockaddr_un beside the final NUL, or the first one of an
# abstract name, in bytes.
_LONGEST: Final = 107 if sys.platform == "linux" else 103

# Where Linux has what a process holds open, as if it were links.
_DESCRIPTORS: Final = Path("/proc/self/fd")


def is_abstract(where: str | PathLike[str]) -> bool:
    """Return whether *where* is an abstract name, rather than a path."""
    return fspath(where).startswith("@")


def path_of(where: str | PathLike[str]) -> Path:
    """Return *where* as a path that means the same.

    ``./@name`` is a file of that name, and as a path alone it would not be.

    Raises:
        ConfigError: If it is an abstract name that would be another one.
    """
    path = Path(where)
    if is_abstract(where):
        if str(path) != fspath(where):
            raise unusable(where, "a name without '//', '/./' or a '/' at its end")
    elif is_abstract(path):
        return Path.cwd() / path
    return path


@contextmanager
def address_of(where: str | PathLike[str]) -> Generator[str | bytes, None, None]:
    """Have what a socket is bound or connected to that is at *where*.

    It means that as long as the block.  The folder of a path has to be there
    if the path is long.

    Raises:
        ConfigError: If no socket can be there, or none of this system.
        OSError: If there is no such folder.
    """
    text = fspath(where)
    if "\0" in text:
        raise unusable(text, "a path without a NUL character")
    if is_abstract(text):
        yield _name_of(text)
    elif _length(text) <= _LONGEST:
        yield text
    else:
        with _folder_of(text) as address:
            yield address


def unusable(where: str | PathLike[str], expected: str) -> ConfigError:
    """Return the error that says what is *expected* of where a socket is."""
    return ConfigError(fspath(where), "socket.path", f"expected {expected}")


def _name_of(text: str) -> bytes:
    if sys.platform != "linux":
        raise unusable(text, "a path, as only Linux has abstract names")
    if not 1 < len(os.fsencode(text)) <= _LONGEST + 1:
        raise unusable(text, f"a name of 1 to {_LONGEST} bytes after the @")
    return b"\0" + os.fsencode(text)[1:]


@contextmanager
def _folder_of(text: str) -> Generator[str, None, None]:
    if sys.platform != "linux" or not _DESCRIPTORS.is_dir():
        raise unusable(text, f"at most {_LONGEST} bytes, as sockets take no more")
    folder, name = os.path.split(text)
    # A bound on the number of the descriptor, so that what fits now always does.
    room = _LONGEST - len(f"{_DESCRIPTORS}/1234567/")
    if _length(name) > room:
        raise unusable(text, f"a last part of at most {room} bytes in so long a path")
    descriptor = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"{_DESCRIPTORS}/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _length(text: str) -> int:
    return len(os.fsencode(text))
