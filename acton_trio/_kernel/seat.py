"""A seat: the place of an actor, which outlives its incarnations."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .mailbox import Mailbox
from .surroundings import DeadLetter, Surroundings

__all__ = ["Seat", "SeatState"]


class SeatState(enum.Enum):
    """How far the life of a seat has come."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"


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
    accepts: tuple[type, ...] = attrs.field(default=(), init=False)
    """The message types that its actor handles."""

    stop_ordered: bool = attrs.field(default=False, init=False)
    """Whether the seat is to be vacated for good."""

    _down: trio.Event = attrs.field(factory=trio.Event, init=False)
    _cut_short: Callable[[str], None] | None = attrs.field(default=None, init=False)

    def order_stop(self) -> None:
        """Have the actor stop: it handles what is queued, and ends."""
        self.stop_ordered = True
        self.mailbox.ring()

    def cancel(self, reason: str) -> None:
        """Have the actor end now: handlers are cancelled, clean-up still runs."""
        self.stop_ordered = True
        if self._cut_short is not None:
            self._cut_short(reason)

    def occupy(self, cut_short: Callable[[str], None]) -> None:
        """Tell how to cut the new incarnation short."""
        self._cut_short = cut_short

    def vacate(self, cause: BaseException | None) -> None:
        """Declare the seat empty for good, and answer whoever still waits."""
        self.state = SeatState.DOWN
        self._cut_short = None
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

    async def wait_down(self) -> None:
        """Wait until the seat is empty for good.

        Cancellation:
            Only the waiting ends.
        """
        await self._down.wait()
