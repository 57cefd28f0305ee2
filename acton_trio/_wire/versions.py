"""The versions of the wire protocol that this side speaks."""

from __future__ import annotations

from typing import Final

__all__ = ["CURRENT_VERSION", "MAX_VERSION", "MIN_VERSION", "negotiate_version"]

# Version 1 has JSON and four types of frame; version 2 has a format byte, and
# streams, pushes, discovery and cancelling.
MIN_VERSION: Final = 1
MAX_VERSION: Final = 2
CURRENT_VERSION: Final = 2


def negotiate_version(client: int, server: int) -> int | None:
    """Return the version that both can speak, or ``None`` if there is none.

    Nothing of the kind travels: every frame says its own version.

    >>> negotiate_version(1, 2), negotiate_version(0, 2)
    (1, None)
    """
    if min(client, server) < MIN_VERSION:
        return None
    return min(client, server, MAX_VERSION)
