"""Every guarantee holds in whatever order trio runs its tasks.

trio runs the tasks that are ready in a random order, and keeps the randomness
to itself.  Each asynchronous test here runs once for every seed of it, so that
a failure says in which order it happened and happens again.  ``ACTON_SEEDS=50``
looks at more orders than the usual three.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator

import pytest

from acton_trio._testing.scheduling import TaskOrder, ordered

SEEDS = int(os.environ.get("ACTON_SEEDS", "3"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each asynchronous test under every seed."""
    if inspect.iscoroutinefunction(metafunc.function):
        seeds = [pytest.param(seed, id=f"order{seed}") for seed in range(SEEDS)]
        metafunc.parametrize("task_order", seeds, indirect=True)


@pytest.fixture(autouse=True)
def task_order(request: pytest.FixtureRequest) -> Iterator[TaskOrder]:
    """Shuffle the tasks that are ready, by a seed; not async, so that it runs.

    pytest-trio leaves out asynchronous fixtures that nobody names.
    """
    order = TaskOrder(getattr(request, "param", 0))
    with ordered(order):
        yield order
