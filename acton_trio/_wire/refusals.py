"""What is said to a connection as a whole, rather than to one request.

Such an answer belongs to no request, so it names one that cannot exist.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw

from .._base.errors import ConnectionRefusedByPeerError
from .answers import Response
from .codes import CONNECTION_CLOSED_TEXT, ErrorCode

__all__ = [
    "REFUSED_CORRELATION_ID",
    "UNKNOWN_CORRELATION_ID",
    "access_refusal",
    "connection_limit_refusal",
    "farewell",
    "idle_farewell",
    "refusal_of",
]

# Of an answer whose question could not be read.
UNKNOWN_CORRELATION_ID: Final = "unknown"

# Of an answer that closes a connection before it has said anything.
REFUSED_CORRELATION_ID: Final = "__acton_connection_rejected__"


class _Limit(msgspec.Struct, frozen=True):
    limit: int = 0


_limit_decoder = msgspec.json.Decoder(_Limit)


def connection_limit_refusal(limit: int) -> Response:
    """Return what a connection is told that is one more than *limit*.

    As every refusal it is sent in JSON, whatever the peer would prefer.
    """
    return Response(
        REFUSED_CORRELATION_ID,
        success=False,
        error=(
            "Server refused the connection: connection limit reached "
            f"({limit} concurrent connections)"
        ),
        error_code=ErrorCode.CONNECTION_LIMIT_REACHED,
        payload=Raw(msgspec.json.encode(_Limit(limit))),
    )


def access_refusal(text: str) -> Response:
    """Return what a peer is told that may not connect."""
    return Response(
        REFUSED_CORRELATION_ID,
        success=False,
        error=text,
        error_code=ErrorCode.ACCESS_DENIED,
    )


def idle_farewell() -> Response:
    """Return what a peer is told that has been silent for too long."""
    return farewell(ErrorCode.CONNECTION_CLOSED, CONNECTION_CLOSED_TEXT)


def farewell(code: str, text: str) -> Response:
    """Return the last words to a connection that is closed for a reason."""
    return Response(UNKNOWN_CORRELATION_ID, success=False, error=text, error_code=code)


def refusal_of(response: Response) -> ConnectionRefusedByPeerError | None:
    """Return the refusal that *response* is, or ``None`` if it is an answer.

    A refusal for a reason that is not known yet is a refusal all the same.
    """
    if response.correlation_id != REFUSED_CORRELATION_ID:
        return None
    code = response.error_code or ErrorCode.PROTOCOL_ERROR
    limited = code == ErrorCode.CONNECTION_LIMIT_REACHED
    return ConnectionRefusedByPeerError(
        code, response.error or "", _limit_in(response) if limited else None
    )


def _limit_in(response: Response) -> int:
    if response.payload is UNSET:
        return 0
    try:
        return _limit_decoder.decode(response.payload).limit
    except (msgspec.MsgspecError, ValueError):
        return 0
