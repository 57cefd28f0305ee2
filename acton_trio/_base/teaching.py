"""Errors that teach: what is wrong, then the wrong line above the right one.

All of this runs only when something has gone wrong already.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping

from .util import name_of

__all__ = ["class_line", "def_line", "lesson", "spoken", "written_as"]

_VARIABLES: typing.Final = {
    "ActorHandle": "handle",
    "Broker": "broker",
    "RemoteActorHandle": "actor",
    "Runtime": "runtime",
}

_roots: tuple[object, ...] = (object, typing.Generic)

# As wide as "  incorrect: ", so that further lines stand below the first.
_MARGIN: typing.Final = " " * 13


def lesson(
    fault: str, incorrect: str, correct: str, alternative: str | None = None
) -> str:
    """Return a text that names *fault* and shows what was written, and what was meant.

    >>> print(lesson("3 is no class.", "start(3)", "start(MyService)"))
    3 is no class.
      incorrect: start(3)
      correct:   start(MyService)

    Args:
        fault: What is wrong, a sentence.
        incorrect: The line, or lines, as they must have been.
        correct: The same as it would be right.
        alternative: Another way of doing it right.
    """
    shown = [("incorrect: ", incorrect), ("correct:   ", correct)]
    if alternative is not None:
        shown.append(("or:        ", alternative))
    lines = [f"  {label}" + text.replace("\n", f"\n{_MARGIN}") for label, text in shown]
    return "\n".join([fault, *lines])


def class_line(cls: type) -> str:
    """Return the line that *cls* is defined by, with its bases.

    >>> class_line(KeyError)
    'class KeyError(LookupError): ...'
    """
    bases = [each for each in _bases_of(cls) if each not in _roots]
    names = ", ".join(map(_name_of_base, bases))
    return (
        f"class {name_of(cls)}({names}): ..." if names else f"class {name_of(cls)}: ..."
    )


def _bases_of(cls: type) -> tuple[object, ...]:
    bases: tuple[object, ...] = cls.__dict__.get("__orig_bases__", cls.__bases__)
    return bases


def _name_of_base(base: object) -> str:
    return (
        name_of(base)
        if isinstance(base, type)
        else repr(base).removeprefix("acton_trio.")
    )


def def_line(
    function: Callable[..., object],
    instead: Mapping[str, str] | None = None,
    first: str | None = None,
    takes: str | None = None,
) -> str:
    """Return the line that *function* is defined by, without what it returns.

    >>> async def withdraw(self, command: "Withdraw", ctx): ...
    >>> def_line(withdraw, {"ctx": "ctx: Context"})
    'async def withdraw(self, command: Withdraw, ctx: Context): ...'

    Args:
        function: A function or method.
        instead: What parameters are to be replaced by.
        first: What is to come before all parameters.
        takes: What is to be there instead of all that, with its parentheses.
    """
    parameters = inspect.signature(function).parameters.values()
    shown = [(instead or {}).get(each.name, _written(each)) for each in parameters]
    listed = takes or f"({', '.join(filter(None, [first, *shown]))})"
    inner = inspect.unwrap(function)
    is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
    name = getattr(function, "__name__", "handler")
    return f"{'async ' if is_async else ''}def {name}{listed}: ..."


def written_as(function: Callable[..., object], name: str) -> str:
    """Return how the parameter *name* of *function* is written, with its annotation."""
    return _written(inspect.signature(function).parameters[name])


def _written(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return parameter.name
    is_text = isinstance(annotation, str)
    hint = annotation.strip("'\"") if is_text else name_of(annotation)
    return f"{parameter.name}: {hint}"


def spoken(qualname: str) -> str:
    """Return how a method of that name is called in a program.

    >>> spoken("ActorHandle.ask"), spoken("Shop.restock"), spoken("main.<locals>.fetch")
    ('handle.ask', 'restock', 'fetch')
    """
    owner, _, method = qualname.rpartition(".")
    owner = _VARIABLES.get(owner, "")
    return f"{owner}.{method}" if owner else method
