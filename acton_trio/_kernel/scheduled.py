"""`ScheduledSend`: a message that is to be sent later, and what becomes of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Protocol, final

import attrs
import trio

from .._base.util import name_of, publish_names, shown
from .._policy.cadence import Beat
from .envelope import Envelope
from .mailbox import Mailbox

__all__ = ["Keeper", "Outcome", "ScheduledSend", "Timer"]


class Outcome(enum.Enum):
    """What became of a message that was to be sent later."""

    DELIVERED = "delivered"
    """It was put in the mailbox.  What is sent again and again is never done."""

    CANCELLED = "cancelled"
    """Somebody called `ScheduledSend.cancel` first."""

    ABANDONED = "abandoned"
    """Its actor took no more messages: it stopped, or was down for good."""


class Keeper(Protocol):
    """Who has timers, and sends what is due."""

    def cancel(self, timer: Timer) -> None:
        """Send nothing more for *timer*, unless it is settled."""
        ...


@final
@attrs.define(eq=False)
class Timer:
    """A message and when it is sent, once or again and again; until it is settled."""

    keeper: Keeper
    mailbox: Mailbox
    message: object
    sender: object
    """The `ActorHandle` of the actor that has armed it, if one did."""

    headers: Mapping[str, str]
    due: float
    """When it is sent next, on trio's clock."""

    ticket: int
    """Who of those that are due at the same time comes first."""

    beat: Beat | None
    """When it is due again, if it is."""

    deliveries: int = attrs.field(default=0, init=False)
    outcome: Outcome | None = attrs.field(default=None, init=False)
    in_line: Envelope | None = attrs.field(default=None, init=False)
    """What is due, and waits for room in the mailbox."""

    # Made for the first who waits: hardly anybody does.
    news: trio.lowlevel.ParkingLot | None = attrs.field(default=None, init=False)

    def next_envelope(self) -> Envelope:
        """Return what is to be put in the mailbox this time."""
        return Envelope(self.message, sender=self.sender, headers=self.headers)

    def tell(self) -> None:
        """Wake those who wait for news."""
        if self.news is not None:
            self.news.unpark_all()

    async def wait_for_deliveries(self, number: int) -> int:
        """Wait until it was delivered so often, or is settled.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        if self.news is None:
            self.news = trio.lowlevel.ParkingLot()
        while self.deliveries < number and self.outcome is None:
            await self.news.park()
        return self.deliveries


@final
class ScheduledSend:
    """The receipt for a message that is to be sent later.

    It lives as long as anybody keeps it; letting it go cancels nothing.
    """

    __slots__ = ("__weakref__", "_timer")

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    def __repr__(self) -> str:
        timer = self._timer
        what = f"{name_of(type(timer.message))} to {timer.mailbox.owner}"
        if timer.outcome is not None:
            return f"<ScheduledSend of {what}, {timer.outcome.value}>"
        return f"<ScheduledSend of {what}, due at {timer.due:g}>"

    def cancel(self) -> None:
        """Have nothing sent any more.

        A message that is due and waits for room in the mailbox is taken back.
        One that is in the mailbox was delivered, and stays there: after that,
        as after any other end, this does nothing.
        """
        self._timer.keeper.cancel(self._timer)

    @property
    def outcome(self) -> Outcome | None:
        """What became of it; ``None`` as long as there is something to send."""
        return self._timer.outcome

    @property
    def deliveries(self) -> int:
        """How often the message was put in the mailbox."""
        return self._timer.deliveries

    @property
    def due_at(self) -> float | None:
        """When it is sent next, on trio's clock; ``None`` once it has an outcome.

        That time has passed for a message that waits for room in the mailbox,
        and is infinity for one that is never due.
        """
        return self._timer.due if self._timer.outcome is None else None

    async def wait_for_deliveries(self, number: int) -> int:
        """Wait until the message was put in the mailbox *number* times.

        That it was handled is not waited for.

        Returns:
            *number* or more; less if there will be no more because there is
            an outcome.

        Raises:
            TypeError: If *number* is no whole number.

        Cancellation:
            Only the waiting ends.
        """
        if not isinstance(number, int):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
            msg = f"a number of deliveries is a whole number, not {shown(number)}"
            raise TypeError(msg)
        return await self._timer.wait_for_deliveries(number)


publish_names(globals(), ["Outcome", "ScheduledSend"])
