"""Gates: what may keep a message from its way, for a while or for good.

There are none, unless a test plants a fault or writes down what is sent: then
they stand before every mailbox and every handler of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from .envelope import Envelope

__all__ = ["GATES", "Entrance", "Gate", "may_begin", "may_enter"]


class Entrance(Protocol):
    """A mailbox, as far as a gate needs one."""

    owner: str
    """Name of the actor it belongs to."""

    def line_up(self, envelope: Envelope) -> None:
        """Put *envelope* in the queue or, if that is full, in the line for it."""
        ...


class Gate(Protocol):
    """Something that may stand in a message's way; lives as long as a test has it."""

    def lets_in(self, entrance: Entrance, envelope: Envelope) -> bool:
        """Return whether *envelope* may be put in; if not, the gate has it now."""
        ...

    def lets_begin(
        self, actor: str, envelope: Envelope, fail: Callable[[BaseException], None]
    ) -> bool:
        """Return whether the handler for *envelope* may begin.

        Args:
            actor: Name of the actor whose handler it is.
            envelope: It stays queued if not, and whoever says so calls *fail*.
            fail: Ends the actor's incarnation with an exception.
        """
        ...


GATES: Final[list[Gate]] = []
"""The gates that stand now; asked in their order."""


def may_enter(entrance: Entrance, envelope: Envelope) -> bool:
    """Return whether all gates let *envelope* in."""
    return all(gate.lets_in(entrance, envelope) for gate in GATES.copy())


def may_begin(
    actor: str, envelope: Envelope, fail: Callable[[BaseException], None]
) -> bool:
    """Return whether all gates let the handler for *envelope* begin."""
    return all(gate.lets_begin(actor, envelope, fail) for gate in GATES.copy())
