"""The load generator: what it tells, and what it does not let pass."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from os import getpid
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec
import pytest
from load.generator import SOURCE, Load, Shape, load, read
from processes import compiled
from servers.desk import HEADER, answers

TOLD: Final = {
    "calls": 1000,
    "errors": 0,
    "seconds": 0.5,
    "calls_per_second": 2000.0,
    "p50_us": 10.5,
    "p99_us": 20.0,
    "max_us": 30.0,
    "load_cpu": 0.1,
    "server_cpu": 0.5,
}


def test_what_the_generator_tells_is_read() -> None:
    """Its figures have names, and shares of a processor follow from them."""
    seen = read(msgspec.json.encode(TOLD))

    assert seen == msgspec.convert(TOLD, Load)
    assert (seen.load_share, seen.server_share) == (0.2, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [pytest.param({"errors": 1}, id="errors"), pytest.param({"calls": 0}, id="none")],
)
def test_wrong_answers_are_no_result(wrong: dict[str, int]) -> None:
    """A server that errs, or says nothing, is not measured."""
    with pytest.raises(ValueError, match="errors in"):
        read(msgspec.json.encode(TOLD | wrong))


def test_something_else_is_no_result() -> None:
    """What the generator does not print is not read as if it had."""
    with pytest.raises(msgspec.ValidationError):
        read(msgspec.json.encode(TOLD | {"surprise": 1}))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        pytest.param("64", Shape(64, 1), id="one deep"),
        pytest.param("64x16", Shape(64, 16), id="deep"),
    ],
)
def test_shapes_are_written_in_short(text: str, shape: Shape) -> None:
    """On a command line a load is its connections, and how deep they are."""
    assert Shape.parse(text) == shape
    assert str(shape).replace(" ", "") == text


# --- the program itself


@contextmanager
def serving(path: Path, change: Callable[[bytes], bytes]) -> Generator[None]:
    """Answer whoever connects, in a thread, with all answers changed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = Thread(target=_serve_one, args=(listener, change))
        thread.start()
        yield
        thread.join()


def _serve_one(listener: socket.socket, change: Callable[[bytes], bytes]) -> None:
    rest = b""
    connection, _ = listener.accept()
    # The generator does not wait for what is in flight when its time is over.
    with connection, suppress(ConnectionError):
        while data := connection.recv(65536):
            replies, rest = answers(rest + data)
            connection.sendall(b"".join(map(change, replies)))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("there is no Linux, or no C compiler")
    return compiled(SOURCE, tmp_path)


def ask(program: Path, path: Path) -> Load:
    return load(program, path, getpid(), Shape(1, 4), warm_up=0.0, seconds=0.02)


def test_right_answers_are_counted(program: Path, tmp_path: Path) -> None:
    """Whoever does the work is measured."""
    with serving(tmp_path / "s", lambda frame: frame):
        seen = ask(program, tmp_path / "s")

    assert seen.calls > 0
    assert 0 < seen.p50_us <= seen.p99_us <= seen.max_us


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda frame: HEADER.pack(len(frame) - 7, 2, 3, 1) + frame[7:], id="type"
        ),
        pytest.param(
            lambda frame: frame.replace(b'"quantity":8', b'"quantity":7'), id="work"
        ),
        pytest.param(lambda frame: frame.replace(b":true", b":null"), id="success"),
    ],
)
def test_wrong_answers_are_seen(
    program: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    """An answer of another type, without success or without the work is an error."""
    with (
        serving(tmp_path / "s", change),
        pytest.raises(ValueError, match="errors in"),
    ):
        ask(program, tmp_path / "s")


def test_an_answer_to_nothing_ends_it(program: Path, tmp_path: Path) -> None:
    """An answer is for a request in flight, or the server has lost its way."""
    with (
        serving(tmp_path / "s", lambda frame: frame.replace(b'"c', b'"d', 1)),
        pytest.raises(RuntimeError, match="an answer to nothing"),
    ):
        ask(program, tmp_path / "s")


def test_a_server_that_is_not_there_ends_it(program: Path, tmp_path: Path) -> None:
    """Nothing is waited for that cannot come."""
    with pytest.raises(RuntimeError, match="connect"):
        ask(program, tmp_path / "nobody")


def test_what_does_not_compile_is_told(tmp_path: Path) -> None:
    """A program is there, or it is said why not."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    wrong = tmp_path / "wrong.c"
    wrong.write_text("this is no C")

    with pytest.raises(subprocess.CalledProcessError):
        compiled(wrong, tmp_path)
