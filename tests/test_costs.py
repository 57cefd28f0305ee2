"""What ``docs/explanation/costs.md`` says in words is what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "costs.md"
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"


def median(question: str, contender: str, figure: str = "each") -> float:
    """Return what was measured, in the run that is committed."""
    run: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    for answer in run["questions"]:
        for finding in answer["findings"]:
            if (answer["question"], finding["name"]) == (question, contender):
                value: float = finding["median"][figure]
                return value
    msg = f"{contender} of {question} was not measured"
    raise LookupError(msg)


ASK = median("ask", "ask")


@pytest.mark.parametrize(
    ("words", "measured", "least", "most"),
    [
        pytest.param(
            "takes less than a fifth of that",
            median("memory", "idle", "bytes")
            / median("memory", "textbook trio, used", "bytes"),
            0,
            1 / 5,
            id="an idle actor and a task with a channel",
        ),
        pytest.param(
            "more than ten times as long as a send",
            ASK / median("send", "send"),
            10,
            50,
            id="an ask and a send",
        ),
        pytest.param(
            "More than half of that is for two\nswitches of tasks",
            median("ask", "two switches") / ASK,
            1 / 2,
            1,
            id="two switches and an ask",
        ),
        pytest.param(
            "so it is half as much for each",
            median("ask", "ask, 100 callers") / ASK,
            0.4,
            0.6,
            id="many asks at a time",
        ),
        pytest.param(
            "takes about as long as asking one",
            median("spawn", "start") / ASK,
            2 / 3,
            3 / 2,
            id="a start and an ask",
        ),
        pytest.param(
            "Its end takes several times that",
            (median("spawn", "start, ask, stop") - median("spawn", "start") - ASK)
            / median("spawn", "start"),
            3,
            10,
            id="an end and a start",
        ),
        pytest.param(
            "about ten times as long as a local ask",
            median("stack", "acton_trio") / ASK,
            7,
            14,
            id="a call to another process and an ask",
        ),
    ],
)
def test_words_of_the_page_are_true_of_the_run(
    words: str, measured: float, least: float, most: float
) -> None:
    """Whoever commits another run learns which sentence it contradicts."""
    assert words in PAGE.read_text("utf-8")
    assert least <= measured <= most


def test_page_has_no_figures_of_its_own() -> None:
    """Figures are included from where they are written by a program."""
    text = PAGE.read_text("utf-8")

    for unit in ("us", "ms", "B", "bytes", "kB"):
        assert not [
            word
            for word, following in zip(text.split(), text.split()[1:], strict=False)
            if word.replace(".", "").replace(",", "").isdigit() and following == unit
        ]


def test_tables_that_are_included_exist() -> None:
    """What the page includes is found where it looks for it."""
    figures = (ROOT / "docs" / "performance.md").read_text("utf-8")
    markers = [
        line.split('"')[1]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith((":start-after:", ":end-before:"))
    ]

    assert len(markers) == 6
    for start, end in zip(markers[::2], markers[1::2], strict=True):
        assert "| p99 |" in figures.partition(start)[2].partition(end)[0]
