"""A runtime that is opened in the wrong way: the error shows the right one."""

from __future__ import annotations

from typing import Any

import pytest

import acton_trio as acton

from .lessons import (
    enter,
    lines,
    said,
)


def test_asyncio_is_not_what_runs_it() -> None:
    """Without trio there is no scope to open, and the right line is trio's."""
    opened: Any = acton.open_runtime()
    entering = opened.__aenter__()
    with pytest.raises(RuntimeError) as caught:
        entering.send(None)

    assert said(caught.value) == lines("""
        acton_trio runs on trio.
          incorrect: asyncio.run(main())
          correct:   trio.run(main)
    """)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        pytest.param(
            acton.Config,
            """
            open_runtime takes a Config, not its class.
              incorrect: open_runtime(Config)
              correct:   open_runtime(Config())
            """,
            id="class",
        ),
        pytest.param(
            {"timeouts": {"ask": 5}},
            """
            open_runtime takes a Config, not {'timeouts': {'ask': 5}}.
              incorrect: open_runtime({'timeouts': {'ask': 5}})
              correct:   open_runtime(Config(timeouts=Timeouts(ask=5)))
            """,
            id="dict",
        ),
    ],
)
async def test_what_is_no_config_is_shown_beside_one(config: Any, text: str) -> None:
    """A runtime takes its settings as one value."""
    with pytest.raises(TypeError) as caught:
        await enter(acton.open_runtime(config))

    assert said(caught.value) == lines(text)


def test_section_of_a_config_is_no_dict() -> None:
    """The values that were given are in the line that was meant."""
    wrong: Any = {"ask": 5}
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config(timeouts=wrong)

    assert said(caught.value) == lines("""
        Config: timeouts: expected Timeouts(...), got {'ask': 5}
          incorrect: Config(timeouts={'ask': 5})
          correct:   Config(timeouts=Timeouts(ask=5))
    """)
