"""A message on its way, and the question that may be travelling with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, final

import attrs
import outcome
import trio
from trio.lowlevel import Task

from .._base.patience import AskTimeoutError
from .activity import NO_HEADERS, Activity

__all__ = [
    "EXPIRED",
    "Ask",
    "Envelope",
    "Outlet",
    "Place",
    "Result",
    "Taker",
    "whereabouts",
]

Result = outcome.Value[object] | outcome.Error


class Place(Protocol):
    """Where an envelope is: in a mailbox, or in the hands of a handler."""

    def give_up(self, envelope: Envelope) -> None:
        """Take the envelope back: nobody waits for its reply any more."""
        ...

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say where each of the envelopes is, as the end of a sentence."""
        ...

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return the code that has to return before there can be a reply."""
        ...


class Taker(Protocol):
    """Who takes the reply to a question, if no task waits for it."""

    def reply(self, value: object) -> None:
        """Take it."""
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

    _waiter: Callable[[Result], None] | Task | None
    """Who takes the result; nobody once there was one, or nobody wants it."""

    since: float = 0.0
    """When it was asked, on trio's clock."""

    outlet: Outlet | None = None
    """Where items go, if it asks for a stream; the result is then its end."""

    chain: tuple[str, ...] = ()
    """If it came from another process: those there and beyond who wait for it."""

    taker: Taker | None = None
    """The waiter, if it takes a reply as it is: an outcome costs as much as a message."""

    value: Any = attrs.field(default=None, init=False)
    """The reply, for a task that waits: an outcome would cost as much as a message."""

    asker: Activity | None = attrs.field(default=None, init=False)
    """The handler or hook that waits for the result, if it is one that does."""

    is_abandoned: bool = attrs.field(default=False, init=False)
    """Whether the asker has gone without a result."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits for the result."""
        return self._waiter is not None

    def settle(self, result: Result) -> bool:
        """Deliver *result*, and return whether anybody was waiting for it.

        Only the first result counts.  A later one is not an error: an actor
        may fail after having answered, and the asker must not see its answer
        turn into a failure.
        """
        waiter, self._waiter, self.taker = self._waiter, None, None
        if waiter is None:
            return False
        # Not `isinstance`: the class has an abstract base, which is asked at length.
        if type(waiter) is Task:
            trio.lowlevel.reschedule(waiter, result)  # pyright: ignore[reportArgumentType] - not narrowed
        else:
            waiter(result)
        return True

    def reply(self, value: object) -> None:
        """Deliver *value*, as `settle` does."""
        waiter, taker = self._waiter, self.taker
        if type(waiter) is Task:
            self._waiter, self.value = None, value
            trio.lowlevel.reschedule(waiter)  # pyright: ignore[reportArgumentType] - not narrowed
        elif waiter is None or taker is None:
            self.settle(outcome.Value(value))
        else:
            self._waiter = self.taker = None
            taker.reply(value)

    def fail(self, error: BaseException) -> bool:
        """Deliver *error*, and return whether anybody was waiting for it."""
        return self.settle(outcome.Error(error))

    def abandon(self, envelope: Envelope) -> None:
        """Give up: a late reply goes nowhere, and the work is called back."""
        self._waiter = self.taker = None
        self.is_abandoned = True
        if envelope.place is not None:
            envelope.place.give_up(envelope)

    def time_out(self, envelope: Envelope, after: float) -> None:
        """Fail with `AskTimeoutError` after *after* seconds, and give up."""
        (where,) = whereabouts([envelope])
        self.time_out_at(envelope, after, where)

    def time_out_at(self, envelope: Envelope, after: float, where: str) -> None:
        """Do as `time_out` does, where it is known where the envelope is."""
        waiter = self._waiter
        if waiter is not None:
            self.abandon(envelope)
            self._waiter = waiter
            self.fail(AskTimeoutError(self.actor, self.request, after, where))


@final
class _Expired:
    """The place of a message whose time was up before its turn came."""

    def give_up(self, envelope: Envelope) -> None:
        """Do nothing: it is not handled anyway."""

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say so."""
        return ["queued until its time was up"] * len(envelopes)

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

    queued_at: float = attrs.field(init=False)
    """When it was queued, on trio's clock; not there unless somebody looks in."""

    def is_pointless(self, now: float) -> bool:
        """Return whether nobody waits for its reply any more, or its time is up."""
        if self.ask is not None and not self.ask.is_open:
            return True
        return self.deadline <= now

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before this is dealt with."""
        if self.place is None or (self.ask is not None and not self.ask.is_open):
            return ()
        return self.place.blockers(self)


def whereabouts(envelopes: Sequence[Envelope]) -> list[str]:
    """Say where each of *envelopes* is, those of one place in one go."""
    by_place: dict[Place, list[Envelope]] = {}
    for envelope in envelopes:
        if envelope.place is not None:
            by_place.setdefault(envelope.place, []).append(envelope)
    texts: dict[Envelope, str] = {}
    for place, there in by_place.items():
        texts.update(zip(there, place.describe(there), strict=True))
    return [
        texts.get(each, "handled, and its reply address kept") for each in envelopes
    ]
