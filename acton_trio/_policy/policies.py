"""Whether an actor comes back when an incarnation of it has ended.

=========  ========  ========  ========  ===============
policy     NORMAL    FAILED    STOPPED   PARENT_SHUTDOWN
=========  ========  ========  ========  ===============
PERMANENT  restart   restart   stays     stays
TRANSIENT  stays     restart   stays     stays
TEMPORARY  stays     stays     stays     stays
=========  ========  ========  ========  ===============

One that is stopped with its group is not asked: see `plan`.
"""

from __future__ import annotations

import enum

from .._base.util import publish_names

__all__ = ["RestartPolicy", "TerminationReason", "comes_back"]


class RestartPolicy(enum.Enum):
    """After which ends an actor is started again."""

    PERMANENT = "permanent"
    """After a failure, and after a normal end of its own."""

    TRANSIENT = "transient"
    """After a failure."""

    TEMPORARY = "temporary"
    """Never."""


class TerminationReason(enum.Enum):
    """Why an incarnation ended."""

    NORMAL = "normal"
    """It asked for it, with ``ctx.stop()``."""

    FAILED = "failed"
    """A handler, hook or background task of it raised."""

    STOPPED = "stopped"
    """Somebody ordered it: ``handle.stop()``, or its supervisor for a group."""

    PARENT_SHUTDOWN = "parent_shutdown"
    """What it lives in has ended."""


def comes_back(policy: RestartPolicy, reason: TerminationReason) -> bool:
    """Return whether an actor of that *policy* is started again; see the table."""
    match reason:
        case TerminationReason.FAILED:
            return policy is not RestartPolicy.TEMPORARY
        case TerminationReason.NORMAL:
            return policy is RestartPolicy.PERMANENT
        case _:
            return False


publish_names(globals(), ["RestartPolicy", "TerminationReason"])
