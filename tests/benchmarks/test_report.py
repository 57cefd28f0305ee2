"""What the page says of a run: that, and nothing else."""

from __future__ import annotations

from pathlib import Path

import plots
import pytest
from findings import EACH, P50, P99, Answer, Finding
from report import BEGIN, END, PAGE, README, render, replaced, summary
from results import FILE, Machine, Results, Row, dump, load, results_of

SCALING = Answer(
    "scaling",
    "more and more",
    "10 actors",
    [
        Finding("10 actors", {EACH: [1e-6, 3e-6]}),
        Finding("1,000 actors", {EACH: [4e-6, 4e-6]}),
        Finding("1 type", {P50: [1e-6], P99: [5e-6], EACH: [2e-6], "tasks": [1]}),
        Finding("peer", skipped="peer is not installed"),
    ],
)

RESULTS = Results(
    "2026-11-25",
    Machine("a processor", 2, "Linux 6", "3.11.7", {"trio": "0.35.0"}),
    [SCALING],
    [Row("cost", "10 actors", "2x", "<= 1.2x", "missed", "1x")],
)


def test_run_survives_its_file() -> None:
    """What is committed is what was found."""
    assert load(dump(RESULTS)) == RESULTS


def test_run_of_here_and_now_can_be_committed() -> None:
    """The machine and the versions are found, whatever they are."""
    results = results_of([SCALING], [])

    assert load(dump(results)) == results
    assert results.machine.libraries["trio"]


def test_page_has_origin_targets_plots_and_figures() -> None:
    """Where a number comes from stands beside it."""
    text = render(RESULTS)

    assert (
        "Measured on 2026-11-25: a processor, 2 cores, Linux 6, Python 3.11.7" in text
    )
    assert "| cost | 10 actors | 2x | 1x | <= 1.2x | missed |" in text
    assert "(plots/actors.svg)" in text
    assert "| 1,000 actors | 4.00 us |  |  | 0% | 2.67 |" in text
    assert "| 1 type | 2.00 us | 1.00 us | 5.00 us | 0% | 1 |" in text
    assert "| peer | skipped: peer is not installed |" in text
    assert "tasks" not in text


def test_block_takes_the_place_of_the_one_before() -> None:
    """Writing it twice changes nothing more, and the rest stays."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    once = replaced(page, "new")

    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replaced(once, "new") == once


def test_page_without_markers_is_left_alone() -> None:
    """There is no place for the numbers, and that is said."""
    with pytest.raises(ValueError, match="the page has no"):
        replaced("no markers", "new")


def test_page_says_what_the_committed_run_has_found() -> None:
    """Numbers are never written by hand."""
    page = PAGE.read_text("utf-8")

    if not FILE.exists():
        assert replaced(page, "No run is committed yet.") == page
    else:
        assert replaced(page, render(load(FILE.read_bytes()))) == page


def test_front_page_says_what_the_committed_run_has_found() -> None:
    """Nor there, and whatever is ours was measured."""
    page, found = README.read_text("utf-8"), summary(load(FILE.read_bytes()))

    assert replaced(page, found) == page
    assert not [each for each in found.splitlines() if each.split(" | ")[1:2] == ["-"]]


def test_front_page_leaves_out_what_was_not_measured() -> None:
    """Who is not installed has a dash."""
    assert "| a message sent and handled | - |" in summary(RESULTS)


def test_curves_have_their_points_in_order() -> None:
    """What there is of one kind only is no curve."""
    found = [*plots.of(RESULTS)]

    assert [each.name for each in found] == ["actors"]
    assert found[0].curves[0].points == [(10, 2.0), (1000, 4.0)]


def test_plot_is_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    """A plot that changes has new numbers."""
    pytest.importorskip("matplotlib")
    (plot,) = plots.of(RESULTS)

    plots.draw(plot, tmp_path / "one.svg")
    plots.draw(plot, tmp_path / "two.svg")

    assert (tmp_path / "one.svg").read_text() == (tmp_path / "two.svg").read_text()
