"""Messages that are changed: the error shows how to make another."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import acton_trio as acton

from .lessons import (
    SetValue,
    lines,
    said,
)


def test_message_that_is_changed_says_how_to_make_another() -> None:
    """The error is attrs' own, with the line that was meant."""
    message: Any = SetValue(1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError) as caught:
        message.value = 2

    assert said(caught.value) == lines("""
        SetValue is a message, and does not change: others may have it too.
          incorrect: message.value = 2
          correct:   message = attrs.evolve(message, value=2)
    """)
    assert attrs.evolve(message, value=2) == SetValue(2)
    assert message == SetValue(1)


def test_field_that_is_deleted_is_told_as_one_that_is_changed() -> None:
    """A message keeps what it has."""
    message: Any = SetValue(1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError, match="does not change"):
        del message.value

    assert message.value == 1


def test_field_that_was_not_declared_says_where_to() -> None:
    """What a message has is written in its class."""
    message: Any = SetValue(1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError) as caught:
        message.colour = "red"

    assert said(caught.value) == lines("""
        SetValue has no field 'colour': the fields of a message are declared.
          incorrect: message.colour = 'red'
          correct:   class SetValue:
                         colour: int
    """)


def test_message_that_sets_its_fields_itself_says_that_it_need_not() -> None:
    """An `__init__` of one's own is not needed, and cannot set anything."""

    @acton.message
    class Own:
        value: int

        def __init__(self, value: int) -> None:
            self.value = value  # type: ignore[misc]

    with pytest.raises(attrs.exceptions.FrozenInstanceError) as caught:
        Own(1)

    assert said(caught.value) == lines("""
        Own sets its field 'value' itself: @message does that.
          incorrect: self.value = 1
          correct:   class Own:
                         value: int
    """)


def test_derived_message_is_frozen_and_tells_of_itself() -> None:
    """Its own name is told, and its base's fields are its own."""

    @acton.message
    class More(SetValue):
        other: int = 0

    message: Any = More(1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError, match="More is a message"):
        message.value = 2

    assert message == More(1, 0)
