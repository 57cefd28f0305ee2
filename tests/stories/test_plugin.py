"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MESSAGES = """
import attrs
import pytest
import trio
import acton_trio as acton
from acton_trio.testing import explore, expect_event, faults, wait_idle

@acton.message
class Ping:
    number: int = 0

@acton.message
class GetPrice(acton.Request[int]): ...

@acton.message
class Break: ...

@acton.actor
class Shop:
    @acton.mutate_on
    def ping(self, message: Ping) -> None: ...

    @acton.mutate_on
    def break_(self, message: Break) -> None:
        raise ValueError("a bug")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a file of tests with pytest, in a process of its own."""
    # Not measured, and not with the options of this run.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Run(pytester)


class Run:
    """Runs files of tests with pytest; lives as long as the folder for them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(
        self, source: str, *options: str, ini: str = "trio_mode = true"
    ) -> pytest.RunResult:
        """Run *source*, after the messages and actors of this file."""
        self._pytester.makepyfile(test_it=MESSAGES + source)
        self._pytester.makeini(f"[pytest]\n{ini}\n")
        return self._pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)

    def line_of(self, text: str) -> int:
        """Return the number of the line that *text* is in."""
        lines = (self._pytester.path / "test_it.py").read_text().splitlines()
        return next(n for n, line in enumerate(lines, 1) if text in line)


def test_fixtures_are_a_runtime_and_a_probe_in_it(run: Run) -> None:
    """They work together, under each of the clocks, and in a file without the mode."""
    result = run(
        """
        async def test_together(runtime, probe):
            assert runtime.actors() == (probe,)
            await probe.send(Ping(1))
            assert await probe.expect(Ping) == Ping(1)

        async def test_jumping(runtime, probe, autojump_clock):
            await probe.expect_nothing(within=3600)
            assert trio.current_time() == 3600

        async def test_standing(probe, mock_clock):
            mock_clock.jump(10)
            assert trio.current_time() == 10

        @pytest.mark.trio
        async def test_nursery(runtime, nursery):
            nursery.start_soon(trio.sleep_forever)
        """.replace("\n        ", "\n")
    )

    result.assert_outcomes(passed=4)


LEAKS = """
async def ask(handle):
    try:
        await handle.ask(GetPrice())  # asks
    except acton.NoReplyError:
        pass

async def test_ask(runtime, probe, nursery, autojump_clock):
    nursery.cancel_scope.shield = True
    trio.lowlevel.spawn_system_task(ask, probe)
    await probe.expect(GetPrice)

async def test_letter(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(GetPrice())  # sends

async def test_failure(runtime):
    policy = acton.RestartPolicy.TEMPORARY
    shop = await runtime.start(Shop, name="shop", restart_policy=policy)
    await shop.send(Break())
    await shop.wait_stopped()

async def test_task(runtime):
    trio.lowlevel.spawn_system_task(trio.sleep_forever, name="a guest")

async def test_socket(runtime):
    global left
    left = trio.socket.socketpair()

async def test_unread(runtime, probe):
    probe.must_read(Ping)
    await probe.send(Ping(7))
    await wait_idle(runtime)

async def test_failing(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(GetPrice())
    assert 1 == 2

@pytest.mark.xfail(strict=True)
async def test_expected(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(GetPrice())

async def test_skipped(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(GetPrice())
    pytest.skip("not today")

async def test_clean(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(GetPrice())
    await expect_event(runtime, acton.DeadLetter)
"""


def test_each_leak_fails_its_test_and_is_named(run: Run) -> None:
    """Whoever reads the output sees what was left behind, where, and nothing else."""
    result = run(LEAKS)
    result.assert_outcomes(failed=7, passed=1, xfailed=1, skipped=1)
    text = result.stdout.str()

    asks, sends = run.line_of("# asks"), run.line_of("# sends")
    fails = run.line_of("a bug")

    for leak in f"""
      unanswered ask: GetPrice() to probe-0, asked at test_it.py:{asks}: handled, and
      dead letter: GetPrice() for shop, sent at test_it.py:{sends}: no handler for its
      failure without an owner: shop has failed: ValueError('a bug'), raised at test_it.py:{fails}
      task: a guest, which waits at
      unread message: Ping(number=7) to probe-0
""".strip("\n").splitlines():
        assert f"\n{leak}" in text
    if Path("/dev/fd").exists():
        assert "\n      socket: file descriptor " in text
    # The test that fails by itself is not blamed for the rest.
    assert text.count("E   acton_trio.testing.LeakError: the test has left") == 6
    assert "assert 1 == 2" in text


EXPLORED = """
@explore(runs=50)
async def test_race(runtime, probe, tmp_path):
    courier = runtime.new_actor(object, name="courier")
    async def pass_on(_, message: Ping):
        await probe.send(message)
    handle = await courier.mutate_on(Ping, pass_on).start()
    await handle.send(Ping(2))
    await probe.send(Ping(1))
    await wait_idle(runtime)
    print("received", probe.received)
    assert probe.received == (Ping(1), Ping(2))

@explore(runs=50)
async def test_sound(runtime):
    await runtime.start(Shop)
    print("one run")
"""


def test_seed_that_is_printed_replays_the_run(run: Run) -> None:
    """One line of the output is all that it takes to see the failure again."""
    found = run(EXPLORED)
    found.assert_outcomes(failed=1, passed=1)
    line = next(each for each in found.outlines if "explore: run" in each)
    seed = line.partition("--acton-seed=")[2].partition(" ")[0]
    replayed = run(EXPLORED, f"--acton-seed={seed}", "-rA")
    replayed.assert_outcomes(failed=1, passed=1)
    text = replayed.stdout.str()

    assert line.endswith("replays exactly this run")
    assert f"explore: the run with --acton-seed={seed} failed" in text
    assert text.count("\none run") == 1
    assert "received (Ping(number=2), Ping(number=1))" in text


HANGING = """
from hypothesis import Phase, given, settings, strategies as st

async def test_hangs(runtime):
    await trio.sleep_forever()  # hangs

async def test_hangs_in_virtual_time(autojump_clock):
    while True:
        await trio.sleep(1)

@settings(max_examples=1, phases=[Phase.generate], database=None)
@given(st.integers())
async def test_property(number):
    await trio.sleep_forever()

@explore(runs=3)
async def test_explored():
    while True:
        await trio.sleep(1)

def test_sync(): ...

async def test_quick(runtime): ...
"""


def test_watchdog_bites_what_hangs_and_nothing_else(run: Run) -> None:
    """After a hang, told with its line, the next test finds trio as it was."""
    ini = "trio_mode = true\nacton_watchdog = 0.2"
    result = run(HANGING, ini=ini)
    result.assert_outcomes(failed=4, passed=2)

    line = run.line_of("# hangs")
    result.stdout.fnmatch_lines(
        [
            "*HangError: hung for 0.2 seconds, in these tasks:",
            f'*test_it.py", line {line}, in test_hangs',
        ]
    )


def test_watchdog_keeps_the_runner_that_was_chosen(run: Run) -> None:
    """A test with a runner of its own is run by that, and watched."""
    source = """
runs = []

def runner(async_fn, **options):
    runs.append(async_fn)
    return trio.run(async_fn, **options)

@pytest.mark.trio(run=runner)
async def test_own_runner(): ...

def test_it_was_used():
    assert len(runs) == 1
"""
    result = run(source, ini="trio_mode = true\nacton_watchdog = 30")

    result.assert_outcomes(passed=2)


def test_plugin_does_without_pytest_trio(run: Run) -> None:
    """Where that is not installed other tests run, and explored ones, too."""
    source = """
def test_sync(): ...

@explore(runs=2)
async def test_explored(runtime): ...
"""
    result = run(
        source, "-p", "no:trio", "-p", "no:pytest_trio", ini="acton_watchdog=1"
    )

    result.assert_outcomes(passed=2)


def test_plugin_loads_neither_trio_nor_the_framework() -> None:
    """Having the package installed slows nobody's other tests down."""
    code = "import acton_trio.pytest_plugin, sys; print(*sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = finished.stdout.split()
    ours = sorted(each for each in loaded if each.startswith("acton_trio."))

    assert not {"trio", "attrs", "msgspec", "cattrs"} & set(loaded)
    assert ours == [
        "acton_trio._base",
        "acton_trio._base.facade",
        "acton_trio.pytest_plugin",
    ]


FORGOTTEN = """
async def test_send(runtime):
    shop = await runtime.start(Shop, name="shop")
    shop.send(Ping(1))  # forgets

async def test_in_a_cycle(runtime):
    shop = await runtime.start(Shop, name="shop")
    kept = [shop.ask(GetPrice())]  # keeps
    kept.append(kept)

async def test_expected(runtime):
    shop = await runtime.start(Shop, name="shop")
    with pytest.warns(RuntimeWarning, match="never awaited"):
        shop.stop()

async def test_failing(runtime):
    shop = await runtime.start(Shop, name="shop")
    price = shop.ask(GetPrice())
    assert price.value == 3

async def test_innocent(runtime):
    import gc
    gc.collect()

async def test_clean(runtime):
    shop = await runtime.start(Shop, name="shop")
    await shop.send(Ping(1))

async def test_other_fixture():
    async def nothing(): ...
    nothing()
"""


@pytest.mark.parametrize("options", [(), ("-W", "error")], ids=["usual", "strict"])
def test_call_that_was_not_awaited_fails_its_own_test(
    run: Run, options: tuple[str, ...]
) -> None:
    """The test that has forgotten it is told the call and its line, and no other."""
    result = run(FORGOTTEN, "-k", "not other_fixture", *options)

    result.assert_outcomes(passed=3, failed=3, warnings=2)
    for call, mark in (("send", "# forgets"), ("ask", "# keeps")):
        line = run.line_of(mark)
        leak = f"forgotten await: handle.{call}(...), called at test_it.py:{line}"
        result.stdout.fnmatch_lines([f"*  {leak}"])


def test_page_on_mistakes_shows_a_forgotten_await_as_it_is_told(run: Run) -> None:
    """But for the file and the line of the reader."""
    page = Path(__file__).parents[2] / "docs" / "mistakes.md"
    shown = page.read_text("utf-8").partition("  LeakError: ")[2].splitlines()[:2]

    result = run(FORGOTTEN, "-k", "test_send")

    here = f"test_it.py:{run.line_of('# forgets')}"
    told = [each.replace("tests/test_service.py:41", here).strip() for each in shown]
    result.stdout.fnmatch_lines([f"*{told[0]}", f"*{told[1]}"])


def test_call_that_was_not_awaited_is_left_to_pytest_elsewhere(run: Run) -> None:
    """A test without the fixture passes with Python's warning, as ever."""
    result = run(FORGOTTEN, "-k", "other_fixture")

    result.assert_outcomes(passed=1, warnings=1, deselected=6)
