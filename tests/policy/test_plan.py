"""Who stops and who starts when one of several children has ended."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from acton_trio._policy.plan import RestartPlan, Sibling, plan_restart
from acton_trio._policy.policies import RestartPolicy
from acton_trio._policy.strategies import SupervisionStrategy

ONE, ALL, REST = SupervisionStrategy
TEMPORARY = RestartPolicy.TEMPORARY

FOUR = [Sibling(name) for name in "abcd"]


@pytest.mark.parametrize(
    ("strategy", "failed", "stop", "start"),
    [
        (ONE, "b", "", "b"),
        (ALL, "a", "dcb", "abcd"),
        (ALL, "b", "dca", "abcd"),
        (ALL, "d", "cba", "abcd"),
        (REST, "a", "dcb", "abcd"),
        (REST, "b", "dc", "bcd"),
        (REST, "d", "", "d"),
    ],
)
def test_plan_follows_the_strategy(
    strategy: SupervisionStrategy, failed: str, stop: str, start: str
) -> None:
    """Each row of the table for siblings that are like any other."""
    assert plan_restart(FOUR, failed, strategy) == RestartPlan((*stop,), (*start,))


@pytest.mark.parametrize(
    ("strategy", "stop", "start"),
    [(ONE, "", "b"), (ALL, "dca", "bd"), (REST, "dc", "bd")],
)
def test_temporary_sibling_stops_and_is_not_revived(
    strategy: SupervisionStrategy, stop: str, start: str
) -> None:
    """Siblings that are never restarted go down with the group, for good."""
    a, b, c, d = FOUR
    children = [Sibling(a.key, TEMPORARY), b, Sibling(c.key, TEMPORARY), d]

    assert plan_restart(children, "b", strategy) == RestartPlan((*stop,), (*start,))


@pytest.mark.parametrize("policy", [*RestartPolicy])
def test_policy_of_who_comes_back_is_not_asked_again(policy: RestartPolicy) -> None:
    """That it comes back was decided before there was a plan."""
    plan = plan_restart([Sibling("a", policy)], "a", ALL)

    assert plan == RestartPlan((), ("a",))


def test_sibling_that_waits_to_be_restarted_is_not_stopped_again() -> None:
    """One of an earlier group is down already, and starts with this one."""
    children = [Sibling("a"), Sibling("b", is_up=False), Sibling("c")]

    assert plan_restart(children, "a", ALL) == RestartPlan(("c",), ("a", "b", "c"))


def test_child_that_is_none_is_refused() -> None:
    """The error names it, and those that there are."""
    with pytest.raises(ValueError, match="'e' is not one of the children"):
        plan_restart(FOUR, "e", ONE)


SIBLINGS = st.lists(
    st.builds(
        Sibling,
        st.text("abcdefgh", min_size=1, max_size=2),
        st.sampled_from(RestartPolicy),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each.key,
)


@given(SIBLINGS, st.data(), st.sampled_from(SupervisionStrategy))
def test_plan_keeps_to_what_is_there(
    children: list[Sibling[str]], data: st.DataObject, strategy: SupervisionStrategy
) -> None:
    """Whoever is stopped is up, comes back or is temporary, and all is in order."""
    failed = data.draw(st.sampled_from(children))
    plan = plan_restart(children, failed.key, strategy)
    names = [each.key for each in children]
    by_name = {each.key: each for each in children}

    assert sorted(plan.start, key=names.index) == [*plan.start]
    assert sorted(plan.stop, key=names.index, reverse=True) == [*plan.stop]
    assert failed.key in plan.start
    assert failed.key not in plan.stop
    assert all(by_name[name].is_up for name in plan.stop)
    for name in {*plan.stop} - {*plan.start}:
        assert by_name[name].policy is TEMPORARY
    for name in {*plan.start} - {failed.key}:
        assert by_name[name].policy is not TEMPORARY
        assert name in plan.stop or not by_name[name].is_up


@given(SIBLINGS, st.data())
def test_strategies_take_in_more_and_more(
    children: list[Sibling[str]], data: st.DataObject
) -> None:
    """Whom one-for-one affects rest-for-one does, and whom that, one-for-all."""
    failed = data.draw(st.sampled_from(children)).key
    affected = [
        {*plan.stop, *plan.start}
        for plan in (plan_restart(children, failed, each) for each in (ONE, REST, ALL))
    ]

    assert affected[0] == {failed}
    assert affected[0] <= affected[1] <= affected[2]
