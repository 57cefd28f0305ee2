"""What can be sent, asked and streamed, and when; the errors for what cannot."""

from __future__ import annotations

import math
import typing
from types import CoroutineType

from .._base.teaching import class_line, lesson, spoken
from .._base.util import name_of, shown
from .._messages.declare import Request, StreamRequest, is_message
from .._policy.cadence import Beat, Cadence

__all__ = [
    "checked_beat",
    "checked_message",
    "checked_stream",
    "checked_time",
    "checked_type",
    "not_a_request",
]

_SEND: typing.Final = "await handle.send({})"
_ASK: typing.Final = "await handle.ask({})"
_STREAM: typing.Final = "async with handle.stream({}) as replies: ..."
_DELAY: typing.Final = "handle.send_after(5.0, Tick())"


def checked_message(message: object, usage: str = _SEND) -> object:
    """Return *message* if it can be sent.

    Args:
        message: What is to be.
        usage: How, as in a program, with ``{}`` in its place.

    Raises:
        TypeError: If it cannot; it shows what was meant.
    """
    if not is_message(type(message)):
        raise TypeError(_not_a_message(message, usage))
    return message


def checked_type(message_type: object) -> type:
    """Return *message_type* if it can be subscribed to.

    Raises:
        TypeError: If it is no message class.
    """
    if not is_message(message_type) or not isinstance(message_type, type):
        raise TypeError(_not_a_message_class(message_type))
    return message_type


def _not_a_message_class(thing: object) -> str:
    if isinstance(thing, type):
        line = class_line(thing)
        fault = f"{name_of(thing)} is not a message class: it is not decorated."
        return lesson(fault, line, f"@message\n{line}")
    if is_message(type(thing)):
        name = type(thing).__name__
        return lesson(
            f"{shown(thing)} is not a message class, but a message.",
            f"{name}(...)",
            name,
        )
    correct = thing if isinstance(thing, str) and thing.isidentifier() else "MyMessage"
    return lesson(f"{shown(thing)} is not a message class.", shown(thing), correct)


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


def _not_a_message(thing: object, usage: str) -> str:
    if is_message(thing):
        name = name_of(thing)
        return lesson(
            f"{name} is a message class, not a message.",
            usage.format(name),
            usage.format(f"{name}(...)"),
        )
    if isinstance(thing, CoroutineType):
        call = f"{spoken(thing.__qualname__)}(...)"
        return lesson(
            f"{call} was not awaited, and what it gives until then is not a message.",
            usage.format(call),
            usage.format(f"await {call}"),
        )
    if thing is None or (
        type(thing).__module__ == "builtins" and not isinstance(thing, type)
    ):
        return _nothing_declared(thing, usage)
    cls = thing if isinstance(thing, type) else type(thing)
    return lesson(
        f"{shown(thing)} is not a message: decorate its class with @message.",
        class_line(cls),
        f"@message\n{class_line(cls)}",
    )


def _nothing_declared(thing: object, usage: str) -> str:
    """Return what is wrong with *thing*, which Python has made, as a message."""
    kind, value = type(thing).__name__, shown(thing, 40)
    if thing is None:
        return lesson(
            "None is not a message.", usage.format(None), usage.format("MyMessage(...)")
        )
    correct = (
        f"@message\nclass MyMessage:\n    value: {kind}\n"
        f"{usage.format(f'MyMessage({value})')}"
    )
    return lesson(
        f"{value} is not a message: a class says what a {kind} is to mean.",
        usage.format(value),
        correct,
    )


def _not_a_stream_request(thing: object) -> str:
    if not is_message(type(thing)):
        return _not_a_message(thing, _STREAM)
    name = type(thing).__name__
    usage = _ASK if isinstance(thing, Request) else _SEND
    return lesson(
        f"{name} is not answered with a stream.",
        _STREAM.format(f"{name}(...)"),
        usage.format(f"{name}(...)"),
        f"class {name}(StreamRequest[int]): ...",
    )


def not_a_request(thing: object) -> str:
    """Return what is wrong with *thing*, which cannot be asked, and what was meant."""
    if not is_message(type(thing)):
        return _not_a_message(thing, _ASK)
    name = type(thing).__name__
    call = f"{name}(...)"
    if isinstance(thing, StreamRequest):
        fault = f"{name} is answered with a stream."
        return lesson(fault, _ASK.format(call), _STREAM.format(call))
    return lesson(
        f"{name} is a message without a reply.",
        _ASK.format(call),
        _SEND.format(call),
        f"class {name}(Request[int]): ...",
    )
