"""Messages by name, as plain JSON: the command line has no types at hand.

`Client.request` does that for an ask, and reads the answer as plain data; here
it is read as an ask of a typed handle is, with the same errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from msgspec import UNSET, Raw, structs

from .._ipc.client import Client
from .._ipc.dialogue import Dialogue
from .._ipc.exchange import milliseconds_left
from .._ipc.remote_stream import RemoteStream
from .._ipc.results import acknowledged, reply_in
from .._messages.declare import Request as RequestMessage, StreamRequest
from .._wire.envelopes import Request

__all__ = ["ask", "open_stream", "send"]


class _AnyRequest(RequestMessage[Any]):
    """A request whose reply is whatever comes."""


class _AnyStreamRequest(StreamRequest[Any]):
    """The same for each reply of a stream."""


# An id is given by the connection.
_NO_ID: Final = ""


async def ask(client: Client, target: str, name: str, payload: bytes) -> object:
    """Ask the actor *target*, and return its reply as plain data.

    Raises:
        AskError, Rejection: As of `RemoteActorHandle.ask`.

    Cancellation:
        The request is given up by a peer that can.
    """
    request = Request(_NO_ID, target, name, Raw(payload), expects_reply=True)
    dialogue = await _dialogue_of(client)
    request, timeout = _addressed(request, dialogue, "req")
    answer = await dialogue.ask(request)
    reply: object = reply_in(answer, request, _AnyRequest, timeout)
    return reply


async def send(client: Client, target: str, name: str, payload: bytes) -> None:
    """Send to the actor *target*, and wait until it is in its mailbox.

    Raises:
        AskError: As of `RemoteActorHandle.send`.

    Cancellation:
        Nobody knows whether it was put in.
    """
    request = Request(_NO_ID, target, name, Raw(payload))
    dialogue = await _dialogue_of(client)
    request, timeout = _addressed(request, dialogue, "req")
    acknowledged(await dialogue.ask(request), request, timeout)


@asynccontextmanager
async def open_stream(
    client: Client, target: str, name: str, payload: bytes
) -> AsyncGenerator[RemoteStream[Any], None]:
    """Ask the actor *target* for a stream, of plain data.

    Raises:
        AskError, Rejection: While reading, as of `RemoteActorHandle.stream`.

    Cancellation:
        The request is given up by a peer that can.
    """
    request = Request(_NO_ID, target, name, Raw(payload), expects_stream=True)
    dialogue = await _dialogue_of(client)
    request, timeout = _addressed(request, dialogue, "str")
    stream = RemoteStream[Any](request, _AnyStreamRequest, timeout, dialogue)
    dialogue.open(request, stream)
    try:
        yield stream
    finally:
        stream.close()
        dialogue.close(request.correlation_id)


async def _dialogue_of(client: Client) -> Dialogue:
    return await client._line.ready()  # noqa: SLF001 - by names it has only `request`


def _addressed(
    request: Request, dialogue: Dialogue, prefix: str
) -> tuple[Request, float]:
    """Return *request* as it is written there, now, and how long its asker waits."""
    seconds = max(trio.current_effective_deadline() - trio.current_time(), 0)
    has_answer = request.expects_reply or request.expects_stream
    return structs.replace(
        request,
        correlation_id=dialogue.new_id(prefix),
        response_timeout_ms=milliseconds_left(seconds) if has_answer else UNSET,
    ), seconds
