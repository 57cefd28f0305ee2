"""A reader of JSON Schema, for as much of it as our schemas use.

It is written after the specification, not after what it checks.  A keyword that
it does not know fails the test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = ["accepts"]

_Check: TypeAlias = Callable[[Any, Any], bool]

_NOTES: Final = {
    "$schema",
    "$defs",
    "title",
    "description",
    "examples",
    "format",
    "contentEncoding",
    "readOnly",
    "x-acton-reply",
    "x-acton-stream",
}
"""Keywords that refuse nothing."""


def accepts(schema: Mapping[str, Any], plain: object) -> bool:
    """Return whether *plain* data is what *schema*, a whole one, describes."""
    return _matches(schema, plain, schema)


def _matches(schema: Mapping[str, Any], plain: Any, root: Mapping[str, Any]) -> bool:
    return all(
        _holds(word, what, plain, root)
        for word, what in schema.items()
        if word not in _NOTES
    )


def _holds(word: str, what: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    if word == "$ref":
        assert what.startswith("#/$defs/")
        return _matches(root["$defs"][what.removeprefix("#/$defs/")], plain, root)
    if word == "anyOf":
        return any(_matches(each, plain, root) for each in what)
    if isinstance(plain, dict) and word in _OF_OBJECTS:
        return _OF_OBJECTS[word](what, plain, root)
    if isinstance(plain, list) and word in _OF_ARRAYS:
        return _OF_ARRAYS[word](what, plain, root)
    if word in {*_OF_OBJECTS, *_OF_ARRAYS}:
        return True
    return _ALONE[word](what, plain)


def _is_kind(kinds: str | list[str], plain: object) -> bool:
    if isinstance(kinds, list):
        return any(_is_kind(each, plain) for each in kinds)
    if isinstance(plain, bool):
        return kinds == "boolean"
    if isinstance(plain, float) and plain.is_integer():
        return kinds in {"integer", "number"}
    return isinstance(plain, _KINDS[kinds])


_KINDS: Final[dict[str, Any]] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": list,
    "object": dict,
}


def _same(one: object, other: object) -> bool:
    # 1 is 1.0 in JSON, and nothing but true is true.
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _number(compare: Callable[[Any, Any], bool]) -> _Check:
    return lambda limit, plain: not _is_kind("number", plain) or compare(plain, limit)


def _sized(kind: type[Any], compare: Callable[[int, int], bool]) -> _Check:
    def check(limit: Any, plain: Any) -> bool:
        return not isinstance(plain, kind) or compare(len(plain), limit)

    return check


_ALONE: Final[dict[str, _Check]] = {
    "type": _is_kind,
    "enum": lambda what, plain: any(_same(each, plain) for each in what),
    "const": _same,
    "minimum": _number(lambda plain, limit: plain >= limit),
    "maximum": _number(lambda plain, limit: plain <= limit),
    "exclusiveMinimum": _number(lambda plain, limit: plain > limit),
    "exclusiveMaximum": _number(lambda plain, limit: plain < limit),
    "multipleOf": _number(lambda plain, unit: math.fmod(plain, unit) == 0),
    "minLength": _sized(str, lambda size, limit: size >= limit),
    "maxLength": _sized(str, lambda size, limit: size <= limit),
    "minItems": _sized(list, lambda size, limit: size >= limit),
    "maxItems": _sized(list, lambda size, limit: size <= limit),
    "minProperties": _sized(dict, lambda size, limit: size >= limit),
    "maxProperties": _sized(dict, lambda size, limit: size <= limit),
    "pattern": lambda pattern, plain: (
        not isinstance(plain, str) or re.search(pattern, plain) is not None
    ),
    "required": lambda names, plain: (
        not isinstance(plain, dict) or all(name in plain for name in names)
    ),
}

_Inner: TypeAlias = Callable[[Any, Any, Mapping[str, Any]], bool]


def _properties(schemas: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    return all(
        _matches(schema, plain[name], root)
        for name, schema in schemas.items()
        if name in plain
    )


def _names(schema: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    return all(_matches(schema, name, root) for name in plain)


def _values(schema: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    # Beside `properties` it would be about the rest: of that, ours say no more
    # than that there is none.
    if schema is False:
        return True
    return all(_matches(schema, each, root) for each in plain.values())


def _items(schema: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    return all(_matches(schema, each, root) for each in plain)


def _first_items(schemas: Any, plain: Any, root: Mapping[str, Any]) -> bool:
    pairs = zip(schemas, plain, strict=False)
    return all(_matches(schema, each, root) for schema, each in pairs)


_OF_OBJECTS: Final[dict[str, _Inner]] = {
    "properties": _properties,
    "propertyNames": _names,
    "additionalProperties": _values,
}
_OF_ARRAYS: Final[dict[str, _Inner]] = {
    "items": _items,
    "prefixItems": _first_items,
}
