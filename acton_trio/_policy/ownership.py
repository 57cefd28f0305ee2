"""Who owns a failure: the asker, the supervisor, or the dead letters.

Every failure of a handler has exactly one owner; a request that changes state
has its asker told as well.  The table, for the handlers that have no
`on_error` of their own:

=========  =============================  ===========================
handler    message                        owner
=========  =============================  ===========================
any        raised `Rejection`, asked      the asker
any        raised `Rejection`, sent       dead letters
act_on     asked                          the asker
act_on     asked, the asker has gone      dead letters
act_on     sent                           the supervisor
act_on     sent from another process      dead letters
mutate_on  asked                          the supervisor, asker told
mutate_on  sent                           the supervisor
=========  =============================  ===========================

So nobody can make an actor fail by giving up, and no peer can by sending it
something that only reads.
"""

from __future__ import annotations

import enum

from .._base.util import leaves
from .._messages.declare import Rejection

__all__ = ["Owner", "judge", "owner_of"]


class Owner(enum.Enum):
    """Who an exception is handed to."""

    ASKER = "asker"
    SUPERVISOR = "supervisor"
    DEAD_LETTERS = "dead letters"


def owner_of(
    error: BaseException,
    *,
    exclusive: bool,
    asked: bool,
    asker_waits: bool,
    is_remote: bool,
) -> Owner:
    """Return who owns *error*, which a handler raised.

    Args:
        error: The exception, as `judge` returned it.
        exclusive: Whether the handler was a `mutate_on`.
        asked: Whether the message was asked, not sent.
        asker_waits: Whether the asker still waits for its reply.
        is_remote: Whether the message came from another process.
    """
    rejected = isinstance(error, Rejection)
    # KeyboardInterrupt and its like are nobody's here: they go all the way up.
    if (exclusive and not rejected) or not isinstance(error, Exception):
        return Owner.SUPERVISOR
    if asker_waits:
        return Owner.ASKER
    if rejected or asked or is_remote:
        return Owner.DEAD_LETTERS
    return Owner.SUPERVISOR


def judge(error: BaseException) -> BaseException:
    """Return the exception by which *error* is judged.

    A group with a single leaf counts as that leaf, and a group of nothing but
    rejections as the first of them: a handler's own nursery wraps what goes
    wrong in it.  Any other group is itself.
    """
    found = [*leaves(error)]
    if len(found) == 1 or all(isinstance(each, Rejection) for each in found):
        return found[0]
    return error
