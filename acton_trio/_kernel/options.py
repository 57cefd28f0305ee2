"""What can be said of an actor when it is started."""

from __future__ import annotations

from typing import TypedDict

from .._policy.limits import RestartLimit
from .._policy.policies import RestartPolicy
from .._policy.strategies import Escalation, SupervisionStrategy

__all__ = ["StartOptions"]


class StartOptions(TypedDict, total=False):
    """What can be said of an actor when it is started; see ``runtime.start``."""

    name: str | None
    """1 to 63 letters, digits, ``-``, ``_`` or ``.``."""

    mailbox_capacity: int | None
    """How many messages may be queued."""

    max_concurrency: int | None
    """How many `act_on` handlers may overlap."""

    restart_policy: RestartPolicy
    """After which ends it is started again."""

    restart_limit: RestartLimit
    """How often, and how long each restart waits."""

    strategy: SupervisionStrategy
    """Who of its children is restarted along with one that comes back."""

    escalation: Escalation
    """What it does about a child that failed too often."""

    expose: bool | str
    """Whether peers may reach it, and under which name."""
