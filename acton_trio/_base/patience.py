"""The two errors that are trio's as well: out of time, and out of room.

They are kept apart from their siblings because they import trio for their
base classes, and the blocking client does without trio.
"""

from __future__ import annotations

import attrs
import trio

from .errors import ActonError, AskError
from .util import publish_names

__all__ = ["AskTimeoutError", "MailboxFullError"]


@attrs.define(eq=False, getstate_setstate=False)
class AskTimeoutError(AskError, trio.TooSlowError):
    """No reply came within the time that bounds an ask without a deadline.

    That is ``timeouts.ask``, or what the peer was given.  A deadline of the
    caller's own ends the ask in trio's way, by cancelling it.
    """

    code = "TIMEOUT"

    actor: str
    """Name of the actor that was asked."""

    request: str
    """Type of the request."""

    after: float
    """How long the reply was waited for, in seconds."""

    where: str = "its whereabouts are not known"
    """Where the request was at that moment."""

    def __str__(self) -> str:
        return (
            f"{self.actor} did not answer {self.request} "
            f"within {self.after:g} s: {self.where}"
        )


@attrs.define(eq=False, getstate_setstate=False)
class MailboxFullError(ActonError, trio.WouldBlock):
    """The mailbox has no room now; the message was not put in.

    ``await handle.send(message)`` waits for room instead, except from the
    actor's own handlers, where it would wait for itself.
    """

    code = "TARGET_BUSY"

    actor: str
    """Name of the actor whose mailbox is full."""

    capacity: int
    """How many messages it holds."""

    def __str__(self) -> str:
        return f"the mailbox of {self.actor} is full ({self.capacity} messages)"


publish_names(globals(), __all__)
