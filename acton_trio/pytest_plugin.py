"""The pytest plugin: fixtures, leak check, replay of explored runs, watchdog.

It is loaded wherever the package is installed, so it imports neither trio nor
the package before a test asks for something, and changes no test that does not.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from ._ipc.runtime import Runtime
    from ._testing.leaks import Leak
    from ._testing.ledger import Ledger
    from ._testing.probes import Probe

_LEDGER: Final[pytest.StashKey[Ledger]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--acton-seed`` and ``acton_watchdog``."""
    group = parser.getgroup("acton_trio")
    group.addoption(
        "--acton-seed",
        type=int,
        default=None,
        metavar="N",
        help="run explored tests only once, in the order of the seed N",
    )
    parser.addini(
        "acton_watchdog",
        "seconds of real time after which an async test fails; 0: never",
        default="0",
    )


@pytest.fixture
async def runtime(request: pytest.FixtureRequest) -> AsyncGenerator[Runtime, None]:
    """Open a runtime for one test, which fails for what it leaves behind there."""
    from ._testing.harness import open_watched_runtime  # noqa: PLC0415 - see above
    from ._testing.unawaited import noting_unawaited  # noqa: PLC0415 - see above

    unawaited: list[Leak] = []
    with noting_unawaited(unawaited):
        async with open_watched_runtime() as (opened, ledger):
            yield opened
    ledger.add(unawaited)
    # Not raised here: nobody knows yet whether the test itself has failed.
    node: pytest.Item = request.node
    node.stash[_LEDGER] = ledger


@pytest.fixture
async def probe(runtime: Runtime) -> AsyncGenerator[Probe, None]:
    """Open a probe in the runtime of the test."""
    from ._testing.probes import open_probe  # noqa: PLC0415 - see above

    async with open_probe(runtime) as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that has passed for what it has left behind."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException:
        if "runtime" in getattr(item, "fixturenames", ()):
            _note_failure(item)
        raise
    ledger = item.stash.get(_LEDGER, None)
    leaks = ledger.leaks() if ledger is not None else []
    if leaks:
        from ._testing.leaks import LeakError  # noqa: PLC0415 - see above

        raise LeakError(leaks)
    return result


def _note_failure(item: pytest.Item) -> None:
    # Not loaded for a fixture of that name that is somebody else's.
    unawaited = sys.modules.get("acton_trio._testing.unawaited")
    if unawaited is not None:
        unawaited.note_failure(item.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Restrict explored tests to a seed, and put the watchdog around async ones."""
    seed = config.getoption("--acton-seed")
    patience = float(config.getini("acton_watchdog"))
    for item in items:
        exploration = getattr(getattr(item, "obj", None), "exploration", None)
        if exploration is not None:
            exploration.only_seed = seed
            exploration.patience = patience
        elif patience and item.get_closest_marker("trio") is not None:
            _watch(item, patience)


def _watch(item: pytest.Item, patience: float) -> None:
    from ._testing.watchdog import run_with_watchdog, watched  # noqa: PLC0415

    test: Any = getattr(item, "obj", None)
    # pytest-trio runs the examples of a property by trio.run, whatever the
    # marker says: the watchdog goes inside.
    inner = getattr(test, "hypothesis", None)
    if inner is not None:
        if iscoroutinefunction(inner.inner_test):
            inner.inner_test = watched(inner.inner_test, patience)
    elif iscoroutinefunction(test):
        runner = _runner_of(item)
        run = partial(run_with_watchdog, patience=patience, run=runner)
        item.add_marker(pytest.mark.trio(run=run), append=False)


def _runner_of(item: pytest.Item) -> Callable[..., object] | None:
    """Return what a marker says is to run the test, if one does."""
    runs = (marker.kwargs.get("run") for marker in item.iter_markers("trio"))
    return next((run for run in runs if run is not None), None)
