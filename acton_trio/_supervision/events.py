"""What others may want to know of a supervisor's children.

All of it is broadcast.  An actor that has a handler for one of these gets those
about its own children in any case, before the messages that others have sent; if
it has subscribed too, it gets each of them once.
"""

from __future__ import annotations

from typing import TypeAlias

from .._base.util import publish_names
from .._messages.declare import message
from .._policy.policies import RestartPolicy, TerminationReason

__all__ = [
    "ChildRestarted",
    "ChildSupervised",
    "ChildTerminated",
    "SupervisionEscalated",
    "SupervisionEvent",
]


@message
class ChildSupervised:
    """A child has started, for the first time."""

    supervisor: str
    """Name of the actor's supervisor."""

    child: str
    """Name of the actor."""

    restart_policy: RestartPolicy
    """After which ends it is started again."""


@message
class ChildRestarted:
    """A child has started again, in the seat of the one that ended."""

    supervisor: str
    """Name of the actor's supervisor."""

    child: str
    """Name of the actor."""

    generation: int
    """How many incarnations there were before this one."""

    reason: TerminationReason
    """Why the last one ended.

    `TerminationReason.STOPPED` if it was restarted along with another.
    """

    backoff: float
    """How long it was waited for, in seconds."""

    error: BaseException | None = None
    """What the last one failed with, if it did.

    If that was in starting again, its ``__context__`` is what it was started for.
    """


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

    owned_by_supervisor: bool = False
    """Whether its supervisor, or one above, has the failure too.

    If not, it is here that it ends.
    """


@message
class SupervisionEscalated:
    """A child is down for good, because it failed more often than its limit allows.

    A supervisor that then goes on, by `Escalation.NOTIFY_PARENT`, has this sent
    to its own supervisor, if that is an actor with a handler for it.
    """

    supervisor: str
    """Name of the actor's supervisor."""

    child: str
    """Name of the actor."""

    reason: TerminationReason
    """Why its last incarnation ended."""

    restarts: int
    """How often it was restarted in the window of its limit."""

    error: BaseException
    """The `RestartLimitError`, whose cause is the failure that was one too many."""


SupervisionEvent: TypeAlias = (
    ChildSupervised | ChildRestarted | ChildTerminated | SupervisionEscalated
)

publish_names(
    globals(),
    ["ChildRestarted", "ChildSupervised", "ChildTerminated", "SupervisionEscalated"],
)
