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

from .._base.teaching import def_line, lesson, written_as
from .._base.util import name_of
from .._messages.replies import contradicts
from .handlers import Handler, Mark, make_error_handler, make_handler, mark_of

__all__ = ["declared_error_handlers", "declared_handlers"]

_ERROR_AND_MESSAGE: Final = "(self, error: ValueError, message: MyMessage)"
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
        inner: Any = getattr(member, "__func__", member)
        first = None if isinstance(member, classmethod) else "self"
        msg = lesson(
            f"@{mark.decorator} {cls.__qualname__}.{name}: a handler is a plain "
            f"method, with its actor as `self`, not a {kind}.",
            f"@{kind}\n@{mark.decorator}\n{def_line(inner)}",
            f"@{mark.decorator}\n{def_line(inner, {'cls': 'self'}, first)}",
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
    if hint is None or _is_context(names[position], hint):
        msg = f"{where}: {_not_annotated(method, position, role, hints)}"
        raise TypeError(msg)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _is_context(name: str, hint: object) -> bool:
    # `Context` is built on what is built on this.
    return getattr(hint, "__name__", name if hint is None else "") in ("Context", "ctx")


def _not_annotated(
    method: types.FunctionType, position: int, role: str, hints: Mapping[str, Any]
) -> str:
    """Return why nobody can tell what *method* handles, and how it would say so."""
    parameters = [*inspect.signature(method).parameters]
    example = {"message": "MyMessage", "error": "ValueError"}[role]
    written = def_line(method)
    if parameters and parameters[0] != "self" and parameters[0] in hints:
        fault = "the actor itself comes first, and is not taken."
        return lesson(fault, written, def_line(method, first="self"))
    before = [each for each in parameters if _is_context(each, hints.get(each))]
    if before and before[0] in parameters[1 : position + 1]:
        others = [each for each in parameters if each not in before]
        order = zip(parameters, [*others, *before], strict=True)
        right = {old: written_as(method, new) for old, new in order}
        fault = f"the {role} comes before the context."
        return lesson(fault, written, def_line(method, right))
    if len(parameters) <= position:
        alone = role == "message" and position == 1
        takes = "(self, message: MyMessage)" if alone else _ERROR_AND_MESSAGE
        fault = f"it takes no {role}, and no annotation says what it handles."
        return lesson(fault, written, def_line(method, takes=takes))
    name = parameters[position]
    fault = f"the {role} has no annotation, so nobody can tell what it handles."
    return lesson(fault, written, def_line(method, {name: f"{name}: {example}"}))


def _check_return(handler: Handler, hints: Mapping[str, Any], where: str) -> None:
    annotated = hints.get("return", Any)
    if handler.is_stream:
        # AsyncIterator[T], AsyncGenerator[T, None] and their like.
        annotated = (*typing.get_args(annotated), Any)[0]
    if handler.fits is not None and contradicts(annotated, handler.expects):
        line, reply = def_line(handler.function)[:-5], name_of(handler.expects)
        if handler.is_stream:
            incorrect = f"{line} -> AsyncIterator[{name_of(annotated)}]: ..."
            correct = f"{line} -> AsyncIterator[{reply}]: ..."
        else:
            incorrect, correct = (
                f"{line} -> {name_of(annotated)}: ...",
                f"{line} -> {reply}: ...",
            )
        msg = lesson(
            f"{where}: it gives {name_of(annotated)}, but "
            f"{name_of(handler.message_type)} is answered with {reply}.",
            incorrect,
            correct,
        )
        raise TypeError(msg)


def _refuse_second(first: Handler, second: Handler, where: str) -> None:
    if first is not second:
        msg = (
            f"{where}: {name_of(second.message_type)} is already handled by "
            f"{first.function.__qualname__}; a type has one handler"
        )
        raise TypeError(msg)
