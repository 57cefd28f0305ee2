"""Typed publish and subscribe inside one runtime."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final, Protocol, TypeVar, final

import attrs
import trio

from .._base.blocks import async_block
from .._base.util import publish_names
from .._kernel.activity import Activity, current_activity, waiting, waiting_activity
from .._kernel.checks import checked_message, checked_type
from .._kernel.handle import ActorHandle, seat_of
from .._kernel.seat import Seat
from .._kernel.subscription import (
    ActorSubscription,
    Parcel,
)
from .._kernel.waits import find_cycle
from .._messages.declare import is_message
from .._policy.delivery import Delivery, Terms
from .subscription import Subscription

__all__ = ["Broker"]

T = TypeVar("T")

# By how many messages plain code may be behind, if it does not say.
_USUAL: Final = 1024


class _Subscriber(Protocol):
    """Who gets what is broadcast of some type."""

    def put(
        self, message: Any, sender: Activity | None, *, waits: bool
    ) -> Parcel | None:
        """Take *message* in; return what to wait for, if its sender has to wait."""
        ...

    def parcels(self) -> Iterable[Parcel]:
        """Return what has no room yet."""
        ...

    def close(self) -> None:
        """Take nothing more in, and keep nobody waiting."""
        ...


@final
@attrs.define(eq=False, repr=False)
class Broker:
    """Typed publish and subscribe; lives as long as its runtime."""

    # By whom: a `Subscription`, or the seat of an actor.
    _subscribers: dict[type, dict[object, _Subscriber]] = attrs.field(
        factory=dict[type, "dict[object, _Subscriber]"], init=False
    )

    _taps: list[Callable[[object], None]] = attrs.field(
        factory=list["Callable[[object], None]"], init=False
    )

    async def broadcast(self, message: object) -> None:
        """Give *message* to all who have subscribed to exactly its type.

        Each gets it in the order of the broadcasts, and none because of
        another any later.  This returns once those have room for it who want
        to be waited for.  An actor does not wait for itself, nor for one that
        has room only when its own handler has returned.

        Raises:
            TypeError: If it is not a message.

        Cancellation:
            Either nobody got it, or all get it as soon as they have room.
        """
        if not is_message(type(message)):
            checked_message(message, "await broker.broadcast({})")
        await trio.lowlevel.checkpoint()
        await self._wait_for(self._hand_out(message, current_activity.get()))

    async def flush(self) -> None:
        """Wait until all that was broadcast before is where it is handled or read.

        That is in the mailboxes of actors, and with the readers of `subscribe`;
        what was dropped there is not waited for.  An ask that follows is
        handled after it.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        await self._wait_for(self._parcels())

    async def flush_actors(self) -> None:
        """Wait as `flush` does, but for actors alone: readers may have gone.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        await self._wait_for(each for each in self._parcels() if each.envelope)

    def _parcels(self) -> list[Parcel]:
        return [
            parcel
            for group in self._subscribers.values()
            for each in group.values()
            for parcel in each.parcels()
        ]

    def announce(self, message: object, besides: Seat | None = None) -> None:
        """Give *message* to all who have subscribed, without waiting for any.

        Args:
            message: What is told.
            besides: The seat of an actor that has been told already.
        """
        self._hand_out(message, None, waits=False, besides=besides)

    def _hand_out(
        self,
        message: object,
        sender: Activity | None,
        *,
        waits: bool = True,
        besides: Seat | None = None,
    ) -> list[Parcel]:
        subscribers = self._subscribers.get(type(message)) or {}
        parcels = [
            each.put(message, sender, waits=waits)
            for key, each in [*subscribers.items()]
            if besides is None or key is not besides
        ]
        for hear in [*self._taps]:
            hear(message)
        return [parcel for parcel in parcels if parcel is not None]

    async def _wait_for(self, parcels: Iterable[Parcel]) -> None:
        """Wait until all of *parcels* are taken, but those that wait for this code."""
        activity = waiting_activity()
        own = _seat_of(activity)
        with ExitStack() as waits:
            due = [each for each in parcels if not _is_circle(each, activity, own)]
            for parcel in due:
                if parcel.envelope is not None:
                    waits.enter_context(waiting(parcel.envelope))
            for parcel in due:
                await parcel.taken.wait()

    # --- who hears of it

    def tap(self, hear: Callable[[object], None]) -> None:
        """Have *hear* called with all that is broadcast, after the subscribers."""
        self._taps.append(hear)

    def untap(self, hear: Callable[[object], None]) -> None:
        """Have *hear* called no more."""
        self._taps.remove(hear)

    def subscribe_actor(
        self, seat: Seat, message_type: type, terms: Terms
    ) -> ActorSubscription:
        """Have the actor in *seat* get what is broadcast of *message_type*.

        If it does already it keeps what it has, under the new *terms*.
        """
        if seat.subscriptions is None:
            seat.subscriptions = {}
        known = seat.subscriptions.get(message_type)
        if known is not None:
            known.terms = terms
            return known
        subscription = ActorSubscription(message_type, seat.mailbox, terms)
        seat.subscriptions[message_type] = subscription
        self._add(message_type, seat, subscription)
        return subscription

    def unsubscribe_actor(self, seat: Seat, message_type: type) -> None:
        """Have the actor in *seat* get no more of *message_type*."""
        subscription = (seat.subscriptions or {}).pop(message_type, None)
        if subscription is not None:
            self._remove(message_type, seat)
            subscription.close()

    def forget(self, seat: Seat) -> None:
        """Call off all that the actor in *seat* has subscribed to: it is down."""
        for message_type in [*(seat.subscriptions or ())]:
            self.unsubscribe_actor(seat, message_type)

    def _add(self, message_type: type, key: object, subscriber: _Subscriber) -> None:
        self._subscribers.setdefault(message_type, {})[key] = subscriber

    def _remove(self, message_type: type, key: object) -> None:
        group = self._subscribers[message_type]
        del group[key]
        if not group:
            del self._subscribers[message_type]

    def has_subscribers(self, message_type: type) -> bool:
        """Return whether anybody has subscribed to *message_type*."""
        return message_type in self._subscribers

    @async_block("broker.subscribe(...)", "events", "event")
    @asynccontextmanager
    async def subscribe(
        self,
        *message_types: type[T],
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
    ) -> AsyncGenerator[Subscription[T], None]:
        """Read the messages of these types, as they are broadcast.

        ::

            async with runtime.broker.subscribe(DeadLetter) as letters:
                async for letter in letters:
                    ...

        Args:
            *message_types: What to read; exactly these types.
            delivery: What happens to messages while the reader is behind.
            capacity: By how many messages it may be; by default 1024, and one
                of `Delivery.LATEST`.

        Raises:
            TypeError: If one of them is not a message class.

        Cancellation:
            Nothing is subscribed to.
        """
        for each in message_types:
            checked_type(each)
        terms = Terms(delivery, capacity)
        subscription = Subscription[T](delivery, terms.capacity_of(_USUAL))
        # One that is named twice is still read once.
        message_types = tuple(dict.fromkeys(message_types))
        for each in message_types:
            self._add(each, subscription, subscription)
        try:
            await trio.lowlevel.checkpoint()
            yield subscription
        finally:
            subscription.close()
            for each in message_types:
                self._remove(each, subscription)


def _seat_of(activity: Activity | None) -> Seat | None:
    if activity is None or not isinstance(activity.actor, ActorHandle):
        return None
    return seat_of(activity.actor)


def _is_circle(parcel: Parcel, activity: Activity | None, own: Seat | None) -> bool:
    """Return whether there is room only when the code of *activity* has returned.

    It is in line then, and there will be room without anybody waiting for it.
    """
    if activity is None or own is None or parcel.envelope is None:
        return False
    if parcel.envelope.place is own.mailbox:
        return True
    return find_cycle(parcel.envelope.blockers(), activity) is not None


publish_names(globals(), ["Broker"])
