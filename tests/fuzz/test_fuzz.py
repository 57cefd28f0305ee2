"""The fuzzer, in small: ``./dev fuzz`` runs it for as long as one likes.

A failure is printed with its seed, and with what runs that case alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Coroutine
from itertools import islice

import pytest

from acton_trio._base.formats import Format
from acton_trio._ipc.session import Session
from acton_trio._wire.faults import BadHeaderError
from acton_trio._wire.states import Role

from .dialogues import MIB, play, play_bytes, read_by_hand, shrink
from .grammar import Bad, Case, Good, corpus_of
from .run import Run, main

# Of a siege that looks at what is left over.
SEED = 5


def test_connections_survive_the_grammar() -> None:
    """Either side reads what makes sense, answers the rest, and keeps nothing."""
    run = Run(SEED, 20_000, levels=(1,))
    run.go_on()

    assert run.failures == []
    assert run.total >= 20_000


def test_server_survives_the_grammar() -> None:
    """Hostile peers get their answers; a well-behaved one notices nothing."""
    run = Run(SEED, 2000, levels=(2,))
    run.go_on()

    assert run.failures == []
    assert run.total >= 2000


def test_server_that_forgets_nobody_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is held of all peers that have gone grows without end."""
    run, held = Session.run, list[Session]()

    def hold(session: Session) -> Coroutine[object, object, None]:
        held.append(session)
        return run(session)

    monkeypatch.setattr(Session, "run", hold)
    fuzzing = Run(SEED, 1, levels=(2,))
    fuzzing.go_on()

    assert fuzzing.failures
    assert "session.Session" in fuzzing.failures[0]


def test_same_seed_is_the_same_case() -> None:
    """A seed is all that a case depends on."""
    first, again = (Case.of(SEED) for _ in range(2))
    corpus_of.cache_clear()
    anew = Case.of(SEED)

    assert first.stream == again.stream == anew.stream
    assert first.corpus.outcomes == anew.corpus.outcomes
    for other in (again, anew):
        assert [*islice(first.sizes(), 99)] == [*islice(other.sizes(), 99)]


def test_grammar_has_something_of_everything() -> None:
    """No kind of frame, version, format or fault is left out."""
    kinds, faults = Counter[object](), Counter[object]()
    outcomes = Counter[object]()
    for seed in range(150):
        case = Case.of(seed)
        for each in read_by_hand(case.stream, MIB):
            kinds[each.version, each.kind, each.form] += 1
            faults[each.fault] += 1
            frame = case.stream[each.start : each.end]
            outcomes[type(case.corpus.outcomes.get(frame, "hurt"))] += 1

    known = {(2, kind, form) for kind in range(1, 11) for form in (1, 2)}
    assert known | {(1, kind, 1) for kind in range(1, 5)} <= set(kinds)
    assert set(BadHeaderError.__subclasses__()) | {None} <= set(faults)
    assert {Good, Bad, type(None), str} <= set(outcomes)


def test_case_that_fails_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of one byte is told with its seed, and with few bytes."""
    formats = {1: Format.JSON, 2: Format.MESSAGEPACK, 3: Format.JSON}
    monkeypatch.setattr("acton_trio._wire.frames._FORMATS", formats)

    assert main(["--frames", "20000", "--seed", "1", "--level", "1"]) == 1

    printed = capsys.readouterr().out
    again = next(line for line in printed.splitlines() if line.startswith("again:"))
    seed = int(again.split("--seed ")[1].split()[0])
    case = Case.of(seed)
    with pytest.raises(AssertionError, match="BadFormatError") as caught:
        play(case)
    assert len(shrink(case, caught.value)) < 20
    assert main(["--level", "1", "--seed", str(seed), "--frames", "1"]) == 1


def test_server_that_does_not_answer_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The siege is not won by a server that says nothing."""
    monkeypatch.setattr(
        "acton_trio._wire.malformed.Malformed.answer", lambda _malformed: None
    )
    run = Run(1, 3000, levels=(2,))
    run.go_on()

    assert run.failures
    assert "answers, not" in run.failures[0]


def test_runner_shares_the_frames(capsys: pytest.CaptureFixture[str]) -> None:
    """With no level named most of them are read by a connection alone."""
    assert main(["--frames", "3000", "--seed", "1"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("seed 1\n")
    assert "0 failures" in printed
    assert "at level 1" in printed
    assert "at level 2" in printed


def test_runner_ends_when_the_time_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no number of frames then, and says which seed it chose."""
    assert main(["--seconds", "0.001", "--level", "1"]) == 0
    assert capsys.readouterr().out.startswith("seed ")


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_noise_of_any_kind(role: Role) -> None:
    """Where nothing is known of a stream, it is still read the same by hand."""
    chance = random.Random(SEED)
    for _ in range(300):
        noise = chance.randbytes(chance.randint(0, 60))
        play_bytes(noise, role, 50, iter(lambda: chance.randint(1, 9), None), {})
        play_bytes(b"\0\0\0" + noise, role, 50, iter(lambda: 1, None), {})
