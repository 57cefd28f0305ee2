"""`explore`: what it finds, what it replays, and what it leaves alone."""

from __future__ import annotations

import inspect
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._testing.scheduling import TaskOrder, ordered
from acton_trio.testing import (
    Explored,
    HangError,
    LeakError,
    Probe,
    explore,
    open_probe,
    open_test_runtime,
    wait_idle,
)

from . import races
from .shops import Ping, Shop, Unknown

ROOT = Path(__file__).parents[2]


# --- what it finds


def run_plainly(test: Callable[..., Awaitable[None]], number: int) -> None:
    """Run a test as pytest-trio does, with the tasks of a turn shuffled."""
    wants_probe = "probe" in inspect.signature(test).parameters

    async def main() -> None:
        async with open_test_runtime() as runtime:
            if not wants_probe:
                await test(runtime)
                return
            async with open_probe(runtime) as probe:
                await test(runtime, probe)

    with ordered(random.Random(number)):
        trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    ("test", "explored"),
    [
        pytest.param(races.deposit_by_selecting, races.selecting, id="two senders"),
        pytest.param(races.overtake, races.overtaking, id="three parties"),
    ],
)
def test_planted_race_is_found_where_plain_runs_pass(
    test: Callable[..., Awaitable[None]], explored: Explored
) -> None:
    """A hundred plain runs see nothing of it; two hundred explored ones do."""
    for number in range(100):
        run_plainly(test, number)

    with pytest.raises(AssertionError) as raised:
        explored()
    (note,) = raised.value.__notes__
    seed = int(note.partition("--acton-seed=")[2].partition(" ")[0])
    assert note == (
        f"explore: run {seed + 1} of 200 failed; "
        f"--acton-seed={seed} replays exactly this run"
    )
    with pytest.raises(AssertionError) as again:
        explored.exploration.replay(seed)
    assert str(again.value) == str(raised.value)
    assert again.value.__notes__ == [
        f"explore: the run with --acton-seed={seed} failed"
    ]


def test_program_without_the_race_passes() -> None:
    """What is sound is sound in every order that is tried."""
    races.at_once()


def test_messages_of_one_sender_keep_their_order() -> None:
    """No order is tried that could not happen: senders are first in, first out."""
    orders = set[tuple[object, ...]]()

    @explore(runs=200)
    async def senders(runtime: acton.Runtime, probe: Probe) -> None:
        async def send(start: int) -> None:
            for number in range(start, start + 3):
                await probe.send(Ping(number))

        async with trio.open_nursery() as nursery:
            for start in (0, 10):
                nursery.start_soon(send, start)
        await wait_idle(runtime)
        numbers = [each.number for each in probe.received if isinstance(each, Ping)]
        assert [each for each in numbers if each < 10] == [0, 1, 2]
        assert [each for each in numbers if each >= 10] == [10, 11, 12]
        orders.add(tuple(numbers))

    senders()

    # There are 20 ways to interleave three and three.
    assert len(orders) >= 17


def test_what_cannot_be_interrupted_is_not() -> None:
    """Messages sent without a checkpoint between them come without one between."""

    @explore(runs=100)
    async def bursts(runtime: acton.Runtime, probe: Probe) -> None:
        async def send(start: int) -> None:
            await trio.lowlevel.checkpoint()
            probe.send_nowait(Ping(start))
            probe.send_nowait(Ping(start + 1))

        async with trio.open_nursery() as nursery:
            for start in (0, 10, 20):
                nursery.start_soon(send, start)
        await wait_idle(runtime)
        numbers = [each.number for each in probe.received if isinstance(each, Ping)]
        assert all(second == first + 1 for first, second in pairs(numbers))

    bursts()


def pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_deadlock_is_found_and_told() -> None:
    """A run in which nothing can happen any more fails, with where its tasks are."""

    @explore(runs=3)
    async def hangs(runtime: acton.Runtime) -> None:
        await runtime.start(Shop)
        await trio.sleep_forever()

    with pytest.raises(HangError, match="nothing happens any more, in these tasks:"):
        hangs()


def test_leaks_are_failures() -> None:
    """Every run has its own runtime, and its own leak check."""

    @explore(runs=3)
    async def leaks(runtime: acton.Runtime) -> None:
        shop = await runtime.start(Shop)
        await shop.send(Unknown())

    with pytest.raises(LeakError, match="dead letter"):
        leaks()


# --- what it replays


def test_same_seed_is_the_same_run() -> None:
    """Everything happens again as it did, and in another order for another seed."""
    first, again = races.logs(range(20)), races.logs(range(20))

    assert first == again
    assert len(set(map(tuple, first))) == 20
    assert len(set(map(len, first))) == 1


def test_same_seed_is_the_same_run_in_another_process() -> None:
    """What a log of CI tells is replayed at home, whatever strings hash to there."""
    code = "import sys; from tests.testing import races\n" + SHOW
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = "".join(f"{each}\n" for each in races.logs(range(20)))

    assert printed == {here}


SHOW = "for each in races.logs(range(20)): print(each)"


# --- how it is used


def test_each_run_has_a_seed_of_its_own() -> None:
    """The runs that are made are counted, and differ."""
    seen = list[float]()

    @explore(runs=5)
    async def program() -> None:
        await trio.lowlevel.checkpoint()
        seen.append(random.random())

    random.seed(3)
    expected = random.random()
    random.seed(3)
    program()

    assert len(set(seen)) == 5
    assert random.random() == expected


def test_first_seed_is_where_it_begins() -> None:
    """A suite may look at other orders every night."""

    @explore(runs=5, first_seed=70)
    async def program() -> None:
        await trio.lowlevel.checkpoint()
        raise AssertionError

    with pytest.raises(AssertionError) as raised:
        program()

    assert raised.value.__notes__ == [
        "explore: run 1 of 5 failed; --acton-seed=70 replays exactly this run"
    ]


def test_only_seed_is_the_only_run() -> None:
    """What the plugin sets for ``--acton-seed`` holds without pytest, too."""
    runs = list[int]()

    @explore(runs=5)
    async def program() -> None:
        await trio.lowlevel.checkpoint()
        runs.append(1)

    program.exploration.only_seed = 3
    program()

    assert runs == [1]


def test_parameters_are_made_anew_for_each_run() -> None:
    """No run sees what another has done to its runtime or its clock."""
    runtimes = list[acton.Runtime]()

    @explore(runs=3)
    async def program(
        runtime: acton.Runtime,
        probe: Probe,
        nursery: trio.Nursery,
        autojump_clock: MockClock,
        mock_clock: MockClock,
    ) -> None:
        assert trio.current_time() == 0
        assert autojump_clock is mock_clock
        assert runtime.actors() == (probe,)
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep(60)
        runtimes.append(runtime)

    program()

    assert len(set(map(id, runtimes))) == 3


@pytest.mark.parametrize("number", [1, 2])
@explore(runs=2)
async def test_other_parameters_are_from_pytest(
    runtime: acton.Runtime, number: int, tmp_path: Path
) -> None:
    """Fixtures that are no async ones, and parameters, are passed on."""
    await wait_idle(runtime)

    assert number in {1, 2}
    assert tmp_path.is_dir()


class TestMethods:
    """Tests in a class."""

    @explore(runs=2)
    async def test_method_is_explored(self, runtime: acton.Runtime) -> None:
        """The instance is passed on as well."""
        await wait_idle(runtime)

        assert isinstance(self, TestMethods)


def test_explored_test_looks_like_the_test() -> None:
    """Tools see its name and text, and pytest what it has to provide."""

    @explore()
    async def program(runtime: acton.Runtime, tmp_path: Path) -> None:
        """Explain itself."""

    explored: Any = program
    assert explored.__name__ == "program"
    assert explored.__doc__ == "Explain itself."
    assert list(inspect.signature(explored).parameters) == ["tmp_path"]
    assert not inspect.iscoroutinefunction(explored)
    assert program.exploration.runs == 200


def test_explore_is_for_async_tests() -> None:
    """A mistake is told where it is made, before anything runs."""

    def sync() -> None: ...

    wrong: Any = sync
    with pytest.raises(TypeError, match=r"async tests, and sync is none"):
        explore()(wrong)
    with pytest.raises(ValueError, match="at least one run, not 0"):
        explore(runs=0)


def test_run_that_hangs_in_real_time_is_watched() -> None:
    """With patience set a run that never ends fails as well."""

    @explore(runs=1)
    async def program() -> None:
        while True:  # noqa: ASYNC110 - it is to hang
            await trio.lowlevel.checkpoint()

    program.exploration.patience = 0.05
    with pytest.raises(HangError, match=r"hung for 0\.05 seconds"):
        program()


# --- the order of tasks


def test_order_that_holds_back_still_runs_all() -> None:
    """Every task has its turn, and what is blocked is known to be."""
    ran = list[int]()

    async def note(number: int) -> None:
        await trio.lowlevel.checkpoint()
        ran.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(note, number)
            await trio.testing.wait_all_tasks_blocked()
            assert len(ran) == 20
        await trio.sleep(10)

    with ordered(TaskOrder(1, holds_back=1.0)):
        trio.run(main, clock=MockClock(autojump_threshold=0))

    assert sorted(ran) == list(range(20))


def test_order_is_that_of_trio_again_after_it() -> None:
    """What is switched on for a test is switched off after it, if it fails too."""
    core: Any = trio._core._run  # pyright: ignore[reportAttributeAccessIssue]
    before = core._r, core._ALLOW_DETERMINISTIC_SCHEDULING
    with pytest.raises(ZeroDivisionError), ordered(TaskOrder(1)):
        assert core._ALLOW_DETERMINISTIC_SCHEDULING
        _ = 1 / 0

    assert (core._r, core._ALLOW_DETERMINISTIC_SCHEDULING) == before
