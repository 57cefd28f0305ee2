"""What is aimed at: where each target is met, and that somebody measures it."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import attrs
import pytest
from findings import EACH, Answer, Figure, Finding
from harness import Plan, Question
from run import OTHERS, QUESTIONS, judge, lines_of
from targets import TARGETS, Comparison, Mark, Target, verdict

FOLDER = Path(__file__).parents[2] / "benchmarks"

OURS, PEER = Figure("ours"), Figure("peer")


def answers(ours: float, peer: float = 1.0) -> dict[str, Answer]:
    """Return what was found of two contenders in one round."""
    findings = [Finding("ours", {EACH: [ours]}), Finding("peer", {EACH: [peer]})]
    return {"question": Answer("question", "a title", "peer", findings)}


def target(comparison: Comparison, must: float, ambitious: float | None) -> Target:
    """Return one that compares the two."""
    other = None if comparison is Comparison.VALUE else PEER
    return Target("it", "question", OURS, other, comparison, must, ambitious)


@pytest.mark.parametrize(
    ("comparison", "ours", "mark"),
    [
        pytest.param(Comparison.COST, 2.0, Mark.AMBITIOUS, id="cost, just ambitious"),
        pytest.param(Comparison.COST, 2.1, Mark.MET, id="cost, met"),
        pytest.param(Comparison.COST, 4.0, Mark.MET, id="cost, just met"),
        pytest.param(Comparison.COST, 4.1, Mark.MISSED, id="cost, missed"),
        pytest.param(Comparison.VALUE, 2.0, Mark.AMBITIOUS, id="value, ambitious"),
        pytest.param(Comparison.VALUE, 4.1, Mark.MISSED, id="value, missed"),
    ],
)
def test_less_is_better(comparison: Comparison, ours: float, mark: Mark) -> None:
    """A cost and a value are met by what is not more than wanted."""
    assert verdict(target(comparison, 4, 2), answers(ours)).mark is mark


@pytest.mark.parametrize(
    ("peer", "mark"),
    [
        pytest.param(4.0, Mark.AMBITIOUS, id="just ambitious"),
        pytest.param(2.0, Mark.MET, id="just met"),
        pytest.param(1.9, Mark.MISSED, id="missed"),
    ],
)
def test_faster_is_better(peer: float, mark: Mark) -> None:
    """A speed is how many times as long the reference takes."""
    found = verdict(target(Comparison.SPEED, 2, 4), answers(1.0, peer))

    assert (found.mark, found.measured) == (mark, peer)


@pytest.mark.parametrize(
    ("least", "told"),
    [
        pytest.param(3.0, "missed, by the least too", id="nobody could"),
        pytest.param(1.5, "missed", id="somebody could"),
    ],
)
def test_target_that_the_least_misses_says_so(least: float, told: str) -> None:
    """What is missed by what does no more than it has to was not to be had."""
    found = answers(4.0)
    found["question"].findings.append(Finding("the least", {EACH: [least]}))
    aimed = attrs.evolve(target(Comparison.COST, 2, None), least="the least")

    reached = verdict(aimed, found)

    assert str(reached) == told
    assert reached.least is not None
    assert reached.least.shown == f"{least:g}x"


def test_without_an_ambition_met_is_all() -> None:
    """Not every target has two numbers."""
    found = verdict(target(Comparison.COST, 2, None), answers(0.1))

    assert found.mark is Mark.MET


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param({}, "not asked", id="question"),
        pytest.param(
            {"question": Answer("question", "", "", [Finding("ours", {EACH: [1.0]})])},
            "question has no peer",
            id="contender",
        ),
        pytest.param(
            {
                "question": Answer(
                    "question",
                    "",
                    "",
                    [Finding("ours", {EACH: [1.0]}), Finding("peer", skipped="gone")],
                )
            },
            "gone",
            id="peer",
        ),
    ],
)
def test_what_cannot_be_judged_says_why(found: dict[str, Answer], reason: str) -> None:
    """Skipped is a verdict of its own, with a reason."""
    told = verdict(target(Comparison.COST, 1, None), found)

    assert (told.mark, told.measured, str(told)) == (
        Mark.SKIPPED,
        None,
        f"skipped: {reason}",
    )


def test_question_that_failed_is_the_reason() -> None:
    """The targets of a file that did not answer say so."""
    verdicts = judge({}, {"imports": "imports.py has ended with 1"}, ["imports"])

    assert {str(each) for each in verdicts} == {"skipped: imports.py has ended with 1"}
    assert [*lines_of(verdicts)][-1].endswith("0 missed, 2 skipped")


def test_every_file_is_asked() -> None:
    """A question that nobody asks would go stale."""
    files = {
        each.stem
        for each in FOLDER.glob("*.py")
        if "\nQUESTION = Question(" in each.read_text("utf-8")
    }

    assert files <= {*QUESTIONS, *OTHERS}


@pytest.mark.parametrize("question", sorted({each.question for each in TARGETS}))
def test_every_target_is_measured(question: str) -> None:
    """What the table names are contenders of a question that is asked."""
    assert question in QUESTIONS
    asked: Question = import_module(question).QUESTION
    wanted = {
        figure.contender
        for each in TARGETS
        if each.question == question
        for figure in (each.figure, each.reference)
        if figure is not None
    } | {each.least for each in TARGETS if each.question == question and each.least}

    with ExitStack() as stack:
        names = [each.name for each in asked.contenders(Plan(stack))]

    assert len(names) == len(set(names))
    assert {*wanted, asked.floor} <= {*names}
    assert asked.name == question
