"""What can be sent, asked and streamed, and the errors for what cannot."""

from __future__ import annotations

import typing

from .._base.util import name_of
from .._messages.declare import Request, StreamRequest, is_message

__all__ = ["checked_message", "checked_request", "checked_stream"]


def checked_message(message: object) -> object:
    """Return *message* if it can be sent.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not is_message(type(message)):
        raise TypeError(_not_a_message(message))
    return message


def checked_request(request: object) -> object:
    """Return *request* if it can be asked.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not isinstance(request, Request):
        raise TypeError(_not_a_request(request))
    return typing.cast("object", request)


def checked_stream(request: object) -> object:
    """Return *request* if it can be asked for a stream.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not isinstance(request, StreamRequest):
        raise TypeError(_not_a_stream_request(request))
    return typing.cast("object", request)


def _not_a_message(thing: object) -> str:
    if is_message(thing):
        name = name_of(thing)
        return (
            f"{name} is a message class, not a message.\n"
            f"  incorrect: await handle.send({name})\n"
            f"  correct:   await handle.send({name}(...))"
        )
    name = type(thing).__qualname__
    return (
        f"{thing!r} is not a message: decorate its class with @message.\n"
        f"  @message\n  class {name}: ..."
    )


def _not_a_stream_request(thing: object) -> str:
    if not is_message(type(thing)):
        return _not_a_message(thing).replace("handle.send", "handle.stream")
    name = type(thing).__name__
    return (
        f"{name} is not answered with a stream.\n"
        f"  incorrect: class {name}(Request[int]): ...\n"
        f"  correct:   class {name}(StreamRequest[int]): ..."
    )


def _not_a_request(thing: object) -> str:
    if not is_message(type(thing)):
        return _not_a_message(thing).replace("handle.send", "handle.ask")
    name = type(thing).__name__
    if isinstance(thing, StreamRequest):
        return (
            f"{name} is answered with a stream.\n"
            f"  incorrect: await handle.ask({name}(...))\n"
            f"  correct:   async with handle.stream({name}(...)) as replies: ..."
        )
    return (
        f"{name} is a message without a reply: send() it, or declare what it is "
        "answered with.\n"
        f"  incorrect: class {name}: ...\n"
        f"  correct:   class {name}(Request[int]): ..."
    )
