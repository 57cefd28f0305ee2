"""Every example runs, as a process, and prints what it promises."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import IO, final

import attrs
import pytest
import trustme

EXAMPLES = Path(__file__).parents[1] / "examples"
LIBRARIES = EXAMPLES / "ipc_client_libraries"
NODEJS = LIBRARIES / "nodejs"
NODE = shutil.which("node")

# What hangs is killed, so that a test fails for what it did not print; in
# seconds, and nothing is ever waited for that long.
PATIENCE = 120

no_node = pytest.mark.skipif(
    NODE is None or not (NODEJS / "dist").exists(),
    reason="needs Node.js, and its client library built: npm ci in its folder",
)


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def python(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of Python, from a folder that is not its own."""
    return run([sys.executable, str(script), *arguments], EXAMPLES.parent)


@final
@attrs.define
class Service:
    """The service of `my_service.py`, as a process that listens."""

    socket: Path
    _process: subprocess.Popen[str]
    _output: IO[str]

    def stop(self, number: signal.Signals) -> tuple[int, list[str]]:
        """Send it a signal; return its exit code and what it printed since."""
        # It listens a moment before it waits for signals.
        while not _takes_signals(self._process.pid):
            os.sched_yield()
        self._process.send_signal(number)
        printed = self._output.read().splitlines()
        return self._process.wait(), printed


def _takes_signals(pid: int) -> bool:
    """Return whether the process has taken SIGTERM over, as far as can be told."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        # Not Linux: it has had all the time that this took.
        return True
    lines = status.read_text(encoding="utf-8").splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Return the service, once it listens; what is left of it is killed."""
    socket = tmp_path / "my-service.sock"
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "my_service.py"), str(socket)],
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = Timer(PATIENCE, process.kill)
    watchdog.start()
    output = process.stdout
    assert output is not None
    try:
        assert [output.readline().strip() for _ in range(2)] == [
            "asked from inside: ValueResponse(value=41)",
            "listening",
        ]
        yield Service(socket, process, output)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        output.close()


def test_service_has_a_socket_while_it_listens(service: Service) -> None:
    """Only its owner may use it, and a lock keeps a second server away."""
    assert service.socket.is_socket()
    assert service.socket.stat().st_mode & 0o077 == 0
    assert {each.name for each in service.socket.parent.iterdir()} == {
        "my-service.sock",
        "my-service.sock.lock",
    }


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGINT, id="SIGINT"),
    ],
)
def test_service_leaves_nothing_when_a_signal_ends_it(
    service: Service, number: signal.Signals
) -> None:
    """It ends well, and neither the socket nor the lock file stays behind."""
    code, printed = service.stop(number)

    assert code == 0
    assert printed == [f"{number.name} came", "drained: 0 requests"]
    assert list(service.socket.parent.iterdir()) == []


def test_second_service_finds_the_socket_taken(service: Service) -> None:
    """It fails and says why, and the first one goes on."""
    second = python(EXAMPLES / "my_service.py", str(service.socket))
    client = python(EXAMPLES / "my_client.py", str(service.socket))

    assert second.returncode == 1
    assert "already running at this socket" in second.stderr
    assert client.returncode == 0, client.stderr


def test_client_calls_the_service_in_three_ways(service: Service) -> None:
    """Typed, by hand and without trio: each sees what the one before has set."""
    client = python(EXAMPLES / "my_client.py", str(service.socket))
    code, printed = service.stop(signal.SIGTERM)

    assert client.returncode == 0, client.stderr
    assert client.stdout.splitlines() == [
        "typed: ValueResponse(value=42)",
        "by hand: {'value': 42}",
        "blocking: ValueResponse(value=43)",
    ]
    assert code == 0
    # Two sends, two asks and the envelope.
    assert printed == ["SIGTERM came", "drained: 5 requests"]
    assert list(service.socket.parent.iterdir()) == []


def test_program_on_asyncio_calls_the_service_from_threads(service: Service) -> None:
    """One client serves all of them, and its event loop is asyncio's."""
    client = python(EXAMPLES / "from_asyncio.py", str(service.socket))
    code, printed = service.stop(signal.SIGTERM)

    assert client.returncode == 0, client.stderr
    assert client.stdout.splitlines() == [
        "three answers at once: 42 42 42",
        "nobody: ACTOR_NOT_FOUND",
    ]
    assert code == 0
    # A send, and four asks, one of them of nobody.
    assert printed == ["SIGTERM came", "drained: 5 requests"]


def test_client_without_a_service_fails(tmp_path: Path) -> None:
    """Nobody listens: the example says so with its exit code."""
    client = python(EXAMPLES / "my_client.py", str(tmp_path / "nobody.sock"))

    assert client.returncode == 1
    assert client.stdout == ""
    assert "FileNotFoundError" in client.stderr


def test_example_of_the_python_library_sets_and_reads(service: Service) -> None:
    """Without the framework, the same service answers."""
    example = python(LIBRARIES / "python" / "example.py", str(service.socket))
    code, printed = service.stop(signal.SIGTERM)

    assert example.returncode == 0, example.stderr
    assert example.stdout == 'Value: {"value":42}\n'
    assert code == 0
    assert printed == ["SIGTERM came", "drained: 2 requests"]


def test_python_library_passes_its_own_tests() -> None:
    """The library for people without this package holds what it promises."""
    folder = LIBRARIES / "python"
    finished = run([sys.executable, "-W", "error", "-m", "unittest"], folder)

    assert finished.returncode == 0, finished.stderr
    assert "\nOK" in finished.stderr
    # Something was found to run.
    assert "Ran 0 tests" not in finished.stderr


@no_node
def test_example_of_the_node_library_sets_and_reads(service: Service) -> None:
    """The very words of the Python example, from another language."""
    assert NODE is not None
    example = run([NODE, "example.mjs", str(service.socket)], NODEJS)
    code, printed = service.stop(signal.SIGTERM)

    assert example.returncode == 0, example.stderr
    assert example.stdout == 'Value: {"value":42}\n'
    assert code == 0
    assert printed == ["SIGTERM came", "drained: 2 requests"]


def test_pool_goes_on_without_the_worker_that_is_given_up() -> None:
    """Crashes are undone or owned up to, and the last one leaves two workers."""
    pool = python(EXAMPLES / "worker_pool.py")

    assert pool.returncode == 0, pool.stderr
    assert pool.stderr == ""
    assert pool.stdout.splitlines() == [
        "  pool/ann has started under pool",
        "  pool/bob has started under pool",
        "  pool/cy has started under pool",
        "  pool has started under runtime",
        "job 0: done by pool/ann, generation 0",
        "job 1: done by pool/bob, generation 0",
        "job 2: pool/cy crashed with OSError; done by pool/ann, generation 0",
        "job 3: done by pool/ann, generation 0",
        "  pool/cy is back after 0.05 s, generation 1",
        "job 4: pool/bob crashed with ValueError; it is lost",
        "  pool/bob is back after 0.05 s, generation 1",
        "job 5: pool/cy crashed with OSError; done by pool/ann, generation 0",
        (
            "  pool/cy is down for good: "
            "RestartLimitError(actor='pool/cy', max_restarts=1, window=60.0)"
        ),
        "job 6: done by pool/ann, generation 0",
        "job 7: done by pool/bob, generation 1",
    ]


def test_pipeline_is_restarted_from_where_it_crashed() -> None:
    """Later stages go down and come up in order, and one line alone is lost."""
    pipeline = python(EXAMPLES / "pipeline.py")

    assert pipeline.returncode == 0, pipeline.stderr
    assert pipeline.stderr == ""
    assert pipeline.stdout.splitlines() == [
        "pipeline/read has started",
        "pipeline/parse has started",
        "pipeline/double has started",
        "pipeline/write has started",
        "pipeline has started",
        "pipeline/write: <2>",
        "pipeline/write: <4>",
        "pipeline/parse has ended",
        "pipeline/write has ended",
        "pipeline/double has ended",
        "pipeline/parse has started again, having failed",
        "pipeline/double has started again, having stopped",
        "pipeline/write has started again, having stopped",
        "pipeline/write: <8>",
        "pipeline/write: <10>",
        "lost: invalid literal for int() with base 10: 'three'",
        "pipeline/read is in generation 0",
        "pipeline/parse is in generation 1",
        "pipeline/double is in generation 1",
        "pipeline/write is in generation 1",
    ]


def test_two_doors_lead_to_the_same_actors() -> None:
    """One lets through less than the other, and may be shut by itself."""
    multi = python(EXAMPLES / "multi_service.py")

    assert multi.returncode == 0, multi.stderr
    assert multi.stdout.splitlines() == [
        "socket: the sum is 100",
        "socket: shouted 5000 letters",
        "port: there are adder shouter",
        "port: the sum is 101",
        "port: shouted HELLO",
        "port: the sum is 102",
        "port: RATE_LIMITED",
        (
            "port: the peer says PROTOCOL_ERROR: Protocol error: "
            "frame of 5162 bytes exceeds the limit of 1000"
        ),
        "port: is shut",
        "socket: the sum is 202",
        "socket: shouted 5000 letters",
        "requests through the port: 4",
        "requests through the socket: 202",
    ]


def test_prices_are_pushed_to_those_who_have_subscribed() -> None:
    """All of them, the newest one, or plain data: each as he likes."""
    feed = python(EXAMPLES / "price_feed.py")

    assert feed.returncode == 0, feed.stderr
    assert feed.stdout.splitlines() == [
        "trades: 3",
        "ticker: Price(symbol='ACME', cents=120)",
        "ticker: Price(symbol='ACME', cents=125)",
        "ticker: Price(symbol='INIT', cents=80)",
        "display: Price(symbol='INIT', cents=80) and missed 2",
        "plain data: Price {'cents': 120, 'symbol': 'ACME'}",
    ]


def test_stream_that_is_left_cancels_its_handler() -> None:
    """One that is not comes to its end."""
    streaming = python(EXAMPLES / "streaming.py")

    assert streaming.returncode == 0, streaming.stderr
    assert streaming.stdout.splitlines() == [
        "squares: [0, 1, 4, 9]",
        "its handler came to its end",
        "square: 0",
        "square: 1",
        "square: 4",
        "square: 9",
        "its handler was cancelled",
    ]


def test_service_over_tls_turns_strangers_away() -> None:
    """Both sides look at the other's certificate."""
    tls = python(EXAMPLES / "tls_service.py")

    assert tls.returncode == 0, tls.stderr
    assert tls.stdout.splitlines() == [
        "with a certificate: ValueResponse(value=42)",
        "without one: the server wants no such client: the connection broke",
        "with a stranger's: the server wants no such client: the connection broke",
        "with other friends: does not trust the server: CERTIFICATE_VERIFY_FAILED",
    ]


def test_service_over_tls_takes_certificates_from_files(tmp_path: Path) -> None:
    """It and its client are two processes then, and a signal ends it."""
    example = str(EXAMPLES / "tls_service.py")
    authority, server, client = (
        str(tmp_path / f"{each}.pem") for each in ("authority", "server", "client")
    )
    signer = trustme.CA()
    signer.cert_pem.write_to_path(authority)
    for path, name in (server, "127.0.0.1"), (client, "client@example.org"):
        signer.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
    process = subprocess.Popen(
        [sys.executable, example, "serve", "127.0.0.1", "0", authority, server],
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = Timer(PATIENCE, process.kill)
    watchdog.start()
    assert process.stdout is not None
    try:
        port = process.stdout.readline().split()[-1]
        call = ("call", "127.0.0.1", port, authority)
        friend = python(EXAMPLES / "tls_service.py", *call, client)
        stranger = python(EXAMPLES / "tls_service.py", *call)
        Service(tmp_path, process, process.stdout).stop(signal.SIGTERM)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()

    assert (friend.returncode, stranger.returncode) == (0, 1)
    assert friend.stdout == "the service: ValueResponse(value=42)\n"
    assert stranger.stdout.startswith("the service: the server wants no such client")
    assert process.returncode == 0


def test_service_over_tls_says_how_it_is_used() -> None:
    """It prints what is written at its top, and fails."""
    confused = python(EXAMPLES / "tls_service.py", "sing")

    assert confused.returncode == 2
    assert "tls_service.py serve HOST PORT AUTHORITY SERVER" in confused.stdout


def test_demo_shows_every_client_and_a_clean_end() -> None:
    """The demonstration starts, calls and stops the service, and leaves nothing."""
    finished = python(EXAMPLES / "demo.py")
    lines = [line.partition("|")[2].strip() for line in finished.stdout.splitlines()]

    assert finished.returncode == 0, finished.stderr
    assert lines[:6] == [
        "asked from inside: ValueResponse(value=41)",
        "listening",
        "typed: ValueResponse(value=42)",
        "by hand: {'value': 42}",
        "blocking: ValueResponse(value=43)",
        'Value: {"value":42}',
    ]
    assert lines[-4:-2] == ["SIGTERM", "SIGTERM came"]
    assert lines[-2].startswith("drained: ")
    assert lines[-1] == "none"


def test_demo_says_when_there_is_no_node() -> None:
    """Without Node.js the demonstration says so, and goes on."""
    lines = python(EXAMPLES / "demo.py").stdout.splitlines()
    node = [line.partition("|")[2].strip() for line in lines if "Node.js |" in line]

    if shutil.which("npm") is None or NODE is None:
        assert node == ["not on this machine: left out"]
    else:
        assert len(node) == 1


def test_cook_buys_what_the_farmer_offers() -> None:
    """She is told of the price, and in the end that there is too little left."""
    market = python(EXAMPLES / "fruit_market.py")

    assert market.returncode == 0, market.stderr
    said = market.stdout.splitlines()
    assert [line for line in said if line.startswith("farmer")] == [
        "farmer: 4 of apple for 90 each",
        "farmer: 4 of pear for 70 each",
        "farmer: 8 of apple for 40 each",
    ]
    assert [line for line in said if line.startswith("cook")] == [
        "cook: five apples for 200",
        "cook: only 3 of apple left",
    ]


def test_everybody_in_the_chat_hears_the_same() -> None:
    """Each of them everything, in one order."""
    chat = python(EXAMPLES / "chat.py")

    assert chat.returncode == 0, chat.stderr
    assert chat.stdout.splitlines() == [
        "Ann hears 1. Ann: Is anybody there?",
        "Ann hears 2. Bob: I am.",
        "Bob hears 1. Ann: Is anybody there?",
        "Bob hears 2. Bob: I am.",
    ]


def test_one_joins_the_chat_from_another_process(tmp_path: Path) -> None:
    """What is typed is said, and what others say is shown."""
    path, pipe = str(tmp_path / "s"), subprocess.PIPE
    chat = [sys.executable, str(EXAMPLES / "chat.py")]
    with subprocess.Popen([*chat, "serve", path], stdout=pipe, text=True) as room:
        assert room.stdout is not None
        assert room.stdout.readline() == "the room is open\n"
        command = [*chat, "join", path, "Ann"]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as ann:
            assert ann.stdout is not None
            # Bob says it until Ann has come, and hears it.
            while not select.select([ann.stdout], [], [], 0)[0]:
                bob = [*chat, "join", path, "Bob"]
                subprocess.run(
                    bob, input="Hello\n", text=True, check=True, timeout=PATIENCE
                )
            heard = ann.stdout.readline()
            ann.communicate()
        room.terminate()

    assert heard == "Bob: Hello\n"
    assert (ann.returncode, room.returncode) == (0, 0)
