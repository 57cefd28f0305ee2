"""Only what is registered crosses the boundary, and only what can is registered."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import attrs
import pytest

from acton_trio._base.errors import DuplicateNameError, SerializationError
from acton_trio._base.formats import Format
from acton_trio._messages.declare import (
    Rejection,
    Request,
    StreamRequest,
    message,
    wire_name_of,
)
from acton_trio._messages.registry import MessageRegistry

T = TypeVar("T")


@message(ipc=True)
class Deposit:
    amount: int


@message(ipc="Withdrawal")
class Withdraw:
    amount: int


@message
class Internal:
    amount: int


@message(ipc=True)
class GetBalance(Request[int]):
    account: str = ""


@message(ipc=True)
class WatchBalance(StreamRequest[list[Deposit]]):
    pass


@message(ipc="test_registry.Overdrawn")
class Overdrawn(Rejection):
    missing: int


@message(ipc=True)
class Page(Generic[T]):
    rows: tuple[T, ...]


@message(ipc=True)
class IntPage(Page[int]):
    pass


class Undecorated:
    pass


class Derived(Deposit):
    pass


@message(ipc=True)
class Untravelled:
    thing: Undecorated


@message(ipc=True)
class Unanswered(Request):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]  # the mistake
    pass


@message(ipc=True)
class GetPage(Request[T], Generic[T]):
    pass


@message(ipc=True)
class GetOpenPage(Request["Page[T]"]):  # pyright: ignore[reportGeneralTypeIssues]  # the mistake
    pass


@message(ipc=True)
class GetUnknown(Request["Unwritten"]):  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable, reportUnknownVariableType, reportUntypedBaseClass]
    pass


@message(ipc=True)
class GetUntravelled(Request[Undecorated]):
    pass


def registry_of(*classes: type) -> MessageRegistry:
    """Return a registry that has these, under the names they declare."""
    registry = MessageRegistry()
    for cls in classes:
        registry.register(cls)
    return registry


@pytest.mark.parametrize("wire", Format)
@pytest.mark.parametrize(
    "value", [Deposit(3), Withdraw(4), GetBalance("a"), WatchBalance(), IntPage((1, 2))]
)
def test_registered_message_survives_the_wire(value: object, wire: Format) -> None:
    """What is encoded under a name is decoded under that name."""
    registry = registry_of(type(value))
    name = registry.name_of(type(value))
    assert name is not None

    assert registry.decode(name, registry.encode(value, wire), wire) == value


def test_declared_name_is_the_default() -> None:
    """Without a name of its own a registration uses the declared one."""
    registry = registry_of(Deposit, Withdraw)

    assert registry.type_names() == ("Deposit", "Withdrawal")
    assert len(registry) == 2
    assert registry.find("Withdrawal") is Withdraw
    assert registry.name_of(Withdraw) == "Withdrawal" == wire_name_of(Withdraw)


def test_unknown_name_is_answered_with_nothing() -> None:
    """Asking is no error; building is a mistake of the caller."""
    registry = registry_of(Deposit)

    assert not registry.is_registered("Withdraw")
    assert registry.find("Withdraw") is None
    assert registry.name_of(Withdraw) is None
    with pytest.raises(KeyError):
        registry.decode("Withdraw", b"{}", Format.JSON)
    with pytest.raises(KeyError):
        registry.encode(Withdraw(1), Format.JSON)


def test_message_of_another_class_is_never_built() -> None:
    """The name decides alone; what the bytes say of types is ignored."""
    registry = registry_of(Deposit)

    decoded = registry.decode(
        "Deposit", b'{"type": "Withdraw", "amount": 1}', Format.JSON
    )

    assert decoded == Deposit(1)


def test_name_given_by_hand_lets_an_internal_message_out() -> None:
    """Whoever registers it under a name need not declare it."""
    registry = MessageRegistry()

    registry.register(Internal, "Outward")

    assert registry.find("Outward") is Internal
    assert registry.name_of(Internal) == "Outward"


def test_class_with_two_names_is_sent_under_the_last() -> None:
    """A message can be renamed while old peers still use the old name."""
    registry = registry_of(Deposit)

    registry.register(Deposit, "PayIn")

    assert registry.name_of(Deposit) == "PayIn"
    assert registry.type_names() == ("Deposit", "PayIn")
    for name in registry.type_names():
        assert registry.decode(name, b'{"amount":1}', Format.JSON) == Deposit(1)


def test_same_registration_twice_is_no_error() -> None:
    """Two actors may handle the same message."""
    registry = registry_of(Deposit, Deposit)

    assert len(registry) == 1


def test_name_of_another_class_is_refused_and_changes_nothing() -> None:
    """A name means one class."""
    registry = registry_of(Deposit)

    with pytest.raises(DuplicateNameError) as caught:
        registry.register(Withdraw, "Deposit")

    assert caught.value.name == "Deposit"
    assert caught.value.holder == "the message Deposit"
    assert registry.find("Deposit") is Deposit
    assert registry.name_of(Withdraw) is None


def test_registries_know_nothing_of_each_other() -> None:
    """A registry belongs to one runtime."""
    registry_of(Deposit)

    assert len(MessageRegistry()) == 0


def test_rejection_is_registered_like_any_message() -> None:
    """Its fields travel, and it is built by calling it."""
    registry = registry_of(Overdrawn)
    data = registry.encode(Overdrawn(3), Format.JSON)

    decoded = registry.decode("test_registry.Overdrawn", data, Format.JSON)

    assert isinstance(decoded, Overdrawn)
    assert decoded.args == (3,)


def test_bytes_that_do_not_fit_say_where() -> None:
    """The error is the codec's."""
    registry = registry_of(Deposit)

    with pytest.raises(SerializationError, match=r"got `str` - at `\$\.amount`"):
        registry.decode("Deposit", b'{"amount": "3"}', Format.JSON)


MISTAKES: list[tuple[object, str]] = [
    (Undecorated, r"Undecorated is no message: decorate it with @message"),
    (Derived, r"Derived is no message: decorate it"),
    (Internal, r"Internal is not declared .* @message\(ipc=True\), or register\(Int"),
    (Deposit(1), r"only a class can be registered, not Deposit\(amount=1\)"),
    (Page[int], r"class ConcretePage\(.*Page\[int\]\)"),
    (Page, r"Page leaves ~T open. Make it concrete: class IntPage\(Page\[int\]\)"),
    (GetPage, r"GetPage leaves ~T open"),
    (GetOpenPage, r"GetOpenPage is answered with .*Page\[~T\], which is left open"),
    (Unanswered, r"Unanswered does not say what it is answered with"),
    (GetUnknown, r"GetUnknown is answered with .*Unwritten"),
    (Untravelled, r"Untravelled.thing: neither .* can carry Undecorated"),
    (
        GetUntravelled,
        r"the reply to GetUntravelled cannot travel: Undecorated: neither",
    ),
]


@pytest.mark.parametrize(("cls", "words"), MISTAKES, ids=str)
def test_class_that_cannot_travel_is_refused_with_a_remedy(
    cls: Any, words: str
) -> None:
    """The mistake is told at registration, and nothing is registered."""
    registry = MessageRegistry()

    with pytest.raises(TypeError, match=words):
        registry.register(cls)

    assert len(registry) == 0


@pytest.mark.parametrize("name", ["", 3, b"Deposit"])
def test_name_that_is_no_name_is_refused(name: Any) -> None:
    """A name on the wire is a non-empty string."""
    with pytest.raises(TypeError, match="a non-empty str"):
        MessageRegistry().register(Deposit, name)


def test_class_of_attrs_alone_is_no_message() -> None:
    """Being an attrs class is not enough: messages are declared."""
    with pytest.raises(TypeError, match="is no message"):
        MessageRegistry().register(attrs.make_class("Made", ["value"]), "Made")
