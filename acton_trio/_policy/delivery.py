"""What happens to a message for a subscriber who is behind."""

from __future__ import annotations

import enum

from .._base.util import publish_names

__all__ = ["Delivery"]


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


publish_names(globals(), ["Delivery"])
