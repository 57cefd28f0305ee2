"""A seat: the place of an actor, which outlives its incarnations."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from typing import Protocol, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .activity import Activity
from .mailbox import Mailbox
from .surroundings import DeadLetter, Surroundings

__all__ = ["Occupant", "Seat", "SeatState"]


class SeatState(enum.Enum):
    """How far the life of a seat has come."""

    STARTING = "starting"
    RUNNING = "running"
    RESTART_PENDING = "restart_pending"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    DOWN = "down"


class Occupant(Protocol):
    """Who sits in a seat now."""

    def stop_ordered(self) -> None:
        """Look up: the seat is to be vacated."""
        ...

    def cut_short(self, reason: str) -> None:
        """End now: handlers are cancelled, clean-up still runs."""
        ...


def _nobody() -> None:
    pass


@final
@attrs.define(eq=False)
class Seat:
    """A named place with a mailbox, where one incarnation after another sits."""

    name: str
    """Path of names from the root, for example ``prices/alpha``."""

    id: str
    """The same as an ERN, which no other actor ever has."""

    mailbox: Mailbox
    surroundings: Surroundings
    state: SeatState = attrs.field(default=SeatState.STARTING, init=False)
    generation: int = attrs.field(default=0, init=False)
    """How many incarnations there were before the one that sits here."""

    accepts: tuple[type, ...] = attrs.field(default=(), init=False)
    """The message types that its actor handles."""

    stop_ordered: bool = attrs.field(default=False, init=False)
    """Whether the seat is to be vacated for good."""

    last_failure: BaseException | None = attrs.field(default=None, init=False)
    """What ended the last incarnation that failed."""

    occupant: Occupant | None = attrs.field(default=None, init=False)
    """Who sits here; nobody between two incarnations."""

    awaken: Callable[[], None] = attrs.field(default=_nobody, init=False)
    """Wakes who waits for the time of the next incarnation."""

    _down: trio.Event = attrs.field(factory=trio.Event, init=False)

    def order_stop(self) -> None:
        """Have the actor stop: it handles what is queued, and ends."""
        self.stop_ordered = True
        if self.occupant is not None:
            self.occupant.stop_ordered()
        self.awaken()

    def cancel(self, reason: str) -> None:
        """Have the actor end now: handlers are cancelled, clean-up still runs."""
        self.stop_ordered = True
        if self.occupant is not None:
            self.occupant.cut_short(reason)
        self.awaken()

    def vacate(self, cause: BaseException | None) -> None:
        """Declare the seat empty for good, and answer whoever still waits."""
        self.state = SeatState.DOWN
        self.mailbox.close(lambda: self.stopped_error(cause))
        for envelope in self.mailbox.empty():
            if envelope.ask is not None:
                envelope.ask.fail(self.stopped_error(cause))
            letter = DeadLetter(
                envelope.message, self.name, "the actor has stopped", cause
            )
            self.surroundings.dead_letter(letter)
        self._down.set()

    def stopped_error(self, cause: BaseException | None) -> ActorStoppedError:
        """Return the error for a message that comes too late."""
        error = ActorStoppedError(self.name)
        error.__cause__ = cause
        return error

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before the seat can be empty."""
        return self.mailbox.running

    async def wait_down(self) -> None:
        """Wait until the seat is empty for good.

        Cancellation:
            Only the waiting ends.
        """
        await self._down.wait()
