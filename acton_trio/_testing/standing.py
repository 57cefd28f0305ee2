"""In which order gates are asked, and for how long they stand."""

from __future__ import annotations

import enum
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from .._kernel.gates import GATES, Gate

__all__ = ["Rank", "standing"]


class Rank(enum.IntEnum):
    """What a gate is for; those of a lower rank are asked first."""

    WITNESS = 0
    """Sees every message, also those that get lost."""

    FAULT = 1
    """Loses messages, or has them late."""


_ranks: Final[dict[Gate, Rank]] = {}


@contextmanager
def standing(gate: Gate, rank: Rank) -> Generator[None, None, None]:
    """Have *gate* stand before every mailbox and handler, as long as the block."""
    _ranks[gate] = rank
    GATES.append(gate)
    GATES.sort(key=_ranks.__getitem__)
    try:
        yield
    finally:
        GATES.remove(gate)
        del _ranks[gate]
