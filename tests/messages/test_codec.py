"""Values come back from the wire as they were, or the error says where not."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from attrs import field
from hypothesis import given, strategies as st

from acton_trio._base.errors import SerializationError
from acton_trio._base.formats import Format
from acton_trio._messages.codec import codec_of
from acton_trio._messages.declare import Rejection, message

T = TypeVar("T")
OrderId = NewType("OrderId", UUID)

BOTH = pytest.mark.parametrize("wire", Format, ids=lambda each: each.name)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Ratio(enum.Enum):
    HALF = 0.5
    ONE = 1


@message
class Nothing:
    pass


@message
class Unwilling(Rejection):
    pass


@message
class Item:
    name: str
    price: int = field(default=0, validator=attrs.validators.ge(0))


@attrs.frozen
class Page(Generic[T]):
    rows: tuple[T, ...]


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


@message(ipc="test_codec.OutOfStock")
class OutOfStock(Rejection):
    left: int
    item: Item | None = None


@message
class Order:
    order_id: OrderId
    items: tuple[Item, ...] = ()
    total: Decimal = Decimal(0)
    placed: dt.datetime | None = None
    span: dt.timedelta = dt.timedelta()
    at: dt.time = dt.time()
    day: dt.date = dt.date.min
    colour: Colour = Colour.RED
    level: Level | None = None
    note: str | int | None = None
    labels: frozenset[str] = frozenset()
    digest: bytes = b""
    page: Page[int] = Page(())
    weights: dict[int, float] = field(factory=dict, kw_only=True)


@message
class StrangeOrder:
    """An order that goes by cattrs, by its private field."""

    _order: Order
    converted: int = field(converter=int, default=0)
    point: Point = Point(0)
    points: list[Point] = field(factory=list)
    by_id: dict[UUID, Point] = field(factory=dict)
    by_level: dict[Level, Point] = field(factory=dict)
    page: Page[Point] = Page(())
    pair: tuple[Point, int] = (Point(1), 1)
    unique: frozenset[Point] = frozenset()
    either: Point | int | None = None
    among: Annotated[Point | Item | None, "tagged"] = None
    folder: Path = Path()


def the_same_in(wire: Format, plain: object) -> bytes:
    """Return *plain* data, as another program would write it."""
    if wire is Format.JSON:
        return msgspec.json.encode(plain)
    return msgspec.msgpack.encode(plain)


def error_of(type_: object, plain: object, wire: Format) -> str:
    """Return the text of the error that decoding *plain* as *type_* raises."""
    with pytest.raises(SerializationError) as caught:
        codec_of(type_).decode(the_same_in(wire, plain), wire)
    return str(caught.value)


items = st.builds(Item, name=st.text(), price=st.integers(0, 2**63 - 1))
finite = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(Point, x=finite, y=finite)
aware = st.datetimes(timezones=st.just(dt.UTC))
orders = st.builds(
    Order,
    order_id=st.uuids(),
    items=st.lists(items, max_size=3).map(tuple),
    total=st.decimals(allow_nan=False, allow_infinity=False),
    placed=st.none() | st.datetimes() | aware,
    span=st.timedeltas(),
    at=st.times(),
    day=st.dates(),
    colour=st.sampled_from(Colour),
    level=st.none() | st.sampled_from(Level),
    note=st.none() | st.text() | st.integers(-(2**63), 2**64 - 1),
    labels=st.frozensets(st.text(), max_size=3),
    digest=st.binary(),
    page=st.builds(Page[int], st.lists(st.integers(0, 9)).map(tuple)),
    weights=st.dictionaries(st.integers(-(2**63), 2**63), finite, max_size=3),
)
strange_orders = st.builds(
    StrangeOrder,
    order=orders,
    converted=st.integers(-(2**63), 2**63),
    point=points,
    points=st.lists(points, max_size=3),
    by_id=st.dictionaries(st.uuids(), points, max_size=3),
    by_level=st.dictionaries(st.sampled_from(Level), points, max_size=2),
    page=st.builds(Page[Point], st.lists(points, max_size=3).map(tuple)),
    pair=st.tuples(points, st.integers(0, 9)),
    unique=st.frozensets(points, max_size=3),
    either=st.none() | points | st.integers(0, 9),
    among=st.none() | points | items,
    folder=st.sampled_from([Path("/a"), Path("b/c")]),
)


@BOTH
@given(orders | strange_orders)
def test_message_survives_the_wire(wire: Format, order: object) -> None:
    """Whatever the fields hold, what is decoded equals what was encoded."""
    codec = codec_of(type(order))

    assert codec.decode(codec.encode(order, wire), wire) == order


@BOTH
@given(left=st.integers(0, 2**63), item=st.none() | items)
def test_rejection_survives_the_wire(
    wire: Format, left: int, item: Item | None
) -> None:
    """A rejection comes back with its fields, whole enough to be raised."""
    codec = codec_of(OutOfStock)

    decoded = codec.decode(codec.encode(OutOfStock(left, item), wire), wire)

    assert (decoded.left, decoded.item, decoded.args) == (left, item, (left, item))
    with pytest.raises(OutOfStock, match="left="):
        raise decoded


def test_main_case_is_native_and_the_strange_one_is_not() -> None:
    """Both ways are really taken by the tests in here."""
    assert codec_of(Order).native
    assert not codec_of(StrangeOrder).native


REPLIES: list[tuple[object, object]] = [
    (int, 3),
    (None, None),
    (str | None, None),
    (list[Item], [Item("a", 1)]),
    (dict[str, list[int]], {"a": [1]}),
    (tuple[int, str], (1, "a")),
    (Item | None, Item("a")),
    (Item | Order | None, Item("a")),
    (list[Point], [Point(1, 2)]),
    (dict[str, Point] | None, {"a": Point(1, 2)}),
    (tuple[Point, ...], (Point(1), Point(2))),
    (Page[Item], Page((Item("a"),))),
    (OrderId, UUID(int=1)),
    (Colour, Colour.BLUE),
    (set[int], {1, 2}),
    (bytes, b"\x00\xff"),
    (object, {"a": [1, None]}),
    (Path | None, Path("/a")),
]


@BOTH
@pytest.mark.parametrize(("type_", "value"), REPLIES, ids=str)
def test_reply_of_any_type_survives_the_wire(
    type_: object, value: object, wire: Format
) -> None:
    """A codec is not only for message classes."""
    codec = codec_of(type_)

    assert codec.decode(codec.encode(value, wire), wire) == value


KEYS: list[object] = [
    "a",
    1,
    -1.5,
    b"ab",
    dt.date(2020, 2, 29),
    dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC),
    dt.time(1, 2, 3),
    dt.timedelta(seconds=5),
    Decimal("1.10"),
    UUID(int=3),
    Colour.RED,
    Level.LOW,
]


@BOTH
@pytest.mark.parametrize("item", [1, Point(1)])
@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_key_of_any_type_that_json_can_write_survives(
    key: object, item: object, wire: Format
) -> None:
    """An object's keys are strings in JSON, and come back as what they were."""
    codec = codec_of(_dict_of(type(key), type(item)))

    assert codec.decode(codec.encode({key: item}, wire), wire) == {key: item}


def _dict_of(key: Any, item: Any) -> object:
    return dict[key, item]


def test_codec_is_made_once() -> None:
    """The same type has the same codec as long as the process lives."""
    assert codec_of(Order) is codec_of(Order)


@attrs.frozen(slots=False)
class Loose(Generic[T]):
    """Anything in it goes by cattrs."""

    value: T


@attrs.frozen
class Tight(Generic[T]):
    """Anything in it is read by msgspec itself."""

    value: T


LAX: list[tuple[object, object, str]] = [
    (int, "7", "Expected `int`, got `str`"),
    (int, 7.9, "Expected `int`, got `float`"),
    (int, True, "Expected `int`, got `bool`"),
    (bool, "false", "Expected `bool`, got `str`"),
    (bool, 0, "Expected `bool`, got `int`"),
    (str, {"a": 1}, "Expected `str`, got `object`"),
    (str, 7, "Expected `str`, got `int`"),
    (float, "1.5", "Expected `float`, got `str`"),
    (list[int], "12", "Expected `array`, got `str`"),
    (frozenset[str], "ab", "Expected `array`, got `str`"),
    (tuple[int, int], 1, "Expected `array`, got `int`"),
    (dict[str, int], [1], "Expected `object`, got `array`"),
    (UUID, "abc", "Invalid UUID"),
    (dt.datetime, 5, "Expected `datetime`, got `int`"),
    (dt.date, "today", "Invalid RFC3339 encoded date"),
    (Colour, "green", "Invalid enum value 'green'"),
    (Literal["a", "b"], "c", "Invalid enum value 'c'"),
    (Item, 3, "Expected `object`, got `int`"),
    (int, [], "Expected `int`, got `array`"),
    (int | None, "7", "Expected `int | null`, got `str`"),
]


@BOTH
@pytest.mark.parametrize("generic", [Tight, Loose])
@pytest.mark.parametrize(("type_", "plain", "words"), LAX, ids=str)
def test_value_of_another_type_is_refused_on_both_ways(
    generic: Any, type_: object, plain: object, words: str, wire: Format
) -> None:
    """Nothing is bent until it fits, and the error says where it was."""
    text = error_of(generic[type_], {"value": plain}, wire)

    assert text == f"{words} - at `$.value`"


SHAPES: list[tuple[object, object, str]] = [
    (list[Point], "ab", "Expected `array`, got `str`"),
    (list[Point], {"x": 1}, "Expected `array`, got `object`"),
    (list[Point], [{"x": 1}, 3], "Expected `object`, got `int` - at `$[1]`"),
    (tuple[Point, int], [{"x": 1}], "Expected `array` of length 2, got 1"),
    (tuple[Point, int], [{"x": 1}, "a"], "Expected `int`, got `str` - at `$[1]`"),
    (dict[str, Point], [], "Expected `object`, got `array`"),
    (dict[str, Point], {"a": {}}, "Object missing required field `x` - at `$[...]`"),
    (Point, {"x": "1"}, "Expected `float`, got `str` - at `$.x`"),
    (Point, {}, "Object missing required field `x`"),
    (Point | None, 3, "Expected `object`, got `int`"),
    (
        Page[Point],
        {"rows": [{"x": []}]},
        "Expected `float`, got `array` - at `$.rows[0].x`",
    ),
    (Path | None, 3, "Expected `str`, got `int`"),
    (Item | Point, {"x": 1}, "Object missing required field `type`"),
    (Item | Point, {"type": "Nope"}, "Invalid value 'Nope' - at `$.type`"),
    (Item | Point, {"type": 3}, "Invalid value 3 - at `$.type`"),
    (Item | Point, {"type": []}, "Invalid value [] - at `$.type`"),
    (Item | Point, {"type": "Point"}, "Object missing required field `x`"),
    (list[Item | Point], [{"type": 3}], "Invalid value 3 - at `$[0].type`"),
    (Ratio, True, "Invalid value True"),
    (Ratio, "0.5", "Invalid value '0.5'"),
    (Ratio, {}, "Invalid value {}"),
]


@BOTH
@pytest.mark.parametrize(("type_", "plain", "words"), SHAPES, ids=str)
def test_value_of_another_shape_is_refused(
    type_: object, plain: object, words: str, wire: Format
) -> None:
    """What goes by cattrs is held to the same shapes, in the same words."""
    assert not codec_of(type_).native
    assert error_of(type_, plain, wire) == words


def test_key_of_another_type_is_refused() -> None:
    """Keys are read strictly too, though JSON writes all of them as strings."""
    text = error_of(dict[UUID, Point], {"abc": {"x": 1}}, Format.JSON)

    assert text == "Invalid UUID - at `key` in `$`"


@pytest.mark.parametrize("outer", [Tight, Loose])
def test_error_names_the_path_of_the_field(outer: Any) -> None:
    """The person who wrote the bytes is told where to look."""
    plain = {"value": {"items": [{"name": "a"}, {"name": "b", "price": "7"}]}}
    plain["value"]["order_id"] = str(UUID(int=1))  # type: ignore[assignment]  # plain data

    text = error_of(outer[Order], plain, Format.JSON)

    assert text == "Expected `int`, got `str` - at `$.value.items[1].price`"


def test_missing_field_is_named() -> None:
    """A field without a default must be there, whichever way is taken."""
    for generic in (Tight, Loose):
        text = error_of(list[generic[int]], [{}], Format.JSON)  # type: ignore[valid-type]  # made at run time

        assert text == "Object missing required field `value` - at `$[0]`"


def refuse_with(error: Exception) -> Callable[[object, Any, int], None]:
    """Return a validator that raises *error*, whatever the value."""

    def validate(_: object, __: object, ___: int) -> None:
        raise error

    return validate


@message
class Odd:
    value: int = field(validator=refuse_with(ValueError("must be even")))


@message
class Broken:
    value: int = field(validator=refuse_with(ZeroDivisionError("by zero")))


@message
class OddConverted:
    value: int = field(converter=int, validator=refuse_with(ValueError("must be even")))


@message
class BrokenConverted:
    value: int = field(converter=int, validator=refuse_with(KeyError("lost")))


@BOTH
@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Odd, "must be even"),
        (OddConverted, "must be even - at `$[0]`"),
        (Broken, "ZeroDivisionError: by zero"),
        (BrokenConverted, "KeyError: 'lost' - at `$[0]`"),
    ],
)
def test_exception_of_a_validator_is_a_serialization_error(
    cls: Any, words: str, wire: Format
) -> None:
    """What a class says against a value is said of the bytes, with its cause."""
    with pytest.raises(SerializationError) as caught:
        codec_of(list[cls]).decode(the_same_in(wire, [{"value": 3}]), wire)

    assert str(caught.value).startswith(words)
    assert caught.value.__cause__ is not None


@BOTH
@pytest.mark.parametrize("cls", [Nothing, Unwilling])
@pytest.mark.parametrize("plain", [None, {}, {"unknown": 1}], ids=str)
def test_message_without_fields_is_read_from_null_and_from_an_object(
    cls: type[object], plain: object, wire: Format
) -> None:
    """Rust writes a unit struct as null; we write an empty object."""
    codec = codec_of(cls)

    assert isinstance(codec.decode(the_same_in(wire, plain), wire), cls)
    assert codec.encode(cls(), wire) == the_same_in(wire, {})


@pytest.mark.parametrize("cls", [Nothing, Unwilling])
@pytest.mark.parametrize("data", [b"0", b"false", b'""', b"[]"])
def test_message_without_fields_is_not_read_from_anything_else(
    cls: type[object], data: bytes
) -> None:
    """Only null and an object can stand for a message without fields."""
    with pytest.raises(SerializationError, match="Expected `object"):
        codec_of(cls).decode(data, Format.JSON)


@BOTH
@pytest.mark.parametrize("cls", [Item, Loose[str]])
def test_unknown_key_is_ignored(cls: Any, wire: Format) -> None:
    """A peer may know more fields than we do."""
    plain = {"name": "a", "value": "a", "since": "tomorrow"}

    codec_of(cls).decode(the_same_in(wire, plain), wire)


@message
class Stamped:
    value: int
    stamp: int = field(init=False, default=5)


def test_field_outside_of_init_is_written_but_never_read() -> None:
    """What a class sets by itself is seen by peers and not set by them."""
    codec = codec_of(Stamped)

    assert codec.encode(Stamped(1), Format.JSON) == b'{"value":1,"stamp":5}'
    assert codec.decode(b'{"value":1,"stamp":9}', Format.JSON).stamp == 5


@message
class Names:
    _secret: int
    value: int = field(alias="worth")


def test_field_travels_under_the_name_of_its_attribute() -> None:
    """Aliases and leading underscores are between Python and itself."""
    written = codec_of(Names).encode(Names(1, worth=2), Format.JSON)

    assert written == b'{"_secret":1,"value":2}'


def test_class_of_a_union_is_marked_with_its_name_on_the_wire() -> None:
    """The key "type" says which class it is: its wire name, or its own."""
    codec = codec_of(Item | OutOfStock)

    assert codec.encode(OutOfStock(1), Format.JSON).startswith(
        b'{"type":"test_codec.OutOfStock",'
    )
    assert codec.encode(Item("a"), Format.JSON).startswith(b'{"type":"Item",')


@pytest.mark.parametrize("cls", [Item, Loose[str]])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"name": "a"} {}', id="trailing"),
        pytest.param(b'{"name": "\xff"}', id="bad UTF-8"),
        pytest.param(b'{"name": ' + b"[" * 100_000, id="too deep"),
        pytest.param(b'{"na', id="cut off"),
    ],
)
def test_bytes_that_are_no_json_are_refused(cls: Any, data: bytes) -> None:
    """Garbage is a serialization error, whatever kind of garbage it is."""
    with pytest.raises(SerializationError):
        codec_of(cls).decode(data, Format.JSON)


@pytest.mark.parametrize("cls", [Item, Loose[str]])
@given(data=st.binary(max_size=50))
def test_random_bytes_never_raise_anything_else(cls: Any, data: bytes) -> None:
    """A peer cannot make decoding fail in a way that nobody catches."""
    for wire in Format:
        with contextlib.suppress(SerializationError):
            codec_of(cls).decode(data, wire)


@pytest.mark.parametrize("cls", [Item, Loose[str]])
@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview, msgspec.Raw])
def test_any_buffer_is_read(cls: Any, buffer: Callable[[bytes], Any]) -> None:
    """A payload need not be copied out of its frame."""
    data = buffer(b'{"name": "a", "value": "a"}')

    assert "a" in str(codec_of(cls).decode(data, Format.JSON))


@pytest.mark.parametrize("generic", [Tight, Loose])
def test_integer_beyond_64_bits_travels_in_json_only(generic: Any) -> None:
    """MessagePack has no room for it, and says so."""
    codec = codec_of(generic[int])

    assert codec.decode(codec.encode(generic(2**70), Format.JSON), Format.JSON)
    with pytest.raises(SerializationError, match=r"cannot write (Tight|Loose)"):
        codec.encode(generic(2**70), Format.MESSAGEPACK)


@pytest.mark.parametrize("generic", [Tight, Loose])
def test_value_that_cannot_be_written_is_a_serialization_error(generic: Any) -> None:
    """The class of the message is named, and the cause kept."""
    with pytest.raises(SerializationError, match="cannot write") as caught:
        codec_of(generic[int]).encode(generic(threading.Lock()), Format.JSON)

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("generic", [Tight, Loose])
def test_float_that_is_no_number_is_null_in_json(generic: Any) -> None:
    """JSON has no word for it."""
    written = codec_of(generic[float]).encode(generic(float("nan")), Format.JSON)

    assert written == b'{"value":null}'


class Text(str):
    __slots__ = ()


@message
class Locked:
    lock: Text


@message
class Ambiguous:
    paths: Path | str


@message
class AnyOrPoint:
    value: Point | Any


@message
class KeyedByTuple:
    rows: dict[tuple[int, int], int]


@message
class TypeTaken:
    type: int


@message
class Clash:
    either: TypeTaken | Item


@message(ipc="test_codec.Item")
class First:
    pass


@message(ipc="test_codec.Item")
class Second:
    pass


@message
class SameNames:
    either: First | Second


@message
class UnboundPage:
    page: Page  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]  # the mistake


@attrs.frozen
class OddInit:
    value: int

    def __init__(self, something: int) -> None:
        raise NotImplementedError


@message
class HasOddInit:
    odd: OddInit


class PlainError(Exception):
    pass


@message
class HasError:
    error: PlainError


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Locked, r"Locked.lock: neither msgspec nor cattrs can carry Text. Use"),
        (HasError, r"HasError.error: neither .* PlainError. Use a message"),
        (Ambiguous, r"Ambiguous.paths: .* cannot be told apart .* Wrap"),
        (AnyOrPoint, r"AnyOrPoint.value: .* cannot be told apart .* Wrap"),
        (KeyedByTuple, r"KeyedByTuple.rows: .* cannot be the key .* Use a str"),
        (Clash, r"Clash.either: TypeTaken.type has the name of .* Call the field"),
        (SameNames, r"SameNames.either: .* have the same name. Name one"),
        (UnboundPage, r"Page.rows: the type variable ~T .* Make it concrete"),
        (HasOddInit, r"HasOddInit.odd: OddInit cannot be built .* Give its __init__"),
    ],
)
def test_type_that_cannot_travel_is_refused_with_a_remedy(
    cls: type, words: str
) -> None:
    """The mistake is told when the codec is made, not when a message is lost."""
    with pytest.raises(TypeError, match=words):
        codec_of(cls)


@message
class Labelled:
    """Says of a field what cannot be hashed, beside one that msgspec would lose."""

    size: Annotated[int, ["in", "bytes"]]
    _secret: int = 3


@pytest.mark.parametrize("wire", list(Format))
def test_annotation_that_cannot_be_hashed_is_no_obstacle(wire: Format) -> None:
    """Nobody but its author knows what it is for."""
    codec = codec_of(Labelled)

    assert codec.decode(codec.encode(Labelled(1), wire), wire) == Labelled(1)


@message
class Painted:
    """Is read the slower way, and says what is wrong of a value by repeating it."""

    colour: Colour
    where: Path = Path()


@message
class Lamp:
    """Is read the fast way, and says the same."""

    colour: Colour


@pytest.mark.parametrize("cls", [Painted, Lamp])
def test_error_about_a_long_value_is_short_and_ends_with_the_place(cls: Any) -> None:
    """However a peer has chosen that value: it may look like a place itself."""
    value = " - at `$" * 50_000
    with pytest.raises(SerializationError) as caught:
        codec_of(cls).decode(msgspec.json.encode({"colour": value}), Format.JSON)

    text = str(caught.value)
    assert len(text) < 1100
    assert text.endswith(" - at `$.colour`")
