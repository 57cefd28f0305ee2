"""Decisions, as values: no runtime, no actors, no time that passes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, strategies as st

import acton_trio as acton
from acton_trio._kernel.activity import Activity, Wait
from acton_trio._kernel.waits import find_cycle
from acton_trio._messages.replies import admits_none, contradicts, fits_reply
from acton_trio._policy.limits import RestartLimit, RestartWindow
from acton_trio._policy.ownership import Owner, judge, owner_of
from acton_trio._policy.policies import RestartPolicy, TerminationReason, comes_back


@acton.message
class Sorry(acton.Rejection):
    """An expected failure."""


@pytest.mark.parametrize(
    ("exclusive", "asked", "waits", "remote", "owner"),
    [
        (False, True, True, False, Owner.ASKER),
        (False, True, False, False, Owner.DEAD_LETTERS),
        (False, False, False, False, Owner.SUPERVISOR),
        (False, False, False, True, Owner.DEAD_LETTERS),
        (True, True, True, False, Owner.SUPERVISOR),
        (True, True, False, True, Owner.SUPERVISOR),
        (True, False, False, True, Owner.SUPERVISOR),
    ],
)
def test_failure_has_the_owner_of_its_row(
    *, exclusive: bool, asked: bool, waits: bool, remote: bool, owner: Owner
) -> None:
    """Each row of the table of owners."""
    facts = {"exclusive": exclusive, "asked": asked, "asker_waits": waits}

    assert owner_of(ValueError(), **facts, is_remote=remote) is owner
    rejected = owner_of(Sorry(), **facts, is_remote=remote)
    assert rejected is (Owner.ASKER if waits else Owner.DEAD_LETTERS)
    interrupted = owner_of(KeyboardInterrupt(), **facts, is_remote=remote)
    assert interrupted is Owner.SUPERVISOR


def test_group_is_judged_by_what_is_in_it() -> None:
    """A single leaf counts as itself, rejections as the first of them."""
    leaf, first = ValueError(), Sorry()
    mixed = ExceptionGroup("", [ValueError(), KeyError()])

    assert judge(ExceptionGroup("", [ExceptionGroup("", [leaf])])) is leaf
    assert judge(ExceptionGroup("", [first, Sorry()])) is first
    assert judge(mixed) is mixed


@pytest.mark.parametrize(
    ("policy", "returns_after"),
    [
        (RestartPolicy.PERMANENT, {"NORMAL", "FAILED"}),
        (RestartPolicy.TRANSIENT, {"FAILED"}),
        (RestartPolicy.TEMPORARY, set[str]()),
    ],
)
def test_policy_brings_back_what_its_table_says(
    policy: RestartPolicy, returns_after: set[str]
) -> None:
    """Twelve cells of policy and reason."""
    found = {each.name for each in TerminationReason if comes_back(policy, each)}

    assert found == returns_after


def test_backoff_doubles_to_its_longest_and_begins_anew() -> None:
    """The waits are short again for what has run for more than a window."""
    limit = RestartLimit(max_restarts=99, max_backoff=0.5)
    window = RestartWindow(limit)
    waits = [window.next_backoff(float(now)) for now in range(5)]

    assert waits == [0.1, 0.2, 0.4, 0.5, 0.5]
    window.started(5.0)
    assert window.next_backoff(65.0) == 0.5
    window.started(66.0)
    assert window.next_backoff(127.0) == 0.1
    assert window.count(127.0) == 1


def test_waits_of_what_never_runs_do_not_begin_anew() -> None:
    """However long the waits are, and the starts that fail: that is no peace."""
    limit = RestartLimit(window=10, initial_backoff=1, max_backoff=60)
    window = RestartWindow(limit)
    window.started(0)
    now, waits = 0.0, list[float]()
    for _ in range(8):
        wait = window.next_backoff(now)
        assert wait is not None
        waits.append(wait)
        now += wait + 5

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_window_slides() -> None:
    """A restart exactly a window old does not count any more."""
    window = RestartWindow(RestartLimit(max_restarts=1, window=10))

    assert window.next_backoff(0) == 0.1
    assert window.next_backoff(9.999) is None
    assert window.next_backoff(10) is not None


def test_jitter_adds_a_part_of_the_wait() -> None:
    """Chance only ever makes a wait longer, by no more than was allowed."""
    window = RestartWindow(RestartLimit(jitter=0.5))

    assert window.next_backoff(0, chance=1.0) == pytest.approx(0.15)


def test_limit_that_is_off_never_waits() -> None:
    """Without a limit an actor comes back at once, for ever."""
    window = RestartWindow(RestartLimit(enabled=False))

    assert {window.next_backoff(0) for _ in range(100)} == {0.0}


def test_endless_night_does_not_overflow() -> None:
    """A power that no longer fits a float is the longest wait."""
    limit = RestartLimit(max_restarts=10**6, multiplier=1e200)
    window = RestartWindow(limit)
    waits = [window.next_backoff(float(now) / 100) for now in range(10)]

    assert waits[-1] == limit.max_backoff


@pytest.mark.parametrize("field", ["max_restarts", "window", "jitter"])
def test_impossible_limit_is_a_value_error(field: str) -> None:
    """The field is named."""
    with pytest.raises(ValueError, match=field):
        RestartLimit(**{field: -1})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Blocked(Wait):
    """Waits for what it is told."""

    def __init__(self, *blockers: Activity) -> None:
        self._blockers = blockers

    def blockers(self) -> tuple[Activity, ...]:
        """Return it."""
        return self._blockers


@given(edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_cycle_is_found_when_there_is_a_way_back(edges: list[tuple[int, int]]) -> None:
    """The search agrees with the closure of the graph, and names a real path."""
    nodes = [Activity(str(number), None) for number in range(6)]
    for start, end in edges:
        nodes[start].waits.append(Blocked(nodes[end]))
    reached = {1}
    for _ in nodes:
        reached |= {end for start, end in edges if start in reached}
    path = find_cycle([nodes[1]], nodes[0])

    assert (path is not None) == (0 in reached)
    if path is not None:
        steps = list(itertools.pairwise(map(int, path)))
        assert (path[0], path[-1]) == ("1", "0")
        assert all(step in edges for step in steps)


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [1, True], ["1", 1.0, None]),
        (float, [1, 1.5], ["1"]),
        (int | None, [1, None], ["x"]),
        (list[int], [[1], ["not looked into"]], [(1,)]),
        (object, [1, None], []),
        (Any, [1, None], []),
        (None, [None], [1]),
    ],
)
def test_reply_fits_its_declared_type(
    hint: object, good: list[object], bad: list[object]
) -> None:
    """The check is shallow: it names the wrong kind of answer."""
    fits = fits_reply(hint)

    assert all(map(fits, good))
    assert not any(map(fits, bad))
    assert admits_none(hint) == fits(None)
    assert not contradicts(None, hint)


def test_looking_at_the_count_does_not_change_the_next_wait() -> None:
    """Whoever asks how many restarts there were, the waits begin anew all the same."""
    limit = RestartLimit(window=4, initial_backoff=1)
    watched, alone = RestartWindow(limit), RestartWindow(limit)
    for window in (watched, alone):
        assert [window.next_backoff(now) for now in (0, 1)] == [1, 2]
        window.started(3)

    assert watched.count(8) == 0
    assert watched.next_backoff(8) == alone.next_backoff(8) == 1
