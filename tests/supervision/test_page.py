"""What `docs/supervision.md` shows runs, and its tables are the code's."""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

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


def told_by(event: object) -> str:
    """Return whom an event is about, and why."""
    assert isinstance(event, (acton.ChildTerminated, acton.ChildRestarted))
    return f"{event.child} {event.reason.name}"


# What is told below the drawing, in that order.
TOLD = [
    "shop/till/printer PARENT_SHUTDOWN",
    "shop/till/drawer PARENT_SHUTDOWN",
    "shop/ads STOPPED",
    "shop/till FAILED",
    "shop/clerk STOPPED",
]


async def test_drawing_of_the_page_is_its_program(autojump_clock: MockClock) -> None:
    """The tree grows as it is drawn, and falls and comes back as it is told there."""
    [drawing] = re.findall(r"```text\nruntime\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(BLOCKS[0].partition("async def main")[0], names)
    rest, temporary = "REST_FOR_ONE", "TEMPORARY"
    async with acton.open_runtime() as runtime:
        strategy = acton.SupervisionStrategy[rest]
        shop = await runtime.start(names["Shop"], name="shop", strategy=strategy)
        policy = acton.RestartPolicy[temporary]
        await shop.supervise(names["Thing"], name="ads", restart_policy=policy)
        await shop.supervise(names["Thing"], name="clerk")
        grown = [each.name for each in runtime.snapshot().walk()]
        told = list[str]()
        async with runtime.broker.subscribe(
            acton.ChildTerminated, acton.ChildRestarted
        ) as events:
            till = runtime.find("shop/till")
            assert till is not None
            await till.send(names["Sell"](-1))
            with trio.move_on_after(1):
                async for each in events:
                    told.append(told_by(each))

    assert re.findall(r"─ (\S+)", drawing) == grown
    assert re.findall(r"─ (\S+) .*=(\w+)", drawing) == [
        ("shop", rest),
        ("shop/ads", temporary),
    ]
    assert told == TOLD


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
