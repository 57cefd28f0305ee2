"""How a runtime ended: who drained, who was cancelled, who took too long."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, final

import attrs
import trio

from .._base.lines import line_in, line_of_failure
from .._base.util import name_of, publish_names
from .._kernel.cell import Cell

__all__ = ["CutOff", "Overrun", "Overseer", "ShutdownReport"]

# What is cancelled needs some steps to end, and is not late for that.
_GRACE: Final = 0.1


@attrs.frozen
class CutOff:
    """A handler that was cancelled."""

    actor: str
    """Name of the actor."""

    message: str
    """Type of the message."""

    handler: str
    """Name of the handler."""

    line: str
    """Where it was then, as ``file.py:12``."""


@attrs.frozen
class Overrun:
    """An actor that took longer to end than its budget allows."""

    actor: str
    """Name of the actor."""

    seconds: float
    """By how much."""

    handler: str
    """Name of the handler or hook that it was in; empty if it was in none."""

    line: str
    """Where it was when the budget was spent."""


@attrs.frozen
class ShutdownReport:
    """How a runtime ended; a value."""

    drained: tuple[str, ...]
    """The actors that ended in their own time, in the order in which they did."""

    cancelled: tuple[CutOff, ...]
    """The handlers that were cancelled."""

    overran: tuple[Overrun, ...]
    """The actors that took longer than they may."""

    forced: bool
    """Whether a second signal cut it short."""


@final
@attrs.define(eq=False)
class Overseer:
    """Takes note of how a runtime ends; lives as long as it."""

    actor_shutdown: float
    """Longest time that an actor may take to stop, in seconds."""

    is_forced: bool = attrs.field(default=False, init=False)
    is_ending: bool = attrs.field(default=False, init=False)
    """Whether the runtime has begun to end."""

    _ended: list[str] = attrs.field(factory=list[str], init=False)
    _cut_off: list[CutOff] = attrs.field(factory=list[CutOff], init=False)
    _overran: list[Overrun] = attrs.field(factory=list[Overrun], init=False)
    # Where those were whose time is up and who are still there.
    _late: dict[Cell, tuple[str, str]] = attrs.field(
        factory=dict[Cell, tuple[str, str]], init=False
    )

    def begin(
        self, services: trio.Nursery, cells: Callable[[], Iterable[Cell]]
    ) -> None:
        """Take note of everything from now on.

        Args:
            services: Where the watch stands.
            cells: Returns the incarnations that there are.
        """
        if self.is_ending:
            return
        self.is_ending = True
        if not services.cancel_scope.cancel_called:
            services.start_soon(self._watch, cells, name="overseer")

    def cut_off(
        self, actor: str, message: object, function: Callable[..., Any], error: Any
    ) -> None:
        """Take note of a handler that was cancelled along with its actor."""
        if self.is_ending:
            line = line_of_failure(error, function)
            message_name, handler = name_of(type(message)), name_of(function)
            self._cut_off.append(CutOff(actor, message_name, handler, line))

    def ended(self, cell: Cell) -> None:
        """Take note of an incarnation that is no more."""
        if not self.is_ending:
            return
        seconds = trio.current_time() - cell.due
        where = self._late.pop(cell, ("", ""))
        if where[0] or seconds > _GRACE:
            handler, line = where if where[0] else _latest(cell)
            self._overran.append(Overrun(cell.seat.name, seconds, handler, line))
        self._ended.append(cell.seat.name)

    def report(self) -> ShutdownReport:
        """Return what has been seen."""
        others = {each.actor for each in self._cut_off}
        others |= {each.actor for each in self._overran}
        drained = tuple(name for name in self._ended if name not in others)
        return ShutdownReport(
            drained, tuple(self._cut_off), tuple(self._overran), self.is_forced
        )

    async def _watch(self, cells: Callable[[], Iterable[Cell]]) -> None:
        """Look, whenever somebody's time is up, who that is and where."""
        while True:
            now = trio.current_time()
            dues = [cell.due + _GRACE for cell in cells()]
            later = [due for due in dues if now < due < math.inf]
            # Who is told to stop meanwhile has at least that long.
            await trio.sleep_until(min([*later, now + self.actor_shutdown]))
            for cell in cells():
                if cell.due + _GRACE <= trio.current_time() and cell not in self._late:
                    self._late[cell] = _whereabouts(cell)


def _whereabouts(cell: Cell) -> tuple[str, str]:
    for function, work in cell.at_work():
        return name_of(function), line_in(work, function)
    return "", ""


def _latest(cell: Cell) -> tuple[str, str]:
    function = cell.latest()
    return (
        ("", "") if function is None else (name_of(function), line_in(None, function))
    )


publish_names(globals(), ["CutOff", "Overrun", "ShutdownReport"])
