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

__all__ = ["Origins", "line_of_failure", "lines_of_task", "place_of"]

_OURS: Final = str(Path(__file__).parents[1])
_TRIOS: Final = str(Path(trio.__file__).parent)
_OUTCOMES: Final = str(Path(outcome.__file__).parent)
_BETWEEN: Final = contextlib.__file__

_UNKNOWN: Final = "an unknown place"
_NOWHERE: Final = f"at {_UNKNOWN}"
_REMOTE: Final = "from another process"

# By tuples, as there are many of them and few are ever shown.
_Line: TypeAlias = tuple[str, int]


@final
@attrs.define(eq=False)
class Origins:
    """Remembers which line each message was sent from; lives for one test."""

    # By identity: messages are equal by value, and need not have a hash.
    _lines: dict[int, tuple[weakref.ref[object], _Line | str]] = attrs.field(
        factory=dict[int, "tuple[weakref.ref[object], _Line | str]"], init=False
    )

    def remember(self, envelope: Envelope) -> None:
        """Note which line sends *envelope*; called while it does."""
        key = id(envelope.message)
        gone = weakref.ref(envelope.message, lambda _: self._lines.pop(key, None))
        line = _REMOTE if envelope.is_remote else _caller() or _starter() or _NOWHERE
        self._lines[key] = gone, line

    def of(self, message: object) -> str:
        """Say where *message* was sent from last, as the end of a sentence."""
        reference, line = self._lines.get(id(message), (None, _NOWHERE))
        if reference is None or reference() is not message:
            return _NOWHERE
        return line if isinstance(line, str) else f"at {place_of(*line)}"


def _caller() -> _Line | None:
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


def _starter() -> _Line | None:
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
