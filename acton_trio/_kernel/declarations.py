"""Reading the handlers that an actor class declares, once, when it is defined.

The annotation of a method's message says what it handles, exactly that type:
messages have no inheritance.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .._base.util import name_of
from .._messages.replies import contradicts
from .handlers import Handler, Mark, make_error_handler, make_handler, mark_of

__all__ = ["declared_error_handlers", "declared_handlers"]

_HINTS: Final = "__acton_hints__"


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
        if mark.decorator == "on_error":
            continue
        where = _place_of(cls, method, mark.decorator)
        hints = _hints_of(method, names, where)
        for message_type in _types_of(method, 1, "message", hints, where):
            handler = make_handler(
                message_type,
                method,
                exclusive=mark.exclusive,
                where=where,
                terms=mark.terms,
            )
            _check_return(handler, hints, where)
            first = table.setdefault(handler.message_type, handler)
            _refuse_second(first, handler, where)
    return table


def declared_error_handlers(
    cls: type, names: Mapping[str, Any]
) -> dict[type, dict[type, Handler]]:
    """Build the table of the `on_error` handlers that *cls* and its bases declare.

    Args:
        cls: The actor class.
        names: As for `declared_handlers`.

    Raises:
        TypeError: For each mistake that can be seen now.
    """
    table: dict[type, dict[type, Handler]] = {}
    for method, mark in _marked_methods(cls):
        if mark.decorator != "on_error":
            continue
        where = _place_of(cls, method, mark.decorator)
        hints = _hints_of(method, names, where)
        for error_type in _types_of(method, 1, "error", hints, where):
            for message_type in _types_of(method, 2, "message", hints, where):
                handler = make_error_handler(
                    message_type, error_type, method, where=where
                )
                _check_return(handler, hints, where)
                assert isinstance(error_type, type)
                by_error = table.setdefault(handler.message_type, {})
                first = by_error.setdefault(error_type, handler)
                _refuse_second(first, handler, where)
    return table


def _marked_methods(cls: type) -> Iterator[tuple[types.FunctionType, Mark]]:
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, member in vars(base).items():
            # A subclass overrides by name, as everywhere in Python.
            mark = mark_of(getattr(member, "__func__", member))
            if mark is not None and name not in seen:
                _refuse_unbound(cls, name, member, mark)
                yield member, mark
            seen.add(name)


def _refuse_unbound(cls: type, name: str, member: object, mark: Mark) -> None:
    if not isinstance(member, types.FunctionType):
        kind = type(member).__name__
        msg = (
            f"@{mark.decorator} {cls.__qualname__}.{name}: a handler is a plain "
            f"method, with its actor as `self`, not a {kind}"
        )
        raise TypeError(msg)


def _place_of(cls: type, method: types.FunctionType, decorator: str) -> str:
    code = method.__code__
    return (
        f"@{decorator} {cls.__qualname__}.{method.__name__} "
        f"({code.co_filename}:{code.co_firstlineno})"
    )


def _hints_of(
    method: types.FunctionType, names: Mapping[str, Any], where: str
) -> dict[str, Any]:
    known: dict[str, Any] | None = getattr(method, _HINTS, None)
    if known is not None:
        # An inherited method means what it meant where it was written.
        return known
    try:
        hints = typing.get_type_hints(
            method, method.__globals__, dict(names), include_extras=True
        )
    except (NameError, AttributeError) as error:
        msg = (
            f"{where}: {error}. Annotations are resolved when the actor class is "
            "defined: define the message before its handler"
        )
        raise TypeError(msg) from error
    setattr(method, _HINTS, hints)
    return hints


def _types_of(
    method: types.FunctionType,
    position: int,
    role: str,
    hints: Mapping[str, Any],
    where: str,
) -> tuple[object, ...]:
    """Return the types that the argument at *position* is annotated with."""
    names = list(inspect.signature(method).parameters)
    hint = hints.get(names[position]) if len(names) > position else None
    if hint is None:
        example = {"message": "MyMessage", "error": "ValueError"}[role]
        msg = (
            f"{where}: the {role} has no annotation, so nobody can tell what this "
            "handles.\n"
            f"  incorrect: {role}\n"
            f"  correct:   {role}: {example}"
        )
        raise TypeError(msg)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _check_return(handler: Handler, hints: Mapping[str, Any], where: str) -> None:
    annotated = hints.get("return", Any)
    if handler.is_stream:
        # AsyncIterator[T], AsyncGenerator[T, None] and their like.
        annotated = (*typing.get_args(annotated), Any)[0]
    if handler.fits is not None and contradicts(annotated, handler.expects):
        msg = (
            f"{where}: it gives {name_of(annotated)}, but "
            f"{name_of(handler.message_type)} is answered with "
            f"{name_of(handler.expects)}"
        )
        raise TypeError(msg)


def _refuse_second(first: Handler, second: Handler, where: str) -> None:
    if first is not second:
        msg = (
            f"{where}: {name_of(second.message_type)} is already handled by "
            f"{first.function.__qualname__}; a type has one handler"
        )
        raise TypeError(msg)
