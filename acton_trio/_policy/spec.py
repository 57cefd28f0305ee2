"""`ChildSpec`: how an actor is supervised, and how it supervises."""

from __future__ import annotations

from typing import Any

import attrs

from .._base.util import shown
from .limits import RestartLimit
from .policies import RestartPolicy
from .strategies import Escalation, SupervisionStrategy

__all__ = ["ChildSpec"]


def _a(kind: type) -> Any:
    def check(_spec: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            msg = f"{field.name} is a {kind.__name__}, not {shown(value)}"
            raise TypeError(msg)

    return check


@attrs.frozen(kw_only=True)
class ChildSpec:
    """How an actor is supervised, and how it supervises; a value."""

    restart_policy: RestartPolicy = attrs.field(
        default=RestartPolicy.PERMANENT, validator=_a(RestartPolicy)
    )
    restart_limit: RestartLimit = attrs.field(
        factory=RestartLimit, validator=_a(RestartLimit)
    )
    strategy: SupervisionStrategy = attrs.field(
        default=SupervisionStrategy.ONE_FOR_ONE, validator=_a(SupervisionStrategy)
    )
    """Who of its children is restarted along with one that comes back."""

    escalation: Escalation = attrs.field(
        default=Escalation.STOP_SUPERVISOR, validator=_a(Escalation)
    )
    """What it does about a child that failed too often."""
