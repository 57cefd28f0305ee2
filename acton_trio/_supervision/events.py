"""What others may want to know of a supervisor's children."""

from __future__ import annotations

from typing import TypeAlias

from .._base.util import publish_names
from .._messages.declare import message
from .._policy.restarts import TerminationReason

__all__ = ["ChildRestarted", "ChildTerminated", "SupervisionEvent"]


@message
class ChildRestarted:
    """A child is about to be started again, in the seat of the one that ended."""

    supervisor: str
    """Name of the actor's supervisor."""

    child: str
    """Name of the actor."""

    generation: int
    """How many incarnations there were before this one."""

    reason: TerminationReason
    """Why the last one ended."""

    backoff: float
    """How long it was waited for, in seconds."""


@message
class ChildTerminated:
    """A child is down for good."""

    supervisor: str
    """Name of the actor's supervisor."""

    child: str
    """Name of the actor."""

    reason: TerminationReason
    """Why its last incarnation ended."""

    error: BaseException | None = None
    """What it failed with, if it did."""


SupervisionEvent: TypeAlias = ChildRestarted | ChildTerminated

publish_names(globals(), ["ChildRestarted", "ChildTerminated"])
