"""Replies written along with their answer: the same bytes as written before it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET

import acton_trio as acton
from acton_trio._base.errors import SerializationError
from acton_trio._base.formats import Format
from acton_trio._ipc.answers import plain_answer_of, reply_of
from acton_trio._messages.registry import MessageRegistry
from acton_trio._wire.connection import Connection
from acton_trio._wire.envelopes import Request, Response
from acton_trio._wire.states import Role


@acton.message(ipc=True)
class Anything(acton.Request[object]):
    """Is answered with anything."""


@acton.message(ipc=True)
class Part:
    """A reply that msgspec carries."""

    name: str
    at: dt.datetime | None = None


@acton.message(ipc=True)
class Lowered:
    """A reply that msgspec would not do justice."""

    number: int = attrs.field(converter=int)


@acton.message
class Unregistered:
    """A reply that nobody knows."""


@acton.message(ipc=True)
class Either(acton.Request[Part | Lowered]):
    """Is answered with what says what it is."""


REGISTRY: Final = MessageRegistry()
for each in (Anything, Part, Lowered, Either):
    REGISTRY.register(each)

QUESTION: Final = Request("r", "a", "Anything", expects_reply=True)
ASKED: Final = Anything()

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=9)
    | st.datetimes()
    | st.uuids()
    | st.builds(Part, st.text(st.characters(exclude_categories=["Cs"]))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


def written(answer: Response, form: Format) -> bytes:
    """Return the frame of *answer*."""
    return Connection(Role.SERVER).send(answer, format=form)


@given(values, st.sampled_from(Format))
def test_reply_is_written_the_same_with_its_answer(value: object, form: Format) -> None:
    """Once encoded or twice, nobody could tell."""
    reply = reply_of(ASKED, value, REGISTRY, form)
    at_once = plain_answer_of(QUESTION, ASKED, value, REGISTRY)

    assert at_once is not None
    assert written(at_once, form) == written(QUESTION.reply(*reply), form)


def nested(depth: int) -> list[Any]:
    """Return a list in a list, so many times."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "\udcff", id="no text"),
        pytest.param(object, id="no data"),
        pytest.param(lambda: nested(100_000), id="too deep"),
    ],
)
@pytest.mark.parametrize("form", list(Format))
def test_reply_that_cannot_be_written_is_refused_either_way(
    make: Callable[[], object], form: Format
) -> None:
    """With one error, whatever the encoder's own is."""
    value = make()
    answer = plain_answer_of(QUESTION, ASKED, value, REGISTRY)
    assert answer is not None
    with pytest.raises(SerializationError):
        written(answer, form)
    with pytest.raises(SerializationError):
        reply_of(ASKED, value, REGISTRY, form)


@pytest.mark.parametrize(
    ("message", "value"),
    [
        pytest.param(Either(), Part("x"), id="a union that is marked"),
        pytest.param(Either(), Lowered(1), id="a class that is lowered"),
        pytest.param(ASKED, UNSET, id="what would be left out"),
    ],
)
def test_reply_that_is_not_written_as_it_is_comes_on_the_longer_way(
    message: object, value: object
) -> None:
    """It is encoded first, by its declared type."""
    assert plain_answer_of(QUESTION, message, value, REGISTRY) is None


def test_reply_of_a_type_that_is_not_registered_is_refused() -> None:
    """An error must not look like a success."""
    with pytest.raises(SerializationError, match="Unregistered is not registered"):
        plain_answer_of(QUESTION, ASKED, Unregistered(), REGISTRY)


def test_name_of_a_reply_is_the_one_it_has_now() -> None:
    """The registry is open all the time."""
    registry = MessageRegistry()
    registry.register(Part)
    before = plain_answer_of(QUESTION, ASKED, Part("x"), registry)
    registry.register(Part, "Piece")
    after = plain_answer_of(QUESTION, ASKED, Part("x"), registry)

    assert before is not None
    assert after is not None
    assert (before.message_type, after.message_type) == ("Part", "Piece")
    assert plain_answer_of(QUESTION, ASKED, uuid.UUID(int=1), registry)
