"""The examples of `docs/testing.md` are tests, and pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_examples_of_the_page_pass(pytester: pytest.Pytester) -> None:
    """What the page shows is run as a reader would run it: five tests, all pass."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    pytester.makepyfile(test_page="\n\n".join(blocks))
    pytester.makeini("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")

    result = pytester.runpytest_subprocess("-q")

    result.assert_outcomes(passed=5)
