"""Handlers: how one message type, or its failure, is dealt with.

A handler takes ``(self, message)`` or ``(self, message, ctx)``, one for errors
``(self, error, message)`` or ``(self, error, message, ctx)``.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import partial
from types import CoroutineType
from typing import Any, Final, Protocol, TypeAlias, TypeGuard, TypeVar, overload

import attrs

from .._base.teaching import class_line, def_line, lesson
from .._base.util import name_of, publish_names
from .._messages.declare import (
    StreamRequest,
    is_message,
    is_question,
    reply_type_of,
)
from .._messages.replies import admits_none, fits_reply
from .._policy.delivery import Delivery, Terms

__all__ = [
    "ErrorTable",
    "Handler",
    "HandlerTable",
    "Mark",
    "Work",
    "act_on",
    "find_error_handler",
    "is_coroutine",
    "make_error_handler",
    "make_handler",
    "mark_of",
    "mutate_on",
    "on_error",
    "positional_parameters",
]

F = TypeVar("F", bound=Callable[..., Any])

Work: TypeAlias = "CoroutineType[Any, Any, Any]"
"""What calling an asynchronous function gives."""

_MARK: Final = "__acton_handler__"


@attrs.frozen
class Mark:
    """What a decorator leaves on a method, for `actor` to find."""

    decorator: str
    exclusive: bool
    terms: Terms | None = None
    """How its message types are subscribed to, if they are."""


class _Declarator(Protocol):
    def __call__(self, method: F, /) -> F: ...


@overload
def act_on(method: F, /) -> F: ...
@overload
def act_on(
    *,
    subscribe: bool,
    delivery: Delivery = Delivery.BLOCK,
    capacity: int | None = None,
) -> _Declarator: ...
def act_on(
    method: F | None = None,
    /,
    *,
    subscribe: bool = False,
    delivery: Delivery = Delivery.BLOCK,
    capacity: int | None = None,
) -> F | _Declarator:
    """Declare a method as a read-only handler.

    It may overlap with other `act_on` handlers of its actor, never with a
    `mutate_on` one.  When its asker gives up it is cancelled.

    Args:
        method: The method.
        subscribe: Whether the actor also gets what is broadcast of the type,
            as by ``handle.subscribe``, from its start until it is down.
        delivery: As of ``handle.subscribe``.
        capacity: As of ``handle.subscribe``.
    """
    mark = Mark("act_on", False, _terms_of(subscribe, delivery, capacity))  # noqa: FBT003 - see Mark
    return partial(_mark, mark) if method is None else _mark(mark, method)


@overload
def mutate_on(method: F, /) -> F: ...
@overload
def mutate_on(
    *,
    subscribe: bool,
    delivery: Delivery = Delivery.BLOCK,
    capacity: int | None = None,
) -> _Declarator: ...
def mutate_on(
    method: F | None = None,
    /,
    *,
    subscribe: bool = False,
    delivery: Delivery = Delivery.BLOCK,
    capacity: int | None = None,
) -> F | _Declarator:
    """Declare a method as an exclusive handler.

    Nothing else of its actor runs meanwhile.  When its asker gives up it
    completes all the same: half a change is worse than a wasted one.

    Args:
        method: The method.
        subscribe: Whether the actor also gets what is broadcast of the type,
            as by ``handle.subscribe``, from its start until it is down.
        delivery: As of ``handle.subscribe``.
        capacity: As of ``handle.subscribe``.
    """
    mark = Mark("mutate_on", True, _terms_of(subscribe, delivery, capacity))  # noqa: FBT003 - see Mark
    return partial(_mark, mark) if method is None else _mark(mark, method)


def _terms_of(
    subscribe: bool,  # noqa: FBT001 - passed on
    delivery: Delivery,
    capacity: int | None,
) -> Terms | None:
    return Terms(delivery, capacity) if subscribe else None


def on_error(method: F) -> F:
    """Declare a method as the handler of an error of a message.

    ``(self, error: ValueError, message: Withdraw)`` handles what the handler
    of ``Withdraw`` raises, subclasses of `ValueError` too; the nearest match is
    taken.  It runs alone, before the next message.  What it returns is the
    reply, and the actor goes on.
    """
    return _mark(Mark("on_error", exclusive=True), method)


def mark_of(member: object) -> Mark | None:
    """Return what a decorator of this module has left on *member*."""
    return getattr(member, _MARK, None)


def _mark(mark: Mark, method: F) -> F:
    first = mark_of(method)
    if first is not None:
        msg = (
            f"@{mark.decorator} {method.__qualname__}: it is a handler already, by "
            f"@{first.decorator}"
        )
        raise TypeError(msg)
    if not inspect.isfunction(method):
        raise TypeError(_not_a_method(mark, method))
    setattr(method, _MARK, mark)
    return typing.cast("F", method)


def _not_a_method(mark: Mark, thing: object) -> str:
    decorator, inner = mark.decorator, getattr(thing, "__func__", None)
    if inspect.isfunction(inner):
        kind, line = type(thing).__name__, def_line(inner)
        return lesson(
            f"@{decorator} decorates a method with its actor as `self`, not a {kind}.",
            f"@{decorator}\n@{kind}\n{line}",
            f"@{decorator}\n{def_line(inner, first='self')}",
        )
    name = thing if isinstance(thing, str) and thing.isidentifier() else name_of(thing)
    if decorator != "on_error":
        takes = f"message: {name}"
    elif is_message(thing):
        takes = f"error: ValueError, message: {name}"
    else:
        takes = f"error: {name}, message: MyMessage"
    return lesson(
        f"@{decorator} decorates a method, not {name_of(thing)}; what it handles is "
        "read from the method's annotation.",
        f"@{decorator}({name_of(thing)})",
        f"@{decorator}\ndef handler(self, {takes}): ...",
    )


def _is_plain(handler: Handler) -> bool:
    return not (handler.is_async or handler.is_stream or handler.wants_context)


@typing.final
@attrs.frozen(eq=False)
class Handler:
    """How one actor class handles one message type; lives as long as the class."""

    message_type: type
    function: Callable[..., Any]
    exclusive: bool
    is_async: bool = False
    """Whether calling it gives a coroutine."""

    is_stream: bool = False
    """Whether calling it gives an async generator."""

    wants_context: bool = False
    is_plain: bool = attrs.field(
        default=attrs.Factory(_is_plain, takes_self=True),
        init=False,
    )
    """Whether it is a function of the message alone, and cannot wait."""

    expects: object = None
    """The reply type, when the message is a request."""

    fits: Callable[[object], bool] | None = None
    """Whether a value may be the reply; ``None``: the message is no request."""

    none_replies: bool = False
    """Whether returning ``None`` is a reply."""

    terms: Terms | None = None
    """How the message type is subscribed to, if it is."""

    def goes_on(self, work: Work) -> Handler:
        """Return what is left to do, now that calling it has given *work*."""

        def go_on(*_: object) -> Work:
            return work

        return attrs.evolve(self, function=go_on, is_async=True)


HandlerTable = Mapping[type, Handler]
"""By message type."""

ErrorTable = Mapping[type, Mapping[type, Handler]]
"""By message type, then by error type."""


def is_coroutine(result: object) -> TypeGuard[Work]:
    """Return whether *result* of a handler is still to be awaited."""
    return isinstance(result, CoroutineType)


def find_error_handler(
    table: ErrorTable, error: BaseException, message: object
) -> Handler | None:
    """Return the handler whose error type is nearest to that of *error*."""
    by_error = table.get(type(message), {})
    # A group is many errors, not one: only who handles groups handles it.
    kind: type[BaseException] = type(error)
    root = BaseExceptionGroup if issubclass(kind, BaseExceptionGroup) else object
    for cls in kind.__mro__:
        if cls in by_error and issubclass(cls, root):
            return by_error[cls]
    return None


def make_handler(
    message_type: object,
    function: Callable[..., Any],
    *,
    exclusive: bool,
    where: str,
    terms: Terms | None = None,
) -> Handler:
    """Return the handler that *function* is for messages of *message_type*.

    Raises:
        TypeError: If it cannot be one; *where* says whose it was to be.
    """
    handler = _make(message_type, function, 2, "(self, message)", where)
    handler = attrs.evolve(handler, exclusive=exclusive, terms=terms)
    _check_stream(handler, where)
    return handler


def make_error_handler(
    message_type: object,
    error_type: object,
    function: Callable[..., Any],
    *,
    where: str,
) -> Handler:
    """Return the handler that *function* is for that error of that message.

    Raises:
        TypeError: If it cannot be one; *where* says whose it was to be.
    """
    if not (inspect.isclass(error_type) and issubclass(error_type, Exception)):
        msg = f"{where}: {name_of(error_type)} is not an exception class"
        raise TypeError(msg)
    handler = _make(message_type, function, 3, "(self, error, message)", where)
    if handler.is_stream:
        msg = f"{where}: it returns the reply; it does not yield"
        raise TypeError(msg)
    return handler


def _make(
    message_type: object,
    function: Callable[..., Any],
    arguments: int,
    signature: str,
    where: str,
) -> Handler:
    _check_message_type(message_type, where)
    assert isinstance(message_type, type)
    if inspect.isgeneratorfunction(function):
        line = def_line(function)[:-3]
        streams = issubclass(message_type, StreamRequest)
        msg = lesson(
            f"{where}: a stream is served by an async generator.",
            f"{line}yield ...",
            f"async {line}yield ..." if streams else f"{line}return ...",
        )
        raise TypeError(msg)
    asks = is_question(message_type)
    expects = reply_type_of(message_type) if asks else None
    return Handler(
        message_type,
        function,
        exclusive=True,
        is_async=_is_any(inspect.iscoroutinefunction, function),
        is_stream=_is_any(inspect.isasyncgenfunction, function),
        wants_context=_wants_context(function, arguments, signature, where),
        expects=expects,
        fits=fits_reply(expects) if asks else None,
        none_replies=asks and admits_none(expects),
    )


def _is_any(is_kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Return whether *function*, or what it wraps or is called by, is of a kind."""
    inner = inspect.unwrap(function)
    return any(map(is_kind, (function, inner, getattr(inner, "__call__", None))))  # noqa: B004 - not whether it can be called


def _check_stream(handler: Handler, where: str) -> None:
    streams = issubclass(handler.message_type, StreamRequest)
    if handler.is_stream and handler.exclusive:
        line = def_line(handler.function)
        msg = lesson(
            f"{where}: a stream would keep everything else out for as long as it runs.",
            f"@mutate_on\n{line}",
            f"@act_on\n{line}",
        )
        raise TypeError(msg)
    if handler.is_stream and not streams:
        cls = handler.message_type
        msg = lesson(
            f"{where}: it yields, but {name_of(cls)} is answered once.",
            class_line(cls),
            class_line(cls).replace("(Request[", "(StreamRequest["),
        )
        raise TypeError(msg)
    if streams and not handler.is_stream:
        line = def_line(handler.function).removeprefix("async ")
        msg = lesson(
            f"{where}: {name_of(handler.message_type)} is a StreamRequest, which an "
            "async generator serves.",
            f"{line[:-3]}return ...",
            f"async {line[:-3]}yield ...",
        )
        raise TypeError(msg)


def _check_message_type(message_type: object, where: str) -> None:
    if is_message(message_type):
        return
    if typing.get_origin(message_type) is not None:
        shape = repr(message_type).removeprefix("acton_trio.")
        msg = lesson(
            f"{where}: handlers are found by exact type, and {shape} is none; derive a "
            "message from it.",
            f"message: {shape}",
            f"@message\nclass MyMessage({shape}): ...",
        )
    elif isinstance(message_type, type) and message_type.__module__ != "builtins":
        line = class_line(message_type)
        msg = lesson(
            f"{where}: {name_of(message_type)} is not a message; decorate it with "
            "@message.",
            line,
            f"@message\n{line}",
        )
    else:
        name = name_of(message_type)
        msg = lesson(
            f"{where}: {name} is not a message; a class says what it is to mean.",
            f"message: {name}",
            f"@message\nclass MyMessage:\n    value: {name}",
        )
    raise TypeError(msg)


def _wants_context(
    function: Callable[..., Any], arguments: int, signature: str, where: str
) -> bool:
    count = positional_parameters(function)
    if count is None or count - arguments not in (0, 1):
        names = ", ".join(inspect.signature(function).parameters)
        longer = f"{signature[:-1]}, ctx)"
        msg = lesson(
            f"{where}: a handler takes {signature} or {longer}, not ({names}).",
            def_line(function),
            def_line(function, takes=longer),
        )
        raise TypeError(msg)
    return count > arguments


def positional_parameters(function: Callable[..., Any]) -> int | None:
    """Return how many arguments *function* is to be given by place.

    One with a default is not ours to give, unless it is called ``ctx``.
    ``None`` if it needs others by name, which nobody would give it.
    """
    parameters = inspect.signature(function).parameters.values()
    named = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    if any(each.default is each.empty for each in named):
        return None
    by_place = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    return sum(
        each.kind in by_place and (each.default is each.empty or each.name == "ctx")
        for each in parameters
    )


publish_names(globals(), ["act_on", "mutate_on", "on_error"])
