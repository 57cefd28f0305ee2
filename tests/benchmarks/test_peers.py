"""Peers of the benchmarks: who takes part, and what they do."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import server
import stack
from clients.driver import Window, WrongAnswerError
from clients.frames import ORDER, Replies, confirmed, order, request
from harness import Plan
from peers import SERVERS, STACKS, Program, python
from processes import HERE, running
from servers.desk import answers, work
from targets import TARGETS


def names(question: str) -> set[str]:
    module = {"server": server, "stack": stack}[question]
    with ExitStack() as nothing_runs:
        plan = Plan(nothing_runs)
        return {each.name for each in module.QUESTION.contenders(plan)}


@pytest.mark.parametrize("question", ["server", "stack"])
def test_whatever_is_aimed_at_is_measured(question: str) -> None:
    """No target waits for a contender that nobody has heard of."""
    wanted = {
        figure.contender
        for each in TARGETS
        if each.question == question
        for figure in (each.figure, each.reference)
        if figure is not None
    }

    assert wanted
    assert wanted <= names(question)


def test_programs_of_ours_are_there() -> None:
    """What is to be started is a file of this folder."""
    programs = [each.program for each in SERVERS]
    programs += [end for each in STACKS for end in (each.server, each.client)]
    modules = {str(each.start[2]) for each in programs if each.start[1:2] == ("-m",)}

    assert len(modules) > 10
    assert all((HERE / f"{each.replace('.', '/')}.py").exists() for each in modules)


def test_the_path_of_the_socket_is_told_to_programs() -> None:
    """It comes behind what starts a program, and before its own words."""
    program = python("servers.asyncio_streams", "uvloop")

    assert program.command(Path("/s"))[-2:] == [Path("/s"), "uvloop"]
    assert program.command(Path("/s"))[1:3] == ["-m", "servers.asyncio_streams"]


@pytest.mark.skipif(sys.platform != "linux", reason="nobody else confines programs")
def test_who_waits_for_each_other_shares_a_processor() -> None:
    """One of those that there are, and later all of them again."""
    everywhere = os.sched_getaffinity(0)
    with running(python("clients.acton_blocking").command(Path("/nobody"))) as it:
        it.confine(to_one=True)
        assert len(os.sched_getaffinity(it.pid)) == 1
        it.confine(to_one=False)
        assert os.sched_getaffinity(it.pid) == everywhere
        assert 0 < it.cpu() < time.monotonic()


def test_a_program_that_does_not_start_is_told() -> None:
    """Nobody is measured who has ended."""
    with (
        pytest.raises(RuntimeError, match="has ended"),
        running(Program(("false",)).command(Path("/nobody"))),
    ):
        pass


def test_a_program_can_be_had_from_another_tree() -> None:
    """Two states of the library are measured side by side."""
    assert Program(("it",)).in_tree("/there").tree == "/there"


# --- the work


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_the_work_is_done_however_bytes_come(size: int) -> None:
    """Requests in pieces are answered, in order, and in pieces the answers are read."""
    stream = io.BytesIO(b"".join(map(request, range(5))))
    replies, rest = Replies(), b""
    found: list[tuple[str, int]] = []

    while piece := stream.read(size):
        frames, rest = answers(rest + piece)
        for frame in frames:
            head = replies.feed(frame[:3])
            assert not head
            found += [
                (each.correlation_id, each.payload.quantity)
                for each in replies.feed(frame[3:])
            ]

    assert found == [(f"c{number}", ORDER.quantity + 1) for number in range(5)]


def test_an_end_of_the_stream_is_no_answer() -> None:
    """A client whose server has gone does not wait for ever."""
    with pytest.raises(EOFError):
        Replies().feed(b"")


def test_the_work_is_the_same_without_an_envelope() -> None:
    """Those with a framing of their own do it too, with a hundred bytes."""
    assert len(order()) == 100
    assert confirmed(work(order())) == ORDER.quantity + 1


def test_a_request_is_what_our_servers_take() -> None:
    """Every server of the comparison is asked what ours is."""
    body = msgspec.json.decode(request(1)[7:])

    assert body["target"] == "desk"
    assert body["expects_reply"] is True


def test_a_wrong_answer_is_not_counted() -> None:
    """A client that is answered fast, and wrongly, is not measured."""
    with pytest.raises(WrongAnswerError):
        Window(1.0).count(7)
