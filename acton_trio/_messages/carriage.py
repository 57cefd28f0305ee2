"""What can travel at all, though msgspec alone would not do it justice."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Final

import attrs

from .._base.util import name_of
from .declare import wire_name_of
from .fidelity import ANYTHING, MAPPINGS, SEQUENCES, faults_of_keys, why_unfaithful
from .shapes import class_of, fields_of, is_record, is_union, unwrap, walk

__all__ = [
    "PATHS",
    "TAG",
    "Alternatives",
    "alternatives_of",
    "arguments_of",
    "choices_of",
    "refuse_uncarried",
    "required_of",
]

PATHS: Final = (Path, PurePath)
"""Kinds of path that travel, as strings."""

TAG: Final = "type"
"""The key that says which class of a union an object is."""


def refuse_uncarried(type_: object) -> None:
    """Do nothing, if values of *type_* can cross the process boundary.

    Raises:
        TypeError: If not; it names the class, the field and a remedy.
    """
    for where, part in walk(type_):
        if why_unfaithful(part) is not None:
            for complaint in _complaints_about(part):
                msg = f"{where}: {complaint}"
                raise TypeError(msg)


def _complaints_about(type_: object) -> Iterator[str]:
    cls = class_of(type_)
    if isinstance(type_, typing.TypeVar):
        yield (
            f"the type variable {type_} stands for nothing yet. "
            "Make it concrete: class IntPage(Page[int])"
        )
    elif is_union(type_):
        yield from _complaints_about_union(type_)
    elif is_record(type_):
        yield from _complaints_about_record(type_)
    elif cls in MAPPINGS:
        yield from faults_of_keys(type_)
    elif cls not in SEQUENCES and cls not in PATHS and not choices_of(type_):
        yield (
            f"neither msgspec nor cattrs can carry {name_of(type_)}. "
            "Use a message class, or plain data, in its place"
        )


def _complaints_about_record(type_: object) -> Iterator[str]:
    cls = class_of(type_)
    assert cls is not None
    arguments = arguments_of(cls)
    try:
        inspect.signature(cls).bind(**dict.fromkeys(arguments.values()))
    except (TypeError, ValueError) as error:
        yield (
            f"{name_of(cls)} cannot be built from its fields: {error}. "
            "Give its __init__ the fields as arguments, by name"
        )


def _complaints_about_union(union: object) -> Iterator[str]:
    choice = alternatives_of(union)
    tags = [_tag_of(each) for each in choice.records]
    if len(set(tags)) < len(tags):
        yield (
            f"two classes of {union} have the same name. "
            'Name one for the wire: @message(ipc="AnotherName")'
        )
    for each in choice.records if choice.tagged else ():
        if TAG in fields_of(each):
            yield (
                f"{name_of(each)}.{TAG} has the name of the key that tells the "
                f"classes of {union} apart. Call the field something else"
            )
    if not _is_one_thing(choice):
        yield (
            f"the values of {union} cannot be told apart once written. "
            "Wrap each of its types in a message class"
        )


def _is_one_thing(choice: Alternatives) -> bool:
    members = _members_of(choice.rest)
    if choice.records and any(_is_mapping(each) for each in members):
        return False
    return len(members) <= 1 or why_unfaithful(choice.rest) is None


def _is_mapping(type_: object) -> bool:
    return class_of(type_) in MAPPINGS | ANYTHING or typing.is_typeddict(type_)


@attrs.frozen
class Alternatives:
    """The members of a union, by how they look when they are written."""

    records: tuple[object, ...]
    """Attrs classes and dataclasses."""

    rest: object
    """The union of all others but ``None``."""

    @property
    def tagged(self) -> bool:
        """Whether an object must say which class it is."""
        return len(self.records) > 1

    def by_tag(self) -> dict[str, object]:
        """Return the classes by the names they are marked with."""
        return {_tag_of(each): each for each in self.records}


def alternatives_of(union: object) -> Alternatives:
    """Return what a value of *union* may be."""
    members = [each for each in _members_of(union) if each is not type(None)]
    records = tuple(each for each in members if is_record(each))
    rest = tuple(each for each in members if not is_record(each))
    any_of = typing.cast("Any", typing.Union)
    return Alternatives(records, any_of[rest] if rest else typing.Never)


def _members_of(type_: object) -> list[object]:
    type_ = unwrap(type_)
    if type_ is typing.Never:
        return []
    if not is_union(type_):
        return [type_]
    return [member for each in typing.get_args(type_) for member in _members_of(each)]


def _tag_of(type_: object) -> str:
    cls = class_of(type_)
    assert cls is not None
    return wire_name_of(cls) or cls.__name__


def arguments_of(cls: type) -> dict[str, str]:
    """Return the fields that ``__init__`` takes, with the names it has for them."""
    if attrs.has(cls):
        return {each.name: each.alias for each in attrs.fields(cls) if each.init}
    fields = dataclasses.fields(typing.cast("Any", cls))
    return {each.name: each.name for each in fields if each.init}


def required_of(cls: type) -> list[str]:
    """Return the fields that ``__init__`` cannot do without."""
    if attrs.has(cls):
        return [
            each.name
            for each in attrs.fields(cls)
            if each.init and each.default is attrs.NOTHING
        ]
    missing = (dataclasses.MISSING, dataclasses.MISSING)
    return [
        each.name
        for each in dataclasses.fields(typing.cast("Any", cls))
        if each.init and (each.default, each.default_factory) == missing
    ]


def choices_of(type_: object) -> dict[tuple[type, object], object]:
    """Return the values of an enum or a ``Literal``, by what is written for them.

    The type belongs to the key: ``1 == True``, but they are two things.
    """
    if typing.get_origin(type_) is typing.Literal:
        members: tuple[object, ...] = typing.get_args(type_)
    elif isinstance(type_, type) and issubclass(type_, enum.Enum):
        members = tuple(type_)
    else:
        return {}
    written = [each.value if isinstance(each, enum.Enum) else each for each in members]
    if not all(
        isinstance(each, (str, int, float, bool, type(None))) for each in written
    ):
        return {}
    return {
        (type(key), key): member for key, member in zip(written, members, strict=True)
    }
