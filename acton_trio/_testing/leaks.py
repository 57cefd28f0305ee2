"""Leaks: what a test has left behind, and the error that names it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import attrs

from .._base.util import publish_names

__all__ = ["Leak", "LeakError"]


@final
@attrs.frozen
class Leak:
    """One thing that a test has left behind; a value."""

    kind: str
    """What kind of thing it is: ``"unanswered ask"``, ``"dead letter"``."""

    text: str
    """Which one, whose, and from which line of code."""


@final
class LeakError(AssertionError):
    """A test has passed, and left something behind."""

    def __init__(self, leaks: Sequence[Leak]) -> None:
        super().__init__(tuple(leaks))

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What it has left behind."""
        leaks: tuple[Leak, ...] = self.args[0]
        return leaks

    def __str__(self) -> str:
        lines = [f"\n  {each.kind}: {each.text}" for each in self.leaks]
        return "the test has left something behind:" + "".join(lines)


publish_names(globals(), ["Leak", "LeakError"], "acton_trio.testing")
