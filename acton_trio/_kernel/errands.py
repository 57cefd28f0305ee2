"""Failures on their way to an `on_error`, which has to wait until it is alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import final

import attrs

from .activity import Activity
from .envelope import Envelope
from .handlers import Handler
from .turn import Turn

__all__ = ["Errand"]


@final
@attrs.define(eq=False)
class Errand:
    """A failure that waits for its `on_error`; it is where its message is then."""

    turn: Turn
    """The turn that failed."""

    error: BaseException
    handler: Handler

    def give_up(self, envelope: Envelope) -> None:
        """Do nothing: whoever has gone, the failure wants to be dealt with."""

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say so."""
        return ["its handler failed, and waits for on_error"] * len(envelopes)

    def blockers(self, envelope: Envelope) -> Collection[Activity]:  # noqa: ARG002 - for all alike
        """Return whatever runs: it has to be alone."""
        return self.turn.seat.mailbox.running
