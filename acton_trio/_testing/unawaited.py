"""Calls that nobody awaited, found while a test runs.

Python says so in a warning, when the coroutine is collected.  It is listened to
here, for the time of one test, and told which line the call was in.
"""

from __future__ import annotations

import gc
import re
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TextIO

from .._base.teaching import spoken
from .leaks import Leak
from .origins import place_of

__all__ = ["note_failure", "noting_unawaited"]

_has_failed: Final[set[str]] = set()

_NEVER_AWAITED: Final = re.compile(r"coroutine '(?P<name>.+?)' was never awaited")
_ORIGIN: Final = re.compile(r'  File "(?P<file>.+?)", line (?P<line>\d+), in ')


@contextmanager
def noting_unawaited(leaks: list[Leak]) -> Generator[None, None, None]:
    """Add to *leaks*, in the block, each call that was not awaited."""
    if _has_failed:
        # A traceback has kept what an earlier test has left, which is not this one's.
        _has_failed.clear()
        gc.collect()
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(depth, 1))
    try:
        # It restores who is shown warnings, too.
        with warnings.catch_warnings():
            pattern = "coroutine '.*' was never awaited"
            warnings.filterwarnings("always", pattern, RuntimeWarning)
            warnings.showwarning = _Listener(leaks).hear
            yield
            # What is in a cycle is found now, if it is as young as the test.
            gc.collect(1)
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)


def note_failure(test: str) -> None:
    """Take note that *test* has failed, whose calls may be kept by its traceback."""
    _has_failed.add(test)


class _Listener:
    """Hears of warnings, and passes them on; lives for one test."""

    def __init__(self, leaks: list[Leak]) -> None:
        self._leaks: Final = leaks
        self._pass_on: Final = warnings.showwarning

    def hear(  # noqa: PLR0917 - what Python calls it with
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take note of the warning, if it is one of those."""
        self._pass_on(message, category, filename, lineno, file, line)
        text = str(message)
        found = _NEVER_AWAITED.match(text)
        if found is not None:
            origin = [*_ORIGIN.finditer(text)]
            if origin:
                filename, lineno = origin[-1]["file"], int(origin[-1]["line"])
            call = f"{spoken(found['name'])}(...)"
            place = place_of(filename, lineno)
            self._leaks.append(Leak("forgotten await", f"{call}, called at {place}"))
