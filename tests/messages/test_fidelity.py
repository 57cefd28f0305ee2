"""What msgspec would get wrong is seen, and then takes the other way."""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NewType, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from attrs import field
from hypothesis import given, strategies as st

from acton_trio._base.formats import Format
from acton_trio._messages.codec import codec_of
from acton_trio._messages.declare import Rejection, message
from acton_trio._messages.fidelity import why_unfaithful

T = TypeVar("T")
U = TypeVar("U")


@message
class Converted:
    value: int = field(converter=int)


@message
class Private:
    _value: int


@message
class Aliased:
    value: int = field(alias="worth")


@message
class Computed:
    value: int
    double: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "double", self.value * 2)


@message
class Dependent:
    value: int
    same: int = field(default=attrs.Factory(lambda self: self.value, takes_self=True))


@attrs.frozen(cache_hash=True)
class Hashed:
    value: int


@message
class OwnInit:
    value: int

    def __init__(self, value: int) -> None:
        typing.cast("Any", self).__attrs_init__(value)


@message
class OwnNew:
    value: int

    def __new__(cls, *_: object, **__: object) -> OwnNew:  # noqa: PYI034 - typing.Self needs 3.11's own
        return super().__new__(cls)


@message
class PreInit:
    value: int

    def __attrs_pre_init__(self, value: int) -> None:
        assert isinstance(value, int)


@message
class Cached:
    value: int

    @functools.cached_property
    def square(self) -> int:
        return self.value**2


class Mixin:
    __slots__ = ("extra",)


@message
class Mixed(Mixin):
    value: int


class Plain:
    pass


@message
class Open(Plain):
    value: int


@attrs.frozen(slots=False)
class Slotless:
    value: int


@attrs.frozen
class Unannotated:
    value = field(type=int)  # pyright: ignore[reportGeneralTypeIssues]  # the point of it


@dataclasses.dataclass(frozen=True)
class OpenPoint:
    x: int


@dataclasses.dataclass(frozen=True, slots=True)
class ComputedPoint:
    x: int
    y: int = dataclasses.field(init=False, default=3)


@dataclasses.dataclass(init=False, slots=True)
class OwnInitPoint:
    x: int

    def __init__(self, x: int) -> None:
        self.x = x


@message
class Refused(Rejection):
    value: int


@message
class Circle:
    radius: int


@message(ipc="Rectangle")
class Square:
    side: int


@message
class Drawing:
    shape: Circle | Square


@attrs.frozen
class Page(Generic[T]):
    rows: tuple[T, ...]


@attrs.frozen
class Pair(Page[list[U]], Generic[U]):
    last: U


@message
class ConvertedPage(Page[Converted]):
    pass


@message
class PairOfConverted(Pair[Converted]):
    pass


@message
class Deep:
    tree: dict[str, list[Converted | None]]


@message
class PrivateTree:
    _value: int
    children: tuple[PrivateTree, ...] = ()


class Ratio(enum.Enum):
    HALF = 0.5
    ONE = 1


@message
class Halved:
    ratio: Ratio
    truth: Literal[True, "no"] = True


STRANGE: list[tuple[Callable[[int], object], str]] = [
    (Converted, "Converted.value has a converter"),
    (Private, "Private._value is private"),
    (lambda n: Aliased(worth=n), "Aliased.value has the alias 'worth'"),
    (Computed, "Computed.double is no argument of __init__"),
    (Dependent, "Dependent.same has a default that depends on other fields"),
    (Hashed, "Hashed._attrs_cached_hash is a slot but no field"),
    (OwnInit, "OwnInit is not built by the __init__ that attrs would write"),
    (OwnNew, "OwnNew has a __new__ of its own"),
    (PreInit, "PreInit.__attrs_pre_init__ takes arguments"),
    (Cached, "Cached.square is a slot but no field"),
    (Mixed, "Mixed.extra is a slot but no field"),
    (Open, "Open has a __dict__, and all of it would be written"),
    (Slotless, "Slotless has a __dict__, and all of it would be written"),
    (typing.cast("Any", Unannotated), "Unannotated.value has no annotation"),
    (OpenPoint, "OpenPoint has a __dict__, and all of it would be written"),
    (ComputedPoint, "ComputedPoint: the arguments of __init__ are not its fields"),
    (OwnInitPoint, "OwnInitPoint has an __init__ of its own"),
    (
        lambda n: Drawing(Square(n)),
        "nothing written tells the classes of the union apart",
    ),
    (lambda n: ConvertedPage((Converted(n),)), "Converted.value has a converter"),
    (
        lambda n: PairOfConverted(rows=([Converted(n)],), last=Converted(n)),
        "Converted.value has a converter",
    ),
    (lambda n: Deep({"a": [None, Converted(n)]}), "Converted.value has a converter"),
    (
        lambda n: PrivateTree(n, (PrivateTree(n + 1),)),
        "PrivateTree._value is private",
    ),
    (lambda n: Halved(Ratio.HALF if n % 2 else Ratio.ONE), "all str or all int"),
]


def name_case(case: object) -> str | None:
    """Return what to call a strange class in the list of tests."""
    return case.replace(" ", "-") if isinstance(case, str) else None


@pytest.mark.parametrize(("make", "reason"), STRANGE, ids=name_case)
def test_strange_class_is_not_native_and_survives_the_wire(
    make: Callable[[int], object], reason: str
) -> None:
    """What msgspec would get wrong goes another way, and comes back equal."""

    @given(st.integers(min_value=-(2**62), max_value=2**62))
    def check(number: int) -> None:
        value = make(number)
        codec = codec_of(type(value))
        for each in Format:
            assert codec.decode(codec.encode(value, each), each) == value

    cls: object = type(make(1))
    assert reason in (why_unfaithful(cls) or "")
    assert not codec_of(cls).native
    check()


def test_cached_hash_works_after_decoding() -> None:
    """A class that keeps its hash can be hashed, wherever it comes from."""
    codec = codec_of(Hashed)

    decoded = codec.decode(b'{"value": 3}', Format.JSON)

    assert hash(decoded) == hash(Hashed(3))


def test_computed_property_is_not_written() -> None:
    """What was computed and kept stays at home."""
    value = Cached(3)
    assert value.square == 9

    assert codec_of(Cached).encode(value, Format.JSON) == b'{"value":3}'


def test_dict_of_an_instance_is_not_written() -> None:
    """Only fields travel."""
    value = Open(3)
    typing.cast("Any", value).__dict__["extra"] = 4

    assert codec_of(Open).encode(value, Format.JSON) == b'{"value":3}'


def test_rejection_is_not_native() -> None:
    """An exception is built by calling its class, so printing it is safe."""
    codec = codec_of(Refused)

    decoded = codec.decode(codec.encode(Refused(3), Format.JSON), Format.JSON)

    assert not codec.native
    assert decoded.value == 3
    assert decoded.args == (3,)
    assert str(decoded) == "Refused(value=3)"


@pytest.mark.parametrize(
    "type_",
    [
        pytest.param(list[Refused], id="list"),
        pytest.param(dict[str, tuple[int, Refused]], id="dict of tuples"),
        pytest.param(Refused | None, id="optional"),
        pytest.param(NewType("AlsoRefused", Refused), id="new type"),
        pytest.param(typing.Annotated[Refused, "politely"], id="annotated"),
        pytest.param(Page[Refused], id="argument of a generic"),
        pytest.param(Page[Page[Refused]], id="argument of an argument"),
        pytest.param(Pair[Refused], id="argument of a generic base"),
    ],
)
def test_rejection_is_found_at_any_depth(type_: object) -> None:
    """No wrapping hides from the judgement what msgspec must not touch."""
    assert "Refused is an exception" in (why_unfaithful(type_) or "")


class Keyed(TypedDict):
    rows: list[Circle]


class Record(typing.NamedTuple):
    name: str
    shape: Circle


@dataclasses.dataclass(slots=True)
class Point:
    _x: int
    shape: Circle | None = None


class Envelope(msgspec.Struct):
    shape: Circle


@message
class Tree:
    value: int
    children: tuple[Tree, ...] = ()
    parent: Tree | None = None


@message
class CirclePair(Pair[Circle]):
    """Concrete, of a generic with a generic base."""


PLAIN: list[object] = [
    int,
    list,
    None,
    Any,
    int | str | None,
    Circle,
    Tree,
    Point,
    Keyed,
    Record,
    Envelope,
    CirclePair,
    Pair[int],
    dict[Literal["a"], Circle],
    typing.Final[Circle],
    Sequence[Circle],
]


@pytest.mark.parametrize("type_", PLAIN, ids=str)
def test_plain_type_is_native(type_: object) -> None:
    """What msgspec carries faithfully is left to it."""
    assert why_unfaithful(type_) is None
    assert codec_of(type_).native


def test_class_whose_annotation_is_unknown_says_where_to_define_it() -> None:
    """A name that cannot be found is an error at once, and says what to do."""

    class Local:
        pass

    @message
    class Lost:
        field: Local

    with pytest.raises(
        TypeError, match=r"Lost cannot be understood.*'Local'.*top level"
    ):
        why_unfaithful(Lost)
