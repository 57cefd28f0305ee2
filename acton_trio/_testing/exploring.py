"""`explore`: one test, run in many of the orders in which its tasks may run.

Which of the tasks that are ready runs next, and when a sender or an actor lets
others run, trio and the kernel leave open: all of it follows from one seed.
The messages of one sender keep their order, as they always do; those of
different senders come in every order that their tasks can bring about.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from functools import wraps
from typing import Final, Protocol, cast, final

import attrs
import trio
import trio.testing

from .._base.util import name_of, note, publish_names
from .harness import open_test_runtime
from .pacing import paced
from .probes import open_probe
from .scheduling import TaskOrder, ordered
from .watchdog import HangError, watched, where_all_are

__all__ = ["Exploration", "Explored", "explore"]

_SUPPLIED: Final = ("runtime", "probe", "autojump_clock", "mock_clock", "nursery")

# Some races want tasks that are late, others are hidden by them.
_HOLDS_BACK: Final = (0.0, 0.1, 0.3)

# In virtual seconds: when this comes, nothing else ever would.
_END_OF_TIME: Final = 1e9


class Explored(Protocol):
    """A test that is explored when it is called."""

    exploration: Exploration
    """How it is explored."""

    def __call__(self, *args: object, **options: object) -> None:
        """Run the test in one order after another, until one fails."""
        ...


@final
@attrs.define(eq=False)
class Exploration:
    """How one test is explored; lives as long as the test function."""

    test: Callable[..., Awaitable[object]]
    """The test itself."""

    runs: int
    """How many orders are tried."""

    first_seed: int
    """Seed of the first; each further one is one more."""

    only_seed: int | None = attrs.field(default=None, init=False)
    """The one seed to run it with, in place of all."""

    patience: float = attrs.field(default=0.0, init=False)
    """How long each run may take, in seconds of real time; 0: for ever."""

    def explore(self, *args: object, **options: object) -> None:
        """Run the test in one order after another, until one fails.

        It is called with *args* and *options*, and with what it wants anew.
        """
        if self.only_seed is not None:
            self.replay(self.only_seed, *args, **options)
            return
        for number in range(self.runs):
            seed = self.first_seed + number
            try:
                self.run(seed, *args, **options)
            except BaseException as error:
                ordinal = f"run {number + 1} of {self.runs}"
                replay = f"--acton-seed={seed} replays exactly this run"
                note(error, f"explore: {ordinal} failed; {replay}")
                raise

    def replay(self, seed: int, *args: object, **options: object) -> None:
        """Run the test in the order of *seed*, the same one each time.

        It is called as by `explore`, with *args* and *options*.
        """
        try:
            self.run(seed, *args, **options)
        except BaseException as error:
            note(error, f"explore: the run with --acton-seed={seed} failed")
            raise

    def run(self, seed: int, *args: object, **options: object) -> None:
        """Run the test once, in the order of *seed*, with *args* and *options*."""
        clock = trio.testing.MockClock(autojump_threshold=0)

        async def main() -> None:
            with _until_the_end_of_time():
                async with AsyncExitStack() as stack:
                    supplied = await self._supply(stack, clock)
                    await self.test(*args, **supplied, **options)

        limited = watched(main, self.patience) if self.patience else main
        order = TaskOrder(seed, holds_back=_HOLDS_BACK[seed % len(_HOLDS_BACK)])
        with ordered(order), paced(order), _seeded(seed):
            trio.run(limited, clock=clock)

    @property
    def wanted(self) -> set[str]:
        """The parameters of the test that are made anew for each run."""
        return inspect.signature(self.test).parameters.keys() & _SUPPLIED

    async def _supply(
        self, stack: AsyncExitStack, clock: trio.testing.MockClock
    ) -> dict[str, object]:
        """Return what the test wants for one run, to be left with *stack*."""
        wanted = self.wanted
        supplied = dict[str, object](autojump_clock=clock, mock_clock=clock)
        if wanted & {"runtime", "probe"}:
            runtime = await stack.enter_async_context(open_test_runtime())
            supplied["runtime"] = runtime
            if "probe" in wanted:
                probe = await stack.enter_async_context(open_probe(runtime))
                supplied["probe"] = probe
        if "nursery" in wanted:
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel, reason="the test is over")
            supplied["nursery"] = nursery
        return {name: supplied[name] for name in wanted}


def explore(
    *, runs: int = 200, first_seed: int = 0
) -> Callable[[Callable[..., Awaitable[object]]], Explored]:
    """Run an async test in many orders of its tasks and messages, in virtual time.

    ::

        @explore(runs=200)
        async def test_transfers_keep_the_sum(runtime, probe):
            ...

    The test that is decorated is a plain function: it stops at the first run
    that fails, and says by which seed ``--acton-seed`` replays it.  Parameters
    called ``runtime``, ``probe``, ``nursery``, ``autojump_clock`` and
    ``mock_clock`` are made anew for each run; others are the same for all, and
    from pytest, as long as those are no async fixtures.

    What does not follow from the seed is real time, and real sockets, threads
    and processes: a test that uses them may not be replayed.

    Args:
        runs: How many orders are tried.
        first_seed: Seed of the first; each further one is one more.

    Raises:
        ValueError: If no run is to be made.
    """
    if runs < 1:
        msg = f"explore() makes at least one run, not {runs}"
        raise ValueError(msg)

    def decorate(test: Callable[..., Awaitable[object]]) -> Explored:
        if not inspect.iscoroutinefunction(test):
            msg = (
                f"explore() decorates async tests, and {name_of(test)} is none.\n"
                "  correct: @explore()\n"
                "           async def test_...(runtime): ..."
            )
            raise TypeError(msg)
        return _explored(Exploration(test, runs, first_seed))

    return decorate


def _explored(exploration: Exploration) -> Explored:
    test = exploration.test

    @wraps(test)
    def run_it(*args: object, **options: object) -> None:
        __tracebackhide__ = True
        exploration.explore(*args, **options)

    signature = inspect.signature(test)
    given = [
        each
        for each in signature.parameters.values()
        if each.name not in exploration.wanted
    ]
    # What pytest looks at to know what it has to provide.
    plain = signature.replace(parameters=given, return_annotation=None)
    setattr(run_it, "__signature__", plain)  # noqa: B010 - mypy knows of none
    explored = cast("Explored", run_it)
    explored.exploration = exploration
    return explored


@contextmanager
def _seeded(seed: int) -> Generator[None, None, None]:
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _until_the_end_of_time() -> Generator[None, None, None]:
    """Cancel the block, and fail, if nothing can happen in it any more.

    Not by a deadline: asks would have it, and wait for nothing else.
    """
    scope, hang = trio.CancelScope(), list[str]()

    async def wait_for_it() -> None:
        await trio.sleep(_END_OF_TIME)
        hang.append(f"nothing happens any more, in these tasks:\n{where_all_are()}")
        scope.cancel(reason="nothing happens any more")

    trio.lowlevel.spawn_system_task(wait_for_it, name="the end of time")
    try:
        with scope:
            yield
    finally:
        if hang:
            # Whatever else came of the cancellation is its context.
            raise HangError(hang[0])


publish_names(globals(), ["Exploration", "Explored"], "acton_trio.testing")
