"""How contenders are measured: in turn, and none because of another."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from harness import Contender, Plan, Question, in_asyncio, in_trio, measure


def contender(name: str, log: list[str]) -> Contender:
    """Return one that notes that it was its turn."""

    def run() -> float:
        log.append(name)
        return float(len(log))

    return Contender(name, run)


def test_each_round_has_everybody_and_begins_with_another() -> None:
    """Whatever happens to a machine in time happens to all."""
    log: list[str] = []

    findings = measure([contender(each, log) for each in "abc"], rounds=3)

    assert "".join(log) == "abcbcacab"
    assert [each.name for each in findings] == ["a", "b", "c"]
    assert findings[0].rounds == {"each": [1.0, 6.0, 8.0]}


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        pytest.param(
            Contender("peer", float, needs=["no_such_module"]),
            "no_such_module is not installed",
            id="module",
        ),
        pytest.param(
            Contender("peer", float, programs=["no-such-program"]),
            "there is no no-such-program here",
            id="program",
        ),
    ],
)
def test_what_is_missing_is_skipped_by_name(missing: Contender, reason: str) -> None:
    """The others are measured, and it is said who was not and why."""
    skipped, measured = measure([missing, contender("ours", [])], rounds=2)

    assert (skipped.skipped, skipped.rounds) == (reason, {})
    assert len(measured.rounds["each"]) == 2


def test_failure_of_one_is_told_and_ends_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A peer that raises is out, with what it raised; the others go on."""

    def run() -> float:
        msg = "no more threads"
        raise OSError(msg)

    failed, measured = measure([Contender("peer", run), contender("ours", [])], 3)

    assert failed.skipped == "failed, OSError: no more threads"
    assert "Traceback" in capsys.readouterr().err
    assert len(measured.rounds["each"]) == 3


def test_what_was_opened_for_all_rounds_is_closed() -> None:
    """A server lives as long as its question."""
    log: list[str] = []

    def contenders(plan: Plan) -> list[Contender]:
        plan.stack.callback(log.append, "closed")
        return [contender("client", log)]

    Question("q", "a title", "client", contenders, rounds=2).answer()

    assert log == ["client", "client", "closed"]


def test_a_look_takes_less_but_something() -> None:
    """A quick round does less, and never so little that nothing is measured."""
    plan = Plan(ExitStack(), quicker=10)

    assert (plan.count(1000), plan.count(3)) == (100, 2)


async def double(number: float) -> float:  # noqa: ASYNC124 - as contenders are
    """Return twice the number."""
    return 2 * number


def test_async_contenders_run_in_a_loop_of_their_own() -> None:
    """Whichever loop it is, the harness calls a function."""
    assert in_trio(double, 2.0)() == 4.0
    assert in_asyncio(double, 3.0)() == 6.0
