"""Single envelopes written to a stream, and single answers read from it.

For scripts that want one question answered and no client; `open_client` is
what everybody else wants.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

import attrs
import trio

from .._base.errors import PeerLostError
from .._base.ids import type_id
from .._base.util import publish_names
from .._wire.connection import Connection
from .._wire.envelopes import Request, Response
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.frames import MAX_FRAME_SIZE, FrameType
from .._wire.malformed import Malformed
from .._wire.refusals import refusal_of
from .._wire.states import Role
from .exchange import Answer, IpcResponse, no_sense, plain, raw

__all__ = ["IpcEnvelope", "new_correlation_id", "read_response", "write_envelope"]


_ANSWERS: Final = frozenset({FrameType.RESPONSE, FrameType.ERROR})


def new_correlation_id(prefix: str = "req") -> str:
    """Return an id that no other request has, in the reference's form.

    Args:
        prefix: What it begins with.
    """
    return type_id(prefix, time.time_ns() // 1_000_000, secrets.randbits(74))


@attrs.frozen
class IpcEnvelope:
    """A request as it is written to the wire; lives until it is written."""

    target: str
    """Name under which the actor is exposed."""

    message_type: str
    """Name of the message's type."""

    payload: Any
    """The message as plain data."""

    correlation_id: str = attrs.field(factory=new_correlation_id, kw_only=True)
    """What the answer repeats, to say which request it is for."""

    expects_reply: bool = attrs.field(default=True, kw_only=True)
    """Whether there is to be an answer from the handler."""

    expects_stream: bool = attrs.field(default=False, kw_only=True)
    """Whether there are to be any number of them."""

    response_timeout_ms: int = attrs.field(default=30_000, kw_only=True)
    """How long the answer is waited for, in milliseconds; 30 s is the reference's."""


async def write_envelope(stream: trio.abc.SendStream, envelope: IpcEnvelope) -> None:
    """Write *envelope* to *stream* as one REQUEST frame, version 2, in JSON.

    Raises:
        SerializationError: If its payload is no plain data.
        trio.BrokenResourceError: If the connection broke.

    Cancellation:
        The peer may have got part of the frame: close the stream.
    """
    request = Request(
        envelope.correlation_id,
        envelope.target,
        envelope.message_type,
        raw(envelope.payload),
        expects_reply=envelope.expects_reply,
        expects_stream=envelope.expects_stream,
        response_timeout_ms=envelope.response_timeout_ms,
    )
    await stream.send_all(Connection(Role.CLIENT).send(request))


async def read_response(
    stream: trio.abc.ReceiveStream, max_size: int = MAX_FRAME_SIZE
) -> IpcResponse:
    """Read one answer from *stream*, and not a byte more.

    Whatever else comes before it is passed over.

    Args:
        stream: Where from.
        max_size: Largest body accepted, in bytes.

    Raises:
        PeerLostError: If the peer closes before it has answered.
        ConnectionRefusedByPeerError: If the peer refuses the connection.
        RemoteProtocolError: If what comes is no frame, too large, or an
            answer that makes no sense.
        SerializationError: If the answer's payload cannot be read.

    Cancellation:
        Part of the answer may be lost: close the stream.
    """
    connection = Connection(Role.CLIENT, max_message_size=max_size)
    while True:
        event = connection.next_event()
        if event is NEED_DATA:
            # Never beyond this frame: the next one is for somebody else.
            data = await stream.receive_some(connection.wanted)
            connection.receive_data(bytes(data))
        elif isinstance(event, ConnectionClosed):
            raise PeerLostError
        elif isinstance(event, Malformed) and event.frame_type in _ANSWERS:
            raise no_sense(event)
        elif isinstance(event, Received) and isinstance(event.body, Response):
            refusal = refusal_of(event.body)
            if refusal is not None:
                raise refusal
            return plain(Answer(event.body, event.format))


publish_names(globals(), ["IpcEnvelope"], "acton_trio.ipc")
