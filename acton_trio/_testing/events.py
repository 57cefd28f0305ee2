"""What a runtime tells of itself, kept until a test has asserted it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar, final

import attrs
import trio

from .._base.util import name_of, publish_names, shown
from .._kernel.surroundings import DeadLetter
from .._services.subscription import Subscription
from .._supervision.events import (
    ChildRestarted,
    ChildSupervised,
    ChildTerminated,
    SupervisionEscalated,
    SupervisionEvent,
)
from .idle import find_within

__all__ = ["EVENTS", "Event", "EventError", "EventLog"]

T = TypeVar("T")

Event: TypeAlias = DeadLetter | SupervisionEvent

EVENTS: Final = (
    DeadLetter,
    ChildSupervised,
    ChildRestarted,
    ChildTerminated,
    SupervisionEscalated,
)
"""What a runtime tells of itself."""


class EventError(AssertionError):
    """A runtime has not told what the test expected it to."""


@final
@attrs.define(eq=False)
class EventLog:
    """What a runtime has told of itself, in order; outlives the runtime."""

    _subscription: Subscription[Any]
    _events: list[Event] = attrs.field(factory=list["Event"], init=False)
    _asserted: list[Event] = attrs.field(factory=list["Event"], init=False)
    _is_reading: bool = attrs.field(default=False, init=False)
    _news: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    async def expect(
        self, event_type: type[T], where: Callable[[T], bool] | None, within: float
    ) -> T:
        """Return the first event of that type that nobody has asserted yet.

        Cancellation:
            No event was taken.
        """
        if event_type not in EVENTS:
            names = ", ".join(map(name_of, EVENTS))
            msg = f"{name_of(event_type)} is not what a runtime tells: {names}"
            raise TypeError(msg)
        event = await find_within(
            within, lambda: self._find(event_type, where), self._read_on
        )
        if event is None:
            raise EventError(self._tell(event_type, within, fits=where is not None))
        return event

    def unasserted(self) -> list[Event]:
        """Return what was told and nobody has expected, in order."""
        self._read()
        # By identity: two that are equal have both happened.
        asserted = set(map(id, self._asserted))
        return [event for event in self._events if id(event) not in asserted]

    def unasserted_ends(self) -> list[ChildTerminated]:
        """Return the ends by failures that nobody has expected in any event."""
        known = {
            id(event.error)
            for event in self._asserted
            if isinstance(event, SupervisionEscalated)
        }
        return [
            event
            for event in self.unasserted()
            if isinstance(event, ChildTerminated)
            if event.error is not None and not event.owned_by_supervisor
            if id(event.error) not in known
        ]

    def _find(self, event_type: type[T], where: Callable[[T], bool] | None) -> T | None:
        for event in self.unasserted():
            if isinstance(event, event_type) and (where is None or where(event)):
                self._asserted.append(event)
                return event
        return None

    def _read(self) -> None:
        while True:
            try:
                self._events.append(self._subscription.receive_nowait())
            except trio.WouldBlock:
                return

    async def _read_on(self) -> None:
        """Wait for the next event: one task waits for that, others for the task."""
        if self._is_reading:
            await self._news.park()
            return
        self._is_reading = True
        try:
            self._events.append(await anext(self._subscription))
        finally:
            self._is_reading = False
            self._news.unpark_all()

    def _tell(self, event_type: type, within: float, *, fits: bool) -> str:
        which = name_of(event_type) + (" that fits" if fits else "")
        text = f"expected {which} within {within:g} s, and the runtime told of none."
        lines = [f"\n  {shown(each)}" for each in self._events]
        told = "It has told, since it was opened:" if lines else "It has told nothing."
        return f"{text}\n{told}{''.join(lines)}"


publish_names(globals(), ["EventError"], "acton_trio.testing")
