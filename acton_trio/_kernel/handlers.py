"""Handler declarations, and the dispatch table built from them once per class.

A handler is a method ``(self, message)`` or ``(self, message, ctx)``; the
annotation of *message* says what it handles.  The table maps exactly that
type to it: messages have no inheritance.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import attrs

from .._base.util import name_of, publish_names
from .._messages.declare import (
    is_message,
    is_question,
    reply_type_of,
)
from .._messages.replies import admits_none, contradicts, fits_reply

__all__ = ["Handler", "HandlerTable", "act_on", "declared_handlers", "mutate_on"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK: Final = "__acton_handler__"


@attrs.frozen
class _Mark:
    decorator: str
    exclusive: bool


def act_on(method: F) -> F:
    """Declare a method as a read-only handler.

    It may overlap with other `act_on` handlers of its actor, never with a
    `mutate_on` one.  When its asker gives up it is cancelled.
    """
    return _mark(method, _Mark("act_on", exclusive=False))


def mutate_on(method: F) -> F:
    """Declare a method as an exclusive handler.

    Nothing else of its actor runs meanwhile.  When its asker gives up it
    completes all the same: half a change is worse than a wasted one.
    """
    return _mark(method, _Mark("mutate_on", exclusive=True))


def _mark(method: F, mark: _Mark) -> F:
    if not inspect.isfunction(method):
        msg = (
            f"@{mark.decorator} decorates a method, not {name_of(method)}; "
            "the message type is read from the method's annotation.\n"
            f"  incorrect: @{mark.decorator}(Deposit)\n"
            f"  correct:   @{mark.decorator}\n"
            "             def deposit(self, command: Deposit) -> None: ..."
        )
        raise TypeError(msg)
    setattr(method, _MARK, mark)
    return typing.cast("F", method)


@typing.final
@attrs.frozen(eq=False)
class Handler:
    """How one actor class handles one message type; lives as long as the class."""

    message_type: type
    function: Callable[..., Any]
    exclusive: bool
    is_async: bool
    wants_context: bool
    expects: object = None
    """The reply type, when the message is a request."""

    fits: Callable[[object], bool] | None = None
    """Whether a value may be the reply; ``None``: the message is no request."""

    none_replies: bool = False
    """Whether returning ``None`` is a reply."""


HandlerTable = Mapping[type, Handler]


def make_handler(
    message_type: object,
    function: Callable[..., Any],
    *,
    exclusive: bool,
    where: str,
) -> Handler:
    """Return the handler that *function* is for messages of *message_type*.

    Raises:
        TypeError: If it cannot be one; *where* says whose it was to be.
    """
    _check_message_type(message_type, where)
    assert isinstance(message_type, type)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        msg = f"{where}: a handler returns its reply; it does not yield"
        raise TypeError(msg)
    is_request = is_question(message_type)
    expects = reply_type_of(message_type) if is_request else None
    return Handler(
        message_type,
        function,
        exclusive=exclusive,
        is_async=inspect.iscoroutinefunction(function),
        wants_context=_wants_context(function, where),
        expects=expects,
        fits=fits_reply(expects) if is_request else None,
        none_replies=is_request and admits_none(expects),
    )


def _check_message_type(message_type: object, where: str) -> None:
    if is_message(message_type):
        return
    if typing.get_origin(message_type) is not None:
        msg = (
            f"{where}: handlers are found by exact type, and "
            f"{message_type!r} is none; derive a message from it:\n"
            "  @message\n"
            f"  class MyMessage({message_type!r}): ..."
        )
    else:
        msg = (
            f"{where}: {name_of(message_type)} is not a message; "
            "decorate it with @message"
        )
    raise TypeError(msg)


def _wants_context(function: Callable[..., Any], where: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    positional = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    required = [each for each in positional if each.default is each.empty]
    if len(positional) not in (2, 3) or len(required) < 2:
        msg = (
            f"{where}: a handler takes (self, message) or (self, message, ctx), "
            f"not ({', '.join(each.name for each in parameters)})"
        )
        raise TypeError(msg)
    return len(positional) == 3


def declared_handlers(cls: type, names: Mapping[str, Any]) -> dict[type, Handler]:
    """Build the table of the handlers that *cls* and its bases declare.

    Args:
        cls: The actor class.
        names: Names of the enclosing function, in which annotations may be
            written besides the module's.

    Raises:
        TypeError: For each mistake that can be seen now, with class, method
            and line.
    """
    table: dict[type, Handler] = {}
    for method, mark in _marked_methods(cls):
        where = _place_of(cls, method, mark.decorator)
        hints = _hints_of(method, names, where)
        for message_type in _message_types(method, hints, where):
            handler = make_handler(
                message_type, method, exclusive=mark.exclusive, where=where
            )
            _check_return(handler, hints, where)
            _refuse_second(table, handler, where)
            table[handler.message_type] = handler
    return table


def _marked_methods(cls: type) -> Iterator[tuple[types.FunctionType, _Mark]]:
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, member in vars(base).items():
            # A subclass overrides by name, as everywhere in Python.
            mark = getattr(member, _MARK, None)
            if mark is not None and name not in seen:
                yield member, mark
            seen.add(name)


def _place_of(cls: type, method: types.FunctionType, decorator: str) -> str:
    code = method.__code__
    return (
        f"@{decorator} {cls.__qualname__}.{method.__name__} "
        f"({code.co_filename}:{code.co_firstlineno})"
    )


def _hints_of(
    method: types.FunctionType, names: Mapping[str, Any], where: str
) -> dict[str, Any]:
    try:
        return typing.get_type_hints(
            method, method.__globals__, dict(names), include_extras=True
        )
    except NameError as error:
        msg = (
            f"{where}: {error}. Annotations are resolved when the actor class is "
            "defined: define the message before its handler"
        )
        raise TypeError(msg) from error


def _message_types(
    method: types.FunctionType, hints: Mapping[str, Any], where: str
) -> tuple[object, ...]:
    names = list(inspect.signature(method).parameters)
    hint = hints.get(names[1]) if len(names) > 1 else None
    if hint is None:
        msg = (
            f"{where}: the message has no annotation, so nobody can tell what "
            "this handles.\n"
            f"  incorrect: def {method.__name__}(self, message)\n"
            f"  correct:   def {method.__name__}(self, message: MyMessage)"
        )
        raise TypeError(msg)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _check_return(handler: Handler, hints: Mapping[str, Any], where: str) -> None:
    annotated = hints.get("return", Any)
    if handler.fits is not None and contradicts(annotated, handler.expects):
        msg = (
            f"{where}: it returns {name_of(annotated)}, but "
            f"{name_of(handler.message_type)} is answered with "
            f"{name_of(handler.expects)}"
        )
        raise TypeError(msg)


def _refuse_second(table: HandlerTable, handler: Handler, where: str) -> None:
    first = table.get(handler.message_type)
    if first is not None:
        msg = (
            f"{where}: {name_of(handler.message_type)} is already handled by "
            f"{first.function.__qualname__}; a type has one handler"
        )
        raise TypeError(msg)


publish_names(globals(), ["act_on", "mutate_on"])
