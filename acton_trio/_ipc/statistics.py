"""What a listener has counted; counters only grow, rates are for the reader."""

from __future__ import annotations

import attrs

from .._base.util import publish_names

__all__ = ["Counters", "ListenerStatistics", "ShutdownResult"]


@attrs.frozen(kw_only=True)
class ListenerStatistics:
    """What a listener has counted so far; a snapshot."""

    connections_accepted: int
    connections_active: int
    max_connections: int
    connections_available: int
    """How many more connections it would accept now."""

    messages_received: int
    """Requests that came, whatever became of them."""

    messages_routed: int
    """Requests that were put in a mailbox."""

    errors: int
    """Connections ended for a violation of the protocol or for silence, or refused."""

    backpressure_rejections: int
    """Requests refused because the actor's mailbox was full."""

    shutdown_rejections: int
    """Requests refused because the listener was draining."""

    in_flight_requests: int
    """Requests whose answer is not written yet."""


@attrs.frozen
class ShutdownResult:
    """How a listener ended."""

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
    backpressure_rejections: int = 0
    shutdown_rejections: int = 0
    in_flight_requests: int = 0

    def snapshot(self, max_connections: int) -> ListenerStatistics:
        """Return the numbers of now."""
        available = max(max_connections - self.connections_active, 0)
        return ListenerStatistics(
            max_connections=max_connections,
            connections_available=available,
            **attrs.asdict(self),
        )


publish_names(globals(), ["ListenerStatistics", "ShutdownResult"], "acton_trio.ipc")
