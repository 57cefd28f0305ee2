"""What a listener has counted; counters only grow, rates are for the reader."""

from __future__ import annotations

import attrs

from .._base.util import publish_names

__all__ = ["Counters", "ListenerStatistics", "ShutdownResult"]


@attrs.frozen(kw_only=True)
class ListenerStatistics:
    """What a listener has counted so far; a snapshot."""

    connections_accepted: int
    """Connections that were let in."""

    connections_active: int
    """Those that are open now."""

    max_connections: int
    """How many may be open at a time."""

    connections_available: int
    """How many more connections it would accept now."""

    messages_received: int
    """Requests that came, whatever became of them."""

    messages_routed: int
    """Requests that were put in a mailbox."""

    errors: int
    """Connections ended for a violation of the protocol or for silence, or refused."""

    rate_limited: int
    """Requests refused because their connection sent too many of them."""

    backpressure_rejections: int
    """Requests refused because the actor's mailbox was full."""

    shutdown_rejections: int
    """Requests refused because the listener was draining."""

    in_flight_requests: int
    """Requests whose answer is not written yet."""

    subscriptions_processed: int
    """Wishes to subscribe, or not to any more."""

    subscriptions_added: int
    """Types that a connection has subscribed to."""

    subscriptions_removed: int
    """Types that a connection wanted to hear no more of, while it was open."""

    push_notifications_sent: int
    """Pushes that were given to a connection, each connection counted."""

    push_notifications_dropped: int
    """Pushes that there was no room for, a connection being behind."""


@attrs.frozen
class ShutdownResult:
    """How a listener ended; a value."""

    in_flight_at_start: int
    """Requests that were unanswered when it began to drain."""

    drained_gracefully: bool
    """Whether all of them were answered in time."""

    forced_closed: int
    """How many were not."""


@attrs.define(eq=False)
class Counters:
    """The numbers behind `ListenerStatistics`, while they are counted."""

    connections_accepted: int = 0
    connections_active: int = 0
    messages_received: int = 0
    messages_routed: int = 0
    errors: int = 0
    rate_limited: int = 0
    backpressure_rejections: int = 0
    shutdown_rejections: int = 0
    in_flight_requests: int = 0
    subscriptions_processed: int = 0
    subscriptions_added: int = 0
    subscriptions_removed: int = 0
    push_notifications_sent: int = 0
    push_notifications_dropped: int = 0

    def snapshot(self, max_connections: int) -> ListenerStatistics:
        """Return the numbers of now."""
        available = max(max_connections - self.connections_active, 0)
        return ListenerStatistics(
            max_connections=max_connections,
            connections_available=available,
            **attrs.asdict(self),
        )


publish_names(globals(), ["ListenerStatistics", "ShutdownResult"], "acton_trio.ipc")
