"""How a runtime ended: who drained, who was cancelled, who took too long."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, final

import attrs
import trio

from .._base.lines import line_in, line_left
from .._base.util import name_of, publish_names
from .._kernel.cell import Cell
from .._kernel.seat import Seat

__all__ = ["CutOff", "Overrun", "Overseer", "ShutdownReport"]

# What is cancelled needs some steps to end, and is not late for that.
_GRACE: Final = 0.1


@attrs.frozen
class CutOff:
    """A handler that was cancelled, when its runtime ended; a value."""

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
    """An actor that took longer to end than its budget allows; a value."""

    actor: str
    """Name of the actor."""

    seconds: float
    """By how much, in seconds."""

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
class _Late:
    """An incarnation whose time was up while it was still there."""

    due: float
    handler: str
    line: str


@final
@attrs.define(eq=False)
class Overseer:
    """Takes note of how a runtime ends; lives as long as it."""

    is_forced: bool = attrs.field(default=False, init=False)
    is_ending: bool = attrs.field(default=False, init=False)
    """Whether the runtime has begun to end."""

    # The last incarnation of each seat: whether it ended in its own time.
    _ended: dict[Seat, bool] = attrs.field(factory=dict[Seat, bool], init=False)
    _cut_off: list[CutOff] = attrs.field(factory=list[CutOff], init=False)
    _overran: list[Overrun] = attrs.field(factory=list[Overrun], init=False)
    _late: dict[Cell, _Late] = attrs.field(factory=dict[Cell, _Late], init=False)
    # When to look at whom; one that has ended meanwhile, or has got more time,
    # is passed over then.
    _heap: list[tuple[float, int, Cell]] = attrs.field(
        factory=list[tuple[float, int, Cell]], init=False
    )
    _ticket: Iterator[int] = attrs.field(factory=count, init=False)
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def begin(self, services: trio.Nursery, cells: Iterable[Cell]) -> None:
        """Take note of everything from now on.

        Args:
            services: Where the watch stands.
            cells: The incarnations that there are.
        """
        if self.is_ending:
            return
        self.is_ending = True
        for cell in cells:
            self.is_due(cell)
        if not services.cancel_scope.cancel_called:
            services.start_soon(self._watch, name="overseer")

    def cut_off(
        self, actor: str, message: object, function: Callable[..., Any], error: Any
    ) -> None:
        """Take note of a handler that was cancelled along with its actor."""
        if self.is_ending:
            line = line_left(error, function)
            message_name, handler = name_of(type(message)), name_of(function)
            self._cut_off.append(CutOff(actor, message_name, handler, line))

    def is_due(self, cell: Cell) -> None:
        """Take note of when *cell* is to have ended, if that was ordered."""
        if self.is_ending and cell.due < math.inf:
            due = cell.due + _GRACE
            heappush(self._heap, (due, next(self._ticket), cell))
            self._alarm.deadline = min(self._alarm.deadline, due)

    def overran(self, cell: Cell, function: Callable[..., Any]) -> None:
        """Take note that *function* has returned when the time of *cell* was up."""
        late = self._late.get(cell)
        due = cell.due if late is None else late.due
        is_late = self.is_ending and trio.current_time() - due > _GRACE
        if is_late and (late is None or not late.handler):
            self._late[cell] = _Late(due, name_of(function), line_in(None, function))

    def ended(self, cell: Cell) -> None:
        """Take note of an incarnation that is no more."""
        late = self._late.pop(cell, None)
        if not self.is_ending:
            return
        if late is not None:
            seconds = trio.current_time() - late.due
            name = cell.seat.name
            self._overran.append(Overrun(name, seconds, late.handler, late.line))
        self._ended.pop(cell.seat, None)
        self._ended[cell.seat] = cell.has_drained and late is None

    def report(self) -> ShutdownReport:
        """Return what has been seen."""
        drained = tuple(seat.name for seat, well in self._ended.items() if well)
        return ShutdownReport(
            drained, tuple(self._cut_off), tuple(self._overran), self.is_forced
        )

    async def _watch(self) -> None:
        """Look, whenever somebody's time is up, who that is and where."""
        while True:
            due = self._heap[0][0] if self._heap else math.inf
            with trio.CancelScope(deadline=due) as self._alarm:
                await trio.sleep_forever()
            while self._heap and self._heap[0][0] <= trio.current_time():
                self._look_at(heappop(self._heap)[2])

    def _look_at(self, cell: Cell) -> None:
        is_there = cell.seat.occupant is cell and cell not in self._late
        if is_there and cell.due + _GRACE <= trio.current_time():
            self._late[cell] = _Late(cell.due, *_whereabouts(cell))


def _whereabouts(cell: Cell) -> tuple[str, str]:
    for function, work in cell.at_work():
        return name_of(function), line_in(work, function)
    return "", ""


publish_names(globals(), ["CutOff", "Overrun", "ShutdownReport"])
