"""A message on its way, and the question that may be travelling with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, final

import attrs
import outcome

from .._base.patience import AskTimeoutError
from .activity import NO_HEADERS, Activity

__all__ = ["EXPIRED", "Ask", "Envelope", "Outlet", "Place", "Result"]

Result = outcome.Value[object] | outcome.Error


class Place(Protocol):
    """Where an envelope is: in a mailbox, or in the hands of a handler."""

    def give_up(self, envelope: Envelope) -> None:
        """Take the envelope back: nobody waits for its reply any more."""
        ...

    def describe(self, envelope: Envelope) -> str:
        """Say where the envelope is, as the end of a sentence."""
        ...

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return the code that has to return before there can be a reply."""
        ...


class Outlet(Protocol):
    """Where the items of a stream go, one after another."""

    async def put(self, item: object) -> None:
        """Hand *item* on, waiting while whoever reads is behind."""
        ...


@final
@attrs.define(eq=False)
class Ask:
    """One question: where its reply goes.  Lives until it is settled."""

    actor: str
    """Name of the actor that is asked."""

    request: str
    """Type of the request."""

    _sink: Callable[[Result], None] | None
    """Takes the result; ``None`` once it has one, or nobody wants it."""

    since: float = 0.0
    """When it was asked, on trio's clock."""

    outlet: Outlet | None = None
    """Where items go, if it asks for a stream; the result is then its end."""

    is_abandoned: bool = attrs.field(default=False, init=False)
    """Whether the asker has gone without a result."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for the result."""
        return self._sink is not None

    def settle(self, result: Result) -> bool:
        """Deliver *result*, and return whether anybody was waiting for it.

        Only the first result counts.  A later one is not an error: an actor
        may fail after having answered, and the asker must not see its answer
        turn into a failure.
        """
        sink, self._sink = self._sink, None
        if sink is None:
            return False
        sink(result)
        return True

    def fail(self, error: BaseException) -> bool:
        """Deliver *error*, and return whether anybody was waiting for it."""
        return self.settle(outcome.Error(error))

    def abandon(self, envelope: Envelope) -> None:
        """Give up: a late reply goes nowhere, and the work is called back."""
        self._sink = None
        self.is_abandoned = True
        if envelope.place is not None:
            envelope.place.give_up(envelope)

    def time_out(self, envelope: Envelope, after: float) -> None:
        """Fail with `AskTimeoutError` after *after* seconds, and give up."""
        if self._sink is None:
            return
        where = "handled, and its reply address kept"
        if envelope.place is not None:
            where = envelope.place.describe(envelope)
        sink = self._sink
        self.abandon(envelope)
        sink(outcome.Error(AskTimeoutError(self.actor, self.request, after, where)))


@final
class _Expired:
    """The place of a message whose time was up before its turn came."""

    def give_up(self, envelope: Envelope) -> None:
        """Do nothing: it is not handled anyway."""

    def describe(self, envelope: Envelope) -> str:  # noqa: ARG002 - for all alike
        """Say so."""
        return "queued until its time was up"

    def blockers(self, envelope: Envelope) -> Collection[Activity]:  # noqa: ARG002 - as above
        """Return nothing: nobody waits for it much longer."""
        return ()


EXPIRED: Final[Place] = _Expired()
"""Where a message is that has been dropped for its deadline."""


@final
@attrs.define(eq=False)
class Envelope:
    """A message with all that travels beside it; lives until it is handled."""

    message: object

    ask: Ask | None = None
    """The question that the message is, unless it was sent."""

    deadline: float = math.inf
    """When the message has lost its point, on trio's clock."""

    sender: object = None
    """The `ActorHandle` of the actor that sent it, if one did."""

    headers: Mapping[str, str] = NO_HEADERS

    is_remote: bool = False
    """Whether it came from another process."""

    place: Place | None = attrs.field(default=None, init=False)
    """Where it is now; ``None`` before the mailbox and after the handler."""

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before this is dealt with."""
        return self.place.blockers(self) if self.place is not None else ()
