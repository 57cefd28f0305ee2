"""Declaring a message gives it its manners: frozen, slotted, compared by value."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import attrs
import pytest
from attrs import field

from acton_trio._base.errors import ActonError, AskError, DuplicateNameError
from acton_trio._messages.declare import (
    Rejection,
    RemoteRejection,
    Request,
    StreamRequest,
    is_message,
    message,
    rejection_named,
    reply_type_of,
    wire_name_of,
)

T = TypeVar("T")
U = TypeVar("U")


@message
class Local:
    value: int
    label: str = field(default="", kw_only=True)


@message(ipc=True)
class Travelling:
    value: int


@message(ipc="Renamed")
class Named:
    value: int


class Derived(Local):
    pass


@message(ipc="test_declare.OutOfStock")
class OutOfStock(Rejection):
    left: int
    where: str = "here"


@message
class Unwilling(Rejection):
    pass


def test_message_is_frozen() -> None:
    """A field cannot be set, from neither side of a mailbox."""
    value: Any = Local(3)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        value.value = 4


def test_message_has_slots() -> None:
    """What is no field cannot be put on it."""
    assert not hasattr(Local(3), "__dict__")


def test_message_is_compared_and_hashed_by_value() -> None:
    """Two messages that say the same are equal."""
    assert Local(3) == Local(3)
    assert Local(3) != Local(4)
    assert len({Local(3), Local(3)}) == 1


def test_fields_are_arguments_as_attrs_has_them() -> None:
    """Defaults and keyword-only fields are attrs's own."""
    assert Local(3, label="a").label == "a"


def test_name_on_the_wire_is_the_class_name_unless_given() -> None:
    """A class that did not ask to travel has none."""
    assert wire_name_of(Local) is None
    assert wire_name_of(Travelling) == "Travelling"
    assert wire_name_of(Named) == "Renamed"


def test_subclass_is_no_message_until_decorated() -> None:
    """A name is not inherited, or two classes would travel under it."""
    assert is_message(Local)
    assert not is_message(Derived)
    assert wire_name_of(type("More", (Travelling,), {})) is None


@pytest.mark.parametrize("thing", [3, "Local", None, int, object()])
def test_what_is_not_declared_is_no_message(thing: object) -> None:
    """Anything may be asked about."""
    assert not is_message(thing)


def test_decorating_an_instance_is_refused() -> None:
    """The mistake is shown beside what was meant."""
    decorate: Any = message

    with pytest.raises(TypeError, match="decorates a class, not 3"):
        decorate(3)


def test_empty_name_is_refused() -> None:
    """A message must be called something on the wire."""
    with pytest.raises(TypeError, match="must not be empty"):
        message(ipc="")


class GenericRequest(Request[T]):
    __slots__ = ()


class ListRequest(GenericRequest[list[U]], Generic[U]):
    __slots__ = ()


class Swapped(StreamRequest[tuple[U, T]], Generic[T, U]):
    __slots__ = ()


class GetInt(Request[int]):
    pass


class GetNone(Request[None]):
    pass


class GetLater(Request["Later"]):
    pass


class GetMaybeLater(Request["Later | None"]):
    pass


class GetStr(GenericRequest[str]):
    pass


class GetList(ListRequest[int]):
    pass


class GetSwapped(Swapped[int, str]):
    pass


class GetMixed(Local, GenericRequest[bytes]):
    pass


class GetAnnotated(Request[Annotated[int, "positive"]]):
    pass


class More(GetList):
    pass


class Later:
    pass


REPLY_TYPES: list[tuple[type, object]] = [
    (GetInt, int),
    (GetNone, type(None)),
    (GetLater, Later),
    (GetMaybeLater, Later | None),
    (GetStr, str),
    (GetList, list[int]),
    (GetSwapped, tuple[str, int]),
    (GetMixed, bytes),
    (GetAnnotated, Annotated[int, "positive"]),
    (More, list[int]),
]


@pytest.mark.parametrize(("cls", "expected"), REPLY_TYPES)
def test_reply_type_is_found_through_generic_bases(cls: type, expected: object) -> None:
    """Type variables are replaced, and names looked up where they were written."""
    assert reply_type_of(cls) == expected


def test_decorating_a_request_keeps_its_reply_type() -> None:
    """The slotted class that attrs makes answers as the one it was made from."""

    @message
    class GetIt(ListRequest[int]):
        pass

    assert reply_type_of(GetIt) == list[int]


class Bare(Request):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]  # the mistake
    pass


class GetLost(Request["Lost"]):  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable, reportUnknownVariableType, reportUntypedBaseClass]
    pass


def test_request_without_a_reply_type_is_refused() -> None:
    """The error shows how to name one."""
    with pytest.raises(TypeError, match=r"correct:   class Bare\(Request\[int\]\)"):
        reply_type_of(Bare)


def test_message_that_is_no_request_has_no_reply_type() -> None:
    """Asking with a plain message is a mistake, not an untyped ask."""
    with pytest.raises(TypeError, match="Local does not say what it is answered with"):
        reply_type_of(Local)


def test_reply_type_that_cannot_be_found_is_refused() -> None:
    """The error says what to define, and where."""
    with pytest.raises(TypeError, match=r"'Lost'.*Define the reply type first"):
        reply_type_of(GetLost)


def test_rejection_is_an_exception_but_none_of_ours() -> None:
    """Nothing went wrong with the asking."""
    assert isinstance(OutOfStock(1), Exception)
    assert not issubclass(OutOfStock, (ActonError, AskError))


def test_rejection_is_compared_by_identity() -> None:
    """Two failures with the same facts are two failures."""
    error = OutOfStock(1)

    assert error == error  # noqa: PLR0124 - the promise itself
    assert error != OutOfStock(1)
    assert len({error, OutOfStock(1)}) == 2


def through_pickle(value: object) -> object:
    """Return what comes out of the pickle of *value*."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("error", [OutOfStock(1), OutOfStock(left=1, where="there")])
@pytest.mark.parametrize("copied", [copy.copy, through_pickle])
def test_rejection_can_be_copied_and_pickled(
    error: OutOfStock, copied: Callable[[Any], Any]
) -> None:
    """It keeps its fields on the way to another thread or process."""
    other = copied(error)

    assert (type(other), other.left, other.where) == (
        OutOfStock,
        error.left,
        error.where,
    )


def test_rejection_shows_its_fields() -> None:
    """A traceback tells what was wrong."""
    assert str(OutOfStock(1)) == "OutOfStock(left=1, where='here')"
    assert str(Unwilling()) == "Unwilling()"


def test_rejection_can_be_raised_and_chained() -> None:
    """Frozen as its fields are, Python may still set its traceback and cause."""
    with pytest.raises(OutOfStock) as caught:
        raise OutOfStock(1) from ValueError("empty shelf")

    assert isinstance(caught.value.__cause__, ValueError)


def test_rejection_with_keyword_only_fields_is_refused() -> None:
    """Pickle would lose them."""

    class Wrong(Rejection):
        left: int = field(kw_only=True)

    with pytest.raises(TypeError, match=r"Wrong\.left: .* remove kw_only"):
        message(Wrong)


def test_rejection_is_known_by_its_name_on_the_wire() -> None:
    """From its declaration on, and only if it may travel."""
    assert rejection_named("test_declare.OutOfStock") is OutOfStock
    assert rejection_named("Unwilling") is None


def test_second_rejection_of_a_name_is_refused() -> None:
    """A name on the wire means one class in the whole process."""

    class Another(Rejection):
        pass

    with pytest.raises(DuplicateNameError, match=r"OutOfStock'.*rejection OutOfStock"):
        message(ipc="test_declare.OutOfStock")(Another)

    assert rejection_named("test_declare.OutOfStock") is OutOfStock


def test_unknown_rejection_shows_the_words_of_the_peer() -> None:
    """Or its name, if the peer had none."""
    assert str(RemoteRejection("Sold", {"left": 1}, "all gone")) == "all gone"
    assert str(RemoteRejection("Sold")) == "Sold"
