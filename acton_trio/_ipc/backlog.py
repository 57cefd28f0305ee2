"""`Backlog`: pushes that have come and were not read yet, without any I/O."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple, final

import attrs
import msgspec

from .._base.errors import ActonError, SerializationError
from .._base.formats import Format
from .._base.util import shown
from .._policy.delivery import Delivery, Terms
from .._wire.envelopes import Push
from .notifications import Codecs, RemoteSubscriptionStatistics, message_in

__all__ = ["Backlog", "Unread", "terms_of"]

# Pushes that may wait for their reader, if it does not say; as in the
# reference's client.
_USUAL: Final = 256


class Unread(NamedTuple):
    """A push that nobody has read."""

    push: Push
    format: Format
    missed: int
    """How many were lost before it, since the beginning."""

    gaps: int
    """How often the connection was, since the beginning."""


@final
@attrs.define(eq=False)
class Backlog:
    """Pushes that have come and were not read yet; lives as long as a subscription."""

    codecs: Codecs
    _terms: Terms
    _unread: deque[Unread] = attrs.field(factory=deque[Unread], init=False)
    _end: ActonError | None = attrs.field(default=None, init=False)
    """Why no more will come, once none will."""

    _delivered: int = attrs.field(default=0, init=False)
    _dropped_here: int = attrs.field(default=0, init=False)
    _dropped_by_peer: int = attrs.field(default=0, init=False)
    _unreadable: int = attrs.field(default=0, init=False)

    # What was lost and is not made known yet lies between two unread messages.
    _passed_over: int = attrs.field(default=0, init=False)
    """How many were lost before the first unread one that there is."""

    _missed: int = attrs.field(default=0, init=False)
    """How many others were lost up to now."""

    _missed_when_read: int = attrs.field(default=0, init=False)
    """How many of those were before the one that was read last."""

    _gaps: int = attrs.field(default=0, init=False)
    _gaps_when_read: int = attrs.field(default=0, init=False)

    @property
    def missed(self) -> int:
        """How many were lost before the one that was read last.

        If nothing is unread, up to now.
        """
        shown_so_far = self._missed_when_read if self._unread else self._missed
        return self._passed_over + shown_so_far

    @property
    def gaps(self) -> int:
        """How often the connection was lost before the one that was read last.

        If nothing is unread, up to now.
        """
        return self._gaps_when_read if self._unread else self._gaps

    @property
    def has_unread(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._unread)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self._end is not None

    def statistics(self) -> RemoteSubscriptionStatistics:
        """Return what was counted so far."""
        return RemoteSubscriptionStatistics(
            self._delivered,
            self._dropped_here,
            self._dropped_by_peer,
            self._unreadable,
            self._gaps,
        )

    # --- what is read

    def take(self) -> Unread | ActonError | None:
        """Return the next push, or the end; nothing if there is neither yet."""
        if not self._unread:
            return self._end
        unread = self._unread.popleft()
        self._missed_when_read = unread.missed
        self._gaps_when_read = unread.gaps
        return unread

    def message_in(self, unread: Unread) -> Any:
        """Return what was pushed.

        Raises:
            SerializationError: If it is not what its type declares.
        """
        try:
            message = message_in(unread.push, unread.format, self.codecs)
        except SerializationError:
            self._unreadable += 1
            raise
        self._delivered += 1
        return message

    # --- what comes

    def hear(self, push: Push, body_format: Format) -> None:
        """Take a push in, if it is of one of the types; drop what there is no room for."""
        self._dropped_by_peer += push.dropped
        self._missed += push.dropped
        if push.message_type not in self.codecs:
            return
        terms = self._terms
        waiting, capacity = len(self._unread), terms.capacity_of(_USUAL)
        count = terms.delivery.to_drop(waiting, capacity)
        if count is None:
            self._dropped_here += 1
            self._missed += 1
            return
        for _ in range(count):
            self._unread.popleft()
            self._dropped_here += 1
            self._passed_over += 1
        # A view would keep all of its frame.
        push = msgspec.structs.replace(push, payload=push.payload.copy())
        self._unread.append(Unread(push, body_format, self._missed, self._gaps))

    def mishear(self) -> None:
        """Take note of a push that may have been one of these, and made no sense."""
        self._unreadable += 1
        self._missed += 1

    def note_gap(self) -> None:
        """Take note that the connection was lost, and there is another one."""
        self._gaps += 1

    def forget(self) -> None:
        """Keep nothing: its reader wants no more."""
        self._unread.clear()

    def end(self, why: ActonError) -> None:
        """Take note that no more will come, and why."""
        if self._end is None:
            self._end = why


def terms_of(delivery: Delivery, capacity: int | None) -> Terms:
    """Return the terms on which a client subscribes.

    Raises:
        TypeError: If *delivery* is none.
        ValueError: If *capacity* is no number from 1 on, or the peer would have
            to wait.
    """
    terms = Terms(delivery, capacity)
    if delivery is Delivery.BLOCK:
        msg = (
            "nobody in another process waits for a subscriber here: delivery is "
            f"DROP_OLDEST, DROP_NEWEST or LATEST, not {shown(delivery)}"
        )
        raise ValueError(msg)
    return terms
