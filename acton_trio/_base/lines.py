"""Where in the user's code something is, or was, as ``file.py:12``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

__all__ = ["line_in", "line_left", "line_of"]


def line_of(function: Callable[..., Any]) -> str:
    """Return where *function* is written; empty if it is not in Python."""
    code = _code_of(function)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def line_in(work: object, function: Callable[..., Any]) -> str:
    """Return at which line *work* stands, which is what calling *function* gave.

    If it has not begun, or is over, that is where the function is written.
    """
    frame: FrameType | None = getattr(work, "cr_frame", None)
    frame = frame or getattr(work, "ag_frame", None)
    if frame is None:
        return line_of(function)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def line_left(error: BaseException, function: Callable[..., Any]) -> str:
    """Return at which line *function* was left by *error*."""
    code, step, line = _code_of(function), error.__traceback__, line_of(function)
    while step is not None:
        if step.tb_frame.f_code is code:
            line = f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}"
        step = step.tb_next
    return line


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    code: CodeType | None = getattr(inspect.unwrap(function), "__code__", None)
    return code
