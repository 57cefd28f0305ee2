"""How a supervisor deals with the end of a child, and with too many ends."""

from __future__ import annotations

import enum

from .._base.util import publish_names

__all__ = ["Escalation", "SupervisionStrategy"]


class SupervisionStrategy(enum.Enum):
    """Who is restarted along with a child that comes back."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody: for children that do not depend on each other."""

    ONE_FOR_ALL = "one_for_all"
    """All: for children that depend on each other."""

    REST_FOR_ONE = "rest_for_one"
    """Those started after it: for children that depend on earlier ones."""

    @property
    def is_for_groups(self) -> bool:
        """Whether it may restart more than the child that has ended."""
        return self is not SupervisionStrategy.ONE_FOR_ONE


class Escalation(enum.Enum):
    """What a supervisor does about a child that failed too often.

    The child is down for good either way.
    """

    STOP_SUPERVISOR = "stop_supervisor"
    """It fails itself, with `RestartLimitError`; its own supervisor decides."""

    NOTIFY_PARENT = "notify_parent"
    """It goes on without, and its supervisor gets `SupervisionEscalated`."""


publish_names(globals(), ["Escalation", "SupervisionStrategy"])
