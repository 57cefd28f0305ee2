"""How actors are at one moment: plain data, to be looked at later or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .._base.util import name_of, publish_names, shown
from .seat import ActorState, Seat

__all__ = ["ActorSnapshot", "CurrentMessage", "RuntimeSnapshot", "snapshot_of"]


@attrs.frozen
class CurrentMessage:
    """A message that a handler is at work on; a value."""

    message_type: str
    """Name of the message's type."""

    handler: str
    """Name of the function."""

    age: float
    """For how long, in seconds on trio's clock."""


@attrs.frozen
class ActorSnapshot:
    """How one actor was, and those that it supervises; a value."""

    name: str
    """Path of the actor's names from the root: ``prices/alpha``."""

    id: str
    """The same as an ERN."""

    state: ActorState
    """How far its life had come."""

    generation: int
    """How often it was restarted."""

    restarts_in_window: int
    """How often lately, as its restart limit counts."""

    last_failure: str | None
    """What ended the last incarnation that failed, as text."""

    mailbox_depth: int
    """How many messages were queued."""

    mailbox_capacity: int
    """How many it holds."""

    waiting_senders: int
    """How many messages more waited for room."""

    current: tuple[CurrentMessage, ...]
    """What its handlers were at work on, streams last."""

    handled: int
    """Messages whose handler has ended since the actor was started."""

    expired: int
    """Messages that were taken back, or had lost their point, unhandled."""

    late_replies: int
    """Replies that came when their asker had gone."""

    children: tuple[ActorSnapshot, ...]
    """Those that it supervises, in the order of start."""


@attrs.frozen
class RuntimeSnapshot:
    """How the actors of a runtime were; a value, which is never brought up to date."""

    taken_at: float
    """When, on trio's clock."""

    is_stopping: bool
    """Whether no more actors are started."""

    actors: tuple[ActorSnapshot, ...]
    """Those that no other supervises, in the order of start."""

    def walk(self) -> Iterator[ActorSnapshot]:
        """Yield all actors, each before those that it supervises."""
        left = [*reversed(self.actors)]
        while left:
            actor = left.pop()
            yield actor
            left.extend(reversed(actor.children))


def snapshot_of(
    seat: Seat, now: float, children: tuple[ActorSnapshot, ...]
) -> ActorSnapshot:
    """Return how the actor in *seat* is at *now*, on trio's clock."""
    mailbox, failure = seat.mailbox, seat.last_failure
    turns = seat.occupant.turns() if seat.occupant is not None else ()
    return ActorSnapshot(
        seat.name,
        seat.id,
        seat.state,
        seat.generation,
        seat.restarts_in_window,
        None if failure is None else shown(failure),
        len(mailbox),
        mailbox.capacity,
        len(mailbox.line),
        tuple(
            CurrentMessage(
                name_of(each.activity.message_type),
                name_of(each.handler.function),
                now - each.since,
            )
            for each in turns
        ),
        mailbox.tally.handled,
        mailbox.tally.expired,
        mailbox.tally.late_replies,
        children,
    )


publish_names(globals(), ["ActorSnapshot", "CurrentMessage", "RuntimeSnapshot"])
