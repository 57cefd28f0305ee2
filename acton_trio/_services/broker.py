"""Typed publish and subscribe inside one runtime."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Generic, Self, TypeVar, final

import attrs
import trio

from .._base.util import name_of, publish_names
from .._messages.declare import is_message

__all__ = ["Broker", "Delivery", "Subscription", "SubscriptionStatistics"]

T = TypeVar("T")


class Delivery(enum.Enum):
    """What happens to a message for a subscriber who is behind."""

    BLOCK = "block"
    """`Broker.broadcast` waits until there is room for it."""

    DROP_OLDEST = "drop_oldest"
    """The one that has waited longest is dropped for it."""

    DROP_NEWEST = "drop_newest"
    """It is dropped itself."""

    LATEST = "latest"
    """All that wait are dropped for it."""


@attrs.frozen
class SubscriptionStatistics:
    """What one subscription has counted so far; a snapshot."""

    delivered: int
    """Messages that its reader was given."""

    dropped: int
    """Messages that it was not, being behind."""


@final
@attrs.define(eq=False)
class _Parcel(Generic[T]):
    """A message for a subscription that has no room for it yet."""

    message: T
    taken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once it has room, or nobody wants it any more."""


@final
@attrs.define(eq=False, repr=False)
class Subscription(Generic[T]):
    """The messages of some types, in the order of their broadcasts.

    Lives as long as the block of `Broker.subscribe`.
    """

    _delivery: Delivery
    _capacity: int
    _queue: deque[T] = attrs.field(factory=deque[T], init=False)
    # Invariant: the line is empty, or the queue is full.
    _line: deque[_Parcel[T]] = attrs.field(factory=deque["_Parcel[T]"], init=False)
    _delivered: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)
    _readers: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next message, waiting for it.

        Cancellation:
            No message is lost: the next call returns it.
        """
        await trio.lowlevel.checkpoint()
        while not self._queue:
            await self._readers.park()
        return self.receive_nowait()

    def receive_nowait(self) -> T:
        """Return the next message, if there is one.

        Raises:
            trio.WouldBlock: If there is none now.
        """
        if not self._queue:
            raise trio.WouldBlock
        message = self._queue.popleft()
        self._delivered += 1
        if self._line:
            parcel = self._line.popleft()
            self._queue.append(parcel.message)
            parcel.taken.set()
        return message

    def statistics(self) -> SubscriptionStatistics:
        """Return what was counted so far."""
        return SubscriptionStatistics(self._delivered, self._dropped)

    def put(self, message: T) -> _Parcel[T] | None:
        """Take *message* in, drop what there is no room for, or have it wait.

        Returns:
            What to wait for, if it has to wait: `Delivery.BLOCK` alone.
        """
        if len(self._queue) < self._capacity:
            self._queue.append(message)
            self._readers.unpark()
            return None
        match self._delivery:
            case Delivery.BLOCK:
                parcel = _Parcel(message)
                self._line.append(parcel)
                return parcel
            case Delivery.DROP_OLDEST:
                self._queue.popleft()
                self._dropped += 1
            case Delivery.DROP_NEWEST:
                self._dropped += 1
                return None
            case Delivery.LATEST:
                self._dropped += len(self._queue)
                self._queue.clear()
        self._queue.append(message)
        return None

    def close(self) -> None:
        """Take nothing more in, and keep nobody waiting."""
        while self._line:
            self._line.popleft().taken.set()


@final
@attrs.define(eq=False, repr=False)
class Broker:
    """Typed publish and subscribe; lives as long as its runtime."""

    _subscriptions: dict[type, list[Subscription[Any]]] = attrs.field(
        factory=dict[type, "list[Subscription[Any]]"], init=False
    )

    async def broadcast(self, message: object) -> None:
        """Give *message* to all who have subscribed to exactly its type.

        Each gets it in the order of the broadcasts, and none because of
        another any later.  This returns once those have room for it who want
        to be waited for.

        Raises:
            TypeError: If it is not a message.

        Cancellation:
            Either nobody got it, or all get it as soon as they have room.
        """
        if not is_message(type(message)):
            msg = f"{message!r} is not a message: decorate its class with @message"
            raise TypeError(msg)
        await trio.lowlevel.checkpoint()
        for parcel in self.announce(message):
            await parcel.taken.wait()

    def announce(self, message: object) -> list[_Parcel[object]]:
        """Give *message* to all who have subscribed, without waiting for any.

        Returns:
            What to wait for, one for each who wants that and has no room.
        """
        parcels = [
            each.put(message) for each in self._subscriptions.get(type(message), [])
        ]
        return [parcel for parcel in parcels if parcel is not None]

    def has_subscribers(self, message_type: type) -> bool:
        """Return whether anybody has subscribed to *message_type*."""
        return bool(self._subscriptions.get(message_type))

    @asynccontextmanager
    async def subscribe(
        self,
        *message_types: type[T],
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int = 1024,
    ) -> AsyncGenerator[Subscription[T], None]:
        """Read the messages of these types, as they are broadcast.

        ::

            async with runtime.broker.subscribe(DeadLetter) as letters:
                async for letter in letters:
                    ...

        Args:
            *message_types: What to read; exactly these types.
            delivery: What happens to messages while the reader is behind.
            capacity: By how many messages it may be.

        Raises:
            TypeError: If one of them is not a message class.

        Cancellation:
            Nothing is subscribed to.
        """
        for each in message_types:
            if not is_message(each):
                msg = f"{name_of(each)} is not a message class"
                raise TypeError(msg)
        subscription = Subscription[T](delivery, capacity)
        for each in message_types:
            self._subscriptions.setdefault(each, []).append(subscription)
        try:
            await trio.lowlevel.checkpoint()
            yield subscription
        finally:
            subscription.close()
            for each in message_types:
                self._subscriptions[each].remove(subscription)


publish_names(
    globals(), ["Broker", "Delivery", "Subscription", "SubscriptionStatistics"]
)
