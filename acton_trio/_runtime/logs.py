"""What a runtime writes into the logs of `logging`, and what records can tell."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final, final

from .._base.util import name_of, publish_names
from .._kernel.activity import current_activity
from .._kernel.events import ActorStopped
from .._kernel.instruments import Panel
from .._kernel.surroundings import DeadLetter
from .._supervision.events import (
    ChildRestarted,
    ChildSupervised,
    ChildTerminated,
    SupervisionEscalated,
)
from .._supervision.instruments import Instrument
from .config import Config

__all__ = ["ActorLogFilter", "LoggingInstrument", "make_panel"]

_NOBODY: Final = "-"


@final
class LoggingInstrument(Instrument):
    """Writes what goes wrong into a logger, and what goes on, for who wants that.

    Every runtime has one, unless it is given another one of this class or
    ``config.behavior.enable_tracing`` is false.

    ======================================================  =======
    what                                                    level
    ======================================================  =======
    an actor is down by a failure that nobody else is told  ERROR
    an actor was restarted for a failure                    WARNING
    an actor has failed too often                           WARNING
    a dead letter                                           WARNING
    an actor has failed; what comes of it follows           INFO
    an actor was restarted along with another               INFO
    an actor has started, has ended, is down                DEBUG
    ======================================================  =======

    The traceback is with the first two and the dead letters.  A failure that
    somebody is told, who asked or who supervises, is theirs to write down.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """Write to *logger*; by default that is ``acton_trio``."""
        self.logger: logging.Logger = logger or logging.getLogger("acton_trio")

    def actor_stopped(self, event: ActorStopped) -> None:
        """Write it down, without the traceback: what comes of it has that."""
        if event.error is None:
            self.logger.debug("%s has ended: %s", event.actor, event.reason.value)
        else:
            self.logger.info("%s has failed: %r", event.actor, event.error)

    def dead_letter(self, event: DeadLetter) -> None:
        """Write it down."""
        self.logger.warning(
            "dead letter for %s: %s: %r",
            event.target,
            event.reason,
            event.message,
            exc_info=event.error,
        )

    def child_supervised(self, event: ChildSupervised) -> None:
        """Write it down."""
        self.logger.debug("%s was started under %s", event.child, event.supervisor)

    def child_restarted(self, event: ChildRestarted) -> None:
        """Write it down."""
        level = logging.INFO if event.error is None else logging.WARNING
        self.logger.log(
            level,
            "%s was restarted after %g s: generation %d, %s",
            event.child,
            event.backoff,
            event.generation,
            event.reason.value,
            exc_info=event.error,
        )

    def child_terminated(self, event: ChildTerminated) -> None:
        """Write it down."""
        is_ours = event.error is not None and not event.owned_by_supervisor
        self.logger.log(
            logging.ERROR if is_ours else logging.DEBUG,
            "%s is down: %s",
            event.child,
            event.reason.value,
            exc_info=event.error if is_ours else None,
        )

    def supervision_escalated(self, event: SupervisionEscalated) -> None:
        """Write it down, without the traceback: its owner has that."""
        self.logger.warning(
            "%s has failed more often than its limit allows, after %d restarts",
            event.child,
            event.restarts,
        )


@final
class ActorLogFilter(logging.Filter):
    """Has every record tell which actor wrote it, handling which message.

    It lets all records through, and gives them ``acton_actor`` and
    ``acton_message``, the actor's name and the message's type, or ``-``.  Add it
    to a handler, not to a logger, which would not see what others write::

        handler = logging.StreamHandler()
        handler.addFilter(ActorLogFilter())
        handler.setFormatter(
            logging.Formatter("%(acton_actor)s %(acton_message)s: %(message)s")
        )

    Hooks and background tasks have no message.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete *record*."""
        activity = current_activity.get()
        message_type = activity.message_type if activity is not None else None
        record.acton_actor = _NOBODY if activity is None else activity.name
        record.acton_message = (
            _NOBODY if message_type is None else name_of(message_type)
        )
        return True


def make_panel(config: Config, instruments: Iterable[object]) -> Panel:
    """Return the panel of a runtime, with what was given to it and what it writes.

    Raises:
        TypeError: If something else than instruments was given.
    """
    panel = Panel(Instrument)
    given = tuple(instruments)
    has_own = any(isinstance(each, LoggingInstrument) for each in given)
    if config.behavior.enable_tracing and not has_own:
        panel.add(LoggingInstrument())
    for each in given:
        panel.add(each)
    return panel


publish_names(
    globals(), ["ActorLogFilter", "LoggingInstrument"], "acton_trio.instruments"
)
