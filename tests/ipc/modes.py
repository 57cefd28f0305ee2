"""The permissions of files, as they are and as they were for an instant."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["mode_of", "modes_seen", "umask"]


def mode_of(path: Path) -> int:
    """Return the permissions of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Generator[None, None, None]:
    """Create files without the permissions in *mask*."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def modes_seen(path: Path) -> Generator[set[int], None, None]:
    """Look at *path* all the while; yield the permissions that it was seen with."""
    seen: set[int] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            with suppress(FileNotFoundError):
                seen.add(mode_of(path))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()
