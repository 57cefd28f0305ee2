"""What can be sent, asked and streamed, and when; the errors for what cannot."""

from __future__ import annotations

import math
import typing

from .._base.util import name_of, shown
from .._messages.declare import StreamRequest, is_message
from .._policy.cadence import Beat, Cadence

__all__ = [
    "checked_beat",
    "checked_message",
    "checked_stream",
    "checked_time",
    "checked_type",
    "not_a_request",
]

_DELAY: typing.Final = "handle.send_after(5.0, Tick())"


def checked_message(message: object) -> object:
    """Return *message* if it can be sent.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not is_message(type(message)):
        raise TypeError(_not_a_message(message))
    return message


def checked_type(message_type: object) -> type:
    """Return *message_type* if it can be subscribed to.

    Raises:
        TypeError: If it is no message class.
    """
    if not is_message(message_type) or not isinstance(message_type, type):
        msg = f"{name_of(message_type)} is not a message class"
        raise TypeError(msg)
    return message_type


def checked_stream(request: object) -> object:
    """Return *request* if it can be asked for a stream.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not isinstance(request, StreamRequest):
        raise TypeError(_not_a_stream_request(request))
    return typing.cast("object", request)


def checked_time(value: object, what: str, correct: str = _DELAY) -> float:
    """Return *value* if it is a number of seconds, infinity if it is beyond all.

    Args:
        value: What was given.
        what: What it is for, with its article.
        correct: A call in which it is right.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is no number after all.
    """
    if not isinstance(value, (int, float)):
        msg = (
            f"{what} is a number of seconds, not {shown(value)}.\n  correct: {correct}"
        )
        raise TypeError(msg)
    try:
        seconds = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if math.isnan(seconds):
        msg = f"{what} is a number of seconds, not nan"
        raise ValueError(msg)
    return seconds


def checked_beat(now: float, interval: object, cadence: object) -> Beat:
    """Return how something is repeated from *now* on, if it can be like that.

    Raises:
        TypeError: If the interval is no number, or the cadence none.
        ValueError: If the interval is not longer than nothing.
    """
    correct = "handle.send_every(60.0, Tick())"
    seconds = checked_time(interval, "an interval", correct)
    if seconds <= 0:
        msg = f"an interval is longer than 0 seconds, not {shown(interval)}"
        raise ValueError(msg)
    if not isinstance(cadence, Cadence):
        msg = (
            f"a cadence is Cadence.FIXED_RATE or FIXED_DELAY, not {shown(cadence)}.\n"
            "  correct: handle.send_every(60.0, Tick(), Cadence.FIXED_DELAY)"
        )
        raise TypeError(msg)
    return Beat(now, seconds, cadence)


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


def not_a_request(thing: object) -> str:
    """Return what is wrong with *thing*, which cannot be asked, and what was meant."""
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
