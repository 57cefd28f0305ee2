"""Whether msgspec, left to itself, brings a value back as it was.

It reads attrs classes at the speed of C, but sets their fields behind the
back of ``__init__``: converters do not run, private fields vanish, exceptions
come out half built.  Where that would show, the slower way must be taken.
"""

from __future__ import annotations

import collections.abc
import datetime as dt
import decimal
import enum
import inspect
import typing
import uuid
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, TypeVar

import attrs
import msgspec

from .._base.util import name_of
from .shapes import (
    class_of,
    fields_of,
    is_kind_of,
    is_named,
    is_record,
    is_union,
    unwrap,
    walk,
)

__all__ = ["ANYTHING", "MAPPINGS", "SEQUENCES", "faults_of_keys", "why_unfaithful"]

ANYTHING: Final[frozenset[object]] = frozenset({Any, object})
"""What is taken as it is, whatever it is."""

SEQUENCES: Final[dict[object, type]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Collection: list,
    collections.abc.MutableSequence: list,
    collections.abc.MutableSet: set,
    collections.abc.Sequence: list,
    collections.abc.Set: set,
}
"""What is written as an array, and what it is read as."""

MAPPINGS: Final[frozenset[object]] = frozenset(
    {dict, collections.abc.Mapping, collections.abc.MutableMapping}
)
"""What is written as an object with keys of its own."""

_KEYS: Final[frozenset[object]] = frozenset(
    {
        str,
        int,
        float,
        bytes,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        decimal.Decimal,
        uuid.UUID,
    }
)
_SCALARS: Final = _KEYS | {bool, type(None), bytearray}


@cache
def why_unfaithful(type_: object) -> str | None:
    """Return what msgspec's own support would get wrong about *type_*.

    Everything that it is made of counts, at any depth.  ``None`` means that
    nothing is lost; a reason names the class and the field.

    Raises:
        TypeError: If the type of a field cannot be found.
    """
    for where, part in walk(type_):
        for fault in _faults_of(part):
            return fault if is_record(part) else f"{where}: {fault}"
    return _why_unbuildable(type_)


def _why_unbuildable(type_: object) -> str | None:
    try:
        msgspec.json.Decoder(typing.cast("Any", type_))
        msgspec.msgpack.Decoder(typing.cast("Any", type_))
    except (TypeError, NameError, NotImplementedError) as error:
        return f"{name_of(type_)}: {error}"
    return None


def _faults_of(type_: object) -> Iterator[str]:
    cls = class_of(type_)
    if isinstance(type_, TypeVar):
        yield f"the type variable {type_} stands for nothing yet"
    elif is_union(type_):
        yield from _faults_of_union([unwrap(each) for each in typing.get_args(type_)])
    elif cls is not None and is_record(cls):
        yield from _faults_of_record(cls)
    elif cls in MAPPINGS:
        yield from faults_of_keys(type_)
    elif not _is_carried(type_, cls):
        yield f"msgspec does not carry {name_of(type_)}"


def _faults_of_union(members: list[object]) -> Iterator[str]:
    if any(each in ANYTHING for each in members):
        yield "next to Any, nothing else is looked for"
    if sum(map(is_record, members)) > 1:
        yield "nothing written tells the classes of the union apart"


def _is_carried(type_: object, cls: type | None) -> bool:
    return (
        type_ in ANYTHING
        or cls in _SCALARS
        or cls in SEQUENCES
        or typing.get_origin(type_) is typing.Literal
        or is_kind_of(cls, enum.Enum)
        or is_kind_of(cls, msgspec.Struct)
        or is_named(cls)
    )


def faults_of_keys(type_: object) -> Iterator[str]:
    """Yield why the keys of a mapping cannot be written in JSON, if so."""
    key = unwrap((typing.get_args(type_) or (str,))[0])
    if key in _KEYS or key in ANYTHING:
        return
    literal = typing.get_origin(key) is typing.Literal
    if not literal and not is_kind_of(key, enum.Enum):
        yield (
            f"{name_of(key)} cannot be the key of an object in JSON. "
            "Use a str, a number, a date, a UUID or an enum"
        )


def _faults_of_record(cls: type) -> Iterator[str]:
    name = name_of(cls)
    if is_kind_of(cls, BaseException):
        yield f"{name} is an exception: it must be built by calling it"
    if "__init__" not in cls.__dict__ or hasattr(cls, "__attrs_init__"):
        yield f"{name} is not built by the __init__ that attrs would write"
    if any("__new__" in base.__dict__ for base in cls.__mro__[:-1]):
        yield f"{name} has a __new__ of its own"
    if attrs.has(cls):
        yield from _faults_of_attrs(cls)
    else:
        yield from _faults_of_dataclass(cls)
    yield from _leaks_of(cls)


def _faults_of_attrs(cls: type) -> Iterator[str]:
    for field in attrs.fields(cls):
        place = f"{name_of(cls)}.{field.name}"
        if field.converter is not None:
            yield f"{place} has a converter"
        if field.name.startswith("_"):
            yield f"{place} is private"
        if field.alias != field.name:
            yield f"{place} has the alias {field.alias!r}"
        if not field.init:
            yield f"{place} is no argument of __init__"
        if getattr(field.default, "takes_self", False):
            yield f"{place} has a default that depends on other fields"
        if not _is_annotated(cls, field.name):
            yield f"{place} has no annotation"
    pre_init = getattr(cls, "__attrs_pre_init__", None)
    if pre_init is not None and len(inspect.signature(pre_init).parameters) > 1:
        yield f"{name_of(cls)}.__attrs_pre_init__ takes arguments"


def _is_annotated(cls: type, name: str) -> bool:
    return any(name in inspect.get_annotations(each) for each in cls.__mro__)


def _faults_of_dataclass(cls: type) -> Iterator[str]:
    name = name_of(cls)
    params = typing.cast("Any", cls).__dataclass_params__
    if not params.init or "__dataclass_fields__" not in cls.__dict__:
        yield f"{name} has an __init__ of its own"
    elif set(inspect.signature(cls).parameters) != set(fields_of(cls)):
        yield f"{name}: the arguments of __init__ are not its fields"


def _leaks_of(cls: type) -> Iterator[str]:
    # msgspec writes whatever an instance holds, field or not.
    if cls.__dictoffset__:
        yield f"{name_of(cls)} has a __dict__, and all of it would be written"
    known = {"__weakref__", *fields_of(cls)}
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in known:
                yield f"{name_of(cls)}.{slot} is a slot but no field"
