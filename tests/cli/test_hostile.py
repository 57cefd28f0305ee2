"""Peers that answer with garbage, with nothing, or with what moves a cursor."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from .shop import typed

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\nname"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\nname"


def frame(kind: int, body: object) -> bytes:
    """Return a frame in JSON."""
    data = json.dumps(body).encode()
    return struct.pack(">IBBB", len(data), 2, kind, 1) + data


async def read_frame(stream: trio.abc.Stream) -> Any:
    """Return the body of what a client says next."""
    data = b""
    while len(data) < 7 or len(data) < 7 + int.from_bytes(data[:4], "big"):
        data += await stream.receive_some()
    return json.loads(data[7:])


@asynccontextmanager
async def peer_saying(*answers: bytes) -> AsyncGenerator[trio.abc.Stream, None]:
    """Have a client's end of a connection whose other end says these things at once."""
    ours, theirs = trio.testing.memory_stream_pair()
    for each in answers:
        await theirs.send_all(each)
    yield ours
    await theirs.aclose()


@asynccontextmanager
async def peer_answering(**answer: object) -> AsyncGenerator[trio.abc.Stream, None]:
    """Have the same that answers the first question so."""
    ours, theirs = trio.testing.memory_stream_pair()

    async def reply() -> None:
        question = await read_frame(theirs)
        body = {"correlation_id": question["correlation_id"], **answer}
        await theirs.send_all(frame(2, body))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reply)
        yield ours
        nursery.cancel_scope.cancel()


COMMANDS = [
    pytest.param(words.split(), id=words.split()[0])
    for words in (
        "discover",
        "ask a B",
        "send a B",
        "stream a B",
        "watch B",
        "ping",
        "tree",
        "top",
    )
]


@pytest.mark.parametrize("words", COMMANDS)
async def test_garbage_is_exit_code_3(
    autojump_clock: MockClock, words: list[str]
) -> None:
    """Whatever listens there, it is no service."""
    async with peer_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as stream:
        status, out, err = await typed(stream, *words)

    assert (status, out) == (3, "")
    assert err.startswith("acton-trio: UNSUPPORTED_PROTOCOL_VERSION: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", COMMANDS)
async def test_peer_that_hangs_up_is_exit_code_3(
    autojump_clock: MockClock, words: list[str]
) -> None:
    """Whether it has done anything is unknown, which the line says."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.aclose()

    status, out, err = await typed(ours, *words)

    assert (status, out) == (3, "")
    assert err.startswith("acton-trio: CONNECTION_CLOSED: ")


@pytest.mark.parametrize("words", COMMANDS)
async def test_peer_that_refuses_is_exit_code_3(
    autojump_clock: MockClock, words: list[str]
) -> None:
    """It has connected, and that was all."""
    refusal = {
        "correlation_id": "__acton_connection_rejected__",
        "success": False,
        "error": "not you",
        "error_code": "ACCESS_DENIED",
    }
    async with peer_saying(frame(3, refusal)) as stream:
        status, _, err = await typed(stream, *words)

    assert status == 3
    assert err == (
        "acton-trio: CONNECTION_REFUSED: the peer refused the connection with "
        "ACCESS_DENIED: not you\n"
    )


@pytest.mark.parametrize("words", [each for each in COMMANDS if each.id != "stream"])
async def test_peer_that_says_nothing_is_exit_code_4(
    autojump_clock: MockClock, words: list[str]
) -> None:
    """Every command but a stream waits 30 seconds, if it is not told to."""
    async with peer_saying() as stream:
        status, _, err = await typed(stream, *words)

    assert status == 4
    assert err.startswith("acton-trio: TIMEOUT: ")
    assert trio.current_time() == 30


async def test_reply_cannot_steer_the_terminal(autojump_clock: MockClock) -> None:
    """It is JSON, with all escaped that is not plainly seen."""
    async with peer_answering(success=True, payload={ESCAPES: ESCAPES}) as stream:
        status, out, _ = await typed(stream, "ask", "a", "B")

    assert status == 0
    assert json.loads(out) == {ESCAPES: ESCAPES}
    assert all(line.isprintable() for line in out.splitlines())


async def test_error_cannot_steer_the_terminal(autojump_clock: MockClock) -> None:
    """Neither its code nor its text, and it stays one line."""
    answer = {"success": False, "error": ESCAPES, "error_code": ESCAPES}
    async with peer_answering(**answer) as stream:
        status, _, err = await typed(stream, "ask", "a", "B")

    assert status == 1
    assert err == f"acton-trio: {SHOWN}: {SHOWN}\n"


async def test_error_is_not_longer_than_anybody_reads(
    autojump_clock: MockClock,
) -> None:
    """Scripts are told all of it."""
    answer = {"success": False, "error": "x" * 100_000, "error_code": "BAD"}
    async with peer_answering(**answer) as stream:
        plain = await typed(stream, "ask", "a", "B")
    async with peer_answering(**answer) as stream:
        found = await typed(stream, "ask", "a", "B", "--json")

    assert len(plain.err) < 1100
    assert json.loads(found.err) == {"code": "BAD", "error": "x" * 100_000}


async def test_rejection_cannot_steer_the_terminal(autojump_clock: MockClock) -> None:
    """Neither its name nor its fields."""
    answer = {
        "success": False,
        "error": "no",
        "error_code": "REJECTED",
        "message_type": ESCAPES,
        "payload": {"why": "\x9b"},
    }
    async with peer_answering(**answer) as stream:
        status, _, err = await typed(stream, "ask", "a", "B")

    assert status == 1
    assert err == f'acton-trio: REJECTED: {SHOWN} {{"why": "\\u009b"}}: no\n'


async def test_names_cannot_steer_the_terminal(autojump_clock: MockClock) -> None:
    """Those of actors and of types, in whatever there is to discover."""
    answer = {
        "success": True,
        "protocol_version": {
            "current": 2,
            "min_supported": 1,
            "max_supported": 2,
            "description": ESCAPES,
            "capabilities": {
                "messagepack": True,
                "streaming": True,
                "push": True,
                "discovery": True,
            },
        },
        "actors": [{"name": ESCAPES, "ern": ESCAPES, "accepts": [ESCAPES]}],
        "message_types": [ESCAPES, "Other\x1b"],
        "schemas": {ESCAPES: {"title": ESCAPES}},
    }
    async with peer_answering(**answer) as stream:
        status, out, err = await typed(stream, "discover", "--schemas")

    assert (status, err) == (0, "")
    assert all(line.isprintable() for line in out.splitlines())
    assert out.startswith(f"{SHOWN} accepts {SHOWN}\nalso known: Other\\x1b\n")


async def test_snapshot_that_is_none_is_exit_code_1(autojump_clock: MockClock) -> None:
    """It is an answer, but not one to this question."""
    async with peer_answering(success=True, payload={"actors": 3}) as stream:
        status, _, err = await typed(stream, "tree")

    assert status == 1
    assert err.startswith("acton-trio: UNEXPECTED_REPLY: ")


async def test_fault_of_the_command_is_exit_code_70(autojump_clock: MockClock) -> None:
    """What nobody thought of is one line, too, and tells how to see more."""

    def fail() -> trio.abc.Stream:
        raise ZeroDivisionError(ESCAPES)

    status, _, err = await typed(fail, "ping")

    assert status == 70
    assert err.startswith("acton-trio: a fault of this command: ZeroDivisionError")
    assert err.endswith("; --debug shows where\n")
