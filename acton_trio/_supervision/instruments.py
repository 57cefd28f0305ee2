"""`Instrument`: what those who look in can hear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .._base.util import publish_names
from .._kernel.events import (
    ActorStarted,
    ActorStopped,
    MessageBegan,
    MessageHandled,
    MessageSent,
)
from .._kernel.instruments import Panel
from .._kernel.surroundings import DeadLetter
from .events import (
    ChildRestarted,
    ChildSupervised,
    ChildTerminated,
    SupervisionEscalated,
    SupervisionEvent,
)

__all__ = ["Instrument", "announce_to"]


class Instrument:
    """Looks in on a runtime, until removed; each method hears one kind of event.

    Override those that matter: the others cost nothing.  Any object with some of
    these methods does as well.  They are called amid the work of actors, so they
    neither wait nor take long; one that raises is removed, which is logged, and
    nobody else notices.
    """

    def actor_started(self, event: ActorStarted) -> None:
        """An incarnation of an actor takes messages."""

    def actor_stopped(self, event: ActorStopped) -> None:
        """An incarnation that had started is no more."""

    def message_sent(self, event: MessageSent) -> Mapping[str, str] | None:  # noqa: ARG002 - for those who override
        """Somebody is about to put a message into a mailbox.

        Called in the sender's task.

        Returns:
            Headers to travel with it, beside those that do already.
        """
        return None

    def message_began(self, event: MessageBegan) -> None:
        """A handler begins; called in its task, before it."""

    def message_handled(self, event: MessageHandled) -> None:
        """A handler has ended, whichever way; called in its task, after it.

        Who was told that it began is told this, even if removed meanwhile.
        """

    def dead_letter(self, event: DeadLetter) -> None:
        """A message was not handled, or nobody waits for its failure."""

    def child_supervised(self, event: ChildSupervised) -> None:
        """An actor has started, for the first time."""

    def child_restarted(self, event: ChildRestarted) -> None:
        """An actor has started again."""

    def child_terminated(self, event: ChildTerminated) -> None:
        """An actor is down for good."""

    def supervision_escalated(self, event: SupervisionEscalated) -> None:
        """An actor has failed more often than its limit allows."""


_METHODS: Final[Mapping[type, str]] = {
    ChildSupervised: "child_supervised",
    ChildRestarted: "child_restarted",
    ChildTerminated: "child_terminated",
    SupervisionEscalated: "supervision_escalated",
}


def announce_to(panel: Panel, event: SupervisionEvent) -> None:
    """Tell *event* to those who look in."""
    ears = getattr(panel, _METHODS[type(event)])
    if ears:
        panel.tell(ears, event)


publish_names(globals(), ["Instrument"], "acton_trio.instruments")
