"""`Config`: what can be set for a runtime; frozen, validated, in seconds."""

from __future__ import annotations

import math
from typing import Any

import attrs

from .._base.errors import ConfigError
from .._base.util import publish_names

__all__ = ["Config", "Limits", "Timeouts"]


def _positive(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, (int, float)) or math.isnan(value) or value <= 0:
        raise ConfigError(
            type(instance).__name__,
            field.name,
            f"expected a number above 0, got {value!r}",
        )


def _whole(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(
            type(instance).__name__,
            field.name,
            f"expected a whole number from 1 on, got {value!r}",
        )


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long things may take, in seconds; the reference's defaults."""

    ask: float = attrs.field(default=30.0, validator=_positive)
    """An ask whose caller has no deadline."""

    actor_shutdown: float = attrs.field(default=10.0, validator=_positive)
    """One actor, to stop."""

    system_shutdown: float = attrs.field(default=30.0, validator=_positive)
    """All actors together, to stop."""


@attrs.frozen(kw_only=True)
class Limits:
    """How much there may be of things; the reference's defaults."""

    actor_inbox_capacity: int = attrs.field(default=512, validator=_whole)
    """Messages in the mailbox of an actor that names no capacity."""

    concurrent_handlers_high_water_mark: int = attrs.field(
        default=100, validator=_whole
    )
    """Overlapping `act_on` handlers of an actor that names no number."""


@attrs.frozen(kw_only=True)
class Config:
    """What can be set for a runtime; lives as long as anybody keeps it."""

    timeouts: Timeouts = attrs.field(factory=Timeouts)
    limits: Limits = attrs.field(factory=Limits)


publish_names(globals(), __all__)
