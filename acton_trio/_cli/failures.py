"""What can go wrong with a command, as an exit code and one line of text."""

from __future__ import annotations

import enum
from typing import Any, Final

import attrs

from .._base.errors import (
    ActonError,
    ConfigError,
    ConnectionRefusedByPeerError,
    PeerLostError,
    PeerRejectedError,
    ProtocolError,
)
from .._base.formats import Format
from .._base.util import leaves, name_of, shown
from .._messages.codec import codec_of
from .._messages.declare import Rejection, RemoteRejection
from .text import clean, clipped, json_of

__all__ = ["Exit", "Failure", "OutputError", "UsageError", "failure_of", "first_of"]


# In columns: what a peer has to say for itself may be as long as a frame.
_LONGEST: Final = 1000

_NOT_CONNECTED: Final = (PeerLostError, ConnectionRefusedByPeerError, ProtocolError)


class Exit(enum.IntEnum):
    """What the command's exit code says."""

    SUCCESS = 0
    ANSWERED_WITH_ERROR = 1
    USAGE = 2
    NO_CONNECTION = 3
    TIMED_OUT = 4
    FAULT = 70
    """Of the command itself, or of where it writes to; as in ``sysexits.h``."""

    INTERRUPTED = 130
    """As shells have it: 128 and the number of SIGINT."""


class UsageError(Exception):
    """What was typed makes no sense; the text says what would."""


class OutputError(Exception):
    """The command cannot write what it has to say."""


@attrs.frozen
class Failure:
    """Why a command has not done what it was to do."""

    exit: Exit
    code: str
    """Stable name of the kind of failure, as on the wire; empty if it has none."""

    detail: str
    type: str | None = None
    """Name of a rejection."""

    fields: object = None
    """What it says, as plain data."""

    def line(self) -> str:
        """Return it as one line for people."""
        fields = "" if self.fields is None else json_of(self.fields)
        said = " ".join(filter(None, (clean(self.type or ""), fields)))
        parts = (clean(self.code), said, clean(self.detail))
        return clipped(": ".join(filter(None, parts)), _LONGEST)

    def data(self) -> dict[str, object]:
        """Return it as plain data, for scripts."""
        found: dict[str, object] = {"code": self.code, "error": self.detail}
        if self.type is not None:
            found |= {"type": self.type, "fields": self.fields}
        return found


def failure_of(error: BaseException, where: str = "") -> Failure:
    """Return what *error* means to the one who has typed the command.

    Args:
        error: What has come of it.
        where: Where the service was to be.
    """
    match error:
        case Rejection():
            return _rejection(error)
        case ActonError():
            return Failure(_exit_for(error), error.code, _words_of(error))
        case OSError():
            words = f"cannot connect to {where}: {error.strerror or error}"
            return Failure(Exit.NO_CONNECTION, "", words)
        case UsageError():
            return Failure(Exit.USAGE, "", str(error))
        case OutputError():
            return Failure(Exit.FAULT, "", str(error))
        case _:
            words = f"a fault of this command: {shown(error)}; --debug shows where"
            return Failure(Exit.FAULT, "", words)


def _rejection(error: Rejection) -> Failure:
    if isinstance(error, RemoteRejection):
        name, fields, detail = error.type_name, error.fields, error.detail
    else:
        # One that this process knows the class of, as it never does by itself.
        name, fields, detail = name_of(type(error)), _fields_of(error), str(error)
    if detail == name or detail.startswith(f"{name}("):
        # The text of one that has none of its own: it says the same again.
        detail = ""
    return Failure(Exit.ANSWERED_WITH_ERROR, "REJECTED", detail, name, fields)


def _fields_of(error: Rejection) -> object:
    written = codec_of(type(error)).encode(error, Format.JSON)
    fields: object = codec_of(Any).decode(written, Format.JSON)
    return fields


def _exit_for(error: ActonError) -> Exit:
    if isinstance(error, ConfigError):
        return Exit.USAGE
    if isinstance(error, _NOT_CONNECTED):
        return Exit.NO_CONNECTION
    # A peer may say so, too, and may be the first to.
    return Exit.TIMED_OUT if error.code == "TIMEOUT" else Exit.ANSWERED_WITH_ERROR


def _words_of(error: ActonError) -> str:
    # A refusal's own words, as its code is said anyway.
    own = error.detail if isinstance(error, PeerRejectedError) else ""
    return own or str(error)


def first_of(error: BaseException) -> BaseException:
    """Return the first error in a group of them, or *error* itself."""
    return next(leaves(error))
