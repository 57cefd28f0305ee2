"""What those who look in are told of actors and their messages; plain data."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from .._base.util import publish_names
from .._policy.policies import TerminationReason

__all__ = [
    "ActorStarted",
    "ActorStopped",
    "Ending",
    "MessageBegan",
    "MessageHandled",
    "MessageSent",
]


class Ending(enum.Enum):
    """How a handler has ended."""

    RETURNED = "returned"
    """Without an exception, whether it has replied or not."""

    RAISED = "raised"
    """With an exception, a `Rejection` included."""

    CANCELLED = "cancelled"
    """Its asker gave up, or its actor has ended."""


@attrs.frozen
class ActorStarted:
    """An incarnation of an actor takes messages, the first or a later one."""

    actor: str
    """Name of the actor."""

    id: str
    """The same as an ERN."""

    generation: int
    """How many incarnations there were before this one."""


@attrs.frozen
class ActorStopped:
    """An incarnation that had started is no more; another one may follow."""

    actor: str
    """Name of the actor."""

    id: str
    """The same as an ERN."""

    generation: int
    """How many incarnations there were before this one."""

    reason: TerminationReason
    """Why it ended."""

    error: BaseException | None = None
    """What it failed with, if it did."""


@attrs.frozen
class MessageSent:
    """Somebody is about to put a message into a mailbox."""

    sender: str | None
    """Name of the actor that sends it; ``None`` for plain code."""

    target: str
    """Name of the actor it is for."""

    message_type: str
    """Name of the message's type."""

    is_asked: bool
    """Whether a reply, or a stream of them, is waited for."""


@attrs.frozen
class MessageBegan:
    """A handler begins with a message."""

    number: int
    """The same as in the `MessageHandled` that will follow, and in no other."""

    actor: str
    """Name of the actor."""

    message_type: str
    """Name of the message's type."""

    handler: str
    """Name of the function; an `on_error` is one too."""

    is_asked: bool
    """Whether a reply, or a stream of them, is waited for."""

    waited: float | None
    """Seconds since it was queued; ``None`` if nobody looked by then."""

    sender: str | None
    """Name of the actor that sent it; ``None`` for plain code and peers."""

    is_remote: bool
    """Whether it came from another process."""

    headers: Mapping[str, str]
    """What travels with it."""


@attrs.frozen
class MessageHandled:
    """A handler has ended, whichever way."""

    number: int
    """The same as in the `MessageBegan` before it."""

    actor: str
    """Name of the actor."""

    message_type: str
    """Name of the message's type."""

    handler: str
    """Name of the function; an `on_error` is one too."""

    is_asked: bool
    """Whether a reply, or a stream of them, was waited for."""

    waited: float | None
    """Seconds from when it was queued; ``None`` if nobody looked by then."""

    seconds: float
    """How long the handler has taken, on trio's clock."""

    ending: Ending
    """Which way it ended."""

    error: BaseException | None = None
    """What it has raised, if it did."""


publish_names(globals(), __all__, "acton_trio.instruments")
