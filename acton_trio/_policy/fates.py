"""What a supervisor does about a child whose incarnation has ended.

==========================================  =========
what is true of it, the first row counts    fate
==========================================  =========
it raised what is no `Exception`            GIVE_UP
it failed after an order to stop for good,
and its policy would have it back           GIVE_UP
told to leave, to come back with its group  RETURN
its policy has it back                      RESTART
anything else                               DOWN
==========================================  =========

A failure is judged by what was ordered when it happened.  Before an order to
stop it is dealt with as if there were none: that the child does not come back
in the end is not its doing.  What a temporary child raises is always the
news of its end alone.
"""

from __future__ import annotations

import enum

from .policies import RestartPolicy, TerminationReason, comes_back

__all__ = ["Fate", "fate_of"]


class Fate(enum.Enum):
    """What is done about a child whose incarnation has ended."""

    RESTART = "restart"
    """It comes back, if its limit allows, and is charged for it."""

    RETURN = "return"
    """It comes back with its group, for which another was charged."""

    DOWN = "down"
    """It stays down."""

    GIVE_UP = "give up"
    """It stays down, and whoever is above has its failure."""


def fate_of(
    policy: RestartPolicy,
    reason: TerminationReason,
    *,
    error: BaseException | None,
    failed_late: bool,
    is_told: bool,
) -> Fate:
    """Return what is done about the child; see the table.

    Args:
        policy: After which ends it comes back.
        reason: Why the incarnation ended.
        error: What it raised, if it did.
        failed_late: Whether that was after an order to stop for good.
        is_told: Whether its supervisor told it to leave, for a group.
    """
    # KeyboardInterrupt and its like are nobody's here: they go all the way up.
    if error is not None and not isinstance(error, Exception):
        return Fate.GIVE_UP
    is_returning = is_told and policy is not RestartPolicy.TEMPORARY
    if failed_late and (is_returning or comes_back(policy, reason)):
        return Fate.GIVE_UP
    if is_returning:
        return Fate.RETURN
    return Fate.RESTART if comes_back(policy, reason) else Fate.DOWN
