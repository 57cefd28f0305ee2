"""What a type is made of: its fields and arguments, with every name resolved.

A type is a tree that may bite its own tail.  Whoever judges one, or builds
something for it, walks it with the functions here.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Final, Generic, TypeVar

import attrs
import msgspec

from .._base.util import name_of

__all__ = [
    "class_of",
    "fields_of",
    "free_variables_of",
    "is_kind_of",
    "is_named",
    "is_record",
    "is_union",
    "parts_of",
    "substitute",
    "unwrap",
    "walk",
]

T = TypeVar("T")

_WRAPPERS: Final = (
    typing.Annotated,
    typing.Final,
    typing.Required,
    typing.NotRequired,
)


def walk(type_: object) -> Iterator[tuple[str, object]]:
    """Yield everything that *type_* is made of, itself first, each thing once.

    With each comes the place it was found at: ``"Order.lines"``, or the name
    of *type_* itself outside of any class.
    """
    seen: set[object] = set()

    def visit(where: str, type_: object) -> Iterator[tuple[str, object]]:
        type_ = unwrap(type_)
        if type_ in seen:
            return
        seen.add(type_)
        yield where, type_
        for field, part in parts_of(type_):
            yield from visit(field or where, part)

    yield from visit(name_of(type_), type_)


def parts_of(type_: object) -> Iterator[tuple[str, object]]:
    """Yield what *type_* directly consists of, with the field if it is one."""
    cls = class_of(type_)
    if cls is not None and _field_names(cls) is not None:
        for name, hint in fields_of(type_).items():
            yield f"{name_of(cls)}.{name}", hint
    elif typing.get_origin(type_) is not typing.Literal:
        for argument in typing.get_args(type_):
            if argument is not Ellipsis:
                yield "", argument


def unwrap(type_: object) -> object:
    """Return *type_* without what says more about it than what it holds.

    >>> unwrap(typing.Annotated[typing.NewType("Id", int), "positive"])
    <class 'int'>
    """
    while True:
        if typing.get_origin(type_) in _WRAPPERS:
            type_ = typing.get_args(type_)[0]
        elif isinstance(type_, typing.NewType):
            type_ = type_.__supertype__
        elif type(type_).__name__ == "TypeAliasType":  # only in Python 3.12
            type_ = typing.cast("Any", type_).__value__
        else:
            return type(None) if type_ is None else type_


def class_of(type_: object) -> type | None:
    """Return the class that *type_* is, or parametrises."""
    origin = typing.get_origin(type_) or type_
    return origin if isinstance(origin, type) else None


def is_record(type_: object) -> bool:
    """Return whether *type_* is an attrs class or a dataclass."""
    cls = class_of(type_)
    return cls is not None and (attrs.has(cls) or dataclasses.is_dataclass(cls))


def is_named(type_: object) -> bool:
    """Return whether *type_* is a ``TypedDict`` or a ``NamedTuple``."""
    if typing.is_typeddict(class_of(type_)):
        return True
    return is_kind_of(type_, tuple) and hasattr(class_of(type_), "_fields")


def is_kind_of(type_: object, kind: type) -> bool:
    """Return whether *type_* is, or parametrises, a subclass of *kind*."""
    cls = class_of(type_)
    return cls is not None and issubclass(cls, kind)


def is_union(type_: object) -> bool:
    """Return whether *type_* is ``A | B``, however it is written."""
    return typing.get_origin(type_) in (typing.Union, UnionType)


def fields_of(type_: object) -> dict[str, object]:
    """Return the types of the fields of a class, type variables replaced.

    They are looked up in the module of the class that declares the field.

    Raises:
        TypeError: If a type cannot be found there.
    """
    cls = class_of(type_)
    assert cls is not None
    hints = _hints_of(cls)
    bound = _bind(type_, {}, {})
    return {
        name: substitute(hints.get(name, Any), bound.get(_owner_of(cls, name), {}))
        for name in _field_names(cls) or ()
    }


def free_variables_of(type_: object) -> Sequence[object]:
    """Return the type variables that nothing was put in for."""
    if isinstance(type_, TypeVar):
        return (type_,)
    free: Sequence[object] = getattr(type_, "__parameters__", ())
    return free if typing.get_origin(type_) or isinstance(type_, type) else ()


def substitute(type_: object, known: dict[object, object]) -> object:
    """Return *type_* with the type variables that are *known* replaced.

    >>> substitute(list[T], {T: int})
    list[int]
    """
    if isinstance(type_, TypeVar):
        return known.get(type_, type_)
    parameters = getattr(type_, "__parameters__", ())
    if not parameters or (isinstance(type_, type) and not typing.get_origin(type_)):
        return type_
    generic = typing.cast("Any", type_)
    return generic[tuple(known.get(each, each) for each in parameters)]


def _field_names(cls: type) -> Sequence[str] | None:
    plain = typing.cast("Any", cls)
    if attrs.has(cls):
        return [field.name for field in attrs.fields(cls)]
    if dataclasses.is_dataclass(plain):
        return [field.name for field in dataclasses.fields(plain)]
    if is_kind_of(cls, msgspec.Struct):
        return list(plain.__struct_fields__)
    return list(plain.__annotations__) if is_named(cls) else None


def _hints_of(cls: type) -> dict[str, object]:
    written = _written_types_of(cls)
    try:
        return written | typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        # `attrs.resolve_types()` may have been told what we cannot know.
        if written and not any(isinstance(each, str) for each in written.values()):
            return written
        msg = (
            f"the fields of {name_of(cls)} cannot be understood: {error}. "
            "Define what they are made of at the top level of a module"
        )
        raise TypeError(msg) from error


def _written_types_of(cls: type) -> dict[str, object]:
    if not attrs.has(cls):
        return {}
    types = {field.name: field.type for field in attrs.fields(cls)}
    return {name: Any if hint is None else hint for name, hint in types.items()}


def _owner_of(cls: type, name: str) -> type:
    declaring = (each for each in cls.__mro__ if name in inspect.get_annotations(each))
    return next(declaring, cls)


def _bind(
    type_: object,
    known: dict[object, object],
    found: dict[object, dict[object, object]],
) -> dict[object, dict[object, object]]:
    # For every class among the bases: what its own type variables stand for.
    cls = class_of(type_)
    if cls is None or cls is Generic:
        return found
    arguments = [substitute(each, known) for each in typing.get_args(type_)]
    parameters = getattr(cls, "__parameters__", ())
    own = found.setdefault(cls, {})
    own.update(zip(parameters, arguments, strict=False))
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        _bind(base, own, found)
    return found
