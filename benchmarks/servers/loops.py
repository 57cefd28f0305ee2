"""Which event loop an asyncio program runs on: the command line's last word."""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
import importlib
import sys
from collections.abc import Coroutine

__all__ = ["run"]


def run(program: Coroutine[object, object, None]) -> None:
    """Run *program* until it ends, on uvloop if that is the last argument."""
    factory = None
    if sys.argv[-1] == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(program)
