"""Who owns a failure: a decision over values."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st

import acton_trio as acton
from acton_trio._policy.ownership import Owner, judge, owner_of


@acton.message
class Sorry(acton.Rejection):
    """An expected failure."""

    why: str = ""


@acton.message
class Derived(Sorry):
    """A more special one."""


Facts: TypeAlias = tuple[bool, bool, bool, bool]

# A message is asked or sent, and only an asker can wait or have gone.
POSSIBLE: list[Facts] = [
    (exclusive, asked, waits, remote)
    for exclusive, asked, waits, remote in itertools.product([False, True], repeat=4)
    if asked or not waits
]


def owner(error: BaseException, facts: Facts) -> Owner:
    """Return who owns *error*: exclusive, asked, its asker waits, from a peer."""
    exclusive, asked, waits, remote = facts
    return owner_of(
        error, exclusive=exclusive, asked=asked, asker_waits=waits, is_remote=remote
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param((False, True, True, False), Owner.ASKER, id="act_on, asked"),
        pytest.param(
            (False, True, True, True), Owner.ASKER, id="act_on, asked by a peer"
        ),
        pytest.param((False, False, False, False), Owner.SUPERVISOR, id="act_on, sent"),
        pytest.param(
            (False, False, False, True), Owner.DEAD_LETTERS, id="act_on, sent by a peer"
        ),
        pytest.param(
            (False, True, False, False), Owner.DEAD_LETTERS, id="act_on, asker gone"
        ),
        pytest.param(
            (True, True, True, False), Owner.SUPERVISOR, id="mutate_on, asked"
        ),
        pytest.param(
            (True, True, False, False), Owner.SUPERVISOR, id="mutate_on, asker gone"
        ),
        pytest.param(
            (True, False, False, False), Owner.SUPERVISOR, id="mutate_on, sent"
        ),
        pytest.param(
            (True, False, False, True),
            Owner.SUPERVISOR,
            id="mutate_on, sent by a peer",
        ),
    ],
)
def test_failure_belongs_to_whom_its_row_says(facts: Facts, expected: Owner) -> None:
    """The rows of the table for a failure that is no rejection."""
    assert owner(ValueError(), facts) is expected


@pytest.mark.parametrize("facts", POSSIBLE)
def test_rejection_never_harms_the_actor(facts: Facts) -> None:
    """The asker who waits gets a rejection; otherwise it is a dead letter."""
    expected = Owner.ASKER if facts[2] else Owner.DEAD_LETTERS

    assert owner(Sorry(), facts) is expected
    assert owner(Derived(), facts) is expected


@pytest.mark.parametrize("facts", POSSIBLE)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_what_is_no_exception_goes_up(error: BaseException, facts: Facts) -> None:
    """An asker never keeps a KeyboardInterrupt, and neither do dead letters."""
    assert owner(error, facts) is Owner.SUPERVISOR


@pytest.mark.parametrize("facts", [each for each in POSSIBLE if each[1] and each[2]])
def test_nobody_makes_an_actor_fail_by_giving_up(facts: Facts) -> None:
    """An asker that leaves never turns its own failure into the supervisor's."""
    exclusive, asked, _, remote = facts
    before = owner(ValueError(), facts)
    after = owner(ValueError(), (exclusive, asked, False, remote))

    assert before is after or (before, after) == (Owner.ASKER, Owner.DEAD_LETTERS)


LEAVES = st.sampled_from([ValueError, KeyError, Sorry, Derived]).map(
    lambda kind: kind()
)
GROUPS = st.recursive(
    st.lists(LEAVES, min_size=1, max_size=3).map(
        lambda leaves: ExceptionGroup("", leaves)
    ),
    lambda inner: st.lists(inner | LEAVES, min_size=1, max_size=3).map(
        lambda members: ExceptionGroup("", members)
    ),
    max_leaves=6,
)


def leaves_of(error: Exception) -> list[Exception]:
    """Return the exceptions in *error*, left to right."""
    if not isinstance(error, ExceptionGroup):
        return [error]
    members: tuple[Exception, ...] = error.exceptions
    return [leaf for member in members for leaf in leaves_of(member)]


@given(group=GROUPS)
def test_group_is_judged_by_its_only_leaf_or_its_first_rejection(
    group: ExceptionGroup[Exception],
) -> None:
    """However deep: one leaf is itself, only rejections the first, others the group."""
    leaves = leaves_of(group)
    verdict = judge(group)

    if len(leaves) == 1 or all(isinstance(leaf, Sorry) for leaf in leaves):
        assert verdict is leaves[0]
    else:
        assert verdict is group


@given(error=LEAVES)
def test_exception_that_is_no_group_is_judged_as_itself(error: Exception) -> None:
    """Nothing is unwrapped that was not wrapped."""
    assert judge(error) is error


def test_group_with_an_interrupt_in_it_goes_up() -> None:
    """One member that is no `Exception` makes the whole nobody's to handle."""
    group = BaseExceptionGroup("", [Sorry(), KeyboardInterrupt()])

    assert judge(group) is group
    assert owner(group, (False, True, True, False)) is Owner.SUPERVISOR
    assert (
        judge(BaseExceptionGroup("", [interrupt := KeyboardInterrupt()])) is interrupt
    )
