"""What several threads do with one client, and who does the work of its socket."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import acton_trio as acton
from acton_trio._ipc import pump

from .answers import answer_frame
from .blocking_servers import (
    GOOD,
    SUBSCRIBE,
    Talk,
    agree,
    expect_cancel,
    push,
    read_frame,
    read_one,
    read_request,
    read_to_the_end,
    say,
    serving,
    tell_whether_it_cancels,
)
from .peers import (
    CANCEL,
    ERROR,
    HEARTBEAT,
    REQUEST,
    Echo,
    GetValue,
    SetValue,
    Value,
    frame,
)

Client = acton.ipc.BlockingClient


def with_client(tmp_path: Path, talk: Talk, use: Any) -> Any:
    """Return what *use* returns of a client of the server that does *talk*."""
    with serving(tmp_path / "s", talk), Client(tmp_path / "s") as client:
        return use(client)


def answer(
    connection: socket.socket, request: dict[str, Any] | None, payload: Any
) -> None:
    """Answer a request with success."""
    assert request is not None
    body = {"success": True, "payload": payload}
    connection.sendall(answer_frame(request["correlation_id"], body))


def test_answers_overtake_each_other(tmp_path: Path) -> None:
    """Each thread gets its own, whichever reads them all."""
    count = 8
    answers: dict[str, str] = {}

    def talk(connection: socket.socket) -> None:
        requests = [read_request(connection) for _ in range(count)]
        for request in reversed(requests):
            assert request is not None
            answer(connection, request, request["payload"]["text"])
        read_to_the_end(connection)

    def use(client: Client) -> None:
        def ask(text: str) -> None:
            answers[text] = client.actor("a").ask(Echo(text))

        threads = [threading.Thread(target=ask, args=(f"{n}",)) for n in range(count)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    with_client(tmp_path, talk, use)
    assert answers == {f"{n}": f"{n}" for n in range(count)}


def test_large_request_is_written_while_another_thread_waits(tmp_path: Path) -> None:
    """Who watches the socket is called away to write."""
    asked = threading.Event()
    answers: list[object] = []

    def talk(connection: socket.socket) -> None:
        slow = read_request(connection)
        asked.set()
        large = read_request(connection)
        assert large is not None
        answer(connection, slow, {"value": 1})
        answer(connection, large, "done")
        read_to_the_end(connection)

    def use(client: Client) -> None:
        actor = client.actor("a")
        thread = threading.Thread(target=lambda: answers.append(actor.ask(GetValue())))
        thread.start()
        assert asked.wait(20)
        assert actor.ask(Echo("x" * 4_000_000)) == "done"
        thread.join()

    with_client(tmp_path, talk, use)
    assert answers == [Value(1)]


def test_reading_does_not_stop_for_writing(tmp_path: Path) -> None:
    """A peer that writes before it reads gets rid of what it writes."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        for number in range(20):
            push(connection, "SetValue", {"value": number, "more": "x" * 100_000})
        answer(connection, read_request(connection), "done")
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with client.subscribe(SetValue) as events:
            assert client.actor("a").ask(Echo("x" * 4_000_000)) == "done"
            assert [next(events).value for _ in range(20)] == [*range(20)]

    with_client(tmp_path, talk, use)


def test_what_was_not_begun_is_taken_back(tmp_path: Path) -> None:
    """A peer that did not read hears nothing of calls that have given up."""
    gave_up = threading.Event()
    seen: list[str] = []

    def talk(connection: socket.socket) -> None:
        assert gave_up.wait(20)
        while "GetValue" not in seen:
            kind, body = read_frame(connection)
            if kind == REQUEST:
                seen.append(body["message_type"])
                if seen[-1] == "GetValue":
                    answer(connection, body, {"value": 3})
        read_to_the_end(connection)

    def use(client: Client) -> None:
        actor = client.actor("a")
        with pytest.raises(acton.AskTimeoutError):
            actor.ask(Echo("x" * 5_000_000), timeout=0)
        with pytest.raises(acton.AskTimeoutError):
            actor.send(SetValue(1), timeout=0)
        gave_up.set()
        assert actor.ask(GetValue()) == Value(3)

    with_client(tmp_path, talk, use)
    assert seen == ["Echo", "GetValue"]


def test_ask_that_ran_out_of_time_is_cancelled(tmp_path: Path) -> None:
    """As soon as the peer has said that it can; a message has nothing to give up."""

    def talk(connection: socket.socket) -> None:
        assert read_one(connection)["message_type"] == "SetValue"
        first = read_one(connection)
        tell_whether_it_cancels(connection, can_cancel=True)
        # The next question may have been on its way already.
        frames = dict(read_frame(connection) for _ in range(2))
        assert frames[CANCEL]["correlation_id"] == first["correlation_id"]
        answer(connection, frames[REQUEST], {"value": 3})
        expect_cancel(connection, read_one(connection))
        read_to_the_end(connection)

    def use(client: Client) -> None:
        actor = client.actor("a")
        with pytest.raises(acton.AskTimeoutError):
            actor.send(SetValue(1), timeout=0)
        with pytest.raises(acton.AskTimeoutError):
            actor.ask(GetValue(), timeout=0)
        assert actor.ask(GetValue()) == Value(3)
        with pytest.raises(acton.AskTimeoutError):
            actor.ask(GetValue(), timeout=0)

    with_client(tmp_path, talk, use)


def test_who_waits_keeps_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller with more patience than servers have is not cut."""
    monkeypatch.setattr(pump, "_KEEPALIVE", 0.001)

    def talk(connection: socket.socket) -> None:
        request = read_one(connection)
        for _ in range(3):
            read_one(connection, HEARTBEAT)
            say(connection, HEARTBEAT, {})
        answer(connection, request, {"value": 3})
        read_to_the_end(connection)

    def use(client: Client) -> None:
        assert client.actor("a").ask(GetValue()) == Value(3)

    with_client(tmp_path, talk, use)


def test_last_words_that_came_meanwhile_are_heard_before_anything_is_said(
    tmp_path: Path,
) -> None:
    """Nothing is sent to a peer that is known to have left."""
    left = threading.Event()

    def talk(connection: socket.socket) -> None:
        replying_once(connection)
        words = b'{"correlation_id":"unknown","success":false,"error":"idle"}'
        connection.sendall(frame(ERROR, words))
        connection.close()
        left.set()

    def replying_once(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        connection.sendall(answer_frame(request["correlation_id"], GOOD))

    def use(client: Client) -> None:
        actor = client.actor("a")
        assert actor.ask(GetValue()) == Value(3)
        assert left.wait(20)
        for _ in range(2):
            with pytest.raises(acton.PeerLostError, match="idle"):
                actor.ask(GetValue())

    with_client(tmp_path, talk, use)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (b"", "the peer closed"),
        (
            frame(
                ERROR,
                b'{"correlation_id":"unknown","success":false,"error":"too large"}',
            ),
            "too large",
        ),
    ],
)
def test_peer_that_leaves_amid_a_request_is_heard_out(
    tmp_path: Path, words: bytes, found: str
) -> None:
    """That nothing more can be written says nothing about what can be read."""

    def talk(connection: socket.socket) -> None:
        assert len(connection.recv(1)) == 1
        connection.sendall(words)

    def use(client: Client) -> None:
        with pytest.raises(acton.PeerLostError, match=found):
            client.actor("a").ask(Echo("x" * 5_000_000))

    with_client(tmp_path, talk, use)


def test_server_with_a_full_queue_keeps_nobody(tmp_path: Path) -> None:
    """Who wants to connect tries again until the time is up."""
    path = str(tmp_path / "s")
    guests: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        try:
            while True:
                guests.append(socket.socket(socket.AF_UNIX))
                guests[-1].setblocking(False)  # noqa: FBT003 - positional in the library
                guests[-1].connect(path)
        except BlockingIOError:
            pass
        with pytest.raises(TimeoutError, match="too many"):
            Client(path, timeout=0)

        def make_room() -> None:
            for _ in guests[:-1]:
                listener.accept()[0].close()

        thread = threading.Thread(target=make_room)
        thread.start()
        Client(path).close()
        thread.join()
    for each in guests:
        each.close()
