"""The questions can be asked: each contender of ours runs, however long it takes."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module

import pytest
from harness import Plan, Question

IN_PROCESS = [
    "send",
    "ask",
    "spawn",
    "memory",
    "fairness",
    "broadcast",
    "timers",
    "codec",
    "scaling",
    "imports",
]


@pytest.mark.parametrize("name", IN_PROCESS)
def test_contenders_run(name: str) -> None:
    """Those that need nothing more than the package tell what they have found."""
    question: Question = import_module(name).QUESTION

    with ExitStack() as stack:
        contenders = question.contenders(Plan(stack, quicker=10_000))
        told = [each.run() for each in contenders if not each.needs]

    assert all(told)
