"""The client for code that blocks, on real sockets and in plain threads."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

import acton_trio as acton

from .answers import ANSWERS, answer_frame, check_facts
from .blocking_servers import (
    GOOD,
    read_request,
    read_to_the_end,
    replying,
    saying,
    serving,
)
from .peers import (
    ERROR,
    MESSAGEPACK,
    RESPONSE,
    UNLIMITED,
    Done,
    Echo,
    Flush,
    GetValue,
    Private,
    Service,
    SetValue,
    Value,
    frame,
)


@pytest.mark.parametrize(("body", "error"), ANSWERS)
def test_blocking_client_raises_the_same(
    tmp_path: Path, body: dict[str, Any], error: type[Exception]
) -> None:
    """What a trio asker gets, a blocking one gets."""
    with (
        serving(tmp_path / "s", replying(body)),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
        pytest.raises(error) as caught,
    ):
        client.actor("a").ask(GetValue())

    assert type(caught.value) is error
    check_facts(caught.value, body)


def test_blocking_client_asks_sends_and_requests(tmp_path: Path) -> None:
    """The same calls, from code that blocks."""
    with (
        serving(tmp_path / "s", replying(GOOD)),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        handle = client.actor("a")
        handle.send(SetValue(1))

        assert handle.ask(GetValue()) == Value(3)
        assert client.request("a", "GetValue").payload == {"value": 3}


@pytest.mark.parametrize(
    ("of_client", "of_call", "milliseconds"),
    [
        pytest.param({}, {}, 30000, id="default"),
        pytest.param({"timeout": 7}, {}, 7000, id="the client's"),
        pytest.param({"timeout": 7}, {"timeout": 2.0001}, 2001, id="the call's"),
    ],
)
def test_timeout_travels_with_the_request(
    tmp_path: Path,
    of_client: dict[str, float],
    of_call: dict[str, float],
    milliseconds: int,
) -> None:
    """The peer hears how long it is waited for, rounded up."""
    seen: list[dict[str, Any]] = []

    def talk(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        seen.append(request)
        connection.sendall(answer_frame(request["correlation_id"], GOOD))

    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s", **of_client) as client,
    ):
        client.actor("a").ask(GetValue(), **of_call)

    assert seen[0]["expects_reply"] is True
    assert milliseconds - 50 < seen[0]["response_timeout_ms"] <= milliseconds


def test_mute_server_does_not_keep_a_caller(tmp_path: Path) -> None:
    """A call ends when its time is up, and closing ends the connection."""
    with (
        serving(tmp_path / "s", read_to_the_end),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        with pytest.raises(acton.AskTimeoutError):
            client.actor("a").ask(GetValue(), timeout=0)
        with pytest.raises(acton.AskTimeoutError):
            client.actor("a").send(SetValue(1), timeout=0)
        with pytest.raises(acton.AskTimeoutError):
            client.request("a", "B", timeout=0.01)
        with pytest.raises(acton.AskTimeoutError):
            client.discover(timeout=0.01)


def test_answer_that_comes_too_late_goes_nowhere(tmp_path: Path) -> None:
    """The next call gets its own answer, even if the last came by half."""
    half_told, gave_up = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        late = answer_frame(
            request["correlation_id"], GOOD | {"payload": {"value": 666}}
        )
        connection.sendall(late[:-5])
        half_told.set()
        assert gave_up.wait(20)
        connection.sendall(late[-5:])
        replying(GOOD)(connection)

    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        # A call may be out of time before it has said anything.
        while not half_told.is_set():
            with pytest.raises(acton.AskTimeoutError):
                client.actor("a").ask(GetValue(), timeout=0.05)
        gave_up.set()

        assert client.actor("a").ask(GetValue()) == Value(3)


def test_server_that_does_not_read_does_not_keep_a_caller(tmp_path: Path) -> None:
    """The time is for writing, too; who gave up amid a frame breaks no other."""
    gave_up = threading.Event()

    def talk(connection: socket.socket) -> None:
        assert gave_up.wait(20)
        # The client may have closed amid its frame.
        with suppress(ConnectionError, ValueError):
            replying(GOOD)(connection)

    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        with pytest.raises((acton.AskTimeoutError, acton.PeerLostError)):
            client.actor("a").ask(Echo("x" * 5_000_000), timeout=0.1)
        gave_up.set()
        # Either the rest of that frame is written first, or nothing ever is.
        with suppress(acton.PeerLostError):
            assert client.actor("a").ask(GetValue(), timeout=5) == Value(3)


REFUSAL = (
    b'{"correlation_id":"__acton_connection_rejected__","success":false,'
    b'"error":"no","error_code":"CONNECTION_LIMIT_REACHED","payload":{"limit":7}}'
)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"garbage of any kind", acton.RemoteProtocolError, id="garbage"),
        pytest.param(
            b"\xff\xff\xff\xff\x02\x02\x01", acton.RemoteProtocolError, id="4 GiB"
        ),
        pytest.param(
            b"\x01\0\0\x01\x02\x02\x01", acton.RemoteProtocolError, id="16 MiB and 1"
        ),
        pytest.param(b"", acton.PeerLostError, id="the end"),
        pytest.param(
            b"\0\0\0\x20\x02\x02\x01{", acton.PeerLostError, id="half a frame"
        ),
        pytest.param(
            frame(ERROR, REFUSAL), acton.ConnectionRefusedByPeerError, id="refusal"
        ),
        pytest.param(
            frame(ERROR, b'{"correlation_id":"unknown","success":false,"error":"bye"}'),
            acton.PeerLostError,
            id="last words",
        ),
    ],
)
def test_last_words_of_a_server_are_told_every_time(
    tmp_path: Path, data: bytes, error: type[Exception]
) -> None:
    """It never hangs on a server that leaves, and says why every time."""
    with (
        serving(tmp_path / "s", saying(data)),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        for _ in range(2):
            with pytest.raises(error):
                client.actor("a").ask(GetValue())
        with pytest.raises(error):
            client.discover()


def test_refusal_before_the_first_word_is_told(tmp_path: Path) -> None:
    """A server at its limit speaks and closes before anything is asked."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(frame(ERROR, REFUSAL))

    with serving(tmp_path / "s", talk):
        client = acton.ipc.BlockingClient(tmp_path / "s")
    # The other side is closed by now: writing fails, and what it said is there.
    with client, pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
        client.actor("a").ask(GetValue())

    assert caught.value.limit == 7
    assert caught.value.reason == "CONNECTION_LIMIT_REACHED"


def test_answer_is_read_by_its_own_header(tmp_path: Path) -> None:
    """The format of an answer is what its frame says."""

    def talk(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        body = {"correlation_id": request["correlation_id"], **GOOD}
        data = msgspec.msgpack.encode(body)
        connection.sendall(frame(RESPONSE, data, form=MESSAGEPACK))

    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        assert client.actor("a").ask(GetValue()) == Value(3)


def test_nobody_listens_is_an_os_error(tmp_path: Path) -> None:
    """A missing socket is what it is."""
    with pytest.raises(FileNotFoundError):
        acton.ipc.BlockingClient(tmp_path / "none")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        with pytest.raises(ConnectionRefusedError):
            acton.ipc.BlockingClient(tmp_path / "deaf")


def test_closed_client_raises_at_once(tmp_path: Path) -> None:
    """Closing twice is allowed, using it is not."""
    with (
        serving(tmp_path / "s", read_to_the_end),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
    ):
        handle = client.actor("a")
        client.close()
        client.close()
    with pytest.raises(acton.PeerLostError, match="closed"):
        handle.ask(GetValue())
    with pytest.raises(acton.PeerLostError, match="closed"):
        handle.send(SetValue(1))


@pytest.mark.parametrize("attempt", range(5))
def test_closing_ends_a_call_of_another_thread(tmp_path: Path, attempt: int) -> None:
    """Nobody waits for an answer on a connection that is no more.

    Whether the other thread waits already is a matter of luck: hence the attempts.
    """
    asked = threading.Event()
    errors: list[BaseException] = []

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        read_to_the_end(connection)

    with serving(tmp_path / "s", talk):
        client = acton.ipc.BlockingClient(tmp_path / "s")

        def ask() -> None:
            try:
                client.actor("a").ask(GetValue(), timeout=20)
            except acton.AskError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert asked.wait(20)
        client.close()
        thread.join()

    # Not the error of who has waited for all those seconds.
    assert [type(each) for each in errors] == [acton.PeerLostError]


@pytest.mark.parametrize("thing", [Private(), 3, GetValue, None])
def test_what_does_not_travel_is_a_type_error(tmp_path: Path, thing: Any) -> None:
    """The mistake is named where it is made, before anything is sent."""
    seen: list[object] = []

    def talk(connection: socket.socket) -> None:
        seen.append(read_request(connection))

    with (
        serving(tmp_path / "s", talk),
        acton.ipc.BlockingClient(tmp_path / "s") as client,
        pytest.raises(TypeError, match="ipc=True"),
    ):
        client.actor("a").send(thing)

    assert seen == [None]


async def test_threads_share_a_client_of_a_real_server(tmp_path: Path) -> None:
    """Each gets the answer to its own question."""
    path = tmp_path / "s"
    answers: list[str] = []

    def ask(client: acton.ipc.BlockingClient, text: str) -> None:
        service = client.actor("service")
        answers.extend(service.ask(Echo(text)) for _ in range(20))

    def talk() -> None:
        with acton.ipc.BlockingClient(path) as client:
            service = client.actor("service")
            service.send(SetValue(5))
            assert service.ask(GetValue()) == Value(5)
            assert service.ask(Flush()) == Done()
            assert [each.name for each in client.discover().actors] == ["service"]
            assert client.request("x", "Y").error_code == "ACTOR_NOT_FOUND"
            threads = [
                threading.Thread(target=ask, args=(client, f"{number}"))
                for number in range(8)
            ]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        config = acton.ipc.IpcConfig(rate_limit=UNLIMITED)
        async with acton.ipc.open_listener(runtime, config, path=path):
            await trio.to_thread.run_sync(talk)

    assert sorted(answers) == sorted("01234567" * 20)


def test_blocking_client_needs_no_trio() -> None:
    """What blocks may run where trio is not wanted, and does not load it."""
    code = (
        "import sys, acton_trio as acton; acton.ipc.BlockingClient;"
        "sys.exit('trio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0
