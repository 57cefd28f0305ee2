"""Where things come from: the file and line of the code that did them."""

from __future__ import annotations

import contextlib
import sys
import traceback
import weakref
from pathlib import Path
from types import FrameType
from typing import Final, TypeAlias, final

import attrs
import outcome
import trio

from .._kernel.envelope import Envelope

__all__ = [
    "Line",
    "Origins",
    "in_words",
    "line_of_failure",
    "lines_of_task",
    "place_of",
]

_OURS: Final = str(Path(__file__).parents[1])
_TRIOS: Final = str(Path(trio.__file__).parent)
_OUTCOMES: Final = str(Path(outcome.__file__).parent)
_BETWEEN: Final = contextlib.__file__

_UNKNOWN: Final = "an unknown place"
_NOWHERE: Final = f"at {_UNKNOWN}"
_REMOTE: Final = "from another process"

# By tuples, as there are many of them and few are ever shown.
Line: TypeAlias = tuple[str, int] | str
"""Where something was done; in words, if no line is known."""


@final
@attrs.define(eq=False)
class Origins:
    """Remembers which line each message was sent from; lives for one test."""

    # By identity: messages are equal by value, and need not have a hash.
    _lines: dict[int, tuple[weakref.ref[object], Line]] = attrs.field(
        factory=dict[int, "tuple[weakref.ref[object], Line]"], init=False
    )

    def remember(self, envelope: Envelope) -> Line:
        """Note which line sends *envelope*, and return it; called while it does."""
        message = envelope.message
        key = id(message)
        gone = weakref.ref(message, lambda _: self._lines.pop(key, None))
        line = _REMOTE if envelope.is_remote else self._line_of_sender(message)
        self._lines[key] = gone, line
        return line

    def of(self, message: object) -> str:
        """Say where *message* was sent from last, as the end of a sentence."""
        return in_words(self._known(message) or _NOWHERE)

    def _line_of_sender(self, message: object) -> Line:
        # One that is sent when it is due was remembered when it was armed.
        return _caller() or self._known(message) or _starter() or _NOWHERE

    def _known(self, message: object) -> Line | None:
        reference, line = self._lines.get(id(message), (None, _NOWHERE))
        return line if reference is not None and reference() is message else None


def in_words(line: Line) -> str:
    """Say which line it is, as the end of a sentence."""
    return line if isinstance(line, str) else f"at {place_of(*line)}"


def _caller() -> tuple[str, int] | None:
    """Return the line that has called into this package."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to it
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_TRIOS):
            # Below this is whoever runs trio, who knows nothing of the task.
            return None
        if not file.startswith(_OURS) and file != _BETWEEN:
            return file, frame.f_lineno
        frame = frame.f_back
    return None


def _starter() -> tuple[str, int] | None:
    """Return the line where the task waits that has started this one.

    A task that was started with a function of this package has no line of its own.
    """
    nursery = trio.lowlevel.current_task().parent_nursery
    if nursery is None:
        return None
    own = _own_frames(_frames_of(nursery.parent_task))
    return (own[-1].filename, own[-1].lineno or 0) if own else None


def line_of_failure(error: BaseException) -> str:
    """Return the line that *error* was raised at, in the user's own code if any."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return _UNKNOWN
    last = (_own_frames(frames) or frames)[-1]
    return place_of(last.filename, last.lineno or 0)


def lines_of_task(task: trio.lowlevel.Task) -> str:
    """Return the lines that *task* waits at, from the innermost outward.

    Those of trio are left out, unless it runs nothing else.
    """
    stack = _frames_of(task)
    frames = [each for each in stack if not each.filename.startswith(_TRIOS)]
    lines = [place_of(each.filename, each.lineno or 0) for each in frames or stack[:1]]
    return " < ".join(reversed(lines))


def _frames_of(task: trio.lowlevel.Task) -> traceback.StackSummary:
    return traceback.StackSummary.extract(task.iter_await_frames(), lookup_lines=False)


def _own_frames(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    others = (_OURS, _TRIOS, _OUTCOMES, _BETWEEN)
    return [each for each in stack if not each.filename.startswith(others)]


def place_of(file: str, line: int) -> str:
    """Return how to write down a line, seen from the current directory."""
    path = Path(file)
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return f"{path}:{line}"
