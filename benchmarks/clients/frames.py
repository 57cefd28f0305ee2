"""The client's half of the work, typed, and of our framing."""

from __future__ import annotations

from typing import Final

import msgspec
from servers.desk import (
    HEADER,
    Confirmation,
    Order,
    Request,
    Response,
    done_with,
)

__all__ = ["ORDER", "Replies", "confirmed", "order", "request", "response"]

ORDER: Final = Order(
    "ACME", 7, "good till cancelled or until the end of this trading quarter"
)
"""What is always asked."""

_REQUEST: Final = 1

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Response)
_confirmation_decoder: Final = msgspec.json.Decoder(Confirmation)


def order() -> bytes:
    """Return what is asked, without an envelope."""
    return _encoder.encode(ORDER)


def confirmed(data: bytes) -> int:
    """Return the quantity in an answer without an envelope."""
    return _confirmation_decoder.decode(data).quantity


def request(number: int) -> bytes:
    """Return a REQUEST frame whose correlation id is a number."""
    body = _encoder.encode(
        Request(f"c{number}", "desk", "Order", ORDER, expects_reply=True)
    )
    return HEADER.pack(len(body), 2, _REQUEST, 1) + body


def response(body: bytes) -> Response:
    """Return what a RESPONSE's body says."""
    return _decoder.decode(body)


class Replies:
    """Cuts what is read into answers; lives as long as its connection."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Response]:
        """Return the answers that have come whole by now."""
        if not data:
            raise EOFError
        data = self._rest + data if self._rest else data
        found, self._rest = done_with(data, response)
        return found
