"""A schema says of a message type what the codec reads, and no more than that."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import typing
from collections.abc import Mapping, Sequence, Set as AbstractSet
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from attrs import field
from hypothesis import given, strategies as st
from msgspec import Meta

from acton_trio._base.errors import SerializationError
from acton_trio._base.formats import Format
from acton_trio._messages.codec import codec_of
from acton_trio._messages.declare import Request, StreamRequest, message
from acton_trio._messages.registry import MessageRegistry
from acton_trio._messages.schema import schema_of

from .json_schema import accepts
from .test_codec import (
    Colour,
    Item,
    Level,
    Loose,
    Nothing,
    Order,
    OutOfStock,
    Page,
    Point,
    Ratio,
    Stamped,
    Tight,
    Unwilling,
    items,
    orders,
    points,
    strange_orders,
)

T = TypeVar("T")
Positive = NewType("Positive", Annotated[int, Meta(gt=0)])  # pyright: ignore[reportGeneralTypeIssues]  # it is one at run time


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class Size(TypedDict):
    width: int
    depth: typing.NotRequired[list[Item]]


class Loosely(TypedDict, total=False):
    width: typing.Required[int]
    rows: list[int]


class Pair(typing.NamedTuple):
    left: Item
    right: int = 0


class Tagged(msgspec.Struct, tag="t", rename="camel", forbid_unknown_fields=True):
    first_value: Item
    second_value: int = 0


class Listed(msgspec.Struct, tag=1, array_like=True):
    first: Item
    second: int = 0


class Closed(
    msgspec.Struct, tag=2, array_like=True, forbid_unknown_fields=True, frozen=True
):
    first: int
    second: int = 0


@message
class Tree:
    """A tree."""

    value: int
    children: tuple[Tree, ...] = ()


@message
class PathTree:
    folder: Path
    children: tuple[PathTree, ...] = ()


@message
class GetItem(Request[Item | None]):
    """Asks for an item.

    There may be none.
    """

    name: str


@message
class WatchItems(StreamRequest[Item]):
    pass


@message
class GetTree(Request[Tree]):
    below: Tree | None = None


@message
class GetNothing(Request[Nothing]):
    pass


@message
class GetSelf(Request["GetSelf"]):
    pass


@message
class Hidden:
    _secret: int
    value: int = field(alias="worth", default=0)
    converted: int = field(converter=int, default=0)
    same: int = field(default=attrs.Factory(lambda self: self.value, takes_self=True))


@dataclasses.dataclass(frozen=True)
class Plain:
    x: int


@message
class Limited:
    rows: Annotated[list[Item], Meta(min_length=1, max_length=2, description="some")]
    by_name: Annotated[
        dict[Annotated[str, Meta(pattern="^a")], Item], Meta(max_length=1)
    ]
    one: Annotated[Item, Meta(description="the one")]
    number: Positive  # pyright: ignore[reportInvalidTypeForm]  # as above
    text: Annotated[Annotated[str, Meta(min_length=1)], Meta(max_length=2), "words"]


def bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return *schema* without what every schema has."""
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    return {word: what for word, what in schema.items() if word != "$schema"}


def field_of(type_: object, holder: Any = Loose) -> Any:
    """Return the schema of a field of *type_*."""
    schema: Any = schema_of(holder[type_])
    return schema["properties"]["value"]


ITEM: dict[str, object] = {"$ref": "#/$defs/Item"}
POINT: dict[str, object] = {"$ref": "#/$defs/Point"}

KINDS: list[tuple[object, dict[str, object]]] = [
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (str, {"type": "string"}),
    (None, {"type": "null"}),
    (Any, {}),
    (object, {}),
    (bytes, {"type": "string", "contentEncoding": "base64"}),
    (dt.datetime, {"type": "string"}),
    (dt.date, {"type": "string", "format": "date"}),
    (dt.time, {"type": "string"}),
    (dt.timedelta, {"type": "string", "format": "duration"}),
    (Decimal, {"type": "string", "format": "decimal"}),
    (UUID, {"type": "string", "format": "uuid"}),
    (Path, {"type": "string"}),
    (Colour, {"enum": ["red", "blue"]}),
    (Level, {"enum": [1, 2]}),
    (Ratio, {"enum": [0.5, 1]}),
    (Permission, {"type": "integer"}),
    (Literal["y", "x"], {"enum": ["y", "x"]}),
    (Literal[1, True, "no"], {"enum": [1, True, "no"]}),
    (Literal[Colour.RED], {"enum": ["red"]}),
    (NewType("Name", str), {"type": "string"}),
    (Positive, {"type": "integer", "exclusiveMinimum": 0}),
    (Annotated[int, Meta(ge=1, le=9), "few"], {"type": "integer", "minimum": 1, "maximum": 9}),
    (list, {"type": "array"}),
    (list[Any], {"type": "array"}),
    (list[int], {"type": "array", "items": {"type": "integer"}}),
    (set[int], {"type": "array", "items": {"type": "integer"}}),
    (Sequence[str], {"type": "array", "items": {"type": "string"}}),
    (AbstractSet[Colour], {"type": "array", "items": {"enum": ["red", "blue"]}}),
    (frozenset[Point], {"type": "array", "items": POINT}),
    (tuple, {"type": "array"}),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
    (
        tuple[Point, int],
        {"type": "array", "prefixItems": [POINT, {"type": "integer"}], "minItems": 2, "maxItems": 2},
    ),
    (tuple[()], {"type": "array", "minItems": 0, "maxItems": 0}),
    (dict, {"type": "object"}),
    (Mapping[str, Any], {"type": "object"}),
    (dict[str, list[Path]], {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}),
    (dict[int, Item], {"type": "object", "additionalProperties": ITEM}),
    (dict[Colour, object], {"type": "object", "propertyNames": {"enum": ["red", "blue"]}}),
    (dict[Literal["a"], Point], {"type": "object", "propertyNames": {"enum": ["a"]}, "additionalProperties": POINT}),
    (dict[Level, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (Item, ITEM),
    (Point, POINT),
    (Item | None, {"anyOf": [ITEM, {"type": "null"}]}),
    (Point | None, {"anyOf": [POINT, {"type": "null"}]}),
    (Path | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (Point | int | str, {"anyOf": [POINT, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
    (Annotated[int, Meta(ge=0)] | Item, {"anyOf": [{"type": "integer", "minimum": 0}, ITEM]}),
    (Page[int], {"$ref": "#/$defs/Page_int"}),
    (Page[Path | None], {"$ref": "#/$defs/Page_Path_None"}),
    (Size, {"$ref": "#/$defs/Size"}),
    (Pair, {"$ref": "#/$defs/Pair"}),
    (Tagged, {"$ref": "#/$defs/Tagged"}),
]  # fmt: skip


@pytest.mark.parametrize("holder", [Tight, Loose])
@pytest.mark.parametrize(("type_", "expected"), KINDS, ids=str)
def test_schema_of_a_field(
    holder: Any, type_: object, expected: dict[str, object]
) -> None:
    """Each kind of field has the schema of its form in JSON, on both ways."""
    assert field_of(type_, holder) == expected


def test_class_of_a_tagged_union_has_its_mark() -> None:
    """The key "type" is required, with the name that the codec knows."""
    found = field_of(Item | OutOfStock | None)["anyOf"]

    assert found == [
        ITEM | marked("Item"),
        {"$ref": "#/$defs/OutOfStock"} | marked("test_codec.OutOfStock"),
        {"type": "null"},
    ]


def marked(tag: str) -> dict[str, object]:
    """Return the part of a schema that asks for a tag."""
    return {
        "type": "object",
        "properties": {"type": {"const": tag}},
        "required": ["type"],
    }


def test_message_is_an_object_with_the_fields_that_travel() -> None:
    """They are called as the attributes are; what has a default may be missing."""
    assert bare(schema_of(Hidden)) == {
        "title": "Hidden",
        "type": "object",
        "properties": {
            "_secret": {"type": "integer"},
            "value": {"type": "integer"},
            "converted": {"type": "integer"},
            "same": {"type": "integer"},
        },
        "required": ["_secret"],
    }


def test_field_that_is_not_read_is_marked() -> None:
    """What a class sets by itself is seen in replies, and not for peers to set."""
    schema: Any = schema_of(Stamped)

    assert schema["properties"]["stamp"] == {"type": "integer", "readOnly": True}
    assert schema["required"] == ["value"]


@pytest.mark.parametrize("cls", [Nothing, Unwilling])
def test_message_without_fields_is_null_or_an_object(cls: type) -> None:
    """Both are read, and the schema says so."""
    schema = schema_of(cls)

    assert bare(schema) == {"title": cls.__name__, "type": ["object", "null"]}
    assert accepts(schema, None)
    assert accepts(schema, {})
    assert not accepts(schema, [])


def test_class_without_fields_inside_a_message_is_an_object() -> None:
    """Only at the top stands null for it."""
    schema = schema_of(Loose[Nothing])

    assert accepts(schema, {"value": {}})
    assert not accepts(schema, {"value": None})
    with pytest.raises(SerializationError):
        codec_of(Loose[Nothing]).decode(b'{"value":null}', Format.JSON)


@pytest.mark.parametrize("cls", [Tree, PathTree])
def test_type_that_contains_itself_refers_to_itself(cls: type) -> None:
    """The definition is inside, so nothing else is needed to read it."""
    schema: Any = schema_of(cls)
    reference = {"$ref": f"#/$defs/{cls.__name__}"}

    assert bare(schema) == reference | {"$defs": schema["$defs"]}
    children = schema["$defs"][cls.__name__]["properties"]["children"]
    assert children == {"type": "array", "items": reference}


def test_request_tells_its_reply() -> None:
    """The reply shares the definitions of the request."""
    schema: Any = schema_of(GetItem)

    assert schema["x-acton-reply"] == {"anyOf": [ITEM, {"type": "null"}]}
    assert "Item" in schema["$defs"]
    assert "x-acton-stream" not in schema


def test_stream_request_tells_that_there_are_many() -> None:
    """The schema is the one of each item."""
    schema = schema_of(WatchItems)

    assert schema["x-acton-reply"] == ITEM
    assert schema["x-acton-stream"] is True
    assert schema["type"] == ["object", "null"]


def test_message_that_is_not_answered_tells_no_reply() -> None:
    """Nothing is said where there is nothing."""
    assert not {"x-acton-reply", "x-acton-stream"} & schema_of(Order).keys()


def test_reply_without_fields_is_an_object() -> None:
    """It is what a server writes, whatever a client may read."""
    schema: Any = schema_of(GetNothing)
    itself: Any = schema_of(GetSelf)

    assert schema["type"] == itself["type"] == ["object", "null"]
    assert schema["$defs"]["Nothing"]["type"] == "object"
    assert itself["$defs"]["GetSelf"]["type"] == "object"


def test_description_is_the_docstring_that_somebody_wrote() -> None:
    """What a dataclass or a named tuple says of itself is no description."""
    assert schema_of(Tight[Tree])["$defs"]["Tree"]["description"] == "A tree."  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # plain data
    assert (
        schema_of(GetItem)["description"] == "Asks for an item.\n\nThere may be none."
    )
    for cls in (Plain, Pair, Size, Nothing, Item):
        assert "description" not in schema_of(cls)


def test_constraints_of_msgspec_are_told() -> None:
    """They hold at any depth, and where msgspec checks them."""
    assert codec_of(Limited).native
    properties: Any = schema_of(Limited)["properties"]

    assert properties == {
        "rows": {
            "type": "array",
            "items": ITEM,
            "minItems": 1,
            "maxItems": 2,
            "description": "some",
        },
        "by_name": {
            "type": "object",
            "propertyNames": {"pattern": "^a"},
            "additionalProperties": ITEM,
            "maxProperties": 1,
        },
        "one": ITEM | {"description": "the one"},
        "number": {"type": "integer", "exclusiveMinimum": 0},
        "text": {"type": "string", "minLength": 1, "maxLength": 2},
    }


def test_constraint_that_is_not_checked_is_not_told() -> None:
    """Where the converter passes it over, the schema does."""
    hint = Annotated[list[Point] | None, Meta(min_length=1)]

    codec_of(Loose[hint]).decode(b'{"value":[]}', Format.JSON)

    assert field_of(hint)["anyOf"][0] == {"type": "array", "items": POINT}


def test_two_classes_of_one_name_are_told_apart() -> None:
    """Definitions have names of their own."""
    first: Any = message(type("Same", (), {"__annotations__": {"a": int}}))
    second: Any = message(type("Same", (), {"__annotations__": {"b": int}}))
    definitions: Any = schema_of(Loose[tuple[Page[first], Page[second]]])["$defs"]

    assert list(definitions) == ["Page_Same", "Same", "Page_Same_2", "Same_2"]
    assert definitions["Same_2"]["properties"] == {"b": {"type": "integer"}}


def test_class_of_any_name_can_be_referred_to() -> None:
    """A reference is a URI, and has none but plain letters."""
    cls: Any = message(type("名", (), {"__annotations__": {"a": int}}))
    schema: Any = schema_of(Loose[cls])

    assert field_of(cls) == {"$ref": "#/$defs/class"}
    assert schema["$defs"]["class"]["title"] == "名"


def test_schema_is_made_once() -> None:
    """The same type has the same schema as long as the process lives."""
    assert schema_of(Order) is schema_of(Order)


def test_schema_that_cannot_be_written_allows_anything() -> None:
    """A remark in an annotation is no reason to answer nobody."""

    @message
    class Remarked:
        value: Annotated[int, Meta(extra_json_schema={"x": object()})]

    MessageRegistry().register(Remarked, "Remarked")

    assert schema_of(Remarked) == {}


def test_type_that_cannot_travel_has_no_schema() -> None:
    """It is the codec's complaint."""
    with pytest.raises(TypeError, match="neither msgspec nor cattrs can carry"):
        schema_of(Loose[complex])


# --- what is written is what is described


def written(type_: object, value: object) -> object:
    """Return *value* as plain data, as its codec writes it."""
    return msgspec.json.decode(codec_of(type_).encode(value, Format.JSON))


@given(orders | strange_orders)
def test_what_is_written_fits_the_schema(value: object) -> None:
    """Whatever the fields hold."""
    assert accepts(schema_of(type(value)), written(type(value), value))


VALUES: list[tuple[object, st.SearchStrategy[Any]]] = [
    (Item, items),
    (Point, points),
    (int, st.integers(-(2**63), 2**63)),
    (str, st.text()),
    (bytes, st.binary()),
    (Path, st.sampled_from([Path("/a"), Path("b/c")])),
    (Ratio, st.sampled_from(Ratio)),
    (Colour, st.sampled_from(Colour)),
    (Permission, st.integers(0, 3).map(Permission)),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (dt.datetime, st.datetimes()),
    (Size, st.fixed_dictionaries({"width": st.integers(0, 9)}, optional={"depth": st.lists(items, max_size=2)})),
    (Pair, st.builds(Pair, items, st.integers(0, 9))),
    (Tagged, st.builds(Tagged, items, st.integers(0, 9))),
    (Listed, st.builds(Listed, items, st.integers(0, 9))),
    (Tagged | int, st.builds(Tagged, items) | st.integers(0, 9)),
    (Closed, st.builds(Closed, st.integers(0, 9))),
    (Item | Point | None, items | points | st.none()),
    (Tree, st.recursive(st.builds(Tree, st.integers(0, 9)), lambda inner: st.builds(Tree, st.integers(0, 9), st.lists(inner, max_size=2).map(tuple)), max_leaves=4)),
    (Stamped, st.builds(Stamped, st.integers(0, 9))),
    (Nothing, st.just(Nothing())),
]  # fmt: skip
HASHABLE: list[object] = [int, str, Point, Item, Ratio]

Kind = tuple[Any, st.SearchStrategy[Any]]


def wrapped(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    """Return types that hold those of *inner*, each with its values."""

    def optional(kind: Kind) -> Kind:
        return kind[0] | None, kind[1] | st.none()

    def listed(kind: Kind) -> Kind:
        return list[kind[0]], st.lists(kind[1], max_size=2)  # type: ignore[valid-type]  # made at run time

    def mapped(kind: Kind) -> Kind:
        return dict[str, kind[0]], st.dictionaries(st.text(), kind[1], max_size=2)  # type: ignore[valid-type]  # made at run time

    def paired(kind: Kind) -> Kind:
        return tuple[kind[0], int], st.tuples(kind[1], st.integers(0, 9))  # type: ignore[valid-type]  # made at run time

    def paged(kind: Kind) -> Kind:
        page: Any = Page[kind[0]]  # type: ignore[valid-type]  # made at run time
        return page, st.lists(kind[1], max_size=2).map(lambda rows: page(tuple(rows)))

    return st.builds(
        lambda wrap, kind: wrap(kind),
        st.sampled_from([optional, listed, mapped, paired, paged]),
        inner,
    )


kinds: st.SearchStrategy[Kind] = st.recursive(
    st.sampled_from(VALUES), wrapped, max_leaves=4
)


@pytest.mark.parametrize("holder", [Tight, Loose])
@given(data=st.data(), kind=kinds)
def test_type_that_travels_has_a_schema(
    holder: Any, data: st.DataObject, kind: Kind
) -> None:
    """It is one for every type, and what is written fits it."""
    type_, values = kind
    whole = holder[type_]
    value = data.draw(values)

    assert accepts(field_only(schema_of(whole)), written(whole, holder(value)))


def field_only(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *schema*, which says something."""
    assert schema["required"] == ["value"]
    assert "$defs" not in schema or all(schema["$defs"].values())
    return schema


# --- what is refused is refused by both

BAD: list[tuple[object, object]] = [
    (int, "7"),
    (int, 7.5),
    (int, True),
    (int, None),
    (bool, 0),
    (bool, "false"),
    (str, 7),
    (float, "1.5"),
    (float, False),
    (None, 0),
    (bytes, 7),
    (dt.datetime, 5),
    (dt.timedelta, 5),
    (UUID, 5),
    (Path, 5),
    (Path | None, 5),
    (Colour, "green"),
    (Level, 3),
    (Ratio, True),
    (Ratio, "0.5"),
    (Literal["a", "b"], "c"),
    (Literal[1, "no"], True),
    (Permission, "READ"),
    (list[int], "12"),
    (list[int], [1, "2"]),
    (list[Point], {"x": 1}),
    (frozenset[str], ["a", 1]),
    (tuple[int, int], [1]),
    (tuple[int, int], [1, 2, 3]),
    (tuple[Point, int], [{"x": 1}, "a"]),
    (tuple[()], [1]),
    (dict[str, int], [1]),
    (dict[str, int], {"a": "1"}),
    (dict[str, Point], {"a": {}}),
    (dict[Colour, int], {"green": 1}),
    (int | None, "7"),
    (Item, 3),
    (Item, None),
    (Item, {}),
    (Item, {"name": None}),
    (Item, {"name": "a", "price": "7"}),
    (Point, {"y": 1}),
    (Point | None, 3),
    (Point | int | None, {}),
    (Item | Point, {"x": 1}),
    (Item | Point, {"type": "Nope"}),
    (Item | Point, {"type": "Point"}),
    (Item | Point, {"type": ["Point"], "x": 1}),
    (Item | Point, None),
    (Page[Point], {"rows": [{"x": []}]}),
    (Tree, {"value": 1, "children": [{"value": 2, "children": [{}]}]}),
    (PathTree, {"folder": "", "children": [{"folder": "", "children": [{}]}]}),
    (Size, {}),
    (Loosely, {"rows": []}),
    (Size, {"width": 1, "depth": [{}]}),
    (Pair, []),
    (Pair, [{"name": "a"}, 1, 2]),
    (Tagged, {"type": "t"}),
    (Tagged, {"type": "u", "firstValue": {"name": "a"}}),
    (Tagged, {"type": "t", "first_value": {"name": "a"}}),
    (Listed, [1]),
    (Listed, [2, {"name": "a"}]),
    (Closed, [2, 1, 1, 1]),
    (Hidden, {"secret": 1}),
    (Hidden, {"_secret": 1, "converted": "1"}),
    (Positive, 0),
    (Annotated[list[Item], Meta(min_length=1)], []),
]


@pytest.mark.parametrize("holder", [Tight, Loose])
@pytest.mark.parametrize(("type_", "plain"), BAD, ids=str)
def test_what_the_codec_refuses_the_schema_refuses(
    holder: Any, type_: object, plain: object
) -> None:
    """A wrong type, or a field that is missing, is seen before it is sent."""
    payload = {"value": plain}
    with pytest.raises(SerializationError):
        codec_of(holder[type_]).decode(msgspec.json.encode(payload), Format.JSON)

    assert not accepts(schema_of(holder[type_]), payload)


GOOD: list[tuple[object, object]] = [
    (float, 1),
    (set[int], [1, 1]),
    (Item, {"name": "a", "unknown": []}),
    (Point, {"x": 1, "unknown": []}),
    (Item | Point, {"type": "Point", "x": 1, "unknown": []}),
    (Hidden, {"_secret": 1}),
    (Tagged, {"type": "t", "firstValue": {"name": "a"}}),
    (Listed, [1, {"name": "a"}, 1, "unknown"]),
    (Size, {"width": 1, "unknown": 1}),
    (Loosely, {"width": 1}),
    (Pair, [{"name": "a"}]),
    (Permission, 3),
    (dict[int, int], {"1": 1}),
]


@pytest.mark.parametrize("holder", [Tight, Loose])
@pytest.mark.parametrize(("type_", "plain"), GOOD, ids=str)
def test_what_the_codec_reads_the_schema_allows(
    holder: Any, type_: object, plain: object
) -> None:
    """Unknown keys are passed over, and what has a default may be missing."""
    payload = {"value": plain}
    codec_of(holder[type_]).decode(msgspec.json.encode(payload), Format.JSON)

    assert accepts(schema_of(holder[type_]), payload)
