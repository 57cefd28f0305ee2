"""`Background`: the tasks of an incarnation that no message waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

import trio

__all__ = ["Background"]


@final
class Background:
    """Tasks that die with an incarnation; lives as long as it has any use for them.

    What is started while a lifespan is being entered waits until there is a nursery.
    """

    __slots__ = ("_crew", "_early")

    def __init__(self) -> None:
        self._crew: trio.Nursery | None = None
        self._early: list[tuple[Callable[[], Awaitable[object]], str]] = []

    def start(self, task: Callable[[], Awaitable[object]], name: str) -> None:
        """Have *task* run, or run as soon as it can."""
        if self._crew is not None:
            self._crew.start_soon(task, name=name)
        else:
            self._early.append((task, name))

    def begin(self, crew: trio.Nursery) -> None:
        """Have all of them run in *crew* from now on."""
        self._crew = crew
        for task, name in self._early:
            crew.start_soon(task, name=name)
        self._early.clear()
