"""What an actor gets of what is broadcast."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import final

import attrs
import outcome
import trio

from .._base.util import name_of, publish_names
from .._policy.delivery import Delivery, Terms
from .activity import NO_HEADERS, Activity
from .envelope import Envelope, Result
from .mailbox import Mailbox

__all__ = [
    "ActorSubscription",
    "Parcel",
    "SubscriptionStatistics",
]


@attrs.frozen
class SubscriptionStatistics:
    """What one subscription has counted so far; a snapshot."""

    delivered: int
    """Messages that its reader, or its actor, was given."""

    dropped: int
    """Messages that it was not, being behind."""


@final
@attrs.define(eq=False)
class Parcel:
    """A message for a subscriber that has no room for it yet."""

    message: object
    envelope: Envelope | None = None
    """What stands in the line of a mailbox, if the subscriber is an actor."""

    taken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once there is room, or nobody wants it any more."""


@final
@attrs.define(eq=False, repr=False)
class ActorSubscription:
    """What an actor gets of one type that is broadcast.

    Lives until it is called off or the actor is down for good, over restarts.
    """

    message_type: type
    """Which messages: of exactly this type."""

    _mailbox: Mailbox
    terms: Terms
    """How they are delivered."""

    # What the terms may yet drop: put in and, as far as was looked, not handled.
    _waiting: deque[Envelope] = attrs.field(factory=deque[Envelope], init=False)
    # What stands in the mailbox's line.
    _parcels: dict[Envelope, Parcel] = attrs.field(
        factory=dict[Envelope, Parcel], init=False
    )
    _accepted: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)

    def statistics(self) -> SubscriptionStatistics:
        """Return what was counted so far; what is in the mailbox is delivered."""
        return SubscriptionStatistics(
            self._accepted - len(self._parcels), self._dropped
        )

    def put(
        self, message: object, sender: Activity | None, *, waits: bool
    ) -> Parcel | None:
        """Put *message* in the actor's mailbox, or do what the terms say.

        Args:
            message: What was broadcast.
            sender: Whose code has done that.
            waits: Whether that can wait.

        Returns:
            What to wait for, if there is something.
        """
        may_be_bare = sender is None and self.terms.delivery is Delivery.BLOCK
        if may_be_bare and self._mailbox.put_bare(message):
            self._accepted += 1
            return None
        if self._mailbox.is_closed or not self._makes_room(waits=waits):
            self._dropped += 1
            return None
        headers = NO_HEADERS if sender is None else sender.headers
        panel, target = self._mailbox.panel, self._mailbox.owner
        if panel.message_sent:
            name = name_of(type(message))
            headers = panel.headers_for(sender, target, name, is_asked=False)
        envelope = Envelope(
            message,
            sender=sender.actor if sender is not None else None,
            headers=headers,
        )
        self._accepted += 1
        if self.terms.delivery is not Delivery.BLOCK:
            self._waiting.append(envelope)
        parcel = self._line_up(envelope)
        return parcel if self.terms.delivery is Delivery.BLOCK else None

    def _makes_room(self, *, waits: bool) -> bool:
        """Drop what the terms say; return whether one message more may wait."""
        capacity = self.terms.capacity_of(self._mailbox.capacity)
        if self.terms.delivery is Delivery.BLOCK:
            # Whoever cannot wait must not make the line endless.
            return waits or len(self._parcels) < capacity
        while self._waiting and self._waiting[0].place is not self._mailbox:
            self._waiting.popleft()
        count = self.terms.delivery.to_drop(len(self._waiting), capacity)
        for _ in range(count or 0):
            self._withdraw(self._waiting.popleft())
        return count is not None

    def _line_up(self, envelope: Envelope) -> Parcel | None:
        if self._mailbox.has_room:
            self._mailbox.line_up(envelope)
            return None
        self._mailbox.line_up(envelope, partial(self._admitted, envelope))
        if envelope.place is not self._mailbox:
            # A gate has it now.
            return None
        parcel = self._parcels[envelope] = Parcel(envelope.message, envelope)
        return parcel

    def _admitted(self, envelope: Envelope, result: Result) -> None:
        """Take note that the wait in the line is over, which may be for nothing."""
        if isinstance(result, outcome.Error):
            self._lose(envelope)
        else:
            self._settle(envelope)

    def _withdraw(self, envelope: Envelope) -> None:
        self._mailbox.withdraw(envelope)
        self._lose(envelope)

    def _lose(self, envelope: Envelope) -> None:
        self._accepted -= 1
        self._dropped += 1
        self._settle(envelope)

    def _settle(self, envelope: Envelope) -> None:
        parcel = self._parcels.pop(envelope, None)
        if parcel is not None:
            parcel.taken.set()

    def parcels(self) -> tuple[Parcel, ...]:
        """Return what has no room yet."""
        return tuple(self._parcels.values())

    def close(self) -> None:
        """Keep nobody waiting; what is in the mailbox stays there."""
        for envelope in [*self._parcels]:
            self._withdraw(envelope)


publish_names(globals(), ["ActorSubscription", "SubscriptionStatistics"])
