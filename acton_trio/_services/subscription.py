"""What plain code reads of what is broadcast."""

from __future__ import annotations

import typing
from collections import deque
from typing import Generic, Self, TypeVar, final

import attrs
import trio

from .._base.blocks import AsyncOnly
from .._base.util import publish_names
from .._kernel.activity import Activity
from .._kernel.subscription import Parcel, SubscriptionStatistics
from .._policy.delivery import Delivery

__all__ = ["Subscription"]

T = TypeVar("T")


@final
@attrs.define(eq=False, repr=False)
class Subscription(AsyncOnly, Generic[T]):
    """The messages of some types, in the order of their broadcasts.

    Lives as long as the block of `Broker.subscribe`.
    """

    _delivery: Delivery
    _capacity: int
    _queue: deque[T] = attrs.field(factory=deque[T], init=False)
    # Invariant: the line is empty, or the queue is full.
    _line: deque[Parcel] = attrs.field(factory=deque[Parcel], init=False)
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
            self._queue.append(typing.cast("T", parcel.message))
            parcel.taken.set()
            self._readers.unpark()
        return message

    def statistics(self) -> SubscriptionStatistics:
        """Return what was counted so far."""
        return SubscriptionStatistics(self._delivered, self._dropped)

    def put(
        self,
        message: T,
        sender: Activity | None,  # noqa: ARG002 - nobody replies
        *,
        waits: bool,
    ) -> Parcel | None:
        """Take *message* in, drop what there is no room for, or have it wait.

        Args:
            message: What was broadcast.
            sender: Whose code has done that.
            waits: Whether that can wait.

        Returns:
            What to wait for, if it has to wait: `Delivery.BLOCK` alone.
        """
        waiting = len(self._queue)
        if self._delivery is Delivery.BLOCK and waiting >= self._capacity:
            if not waits and len(self._line) >= self._capacity:
                self._dropped += 1
                return None
            parcel = Parcel(message)
            self._line.append(parcel)
            return parcel
        count = self._delivery.to_drop(waiting, self._capacity)
        if count is None:
            self._dropped += 1
            return None
        for _ in range(count):
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(message)
        self._readers.unpark()
        return None

    def parcels(self) -> tuple[Parcel, ...]:
        """Return what has no room yet."""
        return tuple(self._line)

    def close(self) -> None:
        """Take nothing more in, and keep nobody waiting."""
        while self._line:
            self._line.popleft().taken.set()


publish_names(globals(), ["Subscription"])
