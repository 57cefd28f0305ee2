"""Who stops and who starts when one of several children has ended.

What becomes of the siblings of a child that comes back:

==================  ===========  ============  ======================
sibling             ONE_FOR_ONE  ONE_FOR_ALL   REST_FOR_ONE
==================  ===========  ============  ======================
any                 stays as is  is restarted  if started after it: is
                                               restarted
temporary           stays as is  stops         if started after it:
                                               stops
down, or escalated  stays down   stays down    stays down
==================  ===========  ============  ======================

Who has ended and does not come back leaves all siblings as they are, whatever
the strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs

from .policies import RestartPolicy
from .strategies import SupervisionStrategy

__all__ = ["RestartPlan", "Sibling", "plan_restart"]


KeyT = TypeVar("KeyT")


@attrs.frozen
class Sibling(Generic[KeyT]):
    """One of a supervisor's children, as far as a restart is concerned.

    One that is down for good, or was given up, is none of them any more.
    """

    key: KeyT
    """Tells it from the others: its name, or anything else."""

    policy: RestartPolicy = RestartPolicy.PERMANENT
    is_up: bool = True
    """Whether an incarnation of it is there; if not, it is to be restarted."""


@attrs.frozen
class RestartPlan(Generic[KeyT]):
    """What is to be done about a child that has ended and comes back."""

    stop: tuple[KeyT, ...]
    """Who stops, in this order: each is fully down before the next is told."""

    start: tuple[KeyT, ...]
    """Who starts, in this order, once all are down: each runs before the next."""


def plan_restart(
    children: Sequence[Sibling[KeyT]], failed: KeyT, strategy: SupervisionStrategy
) -> RestartPlan[KeyT]:
    """Return what is to be done about *failed*, which has ended and comes back.

    They stop in the reverse of the order in which they start.

    Args:
        children: All of one supervisor, in the order of their first start.
        failed: Key of the one of them that has ended.
        strategy: How the supervisor deals with it.

    Raises:
        ValueError: If *failed* is the key of none of the children.

    >>> pipeline = [Sibling("read"), Sibling("parse"), Sibling("write")]
    >>> plan_restart(pipeline, "parse", SupervisionStrategy.REST_FOR_ONE)
    RestartPlan(stop=('write',), start=('parse', 'write'))
    """
    keys = [each.key for each in children]
    if failed not in keys:
        msg = f"{failed!r} is not one of the children, which are {keys}"
        raise ValueError(msg)
    position = keys.index(failed)
    match strategy:
        case SupervisionStrategy.ONE_FOR_ONE:
            affected = children[position : position + 1]
        case SupervisionStrategy.ONE_FOR_ALL:
            affected = children
        case SupervisionStrategy.REST_FOR_ONE:
            affected = children[position:]
    return RestartPlan(
        tuple(each.key for each in reversed(affected) if _stops(each, failed)),
        tuple(each.key for each in affected if _starts(each, failed)),
    )


def _stops(child: Sibling[KeyT], failed: KeyT) -> bool:
    return child.is_up and child.key != failed


def _starts(child: Sibling[KeyT], failed: KeyT) -> bool:
    return child.key == failed or child.policy is not RestartPolicy.TEMPORARY
