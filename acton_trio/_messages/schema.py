"""What a peer may send as a message of some type, told in JSON Schema.

The walk is the converter's, and says of each part what the codec reads there;
scalars are put into words by msgspec.  It is the form in JSON: MessagePack has
bytes and points in time of its own.

What no schema can say is left out: validators, and what ``__init__`` checks.
"""

from __future__ import annotations

import enum
import inspect
import re
import typing
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from .carriage import (
    PATHS,
    TAG,
    alternatives_of,
    arguments_of,
    choices_of,
    required_of,
)
from .codec import codec_of
from .declare import Request, StreamRequest, reply_type_of
from .fidelity import MAPPINGS, SEQUENCES, why_unfaithful
from .shapes import (
    class_of,
    fields_of,
    is_kind_of,
    is_named,
    is_record,
    is_union,
    unwrap,
)

__all__ = ["schema_of"]

_Schema: TypeAlias = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(type_: object) -> dict[str, object]:
    """Return the JSON Schema of *type_*, the same object each time: do not change it.

    It needs nothing beside itself: classes that are part of the message are
    in its ``$defs``.  For a request ``x-acton-reply`` is the schema of the
    reply; with ``x-acton-stream`` there are any number of them.

    What cannot be told in JSON, as an example that is no plain data, makes the
    whole schema ``{}``, which allows anything.

    Raises:
        TypeError: If values of *type_* cannot travel; see `codec_of`.
    """
    codec_of(type_)
    return _make_schema(type_)


@cache
def _make_schema(type_: object) -> dict[str, object]:
    try:
        schema = msgspec.to_builtins(_Sketch().of_message(type_), str_keys=True)
        msgspec.json.encode(schema)
        msgspec.msgpack.encode(schema)
    except Exception:  # noqa: BLE001 - users' annotations hold anything, and this is no place to fail
        return {}
    return typing.cast("dict[str, object]", schema)


@attrs.define(eq=False)
class _Sketch:
    """A schema in the making, which says of each class once what it is."""

    _names: dict[object, str] = attrs.field(factory=dict, init=False)
    _definitions: dict[str, _Schema] = attrs.field(factory=dict, init=False)

    def of_message(self, type_: object) -> _Schema:
        """Return the whole schema of a message type."""
        schema = self._of_structure(type_) if _is_structure(type_) else self.of(type_)
        more = self._of_reply(type_)
        if is_record(type_) and not fields_of(type_):
            # Acton writes a unit struct, a message without fields, as null.
            schema["type"] = ["object", "null"]
        elif type_ in self._names:
            schema = self._reference_to(type_)
        if self._definitions:
            more["$defs"] = self._definitions
        return {"$schema": _DIALECT, **schema, **more}

    def of(self, type_: object) -> _Schema:
        """Return the schema of a part."""
        plain = unwrap(type_)
        if is_kind_of(plain, enum.Flag):
            return {"type": "integer"}
        if choices := choices_of(plain):
            return {"enum": [written for _, written in choices]}
        if is_union(plain):
            return self._of_union(plain)
        cls = class_of(plain)
        if cls in PATHS:
            return {"type": "string"}
        if cls is object:
            return {}
        if _is_structure(plain):
            return self._reference_to(plain) | _words_on(type_, Any)
        if cls in SEQUENCES:
            return _words_on(type_, list) | self._of_sequence(plain)
        if cls in MAPPINGS:
            return _words_on(type_, dict) | self._of_mapping(plain)
        return _words_on(type_, plain)

    def _of_reply(self, type_: object) -> _Schema:
        many = is_kind_of(type_, StreamRequest)
        cls = class_of(type_)
        if cls is None or not (many or is_kind_of(type_, Request)):
            return {}
        reply = {"x-acton-reply": self.of(reply_type_of(cls))}
        return reply | {"x-acton-stream": True} if many else reply

    def _reference_to(self, type_: object) -> _Schema:
        name = self._names.get(type_)
        if name is None:
            name = self._names[type_] = self._new_name(_title_of(type_))
            # It keeps its place, and may refer to itself.
            self._definitions[name] = {}
            self._definitions[name] = self._of_structure(type_)
        return {"$ref": f"#/$defs/{name}"}

    def _new_name(self, title: str) -> str:
        # A reference is a URI: letters of other alphabets would need escapes.
        stem = re.sub(r"\W+", "_", title, flags=re.ASCII).strip("_") or "class"
        name = stem
        number = 1
        while name in self._definitions:
            number += 1
            name = f"{stem}_{number}"
        return name

    # --- collections

    def _of_sequence(self, type_: object) -> _Schema:
        arguments = typing.get_args(type_)
        if class_of(type_) is tuple and Ellipsis not in arguments:
            if typing.get_origin(type_) is None:
                return {"type": "array"}
            return _array_of([self.of(each) for each in arguments])
        items = self.of(arguments[0]) if arguments else {}
        return {"type": "array", **({"items": items} if items else {})}

    def _of_mapping(self, type_: object) -> _Schema:
        schema: _Schema = {"type": "object"}
        key, item = typing.get_args(type_) or (str, Any)
        if names := self._of_keys(key):
            schema["propertyNames"] = names
        if items := self.of(item):
            schema["additionalProperties"] = items
        return schema

    def _of_keys(self, type_: object) -> _Schema:
        # All keys are strings in JSON: only of strings there is more to say.
        choices = [written for _, written in choices_of(unwrap(type_))]
        if choices and all(isinstance(each, str) for each in choices):
            return {"enum": choices}
        if unwrap(type_) is not str:
            return {}
        return {word: what for word, what in self.of(type_).items() if word != "type"}

    def _of_union(self, union: object) -> _Schema:
        if why_unfaithful(union) is None:
            return {"anyOf": [self.of(each) for each in typing.get_args(union)]}
        choice = alternatives_of(union)
        found = [
            self.of(each) | (_marked(TAG, tag) if choice.tagged else {})
            for tag, each in choice.by_tag().items()
        ]
        if choice.rest is not typing.Never:
            found.append(self.of(choice.rest))
        if type(None) in map(unwrap, typing.get_args(union)):
            found.append({"type": "null"})
        return {"anyOf": found}

    # --- classes

    def _of_structure(self, type_: object) -> _Schema:
        cls = class_of(type_)
        assert cls is not None
        about: _Schema = {"title": _title_of(type_)}
        if words := _description_of(cls):
            about["description"] = words
        if is_kind_of(cls, msgspec.Struct):
            return about | self._of_struct(type_, cls)
        if is_record(cls):
            return about | self._of_record(type_, cls)
        if is_kind_of(cls, tuple):
            return about | self._of_named_tuple(type_, cls)
        return about | self._of_typed_dict(type_, cls)

    def _of_fields(self, type_: object) -> dict[str, _Schema]:
        return {name: self.of(hint) for name, hint in fields_of(type_).items()}

    def _of_record(self, type_: object, cls: type) -> _Schema:
        properties, arguments = self._of_fields(type_), arguments_of(cls)
        for name, schema in properties.items():
            if name not in arguments:
                schema["readOnly"] = True
        return _object_of(properties, required_of(cls))

    def _of_named_tuple(self, type_: object, cls: type) -> _Schema:
        fields = self._of_fields(type_)
        optional = len(typing.cast("Any", cls)._field_defaults)
        return _array_of(list(fields.values()), len(fields) - optional)

    def _of_typed_dict(self, type_: object, cls: type) -> _Schema:
        required = set(typing.cast("Any", cls).__required_keys__)
        for name, hint in fields_of(type_).items():
            # Python itself does not look into annotations that are strings.
            if typing.get_origin(hint) is typing.Required:
                required.add(name)
            elif typing.get_origin(hint) is typing.NotRequired:
                required.discard(name)
        properties = self._of_fields(type_)
        return _object_of(properties, filter(required.__contains__, properties))

    def _of_struct(self, type_: object, cls: type) -> _Schema:
        config = typing.cast("type[msgspec.Struct]", cls).__struct_config__
        schemas, required = self._of_fields(type_), list[str]()
        properties: dict[str, _Schema] = {}
        if config.tag_field is not None:
            properties[config.tag_field] = {"const": config.tag}
            required.append(config.tag_field)
        for field in msgspec.structs.fields(typing.cast("Any", cls)):
            properties[field.encode_name] = schemas[field.name]
            if field.required:
                required.append(field.encode_name)
        if config.array_like:
            schema = _array_of(list(properties.values()), len(required))
            return schema if config.forbid_unknown_fields else _open(schema)
        schema = _object_of(properties, required)
        if config.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return schema


def _is_structure(type_: object) -> bool:
    return is_record(type_) or is_named(type_) or is_kind_of(type_, msgspec.Struct)


def _object_of(properties: dict[str, _Schema], required: Iterable[str]) -> _Schema:
    schema: _Schema = {"type": "object"}
    if properties:
        schema["properties"] = properties
    if names := list(required):
        schema["required"] = names
    return schema


def _array_of(items: list[_Schema], least: int | None = None) -> _Schema:
    schema: _Schema = {"type": "array"}
    if items:
        schema["prefixItems"] = items
    schema["minItems"] = len(items) if least is None else least
    schema["maxItems"] = len(items)
    return schema


def _open(array: _Schema) -> _Schema:
    return {word: what for word, what in array.items() if word != "maxItems"}


def _marked(field: str, tag: str) -> _Schema:
    return _object_of({field: {"const": tag}}, [field])


def _words_on(type_: object, shape: object) -> _Schema:
    """Return what msgspec says of *shape*, were it annotated as *type_* is."""
    remarks = _remarks_on(type_)
    if remarks:
        annotated = typing.cast("Any", typing.Annotated)
        if why_unfaithful(annotated[unwrap(type_), *remarks]) is None:
            shape = annotated[shape, *remarks]
    return msgspec.json.schema(shape)


def _remarks_on(type_: object) -> list[msgspec.Meta]:
    if isinstance(type_, typing.NewType):
        return _remarks_on(type_.__supertype__)
    if type(type_).__name__ == "TypeAliasType":  # only in Python 3.12
        return _remarks_on(typing.cast("Any", type_).__value__)
    if unwrap(type_) is type_ or not typing.get_args(type_):
        return []
    inner, *notes = typing.get_args(type_)
    own = [each for each in notes if isinstance(each, msgspec.Meta)]
    return [*_remarks_on(inner), *own]


def _title_of(type_: object) -> str:
    if is_union(type_):
        return " | ".join(map(_title_of, typing.get_args(type_)))
    if type_ is type(None):
        return "None"
    cls = class_of(type_)
    if cls is None:
        return re.sub(r"[\w.]+\.", "", repr(type_))
    arguments = ", ".join(map(_title_of, typing.get_args(type_)))
    return f"{cls.__name__}[{arguments}]" if arguments else cls.__name__


def _description_of(cls: type) -> str:
    """Return the docstring, if somebody wrote it."""
    words = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    # As dataclasses and named tuples have it by themselves.
    generated = words.startswith(f"{cls.__name__}(") and words.endswith(")")
    return "" if generated else words
