"""Every error that acton_trio raises, but for the two that are also trio's.

An error names its fault, carries the facts as attributes and has a `code`
that never changes.  `_base.patience` has `AskTimeoutError` and
`MailboxFullError`, which are trio errors too: this module is for code that
runs without trio.
"""

from __future__ import annotations

import attrs

from .util import publish_names

__all__ = [
    "ActonError",
    "ActorStoppedError",
    "AskCycleError",
    "AskError",
    "ConfigError",
    "ConnectionRefusedByPeerError",
    "DuplicateNameError",
    "HandlerFailedError",
    "LocalProtocolError",
    "NoReplyError",
    "PeerLostError",
    "PeerRejectedError",
    "ProtocolError",
    "RemoteProtocolError",
    "RestartLimitError",
    "SerializationError",
    "SupervisionDepthError",
    "UnexpectedReplyError",
    "UnhandledMessageError",
    "UnknownChildError",
]


# Without attrs' own `__setstate__`, which keeps an exception's fields and drops
# its notes: those say which actor it was, and what it was handling.


class ActonError(Exception):
    """Base of every error raised by acton_trio."""

    code: str = "ACTON_ERROR"
    """Stable name of this kind of error, upper case as on the wire."""


class AskError(ActonError):
    """Base of the ways in which an ask can end without its reply."""

    code = "ASK_ERROR"


@attrs.define(eq=False, getstate_setstate=False)
class NoReplyError(AskError):
    """The handler returned, or let go of the reply address, without replying.

    The message *was* handled.  When it was not, you get `ActorStoppedError` or
    `UnhandledMessageError`.
    """

    code = "NO_REPLY"

    actor: str
    """Name of the actor that was asked."""

    request: str
    """Type of the request."""

    def __str__(self) -> str:
        return f"{self.actor} handled {self.request} without replying to it"


@attrs.define(eq=False, getstate_setstate=False)
class ActorStoppedError(AskError):
    """The actor has stopped: the message was not handled, or not to its end.

    *The actor* is gone.  When the process around it vanished, so that nobody
    can tell what became of the message, you get `PeerLostError`.
    """

    code = "ACTOR_STOPPED"

    actor: str
    """Name of the actor the message was for."""

    detail: str = "has stopped"
    """What happened to it, as the rest of a sentence that begins with it."""

    def __str__(self) -> str:
        return f"{self.actor} {self.detail}"


@attrs.define(eq=False, getstate_setstate=False)
class HandlerFailedError(AskError):
    """The handler of the request raised; its exception is the ``__cause__``.

    An expected failure is better raised as a `Rejection`, which reaches the
    asker as itself.
    """

    code = "HANDLER_FAILED"

    actor: str
    """Name of the actor that was asked."""

    request: str
    """Type of the request."""

    error: str
    """Type of the exception that the handler raised."""

    owned_by_supervisor: bool = False
    """Whether the exception went to the actor's supervisor as well.

    If so the actor fails, and this error is only the news of it.
    """

    def __str__(self) -> str:
        fate = "; the actor fails with it" if self.owned_by_supervisor else ""
        return f"{self.actor} raised {self.error} while handling {self.request}{fate}"


@attrs.define(eq=False, getstate_setstate=False)
class AskCycleError(AskError):
    """The answer would have to wait for the very handler that asks."""

    code = "ASK_CYCLE"

    path: tuple[str, ...]
    """Names of the actors that wait for each other.

    It begins and ends with the actor that was asked.
    """

    def __str__(self) -> str:
        path = " -> ".join(self.path)
        return f"this ask can never be answered, each waits for the next: {path}"


@attrs.define(eq=False, getstate_setstate=False)
class UnexpectedReplyError(AskError):
    """The reply is not of the type that the request declares."""

    code = "UNEXPECTED_REPLY"

    actor: str
    """Name of the actor that was asked."""

    request: str
    """Type of the request."""

    expected: str
    """Type that the request declares."""

    received: str
    """What came instead."""

    def __str__(self) -> str:
        return (
            f"{self.actor} answered {self.request} with {self.received}, "
            f"expected {self.expected}"
        )


@attrs.define(eq=False, getstate_setstate=False)
class UnhandledMessageError(AskError):
    """The actor has no handler for messages of this type.

    Over a socket the answer is the code ``UNKNOWN_MESSAGE_TYPE``.
    """

    code = "UNKNOWN_MESSAGE_TYPE"

    actor: str
    """Name of the actor the message was for."""

    message: str
    """Type of the message."""

    handled: tuple[str, ...] = ()
    """Types that the actor does handle."""

    def __str__(self) -> str:
        known = ", ".join(self.handled) or "no message at all"
        return f"{self.actor} has no handler for {self.message}; it handles {known}"


@attrs.define(eq=False, getstate_setstate=False)
class PeerRejectedError(AskError):
    """The peer refused the request before dispatching it; a retry is safe.

    One code says less: ``SERIALIZATION_ERROR`` may also be about the reply, which
    could not be written after the request was handled.

    When the connection broke, so that nobody can tell whether the request was
    handled, you get `PeerLostError`.
    """

    code: str
    """The peer's code for the reason, for example ``ACTOR_NOT_FOUND``."""

    detail: str = ""
    """The peer's words."""

    def __str__(self) -> str:
        return f"the peer refused with {self.code}: {self.detail}"


@attrs.define(eq=False, getstate_setstate=False)
class PeerLostError(AskError):
    """The connection or the process behind it died before the answer came.

    Whether the request was handled is unknown.
    """

    code = "CONNECTION_CLOSED"

    detail: str = "the connection closed"
    """What was seen of it."""

    def __str__(self) -> str:
        return f"no answer: {self.detail}; whether the request was handled is unknown"


@attrs.define(eq=False, getstate_setstate=False)
class RestartLimitError(ActonError):
    """An actor ended more often than its restart limit allows.

    Its ``__cause__`` is the failure that was one too many, if it was one: an
    actor that comes back from normal ends is counted too.
    """

    code = "RESTART_LIMIT"

    actor: str
    """Name of the actor."""

    max_restarts: int
    """Restarts allowed within the window."""

    window: float
    """Length of the window, in seconds."""

    def __str__(self) -> str:
        return (
            f"{self.actor} may not be restarted again: the limit is "
            f"{self.max_restarts} in {self.window:g} seconds"
        )


@attrs.define(eq=False, getstate_setstate=False)
class DuplicateNameError(ActonError):
    """The name is taken."""

    code = "DUPLICATE_NAME"

    name: str
    """The name that was asked for."""

    holder: str
    """Who has it."""

    def __str__(self) -> str:
        return f"the name {self.name!r} is taken by {self.holder}"


@attrs.define(eq=False, getstate_setstate=False)
class UnknownChildError(ActonError):
    """The actor is none of those that the other one supervises; nothing was done."""

    code = "UNKNOWN_CHILD"

    supervisor: str
    """Name of the actor that was to do something about its child."""

    child: str
    """Name of the one that is not its child."""

    def __str__(self) -> str:
        return f"{self.child} is not a child of {self.supervisor}"


@attrs.define(eq=False, getstate_setstate=False)
class SupervisionDepthError(ActonError, ValueError):
    """The child would be too far down in its supervision tree; it was not built.

    The limit is the reference's, whose addresses have that many parts.
    """

    code = "SUPERVISION_DEPTH"

    child: str
    """Path of names of the child that was refused."""

    limit: int
    """How many generations there may be below an actor of the runtime."""

    def __str__(self) -> str:
        return (
            f"{self.child} would exceed the supervision depth: there are at most "
            f"{self.limit} generations below an actor that the runtime starts"
        )


@attrs.define(eq=False, getstate_setstate=False)
class ConfigError(ActonError):
    """A configuration value is not what it must be; nothing was started."""

    code = "CONFIG_ERROR"

    source: str
    """The file, or whatever else the value came from."""

    key: str
    """The key, with its section: ``limits.max_connections``; empty for a whole file."""

    expected: str
    """What was expected there, and what was found."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.source, self.key, self.expected)))


@attrs.define(eq=False, getstate_setstate=False)
class ProtocolError(ActonError):
    """Base of violations of the wire protocol, by this side or the other."""

    code = "PROTOCOL_ERROR"

    detail: str
    """What was wrong, and what would have been right."""

    def __str__(self) -> str:
        return self.detail


class LocalProtocolError(ProtocolError):
    """This side tried to send what the protocol does not allow.

    Nothing was sent.  When the other side did it, you get
    `RemoteProtocolError`.
    """


class RemoteProtocolError(ProtocolError):
    """The other side sent what the protocol does not allow.

    When this side tried to, you get `LocalProtocolError`.
    """


@attrs.define(eq=False, getstate_setstate=False)
class SerializationError(ActonError):
    """A value cannot be written for the wire, or bytes do not hold that value."""

    code = "SERIALIZATION_ERROR"

    detail: str
    """What was expected, and where: ``expected int, got str - at $.value``."""

    def __str__(self) -> str:
        return self.detail


@attrs.define(eq=False, getstate_setstate=False)
class ConnectionRefusedByPeerError(ActonError):
    """The peer accepted the connection only to refuse it."""

    code = "CONNECTION_REFUSED"

    reason: str
    """The peer's code, for example ``CONNECTION_LIMIT_REACHED``."""

    detail: str
    """The peer's words."""

    limit: int | None = None
    """The peer's connection limit, when that was the reason."""

    def __str__(self) -> str:
        return f"the peer refused the connection with {self.reason}: {self.detail}"


publish_names(globals(), __all__)
