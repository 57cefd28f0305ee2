"""The slower way: one cattrs converter, as strict as msgspec.

Whatever msgspec carries faithfully is left to it, at any depth; the hooks
here are only for what lies above.  A class is built by calling it, so that
converters, validators and ``__init__`` run.

On the wire a field is called as the attribute is: ``_secret`` stays
``_secret``, and an alias is only for Python.  What is no argument of
``__init__`` is written, so that others see it, and never read.  In a union of
classes each is marked by ``"type"``: its name on the wire, or its class name.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Final, TypeAlias

import msgspec
from cattrs import Converter

from .carriage import (
    PATHS,
    TAG,
    alternatives_of,
    arguments_of,
    choices_of,
    required_of,
)
from .fidelity import MAPPINGS, SEQUENCES, why_unfaithful
from .misfit import MisfitError, located
from .shapes import class_of, fields_of, is_record, is_union, unwrap

__all__ = ["reader_of", "writer_of"]

_Reader: TypeAlias = Callable[[Any], Any]
_Writer: TypeAlias = Callable[[Any], Any]

_converter: Final = Converter()


def reader_of(type_: object) -> _Reader:
    """Return what builds a *type_* from plain data, as decoded.

    It raises `MisfitError`, or whatever the class of the value itself raised.
    """
    target = typing.cast("Any", type_)
    # Without what says more about it: that may be unhashable.
    if why_unfaithful(unwrap(type_)) is None:
        # The keys of JSON objects are strings, whatever they stand for.
        return lambda plain: msgspec.convert(plain, target, str_keys=True)
    if choices_of(type_):
        # Not for cattrs: it would take True for 1.
        return _choice_reader(type_)
    # Looked up when it is needed: a type may contain itself.
    return lambda plain: _converter.structure(plain, target)


def writer_of(type_: object) -> _Writer:
    """Return what turns a *type_* into data that msgspec can write."""
    if why_unfaithful(unwrap(type_)) is None or choices_of(type_):
        return lambda value: value
    return lambda value: _converter.unstructure(value, unstructure_as=type_)


def _read_each(items: Iterable[Any], readers: Iterable[_Reader]) -> list[Any]:
    found: list[Any] = []
    for item, reader in zip(items, readers, strict=False):
        try:
            found.append(reader(item))
        except Exception as error:
            raise located(error, f"[{len(found)}]") from error
    return found


def _of(generic: type, *arguments: object) -> Any:
    return typing.cast("Any", generic)[arguments]


def _record_reader(type_: object) -> _Reader:
    cls = class_of(type_)
    assert cls is not None
    arguments, required = arguments_of(cls), required_of(cls)
    fields = [
        (name, arguments[name], reader_of(hint))
        for name, hint in fields_of(type_).items()
        if name in arguments
    ]

    def read(plain: Any) -> Any:
        given = msgspec.convert(plain, dict[str, Any])
        for name in required:
            if name not in given:
                msg = f"Object missing required field `{name}`"
                raise msgspec.ValidationError(msg)
        found: dict[str, Any] = {}
        for name, argument, reader in fields:
            if name in given:
                try:
                    found[argument] = reader(given[name])
                except Exception as error:
                    raise located(error, f".{name}") from error
        return cls(**found)

    return read


def _record_writer(type_: object) -> _Writer:
    fields = [(name, writer_of(hint)) for name, hint in fields_of(type_).items()]
    return lambda value: {name: write(getattr(value, name)) for name, write in fields}


def _sequence_reader(type_: object) -> _Reader:
    build: Callable[[list[Any]], Any] = SEQUENCES[class_of(type_)]
    *arguments, last = typing.get_args(type_)
    if class_of(type_) is tuple and last is not Ellipsis:
        readers = [reader_of(each) for each in (*arguments, last)]
        shape = _of(tuple, *repeat(Any, len(readers)))
        return lambda plain: tuple(_read_each(msgspec.convert(plain, shape), readers))
    reader = reader_of(arguments[0] if arguments else last)
    return lambda plain: build(
        _read_each(msgspec.convert(plain, list[Any]), repeat(reader))
    )


def _sequence_writer(type_: object) -> _Writer:
    *arguments, last = typing.get_args(type_)
    if class_of(type_) is tuple and last is not Ellipsis:
        writers = [writer_of(each) for each in (*arguments, last)]
        return lambda value: [
            write(item) for write, item in zip(writers, value, strict=True)
        ]
    write_item = writer_of(arguments[0] if arguments else last)
    return lambda value: [write_item(item) for item in value]


def _mapping_reader(type_: object) -> _Reader:
    key, item = typing.get_args(type_)
    reader, shape = reader_of(item), _of(dict, key, Any)

    def read(plain: Any) -> Any:
        given = msgspec.convert(plain, shape, str_keys=True)
        found: dict[Any, Any] = {}
        for each, value in given.items():
            try:
                found[each] = reader(value)
            except Exception as error:
                raise located(error, "[...]") from error
        return found

    return read


def _mapping_writer(type_: object) -> _Writer:
    write_item = writer_of(typing.get_args(type_)[1])
    return lambda value: {key: write_item(item) for key, item in value.items()}


def _union_reader(type_: object) -> _Reader:
    choice = alternatives_of(type_)
    nullable = type(None) in map(unwrap, typing.get_args(type_))
    read_rest = reader_of(dict if choice.rest is typing.Never else choice.rest)
    by_tag = {tag: reader_of(each) for tag, each in choice.by_tag().items()}

    def read(plain: Any) -> Any:
        if plain is None and nullable:
            return None
        if not by_tag or not _is_object(plain):
            return read_rest(plain)
        if choice.tagged:
            return _chosen(plain, by_tag)(plain)
        (reader,) = by_tag.values()
        return reader(plain)

    return read


def _is_object(plain: object) -> bool:
    return type(plain) is dict


def _chosen(plain: Any, by_tag: dict[str, _Reader]) -> _Reader:
    if TAG not in plain:
        msg = f"Object missing required field `{TAG}`"
        raise msgspec.ValidationError(msg)
    try:
        return by_tag[msgspec.convert(plain[TAG], str)]
    except Exception as error:
        words = f"Invalid value {plain[TAG]!r}"
        raise MisfitError(words, f".{TAG}") from error


def _union_writer(type_: object) -> _Writer:
    choice = alternatives_of(type_)
    write_rest = writer_of(choice.rest)
    writers = {
        class_of(each): (tag, _record_writer(each))
        for tag, each in choice.by_tag().items()
    }

    def write(value: Any) -> Any:
        if value is None:
            return None
        if type(value) not in writers:
            return write_rest(value)
        tag, write_record = writers[type(value)]
        written = write_record(value)
        return {TAG: tag, **written} if choice.tagged else written

    return write


def _choice_reader(type_: object) -> _Reader:
    choices = choices_of(type_)

    def read(plain: Any) -> Any:
        try:
            return choices[type(plain), plain]
        except (KeyError, TypeError) as error:
            msg = f"Invalid value {plain!r}"
            raise msgspec.ValidationError(msg) from error

    return read


def _inner_reader(type_: object) -> _Reader:
    return reader_of(unwrap(type_))


def _inner_writer(type_: object) -> _Writer:
    return writer_of(unwrap(type_))


def _read_path(plain: Any, kind: Any) -> Any:
    return kind(msgspec.convert(plain, str))


def _install(
    applies: Callable[[Any], bool],
    reader: Callable[[object], _Reader],
    writer: Callable[[object], _Writer],
) -> None:
    def hook(type_: Any) -> Callable[[Any, Any], Any]:
        read = reader(type_)
        return lambda plain, _: read(plain)

    _converter.register_structure_hook_factory(applies, hook)
    _converter.register_unstructure_hook_factory(applies, writer)


_install(is_record, _record_reader, _record_writer)
_install(lambda each: class_of(each) in SEQUENCES, _sequence_reader, _sequence_writer)
_install(lambda each: class_of(each) in MAPPINGS, _mapping_reader, _mapping_writer)
_install(is_union, _union_reader, _union_writer)
_install(lambda each: unwrap(each) is not each, _inner_reader, _inner_writer)
for _path in PATHS:
    _converter.register_structure_hook(_path, _read_path)
    _converter.register_unstructure_hook(_path, str)
