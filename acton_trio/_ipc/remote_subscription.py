"""What a client reads of what another process broadcasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar, cast, final

import attrs
import trio

from .._base.blocks import AsyncOnly
from .._base.errors import ActonError
from .._base.formats import Format
from .._base.util import publish_names
from .._wire.envelopes import Push
from .backlog import Backlog, Unread
from .exchange import fresh
from .notifications import RemoteSubscriptionStatistics

__all__ = ["RemoteSubscription"]

T_co = TypeVar("T_co", covariant=True)


@final
@attrs.define(eq=False, repr=False)
class RemoteSubscription(AsyncOnly, Generic[T_co]):
    """What another process broadcasts of some types, in the order of its pushes.

    Lives as long as the block of `Client.subscribe`.
    """

    _backlog: Backlog
    _read_on: Callable[[], None]
    """Looks again whether the peer may be listened to."""

    _is_closed: bool = attrs.field(default=False, init=False)
    _readers: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    @property
    def missed(self) -> int:
        """How many messages were lost before the one that was read last.

        If nothing is unread, up to now.  It grows where the loss was: between
        two messages that are in order otherwise.
        """
        return self._backlog.missed

    @property
    def gaps(self) -> int:
        """How often the connection was lost before the message that was read last.

        If nothing is unread, up to now.  Nobody knows what was broadcast in
        the meantime.
        """
        return self._backlog.gaps

    def statistics(self) -> RemoteSubscriptionStatistics:
        """Return what was counted so far."""
        return self._backlog.statistics()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        """Return the next message, waiting for it.

        Raises:
            SerializationError: If it is not what its type declares; the next
                call returns the one after it.
            PeerLostError: If the connection broke, and no other is made.

        Cancellation:
            No message is lost: the next call returns it.
        """
        await trio.lowlevel.checkpoint()
        while (found := self._take()) is None:
            self._read_on()
            await self._readers.park()
        if isinstance(found, ActonError):
            raise fresh(found)
        return cast("T_co", self._backlog.message_in(found))

    def receive_nowait(self) -> T_co:
        """Return the next message, if there is one.

        Raises:
            trio.WouldBlock: If there is none now.
            SerializationError: If it is not what its type declares.
            PeerLostError: If the connection broke, and no other is made.
        """
        found = self._take()
        if found is None:
            raise trio.WouldBlock
        if isinstance(found, ActonError):
            raise fresh(found)
        return cast("T_co", self._backlog.message_in(found))

    def _take(self) -> Unread | ActonError | None:
        if self._is_closed:
            msg = "the block of the subscription was left"
            raise trio.ClosedResourceError(msg)
        return self._backlog.take()

    def close(self) -> None:
        """Keep nothing, and nobody waiting: the block is left."""
        self._is_closed = True
        self._backlog.forget()
        self._readers.unpark_all()

    # --- what comes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the types that are read, on the wire."""
        return tuple(self._backlog.codecs)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is wanted, or will come."""
        return self._is_closed or self._backlog.is_over

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for the next message."""
        return bool(self._readers)

    def hear(self, push: Push, body_format: Format) -> None:
        """Take *push*, in *body_format*, in, if it is of one of the types."""
        self._backlog.hear(push, body_format)
        if self._backlog.has_unread:
            self._readers.unpark()

    def mishear(self) -> None:
        """Take note of a push that may have been one of these, and made no sense."""
        self._backlog.mishear()

    def note_gap(self) -> None:
        """Take note that the connection was lost, and there is another one."""
        self._backlog.note_gap()

    def end(self, why: ActonError) -> None:
        """Take note that no more will come, and why."""
        self._backlog.end(why)
        self._readers.unpark_all()


publish_names(globals(), ["RemoteSubscription"], "acton_trio.ipc")
