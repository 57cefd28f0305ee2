"""The failures that `docs/testing.md` shows are those that come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")

# Each fails in a way that the page tells of; by the lines that the page names.
TESTS = {
    1: """
from till import *

@acton.message
class CloseTill:
    pass

@acton.actor
class Journal:
    @acton.mutate_on
    def note(self, sold: Sold, ctx: acton.Context) -> None:
        ctx.stop()

runs = 0

@explore(runs=200)
async def test_orders(runtime):
    global runs
    runs += 1
    assert runs < 17
""",
    26: """
async def test_expectation(runtime, probe, nursery, autojump_clock):
    till = await runtime.start(Till, probe, probe)
    nursery.start_soon(till.ask, Buy("tea", 2))
    await probe.expect(GetPrice)
    await probe.expect(Sold)
""",
    36: """
async def test_dead_letter(runtime):
    once = acton.RestartPolicy.TEMPORARY
    journal = await runtime.start(Journal, name="journal", restart_policy=once)
    await journal.send(Sold("milk", 1))
    await journal.send(Sold("tea", 2))
""",
    48: """
async def test_live_timer(runtime, probe, autojump_clock):
    till = await runtime.start(Till, probe, probe, name="till")
    await trio.sleep(5)
    till.send_after(55, CloseTill())
""",
}


def test_failures_of_the_page_are_those_that_come(pytester: pytest.Pytester) -> None:
    """Word for word, each from a test about the till of the page."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shown: list[str] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    source = ""
    for line, test in TESTS.items():
        source += "\n" * (line - 1 - source.count("\n")) + test
    pytester.makepyfile(till=blocks[0])
    (pytester.mkdir("tests") / "test_till.py").write_text(source, "utf-8")
    pytester.makeini("[pytest]\ntrio_mode = true\npythonpath = .\n")

    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(failed=4)
    # Without what pytest and tracebacks put before each line.
    margin = r"^(?:E {7}|E {3}| {4}\| | {4})(?:acton_trio\.testing\.\w+: )?"
    printed = re.sub(margin, "", str(result.stdout), flags=re.MULTILINE)
    assert [each for each in shown if each not in f"{printed}\n"] == []
