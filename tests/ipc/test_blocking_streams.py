"""Streams of replies, as the client for code that blocks reads them."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, final

import attrs
import pytest
import trio

import acton_trio as acton

from .answers import ANSWERS, answer_frame, check_facts
from .blocking_servers import (
    Talk,
    begin_stream,
    expect_cancel,
    read_frame,
    read_one,
    read_to_the_end,
    reply,
    serving,
)
from .peers import (
    CANCEL,
    HEARTBEAT,
    RESPONSE,
    UNLIMITED,
    GetValue,
    OutOfStock,
    Value,
    frame,
)


@acton.message(ipc=True)
class Number(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int


@acton.message(ipc=True)
class NumberAndFail(acton.StreamRequest[int]):
    """Asks for a stream that goes wrong after its first reply."""


@acton.message(ipc=True)
class Values(acton.StreamRequest[Value]):
    """Asks for values."""


@acton.message
class Secret(acton.StreamRequest[int]):
    """Asks for a stream, and does not travel."""


@acton.message(ipc=True)
class WaitForEnds(acton.Request[int]):
    """Is answered when so many streams have ended."""

    count: int


@final
@acton.actor
class Numbers:
    """Counts, and notes what has ended."""

    ends: int = 0
    lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    @acton.act_on
    async def number(self, request: Number) -> AsyncGenerator[int, None]:
        """Count up."""
        try:
            for number in range(request.upto):
                yield number
        finally:
            self.ends += 1
            self.lot.unpark_all()

    @acton.act_on
    async def fail(self, request: NumberAndFail) -> AsyncGenerator[int, None]:
        """Reject after one."""
        yield 1
        raise OutOfStock(3)

    @acton.act_on
    async def wait_for_ends(self, request: WaitForEnds) -> int:
        """Wait for other handlers."""
        while self.ends < request.count:
            await self.lot.park()
        return self.ends


def is_failure(body: Any) -> bool:
    """Return whether this answer says that there is no reply."""
    return body.get("success") is False


def with_client(tmp_path: Path, talk: Talk, use: Any, **options: Any) -> Any:
    """Return what *use* returns of a client of the server that does *talk*."""
    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s", **options) as client,
    ):
        return use(client)


async def test_streams_of_a_real_server(tmp_path: Path) -> None:
    """Read to their ends, left early, and failing; from several threads at once."""
    path = tmp_path / "s"
    results: list[object] = []

    def count(client: acton.ipc.BlockingClient) -> None:
        with client.actor("numbers").stream(Number(300)) as numbers:
            results.append(list(numbers) == list(range(300)))

    def talk() -> None:
        with acton.ipc.BlockingClient(path) as client:
            actor = client.actor("numbers")
            with actor.stream(Number(10**9), timeout=math.inf) as numbers:
                for number in numbers:
                    if number == 1000:
                        break
            assert actor.ask(WaitForEnds(1)) == 1
            with actor.stream(NumberAndFail()) as numbers:
                assert next(numbers) == 1
                with pytest.raises(OutOfStock):
                    next(numbers)
                assert list(numbers) == []
            threads = [threading.Thread(target=count, args=(client,)) for _ in range(4)]
            for each in threads:
                each.start()
            assert actor.ask(WaitForEnds(5)) == 5
            for each in threads:
                each.join()

    async with acton.open_runtime() as runtime:
        await runtime.start(Numbers, name="numbers", expose=True)
        config = acton.ipc.IpcConfig(rate_limit=UNLIMITED)
        async with acton.ipc.open_listener(runtime, config, path=path):
            await trio.to_thread.run_sync(talk)

    assert results == [True] * 4


def test_the_request_says_all_that_it_has_to(tmp_path: Path) -> None:
    """It is sent when the block is entered, after a question what the peer can do."""
    seen: list[dict[str, Any]] = []

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        seen.append(request)
        reply(connection, request, 0, is_final=True)
        read_to_the_end(connection)

    def use(client: acton.ipc.BlockingClient) -> None:
        stream = client.actor("a").stream(Number(3), timeout=2.0001)
        with pytest.raises(ValueError, match="in its block"):
            next(stream)
        assert seen == []
        with stream as numbers:
            assert list(numbers) == []
        with pytest.raises(ValueError, match="in its block"):
            next(numbers)

    with_client(tmp_path, talk, use)
    assert seen[0].pop("correlation_id").startswith("str_")
    assert seen == [
        {
            "target": "a",
            "message_type": "Number",
            "payload": {"upto": 3},
            "expects_reply": False,
            "expects_stream": True,
            "response_timeout_ms": 2001,
        }
    ]


def test_peer_that_can_is_told_of_a_stream_that_is_left(tmp_path: Path) -> None:
    """Once it has said that it can, which was asked before; its answer is dropped."""

    def talk(connection: socket.socket) -> None:
        first = begin_stream(connection, can_cancel=True)
        reply(connection, first, 0, payload=0)
        expect_cancel(connection, first)
        reply(connection, first, 1, is_final=True, error_code="CANCELLED")
        second = begin_stream(connection)
        expect_cancel(connection, second)
        read_to_the_end(connection)

    def use(client: acton.ipc.BlockingClient) -> None:
        actor = client.actor("a")
        with actor.stream(Number(3)) as numbers:
            assert next(numbers) == 0
        with actor.stream(Number(3)):
            pass

    with_client(tmp_path, talk, use)


def test_peer_that_cannot_is_not_told(tmp_path: Path) -> None:
    """To it CANCEL would be the end of the connection."""

    def talk(connection: socket.socket) -> None:
        for can_cancel in (False, None):
            request = begin_stream(connection, can_cancel=can_cancel)
            reply(connection, request, 0, payload=0)
        assert read_one(connection)["message_type"] == "GetValue"

    def use(client: acton.ipc.BlockingClient) -> None:
        actor = client.actor("a")
        for _ in range(2):
            with actor.stream(Number(3)) as numbers:
                assert next(numbers) == 0
        with pytest.raises(acton.PeerLostError):
            actor.ask(GetValue())

    with_client(tmp_path, talk, use)


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize(
    ("body", "error"), [each for each in ANSWERS if is_failure(each.values[0])]
)
def test_errors_are_those_of_asks(
    tmp_path: Path, body: dict[str, Any], error: type[Exception], *, is_plain: bool
) -> None:
    """As the last frame of the stream, or as an answer to the request."""
    if body.get("error_code") is None and not is_plain:
        body = body | {"error": "words"}

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        reply(connection, request, 0, payload=0)
        if is_plain:
            connection.sendall(answer_frame(request["correlation_id"], body))
        else:
            rest = {key: value for key, value in body.items() if key != "success"}
            reply(connection, request, 1, is_final=True, **rest)
        read_to_the_end(connection)

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3)) as numbers:
            assert next(numbers) == 0
            with pytest.raises(error) as caught:
                next(numbers)
            # Told once: a stream that has broken is at its end.
            assert list(numbers) == []
        check_facts(caught.value, body)

    with_client(tmp_path, talk, use)


def test_answer_that_is_no_error_is_the_last_reply(tmp_path: Path) -> None:
    """Peers may answer one that has one reply as if it were an ask."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        good = {"success": True, "payload": 7}
        connection.sendall(answer_frame(request["correlation_id"], good))

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3)) as numbers:
            assert list(numbers) == [7]

    with_client(tmp_path, talk, use)


@pytest.mark.parametrize(
    ("item", "error", "is_cancelled"),
    [
        pytest.param(
            {"sequence": 1, "payload": 1}, acton.RemoteProtocolError, True, id="gap"
        ),
        pytest.param(
            {"sequence": 3, "is_final": True},
            acton.RemoteProtocolError,
            False,
            id="end that is no end",
        ),
        pytest.param(
            {"sequence": 0}, acton.RemoteProtocolError, True, id="nothing in it"
        ),
        pytest.param(
            {"sequence": -1, "payload": 1},
            acton.RemoteProtocolError,
            True,
            id="nonsense",
        ),
        pytest.param(
            {"sequence": 0, "payload": "x"},
            acton.UnexpectedReplyError,
            True,
            id="another type",
        ),
    ],
)
def test_broken_streams_are_given_up(
    tmp_path: Path, item: dict[str, Any], error: type[Exception], *, is_cancelled: bool
) -> None:
    """The reader is told, and so is a peer that would go on."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        reply(connection, request, **item)
        if is_cancelled:
            expect_cancel(connection, request)
        read_to_the_end(connection)

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3)) as numbers, pytest.raises(error):
            next(numbers)

    with_client(tmp_path, talk, use)


def test_stream_that_ends_with_the_connection_is_not_whole(tmp_path: Path) -> None:
    """Nobody knows what would have come."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        reply(connection, request, 0, payload=0)

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3)) as numbers:
            assert next(numbers) == 0
            with pytest.raises(acton.PeerLostError):
                next(numbers)
        with (
            pytest.raises(acton.PeerLostError),
            client.actor("a").stream(Number(3)),
        ):
            pass

    with_client(tmp_path, talk, use)


def test_stream_ends_when_its_time_is_up(tmp_path: Path) -> None:
    """And a peer that can gives it up."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        assert request["response_timeout_ms"] == 0
        # The question that comes after it may have been on its way already.
        frames = dict(read_frame(connection) for _ in range(2))
        assert frames[CANCEL]["correlation_id"] == request["correlation_id"]

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3), timeout=0) as numbers:
            with pytest.raises(acton.AskTimeoutError, match="not ended its stream"):
                next(numbers)
            assert list(numbers) == []
        # What the peer can do is read while something is waited for.
        with pytest.raises(acton.PeerLostError):
            client.actor("a").ask(GetValue())

    with_client(tmp_path, talk, use)


def test_one_thread_reads_a_stream_and_asks(tmp_path: Path) -> None:
    """What comes of the stream meanwhile is kept."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        reply(connection, request, 0, payload=0)
        question = read_one(connection)
        reply(connection, request, 1, payload=1)
        good = {"success": True, "payload": {"value": 3}}
        connection.sendall(answer_frame(question["correlation_id"], good))
        reply(connection, request, 2, is_final=True)

    def use(client: acton.ipc.BlockingClient) -> None:
        actor = client.actor("a")
        with actor.stream(Number(3)) as numbers:
            assert next(numbers) == 0
            assert actor.ask(GetValue()) == Value(3)
            assert list(numbers) == [1]

    with_client(tmp_path, talk, use)


def test_stream_that_nobody_reads_is_given_up_in_the_end(tmp_path: Path) -> None:
    """If others wait for what comes after more of it than is kept."""
    text = "x" * 1_000_000

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        question = read_one(connection)
        for number in range(20):
            payload = {"value": number, "text": text}
            reply(connection, request, number, payload=payload)
        good = {"success": True, "payload": {"value": 3}}
        connection.sendall(answer_frame(question["correlation_id"], good))
        expect_cancel(connection, request)
        read_to_the_end(connection)

    def use(client: acton.ipc.BlockingClient) -> None:
        actor = client.actor("a")
        with actor.stream(Values()) as values:
            assert actor.ask(GetValue()) == Value(3)
            read = 0
            with pytest.raises(acton.PeerLostError, match="ahead of its"):
                for value in values:
                    assert value == Value(read)
                    read += 1
            assert 16 <= read < 20

    with_client(tmp_path, talk, use)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Secret(), "ipc=True"),
        (GetValue(), "GetValue"),
        (3, "int"),
    ],
)
def test_what_is_no_stream_request_is_a_type_error(
    tmp_path: Path, thing: Any, words: str
) -> None:
    """The mistake is named where it is made; nothing is sent."""

    def use(client: acton.ipc.BlockingClient) -> None:
        with pytest.raises(TypeError, match=words):
            client.actor("a").stream(thing)

    def talk(connection: socket.socket) -> None:
        assert connection.recv(1) == b""

    with_client(tmp_path, talk, use)


def test_late_words_are_not_taken_for_others(tmp_path: Path) -> None:
    """Of what was given up, and what never was asked."""

    def talk(connection: socket.socket) -> None:
        request = begin_stream(connection, can_cancel=True)
        reply(connection, {"correlation_id": "another's"}, 0, payload=5)
        connection.sendall(frame(HEARTBEAT, b""))
        nonsense = b'{"correlation_id":"another\'s","success":"x"}'
        connection.sendall(frame(RESPONSE, nonsense))
        reply(connection, request, 0, payload=0)
        reply(connection, request, 1, is_final=True)
        reply(connection, request, 2, payload=2)

    def use(client: acton.ipc.BlockingClient) -> None:
        with client.actor("a").stream(Number(3)) as numbers:
            assert list(numbers) == [0]

    with_client(tmp_path, talk, use)
