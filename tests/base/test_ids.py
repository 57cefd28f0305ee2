"""Names of actors, and identifiers that sort by time."""

from __future__ import annotations

import string
import uuid
from typing import Any

import pytest
from hypothesis import given, strategies as st

from acton_trio._base.ids import check_name, ern_of, type_id

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
ALLOWED = string.ascii_letters + string.digits + "-_."

# Until the year 10889, which is as far as 48 bits of milliseconds go.
times = st.integers(0, 2**48 - 1)
randomness = st.integers(0, 2**74 - 1)
prefixes = st.from_regex(r"[a-z]([a-z_]{0,20}[a-z])?", fullmatch=True)


def uuid_of(text: str) -> uuid.UUID:
    """Read what `type_id` wrote after its prefix, by the rules of TypeID."""
    number = 0
    for each in text:
        number = number * 32 + DIGITS.index(each)
    return uuid.UUID(int=number)


@given(prefixes, times, randomness)
def test_type_id_is_a_prefix_and_26_characters(
    prefix: str, time: int, bits: int
) -> None:
    """People read what it is of, programs the rest, which has a fixed length."""
    before, _, identifier = type_id(prefix, time, bits).rpartition("_")

    assert before == prefix
    assert len(identifier) == 26
    assert set(identifier) <= set(DIGITS)
    # More would not fit in 128 bits.
    assert identifier[0] <= "7"


@given(times, randomness)
def test_type_id_is_a_uuid_of_version_7(time: int, bits: int) -> None:
    """Any tool for UUIDs finds the time in it, and all of the randomness."""
    found = uuid_of(type_id("", time, bits))

    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert found.int >> 80 == time
    high, low = found.int >> 64 & 0xFFF, found.int & (1 << 62) - 1
    assert high << 62 | low == bits


@given(times, times, randomness, randomness)
def test_type_ids_sort_by_the_time_they_were_made(
    one: int, other: int, some: int, more: int
) -> None:
    """As text, and whatever their randomness is."""
    earlier, later = sorted([(one, some), (other, more)])

    first, second = type_id("req", *earlier), type_id("req", *later)

    assert (first < second) is (earlier < later)


@given(times, randomness, randomness)
def test_type_ids_of_the_same_time_differ_by_their_randomness(
    time: int, some: int, more: int
) -> None:
    """Two are the same only if everything about them was."""
    assert (type_id("req", time, some) == type_id("req", time, more)) is (some == more)


def test_type_id_without_a_prefix_is_the_identifier_alone() -> None:
    """There is nothing to separate then."""
    assert type_id("", 0, 0) == "0000000000e008000000000000"
    assert type_id("req", 0, 0) == "req_0000000000e008000000000000"


@given(times, st.integers(min_value=2**74))
def test_type_id_takes_no_more_randomness_than_it_has_room_for(
    time: int, bits: int
) -> None:
    """What is too much never reaches the time or the version."""
    assert type_id("req", time, bits) == type_id("req", time, bits % 2**74)


@given(st.text(st.sampled_from(ALLOWED), min_size=1, max_size=63))
def test_name_of_letters_and_digits_is_allowed(name: str) -> None:
    """A name comes back as it was, so that it can be checked in passing."""
    assert check_name(name) is name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 64, id="a letter too long"),
        pytest.param("a b", id="with a space"),
        pytest.param("a/b", id="a path"),
        pytest.param("a:b", id="with a colon"),
        pytest.param("a\n", id="with a line end after it"),
        pytest.param("na\0me", id="with a NUL"),
        pytest.param("naïve", id="with a letter beyond ASCII"),
        pytest.param("\N{ARABIC-INDIC DIGIT TWO}", id="a digit beyond ASCII"),
    ],
)
def test_name_that_is_no_name_is_refused(name: str) -> None:
    """The error quotes it and says what a name may be."""
    with pytest.raises(ValueError, match="expected 1 to 63 letters") as raised:
        check_name(name)

    assert repr(name) in str(raised.value)


@given(st.text(min_size=1).filter(lambda text: not set(text) <= set(ALLOWED)))
def test_name_with_any_other_character_is_refused(name: str) -> None:
    """No character slips through, wherever it stands."""
    with pytest.raises(ValueError, match="cannot be the name of an actor"):
        check_name(name)


@pytest.mark.parametrize("name", [None, 7, b"name", ["name"]])
def test_name_that_is_no_text_is_a_type_error(name: Any) -> None:
    """A mistake in the program is told from one in the data."""
    with pytest.raises(TypeError, match="is a str, not"):
        check_name(name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("prices", "prices_ID", id="a root"),
        pytest.param("prices/alpha", "prices_ID/alpha", id="a child"),
        pytest.param("a/b-1/c.d", "a_ID/b-1/c.d", id="a grandchild, unchanged"),
        pytest.param("My-Prices", "myprices_ID", id="capitals and hyphens"),
        pytest.param("my_prices", "my_prices_ID", id="an underscore inside"),
        pytest.param("_prices-2_", "prices_ID", id="underscores at the ends"),
        pytest.param("2024", "ID", id="nothing that a prefix takes"),
    ],
)
def test_ern_is_the_path_with_the_roots_identifier(path: str, expected: str) -> None:
    """Only the root's part is a TypeID; its children are called by name."""
    assert ern_of(path, "ID") == f"ern:acton:reactive:component:{expected}"


names = st.text(st.sampled_from(ALLOWED), min_size=1, max_size=63)


@given(st.lists(names, min_size=1, max_size=4), times, randomness)
def test_ern_begins_with_a_valid_type_id(path: list[str], time: int, bits: int) -> None:
    """Whatever an actor may be called, TypeID's rules for prefixes hold."""
    identifier = type_id("", time, bits)
    *head, rest = ern_of("/".join(path), identifier).split(":", 4)
    root, *children = rest.split("/")
    prefix = root.removesuffix(identifier).removesuffix("_")

    assert head == ["ern", "acton", "reactive", "component"]
    assert root.endswith(identifier)
    assert set(prefix) <= {*string.ascii_lowercase, "_"}
    assert prefix == prefix.strip("_")
    assert children == path[1:]
