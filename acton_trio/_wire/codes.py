"""The codes of answers that are errors, and the words that go with them.

Clients in other languages match on both: neither may change.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = [
    "CONNECTION_CLOSED_TEXT",
    "NO_REPLY_TEXT",
    "RECIPIENT_CLOSED_TEXT",
    "SHUTTING_DOWN_TEXT",
    "STREAM_TARGET_BUSY_TEXT",
    "TARGET_BUSY_TEXT",
    "ErrorCode",
    "actor_not_found_text",
    "rate_limited_text",
    "request_timed_out_text",
    "stream_timed_out_text",
    "unknown_message_type_text",
]

# What IO_ERROR says when the handler finished without a reply; to a client
# this very sentence is what "no reply" means.
NO_REPLY_TEXT: Final = "I/O error: Response channel closed without receiving a response"

# What IO_ERROR and STREAM_ERROR say when the actor stopped but is still
# exposed.
RECIPIENT_CLOSED_TEXT: Final = "I/O error: Recipient channel is closed"

TARGET_BUSY_TEXT: Final = "Target actor inbox is full"
STREAM_TARGET_BUSY_TEXT: Final = "Actor inbox is full"
SHUTTING_DOWN_TEXT: Final = "Server is shutting down"
CONNECTION_CLOSED_TEXT: Final = "Connection closed"


class ErrorCode(enum.StrEnum):
    """The ``error_code`` of an answer; a peer may send others as well."""

    ACCESS_DENIED = "ACCESS_DENIED"
    ACTOR_NOT_FOUND = "ACTOR_NOT_FOUND"
    ASK_CYCLE = "ASK_CYCLE"
    CANCELLED = "CANCELLED"
    CONNECTION_CLOSED = "CONNECTION_CLOSED"
    CONNECTION_LIMIT_REACHED = "CONNECTION_LIMIT_REACHED"
    HANDLER_FAILED = "HANDLER_FAILED"
    IO_ERROR = "IO_ERROR"
    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    RATE_LIMITED = "RATE_LIMITED"
    REJECTED = "REJECTED"
    SERIALIZATION_ERROR = "SERIALIZATION_ERROR"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    STREAM_ERROR = "STREAM_ERROR"
    TARGET_BUSY = "TARGET_BUSY"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_MESSAGE_TYPE = "UNKNOWN_MESSAGE_TYPE"
    UNSUPPORTED_PROTOCOL_VERSION = "UNSUPPORTED_PROTOCOL_VERSION"


def actor_not_found_text(target: str) -> str:
    """Return what ACTOR_NOT_FOUND says, and STREAM_ERROR in a stream."""
    return f"Actor not found: {target}"


def unknown_message_type_text(name: str) -> str:
    """Return what UNKNOWN_MESSAGE_TYPE says."""
    return f"Unknown message type: {name}"


def request_timed_out_text(milliseconds: int) -> str:
    """Return what TIMEOUT says to a request."""
    return f"Request timed out after {milliseconds} ms waiting for response"


def stream_timed_out_text(milliseconds: int) -> str:
    """Return what TIMEOUT says in a stream's last frame."""
    return f"Stream timed out after {milliseconds} ms"


def rate_limited_text(milliseconds: int) -> str:
    """Return what RATE_LIMITED says.

    >>> rate_limited_text(9)
    'Rate limit exceeded, retry after 9ms'
    """
    return f"Rate limit exceeded, retry after {milliseconds}ms"
