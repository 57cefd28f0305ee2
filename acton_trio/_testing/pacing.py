"""When actors and senders let others run, decided by a seed.

A sender switches tasks at every 64th message, an actor after 64 messages or
500 us: which ones those are is an accident.  Here it is chance, so that every
switch that may happen does, and no clock but trio's has a say.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Final, final

from .._kernel import pace

__all__ = ["paced"]

# How likely others have their turn after a message was sent, or handled.
_SWITCHES: Final = 0.5


@final
class _Mood:
    """What an actor may do before others have their turn: as it pleases."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def restart(self) -> None:
        """Do nothing: no message counts more than another."""

    def allowance(self) -> int:
        """Return whether one message more is handled before others have their turn."""
        return int(not self.is_spent())

    def is_spent(self) -> bool:
        """Return whether others have their turn now."""
        return self._chance.random() < _SWITCHES


@contextmanager
def paced(chance: random.Random) -> Generator[None, None, None]:
    """Have *chance* decide in this block when others have their turn."""
    turns = iter(lambda: int(chance.random() >= _SWITCHES), None)
    with pace.changed(lambda: turns, partial(_Mood, chance)):
        yield
