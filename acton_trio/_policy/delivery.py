"""On which terms somebody subscribes: what happens to messages while he is behind."""

from __future__ import annotations

import enum

import attrs

from .._base.util import publish_names, shown

__all__ = ["Delivery", "Terms"]


class Delivery(enum.Enum):
    """What happens to a message for a subscriber who is behind."""

    BLOCK = "block"
    """Whoever broadcasts it waits until there is room for it."""

    DROP_OLDEST = "drop_oldest"
    """The one that has waited longest is dropped for it."""

    DROP_NEWEST = "drop_newest"
    """It is dropped itself."""

    LATEST = "latest"
    """All that wait are dropped for it."""

    def to_drop(self, waiting: int, capacity: int) -> int | None:
        """Return how many of those that wait are dropped for one more message.

        The oldest are.  ``None``: the message itself is dropped.

        Args:
            waiting: How many wait now.
            capacity: How many may.

        >>> Delivery.DROP_OLDEST.to_drop(3, 3), Delivery.LATEST.to_drop(3, 3)
        (1, 3)
        """
        if waiting < capacity or self is Delivery.BLOCK:
            return 0
        match self:
            case Delivery.DROP_OLDEST:
                return waiting - capacity + 1
            case Delivery.DROP_NEWEST:
                return None
            case Delivery.LATEST:
                return waiting


def _is_delivery(_terms: object, _field: object, value: object) -> None:
    if not isinstance(value, Delivery):
        msg = f"delivery is a Delivery, not {shown(value)}"
        raise TypeError(msg)


def _is_capacity(_terms: object, _field: object, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 1):
        msg = f"capacity is a whole number from 1 on, not {shown(value)}"
        raise ValueError(msg)


@attrs.frozen
class Terms:
    """How somebody subscribes to messages; a value."""

    delivery: Delivery = attrs.field(default=Delivery.BLOCK, validator=_is_delivery)
    capacity: int | None = attrs.field(default=None, validator=_is_capacity)
    """How many messages may wait; ``None``: as is usual there."""

    def capacity_of(self, default: int) -> int:
        """Return how many messages may wait, where *default* is usual.

        Of `Delivery.LATEST` that is one, unless something else was said.
        """
        if self.capacity is not None:
            return self.capacity
        return 1 if self.delivery is Delivery.LATEST else default


publish_names(globals(), ["Delivery"])
