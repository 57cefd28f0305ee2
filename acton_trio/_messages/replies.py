"""Whether a value is what a request's reply type says it must be.

The check is shallow: it looks at a list, not into it.  It is there to name
the handler that gave the wrong kind of answer, not to replace a type checker.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable

__all__ = ["admits_none", "contradicts", "fits_reply"]

NoneType = type(None)

# PEP 484's numeric tower: an int is welcome where a float is expected.
_TOWER: dict[type, tuple[type, ...]] = {
    float: (float, int),
    complex: (complex, float, int),
}


def fits_reply(expected: object) -> Callable[[object], bool]:
    """Return a function that says whether a value may answer for *expected*.

    >>> fits = fits_reply(int | None)
    >>> fits(3), fits(None), fits("three")
    (True, True, False)
    """
    choices = _classes_of(expected)
    if choices is None:
        return lambda _value: True
    return lambda value: isinstance(value, choices)


def admits_none(expected: object) -> bool:
    """Return whether ``None`` is a reply for *expected*, not the lack of one."""
    choices = _classes_of(expected)
    return choices is None or NoneType in choices


def contradicts(annotated: object, expected: object) -> bool:
    """Return whether a handler annotated so certainly cannot answer *expected*.

    ``None`` never contradicts: a handler may answer through its context.

    >>> contradicts(str, int), contradicts(bool, int), contradicts(None, int)
    (True, False, False)
    """
    given, wanted = _classes_of(annotated), _classes_of(expected)
    if given is None or wanted is None:
        return False
    return any(not _may_be(each, wanted) for each in given if each is not NoneType)


def _may_be(given: type, wanted: tuple[type, ...]) -> bool:
    # The other way round is no contradiction either: `object` may turn out to
    # be the right thing.
    return issubclass(given, wanted) or any(issubclass(w, given) for w in wanted)


def _classes_of(hint: object) -> tuple[type, ...] | None:
    """Return the classes whose instances *hint* takes; ``None``: not known."""
    if hint is None:
        return (NoneType,)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _classes_of(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return _classes_of_all(typing.get_args(hint))
    if origin is typing.Literal:
        return tuple({value.__class__ for value in typing.get_args(hint)})
    if isinstance(hint, typing.NewType):
        return _classes_of(hint.__supertype__)
    concrete = origin or hint
    if not isinstance(concrete, type) or not _is_checkable(concrete):
        return None
    return _TOWER.get(concrete, (concrete,))


def _classes_of_all(hints: tuple[object, ...]) -> tuple[type, ...] | None:
    found: list[type] = []
    for hint in hints:
        classes = _classes_of(hint)
        if classes is None:
            return None
        found += classes
    return tuple(found)


def _is_checkable(cls: type) -> bool:
    try:
        isinstance(None, cls)
    except TypeError:  # a TypedDict, a protocol that is not for run time
        return False
    return cls is not object
