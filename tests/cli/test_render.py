"""Snapshots as lines of text: nothing here needs an actor or a terminal."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from acton_trio import ActorSnapshot, ActorState, CurrentMessage, RuntimeSnapshot
from acton_trio._cli.rates import data_of, rates, standings
from acton_trio._cli.render import headline, top_table, tree_table
from acton_trio._cli.tables import Column, Row, Table, Tone, lines_of
from acton_trio._cli.text import width_of

ROW = r"\x1b[2Jtill\u202e"


def actor(name: str, *children: ActorSnapshot, **facts: Any) -> ActorSnapshot:
    """Return how an actor is that has nothing to do."""
    usual: dict[str, Any] = {
        "id": f"ern:{name}",
        "state": ActorState.RUNNING,
        "generation": 0,
        "restarts_in_window": 0,
        "last_failure": None,
        "mailbox_depth": 0,
        "mailbox_capacity": 8,
        "waiting_senders": 0,
        "current": (),
        "handled": 0,
        "expired": 0,
        "late_replies": 0,
    }
    return ActorSnapshot(name=name, children=children, **(usual | facts))


def at_work(*ages: float) -> tuple[CurrentMessage, ...]:
    """Return messages that are handled for so long."""
    return tuple(CurrentMessage(f"M{age:g}", "A.handle", age) for age in ages)


def snapshot(*actors: ActorSnapshot, at: float = 0) -> RuntimeSnapshot:
    """Return how these are."""
    return RuntimeSnapshot(at, is_stopping=False, actors=actors)


def tree(*actors: ActorSnapshot, width: int | None = None) -> list[str]:
    """Return the lines of their tree, without the titles."""
    return list(lines_of(tree_table(snapshot(*actors)), width))[1:]


# --- tables


WORDS = Table(
    (Column("NAME", least=4), Column("N", is_number=True), Column("TEXT", least=3)),
    [Row(("alpha", "7", "one two")), Row(("価格", "123", ""))],
)


def test_columns_are_aligned_by_what_is_seen() -> None:
    """Wide letters take two columns of text, numbers end below each other."""
    assert list(lines_of(WORDS)) == [
        "NAME     N  TEXT",
        "alpha    7  one two",
        "価格   123",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        pytest.param(19, "alpha    7  one two", id="enough"),
        pytest.param(17, "alpha    7  one …", id="the last one shrinks first"),
        pytest.param(14, "alp…    7  on…", id="then the others"),
        pytest.param(9, "alp…    …", id="then the line ends"),
        pytest.param(1, "…", id="nothing"),
    ],
)
def test_table_shrinks_to_the_width_there_is(width: int, line: str) -> None:
    """No line is wider, however narrow it is."""
    lines = list(lines_of(WORDS, width))

    assert lines[1] == line
    assert all(width_of(each) <= width for each in lines)


def test_table_without_rows_has_its_titles() -> None:
    """A service without actors is seen to have none."""
    assert list(lines_of(tree_table(snapshot()))) == [
        "ACTOR  STATE  GEN  MAILBOX  AT WORK ON"
    ]


# --- tree


def test_tree_has_each_actor_below_its_supervisor() -> None:
    """With what it is called there."""
    shop = actor("shop", actor("shop/a", actor("shop/a/x")), actor("shop/b"))

    names = [line.split("  running")[0].rstrip() for line in tree(shop, actor("log"))]

    assert names == ["shop", "├─ a", "│  └─ x", "└─ b", "log"]


def test_tree_tells_what_an_actor_is_at_and_how_long() -> None:
    """The oldest message, and how many more; and who waits for room."""
    busy = actor(
        "till",
        mailbox_depth=8,
        waiting_senders=3,
        generation=2,
        current=at_work(0.25, 75),
        last_failure="OSError('gone')",
    )

    assert tree(busy) == [
        "till   running    2    8+3/8  M75 (and 1 more) 1m15s  OSError('gone')"
    ]


def test_failures_have_a_column_if_there_are_any() -> None:
    """It takes room that is better used otherwise."""
    titles = tree_table(snapshot(actor("a"))).columns

    assert "LAST FAILURE" not in [each.title for each in titles]


def test_names_cannot_steer_the_terminal() -> None:
    """Nor can types and failures; all come from another process."""
    odd = "\x1b[2Jtill\u202e"
    message = CurrentMessage(odd, odd, 1)
    odd_actor = actor(odd, current=(message,), last_failure=odd)

    (line,) = tree(odd_actor)
    (row,) = top_table(standings(None, snapshot(odd_actor), "depth")).rows

    assert line.count(ROW) == 3
    assert line.isprintable()
    assert (row.cells[0], row.cells[-1]) == (ROW, ROW)


def test_deep_tree_tells_levels_by_number() -> None:
    """However deep it is, names are seen, and nothing is recursive."""
    name, deep = "a" + "/b" * 5000, actor("a" + "/b" * 5000)
    while "/" in name:
        name = name.rpartition("/")[0]
        deep = actor(name, deep)

    lines = tree(deep, width=80)

    assert len(lines) == 5001
    assert lines[12].startswith(" " * 33 + "└─ b")
    assert lines[13].startswith("[13] └─ b ")
    assert lines[5000].startswith("[5000] └─ b ")


def test_huge_tree_is_drawn_to_its_end() -> None:
    """Ten thousand actors, each on its line."""
    many = [actor(f"shop/{number}") for number in range(10_000)]

    lines = tree(actor("shop", *many), width=60)

    assert len(lines) == 10_001
    assert lines[-1].startswith("└─ 9999 ")


# --- top


def test_rate_is_what_was_handled_between_two_looks() -> None:
    """Nobody knows it of one that was not there before."""
    before = snapshot(actor("a", handled=10), at=100)
    now = snapshot(actor("a", handled=40), actor("b", handled=7), at=110)

    assert rates(before, now) == {"ern:a": 3.0}
    assert rates(None, now) == {}
    assert rates(now, now) == {}


def test_rate_of_one_that_counts_anew_is_not_negative() -> None:
    """Whatever a service says of itself."""
    before = snapshot(actor("a", handled=10), at=0)
    now = snapshot(actor("a", handled=4), at=2)

    assert rates(before, now) == {"ern:a": 0}


@pytest.mark.parametrize(
    ("order", "names"),
    [
        pytest.param("depth", "dabc", id="depth"),
        pytest.param("rate", "badc", id="rate"),
        pytest.param("age", "cabd", id="age"),
        pytest.param("restarts", "abcd", id="restarts"),
    ],
)
def test_actors_are_sorted_by_what_is_wanted(order: str, names: str) -> None:
    """Those first that have most of it, and else by name."""
    actors = [
        actor("d", mailbox_depth=5, handled=1),
        actor("c", current=at_work(1, 9)),
        actor("b", handled=9),
        actor("a", mailbox_depth=1, waiting_senders=1, handled=2, generation=1),
    ]
    before = snapshot(*(attrs.evolve(each, handled=0) for each in actors), at=0)

    found = standings(before, snapshot(*actors, at=1), order)

    assert "".join(each.actor.name for each in found) == names


def test_headline_adds_up_all_actors() -> None:
    """And says if the service is about to end."""
    before = snapshot(actor("a"), at=0)
    now = snapshot(
        actor("a", actor("b", current=at_work(1)), handled=8, mailbox_depth=3), at=4
    )

    assert headline(standings(None, now, "age"), is_stopping=False) == (
        "2 actors, 1 at work, 3 queued"
    )
    assert headline(standings(before, now, "age"), is_stopping=True) == (
        "2 actors, 1 at work, 3 queued, 2.0 messages/s, stopping"
    )


def test_standings_are_plain_data_for_scripts() -> None:
    """Each actor beside the others, with rate and age."""
    now = snapshot(actor("a", actor("a/b"), current=at_work(2)), at=5)

    data = data_of(standings(None, now, "age"), now.taken_at)

    actors: Any = data["actors"]
    assert data["taken_at"] == 5
    assert [(each["name"], each["age"], each["state"]) for each in actors] == [
        ("a", 2, "running"),
        ("a/b", None, "running"),
    ]
    assert "children" not in actors[0]


@pytest.mark.parametrize(
    ("facts", "tone"),
    [
        pytest.param({}, Tone.IDLE, id="idle"),
        pytest.param({"current": at_work(1)}, Tone.BUSY, id="busy"),
        pytest.param({"mailbox_depth": 8}, Tone.BAD, id="full"),
        pytest.param({"state": ActorState.ESCALATED}, Tone.BAD, id="down"),
        pytest.param({"state": ActorState.RESTARTING}, Tone.CHANGING, id="restarting"),
    ],
)
def test_tone_tells_at_a_glance_how_an_actor_is(
    facts: dict[str, Any], tone: Tone
) -> None:
    """Where there are colours."""
    (row,) = tree_table(snapshot(actor("a", **facts))).rows

    assert row.tone is tone
