"""What `docs/supervision.md` shows runs, and its tables are the code's."""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
import trio

import acton_trio as acton
from acton_trio._policy.policies import comes_back

PAGE = (Path(__file__).parents[2] / "docs" / "supervision.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EVENTS: list[type] = [
    acton.ChildSupervised,
    acton.ChildRestarted,
    acton.ChildTerminated,
    acton.SupervisionEscalated,
]


def row_of(first: str) -> list[str]:
    """Return the cells of the table row whose first cell begins with *first*."""
    row = re.search(rf"^\| {re.escape(first)}[^|]*\|(.*)\|$", PAGE, re.MULTILINE)
    assert row is not None
    return [cell.strip() for cell in row[1].split("|")]


def test_examples_of_the_page_run(pytester: pytest.Pytester) -> None:
    """They are one program, as a reader would run it, with a test at its end."""
    pytester.makepyfile(test_page="\n\n".join(BLOCKS))
    pytester.makeini("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")

    result = pytester.runpytest_subprocess("-q")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "policy", [pytest.param(each, id=each.value) for each in acton.RestartPolicy]
)
def test_policy_brings_back_what_the_page_says(policy: acton.RestartPolicy) -> None:
    """The table has a row for each policy, and a column for each reason."""
    reasons = [acton.TerminationReason[name.strip("`")] for name in row_of("policy")]

    assert row_of(f"`{policy.name}`") == [
        "restart" if comes_back(policy, reason) else "stays down" for reason in reasons
    ]
    assert {*reasons} == {*acton.TerminationReason}


@pytest.mark.parametrize(
    "event", [pytest.param(each, id=each.__name__) for each in EVENTS]
)
def test_event_has_the_fields_that_the_page_lists(event: type) -> None:
    """The table has a row for each event, and names its fields in order."""
    fields = re.findall(r"`(\w+)`", row_of(f"`{event.__name__}`")[-1])

    assert fields == [*inspect.signature(event).parameters]


def test_traceback_of_the_page_is_what_its_program_raises() -> None:
    """It is shown without the frames, and nothing else of it is left out."""
    names: dict[str, Any] = {"__name__": "page"}
    exec("\n\n".join(BLOCKS), names)
    [printed] = re.findall(r"```text\n(ValueError: .*?)```", PAGE, re.DOTALL)

    with pytest.RaisesGroup(acton.RestartLimitError) as caught:
        trio.run(names["go_bankrupt"])

    [error] = caught.value.exceptions
    text = "".join(traceback.format_exception(error))
    frames = r"^Traceback .*\n(?: .*\n)+"
    assert re.sub(frames, "", text, flags=re.MULTILINE) == printed
