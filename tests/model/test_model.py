"""The package against a model of its contract, on programs at random.

Each program runs twice, in the package and in `model`, and the logs have to be
equal.  ``ACTON_MODEL_RUNS=5000`` looks at more programs than the usual 600; a
failure prints the program, made small, and what makes it happen again.

The examples pin the model itself: their stories were written by hand.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Final, NamedTuple

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from .model import (
    End,
    How,
    Job,
    Kind,
    Leave,
    Log,
    Op,
    Policy,
    Program,
    Run,
    Setup,
    TieError,
    World,
    predict,
)
from .programs import Record, Step, programs, run

RUNS: Final = int(os.environ.get("ACTON_MODEL_RUNS", "600"))

# More than trio's scheduler needs to show what depends on the order of tasks.
ORDERS: Final = 8

settings.register_profile(
    "model",
    max_examples=RUNS,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def predicted(record: Record) -> World:
    """Return the world after the program of *record*, as the model sees it."""
    started = {
        (each.op, each.generation) for each in record.log.runs if each.part == "handler"
    }
    return predict(record.program, lambda op, generation: (op, generation) in started)


# --- the comparison


def differences(record: Record, expected: Log) -> list[str]:
    """Return in which points the package and the model disagree."""
    actual = record.log
    found = [
        f"{number}: {is_}, not {should}"
        for number in range(len(record.program.ops))
        if (is_ := _outcome(number, actual, expected))
        != (should := expected.outcomes.get(number))
    ]
    points: list[tuple[str, object, object]] = [
        ("handled", actual.runs, expected.runs),
        ("dead letters", _sorted(actual.letters), _sorted(expected.letters)),
        ("restarts", sorted(actual.restarts), sorted(expected.restarts)),
        ("endings", actual.endings, expected.endings),
        ("left by", sorted(actual.left), sorted(expected.left)),
        ("left at", actual.left_at, expected.left_at),
    ]
    found += [
        f"{what}: {is_}, not {other}" for what, is_, other in points if is_ != other
    ]
    return found


def _outcome(number: int, actual: Log, expected: Log) -> tuple[str, float] | None:
    outcome = actual.outcomes.get(number)
    if outcome is None or expected.outcomes.get(number, ("", 0))[0] != "stopped":
        return outcome
    # A cause is promised to what is queued at a terminal end, and to no other.
    return outcome[0].partition(" because ")[0], outcome[1]


def _sorted(letters: list[tuple[int, str, str | None]]) -> list[str]:
    # Those of one instant have no order: the dead of a terminal end, say.
    return sorted(map(str, letters))


# --- what holds whatever the model says


def violations(record: Record) -> list[str]:
    """Return what of the invariants *record* breaks."""
    return [
        *_outlived(record),
        *_overlaps(record),
        *_overtakings(record),
        *_fates(record),
        *_owners(record),
    ]


def _outlived(record: Record) -> list[str]:
    """Nothing outlives its scope, and what leaves it says where it is from."""
    late = [each for each in record.log.runs if each.end > record.log.left_at]
    found = [f"outlived the block: {each}" for each in [*late, *record.left_over]]
    return found + [f"has no note: {each}" for each in record.unnoted]


def _overlaps(record: Record) -> list[str]:
    """An exclusive handler runs alone, and only so many others overlap."""
    running: dict[int, list[Step]] = {}
    found: list[str] = []
    for step in record.steps:
        now = running.setdefault(step.actor, [])
        if not step.is_begin:
            now[:] = [each for each in now if each.op != step.op]
            continue
        now.append(step)
        if len(now) > record.program.actors[step.actor].max_concurrency:
            found.append(f"too many overlap: {now}")
        if len(now) > 1 and any(_is_exclusive(record, each) for each in now):
            found.append(f"an exclusive handler is not alone: {now}")
    return found + [f"never ended: {now}" for now in running.values() if now]


def _is_exclusive(record: Record, step: Step) -> bool:
    return step.part == "on_error" or record.program.ops[step.op].job.exclusive


def _overtakings(record: Record) -> list[str]:
    """Handlers start once, in the order in which their messages came."""
    starts = {each.op: each.start for each in record.log.runs if each.part == "handler"}
    found: list[str] = []
    for number in range(len(record.program.actors)):
        begun = [
            step
            for step in record.steps
            if step.actor == number and step.is_begin and step.part == "handler"
        ]
        for first, second in pairwise(begun):
            arrived = [record.program.ops[each.op].at for each in (first, second)]
            # Tasks that are started at one instant have no order.
            is_free = starts[first.op] == starts[second.op] and not any(
                _is_exclusive(record, each) for each in (first, second)
            )
            if arrived[0] == arrived[1] or (arrived[0] > arrived[1] and not is_free):
                found.append(f"out of order: {second.op} after {first.op}")
    return found


def _fates(record: Record) -> list[str]:
    """A message is handled, a dead letter, expired or refused: one of these."""
    handled = {each.op for each in record.log.runs}
    dead = {op for op, _, _ in record.log.letters}
    found: list[str] = []
    if len(dead) < len(record.log.letters):
        found.append("a message is a dead letter twice")
    for number, op in enumerate(record.program.ops):
        outcome = record.log.outcomes.get(number, ("none", 0))[0]
        fates = [number in handled, number in dead and number not in handled]
        if op.kind is Kind.STOP:
            fates = [outcome in {"ok", "cancelled"}]
        elif not any(fates):
            fates += [
                outcome in {"cancelled", "timed out"},
                outcome == "full" or outcome.startswith("stopped"),
            ]
        if sum(fates) != 1:
            found.append(f"not one fate, but {fates}: {number}, {outcome}")
    return found


def _owners(record: Record) -> list[str]:
    """A failure has one owner: on_error, asker, supervisor or dead letters."""
    return [
        f"not one owner, but {owners}: {each}"
        for each in record.log.runs
        if each.how is How.RAISED
        if len(owners := _owners_of(each, record.log)) != 1
    ]


def _owners_of(failed: Run, log: Log) -> list[str]:
    rescued = any(each.op == failed.op and each.part == "on_error" for each in log.runs)
    if failed.part == "handler" and rescued:
        return ["on_error"]
    marks = "!" if failed.part == "on_error" else ("", "~")

    def owns(text: str | None) -> bool:
        return text is not None and any(
            f"({failed.op}{mark})" in text for mark in marks
        )

    asker = log.outcomes.get(failed.op, ("", 0))[0]
    is_told = asker.startswith("Refused") or not asker.endswith("supervisor's")
    ends = [failure for _, _, _, failure, _ in log.restarts]
    ends += [each.failure for each in log.endings.values()]
    return [
        *["asker" for _ in [asker] if is_told and owns(asker)],
        *["supervisor" for failure in ends if owns(failure)],
        *[
            "dead letters"
            for op, reason, error in log.letters
            if op == failed.op and reason in {"rejected", "failed"} and owns(error)
        ],
    ]


# --- programs at random


class Bug(NamedTuple):
    """A program that the package once did not handle as it should."""

    remark: str
    """What the model remarks on such programs."""

    program: Program


READ: Final = Job(seconds=8)
WRITE: Final = Job(seconds=1, exclusive=True)
LEAVE: Final = Job(wants_context=True, end=End.STOP)

# Found by this test, and mended since.
FORMER_BUGS: Final = {
    "a message that had no first step is lost when its actor fails": Bug(
        "was kept without a first step",
        Program(
            ops=(
                Op(kind=Kind.SEND, at=1, job=WRITE),
                Op(kind=Kind.SEND, at=1.25, job=READ),
                Op(kind=Kind.SEND, at=1.5, job=Job(end=End.KEY_ERROR)),
            )
        ),
    ),
    "the time to stop does not begin before the last handler has ended": Bug(
        "ran out of time to stop",
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=READ),
                Op(kind=Kind.STOP, at=2),
            ),
            actor_shutdown=3,
        ),
    ),
    "a handler that fails at its backstop answers in place of it": Bug(
        "failed at the instant of its backstop",
        Program(
            ops=(Op(kind=Kind.ASK, at=1, job=attrs.evolve(READ, clean_up_fails=True)),),
            ask_timeout=2,
        ),
    ),
    "who is cancelled from outside hears of a failure that came of it": Bug(
        "failed while others were cancelled",
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=READ),
                Op(
                    kind=Kind.SEND,
                    at=2,
                    job=attrs.evolve(READ, clean_up_fails=True),
                ),
            ),
            leave_at=4,
            leave=Leave.CANCEL,
        ),
    ),
}


@settings(settings.get_profile("model"))
@given(programs())
def test_package_does_what_the_model_says(program: Program) -> None:
    """Whatever is done to actors, what comes of it is what the contract says."""
    record = run(program)
    try:
        world = predicted(record)
    except TieError:
        return

    assert differences(record, world.log) == []
    assert violations(record) == []


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, id=name) for name, bug in FORMER_BUGS.items()]
)
def test_package_does_as_it_should_where_it_once_did_not(bug: Bug) -> None:
    """In whatever order tasks run, a former bug stays away."""
    for order in range(ORDERS):
        record = run(attrs.evolve(bug.program, order=order))

        assert differences(record, predicted(record).log) == []
        assert violations(record) == []


# --- programs by hand


def tell(log: Log) -> list[str]:
    """Return *log* as a story, in the order of time."""
    lines: list[tuple[float, int, str]] = []
    for each in log.runs:
        where = f"{each.op} in {each.part} {each.generation}"
        lines += [
            (each.start, 0, f"{each.start:g}: {where} begins"),
            (each.end, 1, f"{each.end:g}: {where} is {each.how.value}"),
        ]
    lines += [
        (at, 2, f"{at:g}: {op} gets {outcome}")
        for op, (outcome, at) in log.outcomes.items()
    ]
    lines += [
        (at, 3, f"{at:g}: actor {actor} is back for the {generation}., {why}")
        for actor, generation, why, _, at in log.restarts
    ]
    lines += [
        (each.at, 4, f"{each.at:g}: actor {actor} is down, {each.reason}")
        for actor, each in log.endings.items()
    ]
    left = " and ".join(sorted(log.left, reverse=True)) or "nothing"
    return [
        *[line for _, _, line in sorted(lines)],
        *[f"dead: {op}, {why}, {error}" for op, why, error in log.letters],
        f"{log.left_at:g}: left by {left}",
    ]


EXAMPLES: Final[dict[str, tuple[Program, str]]] = {
    "readers overlap, a writer waits for them and keeps the next out": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(seconds=4)),
                Op(kind=Kind.ASK, at=2, job=Job(seconds=4)),
                Op(kind=Kind.ASK, at=3, job=Job(seconds=2, exclusive=True)),
                Op(kind=Kind.ASK, at=4, job=Job(seconds=1)),
            ),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        2: 1 in handler 0 begins
        5: 0 in handler 0 is returned
        5: 0 gets value 0
        6: 2 in handler 0 begins
        6: 1 in handler 0 is returned
        6: 1 gets value 1
        8: 3 in handler 0 begins
        8: 2 in handler 0 is returned
        8: 2 gets value 2
        9: 3 in handler 0 is returned
        9: 3 gets value 3
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "a full mailbox has senders wait in line, and giving up makes room": (
        Program(
            ops=(
                Op(kind=Kind.SEND, at=1, job=Job(seconds=8, exclusive=True)),
                Op(kind=Kind.ASK, at=2, patience=4),
                Op(kind=Kind.SEND, at=3),
                Op(kind=Kind.SEND, at=4, patience=1),
                Op(kind=Kind.SEND_NOWAIT, at=4.5),
            ),
            actors=(Setup(capacity=1),),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        1: 0 gets ok
        4.5: 4 gets full
        5: 3 gets cancelled
        6: 1 gets cancelled
        6: 2 gets ok
        9: 2 in handler 0 begins
        9: 0 in handler 0 is returned
        9: 2 in handler 0 is returned
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "giving up cancels a reader and lets a writer complete": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(seconds=8), patience=2),
                Op(
                    kind=Kind.ASK,
                    at=4,
                    job=Job(seconds=8),
                    patience=1,
                    by_deadline=False,
                ),
                Op(kind=Kind.ASK, at=6, job=Job(seconds=8, exclusive=True), patience=1),
            ),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        3: 0 in handler 0 is cancelled
        3: 0 gets cancelled
        4: 1 in handler 0 begins
        5: 1 in handler 0 is cancelled
        5: 1 gets cancelled
        6: 2 in handler 0 begins
        7: 2 gets cancelled
        14: 2 in handler 0 is returned
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "without a deadline an ask ends after its backstop": (
        Program(
            ops=(Op(kind=Kind.ASK, at=1, job=Job(seconds=8, clean_up=2)),),
            ask_timeout=4,
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        5: 0 gets timed out
        7: 0 in handler 0 is cancelled
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "a failing reader harms its asker alone, a rejection nobody": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(end=End.KEY_ERROR)),
                Op(kind=Kind.ASK, at=2, job=Job(exclusive=True, end=End.REJECT_TWICE)),
                Op(kind=Kind.SEND, at=3, job=Job(exclusive=True, end=End.REJECT)),
                Op(kind=Kind.SEND, at=4, job=Job(is_known=False)),
            ),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        1: 0 in handler 0 is raised
        1: 0 gets failed KeyError(0)
        2: 1 in handler 0 begins
        2: 1 in handler 0 is raised
        2: 1 gets Refused(1)
        3: 2 in handler 0 begins
        3: 2 in handler 0 is raised
        3: 2 gets ok
        4: 3 gets ok
        16: actor 0 is down, parent_shutdown
        dead: 2, rejected, Refused(2)
        dead: 3, unhandled, Unhandled
        16: left by nothing
        """,
    ),
    "a failing writer fails its actor, which comes back to what is queued": (
        Program(
            ops=(
                Op(
                    kind=Kind.ASK,
                    at=1,
                    job=Job(seconds=2, exclusive=True, end=End.KEY_ERROR),
                ),
                Op(kind=Kind.ASK, at=2),
            ),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        3: 0 in handler 0 is raised
        3: 0 gets failed KeyError(0), supervisor's
        4: 1 in handler 1 begins
        4: 1 in handler 1 is returned
        4: 1 gets value 1
        4: actor 0 is back for the 1., failed
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "one failure too many leaves the block, and takes what is queued along": (
        Program(
            ops=(
                Op(kind=Kind.SEND, at=1, job=Job(seconds=3, end=End.KEY_ERROR)),
                Op(kind=Kind.ASK, at=2, job=Job(seconds=8)),
                Op(kind=Kind.ASK, at=3, job=Job(exclusive=True)),
                Op(kind=Kind.ASK, at=5),
            ),
            actors=(Setup(max_restarts=0),),
        ),
        """
        1: 0 in handler 0 begins
        1: 0 gets ok
        2: 1 in handler 0 begins
        4: 0 in handler 0 is raised
        4: 1 in handler 0 is cancelled
        4: 1 gets failed KeyError(0), supervisor's
        4: 2 gets stopped because RestartLimit(KeyError(0))
        4: actor 0 is down, failed
        5: 3 gets stopped
        dead: 2, stopped, RestartLimit(KeyError(0))
        4: left by RestartLimit(KeyError(0))
        """,
    ),
    "on_error waits for the readers, runs alone, and answers": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(seconds=8)),
                Op(
                    kind=Kind.ASK,
                    at=2,
                    job=Job(end=End.LONE, rescue_seconds=2),
                ),
                Op(kind=Kind.ASK, at=3),
            ),
            actors=(Setup(has_on_error=True),),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        2: 1 in handler 0 begins
        2: 1 in handler 0 is raised
        9: 1 in on_error 0 begins
        9: 0 in handler 0 is returned
        9: 0 gets value 0
        11: 2 in handler 0 begins
        11: 1 in on_error 0 is returned
        11: 2 in handler 0 is returned
        11: 1 gets value 1
        11: 2 gets value 2
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
    "stop() lets handlers end, then closes, and handles what is queued": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(seconds=4, exclusive=True)),
                Op(kind=Kind.STOP, at=2),
                Op(kind=Kind.ASK, at=3, job=Job(seconds=2)),
                Op(kind=Kind.ASK, at=4),
                Op(kind=Kind.ASK, at=6),
            ),
            actors=(Setup(capacity=1),),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        5: 2 in handler 0 begins
        5: 0 in handler 0 is returned
        5: 0 gets value 0
        5: 3 gets stopped
        6: 4 gets stopped
        7: 2 in handler 0 is returned
        7: 1 gets ok
        7: 2 gets value 2
        7: actor 0 is down, stopped
        16: left by nothing
        """,
    ),
    "what is drained has a deadline": (
        Program(
            ops=(
                Op(kind=Kind.SEND, at=1, job=Job(seconds=1, exclusive=True)),
                Op(kind=Kind.ASK, at=1.25, job=Job(seconds=8)),
                Op(kind=Kind.ASK, at=1.5, job=Job(exclusive=True)),
            ),
            leave_at=2.5,
            actor_shutdown=4,
        ),
        """
        1: 0 in handler 0 begins
        1: 0 gets ok
        2: 1 in handler 0 begins
        2: 0 in handler 0 is returned
        6.5: 1 in handler 0 is cancelled
        6.5: 1 gets stopped
        6.5: 2 gets stopped
        6.5: actor 0 is down, parent_shutdown
        dead: 2, stopped, None
        6.5: left by nothing
        """,
    ),
    "cancelled from outside, all end at once, the last started first": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=Job(seconds=8)),
                Op(kind=Kind.ASK, at=2, job=Job(exclusive=True)),
                Op(
                    kind=Kind.ASK,
                    at=3,
                    actor=1,
                    job=Job(seconds=8, exclusive=True, clean_up=2),
                ),
            ),
            actors=(Setup(), Setup()),
            leave_at=4,
            leave=Leave.CANCEL,
        ),
        """
        1: 0 in handler 0 begins
        3: 2 in handler 0 begins
        4: 0 in handler 0 is cancelled
        4: 0 gets stopped
        6: 2 in handler 0 is cancelled
        6: 1 gets stopped
        6: 2 gets stopped
        6: actor 0 is down, parent_shutdown
        6: actor 1 is down, parent_shutdown
        dead: 1, stopped, None
        6: left by nothing
        """,
    ),
    "a failure joins the exception of the body": (
        Program(
            ops=(Op(kind=Kind.SEND, at=1, job=Job(seconds=8, clean_up_fails=True)),),
            leave_at=4,
            leave=Leave.RAISE,
        ),
        """
        1: 0 in handler 0 begins
        1: 0 gets ok
        4: 0 in handler 0 is raised
        4: actor 0 is down, failed
        4: left by KeyError(0~) and BodyError
        """,
    ),
    "an actor that leaves by itself comes back, if it is permanent": (
        Program(
            ops=(
                Op(kind=Kind.ASK, at=1, job=LEAVE),
                Op(kind=Kind.ASK, at=1.5),
                Op(kind=Kind.ASK, at=3, actor=1, job=LEAVE),
                Op(kind=Kind.ASK, at=4, actor=1),
            ),
            actors=(Setup(), Setup(policy=Policy.TRANSIENT)),
            leave_at=16,
        ),
        """
        1: 0 in handler 0 begins
        1: 0 in handler 0 is returned
        1: 0 gets value 0
        2: actor 0 is back for the 1., normal
        2: 1 in handler 1 begins
        2: 1 in handler 1 is returned
        2: 1 gets value 1
        3: 2 in handler 0 begins
        3: 2 in handler 0 is returned
        3: 2 gets value 2
        3: actor 1 is down, normal
        4: 3 gets stopped
        16: actor 0 is down, parent_shutdown
        16: left by nothing
        """,
    ),
}


@pytest.mark.parametrize(
    ("program", "story"),
    [pytest.param(*example, id=name) for name, example in EXAMPLES.items()],
)
def test_example_goes_as_told(program: Program, story: str) -> None:
    """What was written down by hand is what happens, in model and package."""
    record = run(program)
    world = predicted(record)

    assert sorted(tell(world.log)) == sorted(map(str.strip, story.strip().splitlines()))
    assert differences(record, world.log) == []
    assert violations(record) == []
