"""What can be typed, what it means, and what is said to all else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from acton_trio._cli.arguments import COMMANDS, parse
from acton_trio._cli.commands import COMMANDS as CONNECTED
from acton_trio._cli.failures import UsageError
from acton_trio._cli.payloads import payload_of


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("--socket s --json ask a B 1", id="before"),
        pytest.param("ask --socket s --json a B 1", id="behind"),
        pytest.param("ask a B 1 --socket=s --json", id="last"),
        pytest.param("--json ask a B 1 --socket s", id="both"),
    ],
)
def test_options_of_all_commands_stand_anywhere(words: str) -> None:
    """Before the command, and behind it."""
    arguments = parse(words.split())

    assert (arguments.command, arguments.target, arguments.type) == ("ask", "a", "B")
    assert (arguments.socket, arguments.json, arguments.payload) == ("s", True, "1")


def test_payload_may_begin_with_a_dash() -> None:
    """As a number does, and as stdin is called."""
    assert parse(["ask", "a", "B", "-5"]).payload == "-5"
    assert parse(["ask", "a", "B", "-"]).payload == "-"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param("", "required: COMMAND", id="nothing"),
        pytest.param("asks", "invalid choice: 'asks'", id="command"),
        pytest.param("ask", "required: TARGET, TYPE", id="target"),
        pytest.param("watch", "required: TYPE", id="type"),
        pytest.param("ping --sock x", "unrecognized", id="abbreviation"),
        pytest.param("ping --timeout 0", "a number of seconds above 0", id="no time"),
        pytest.param("ping --timeout nan", "a number of seconds above 0", id="nan"),
        pytest.param("ping --timeout inf", "a number of seconds above 0", id="inf"),
        pytest.param("ping --count 0", "a whole number from 1 on", id="count"),
        pytest.param("ping --count -3", "argument", id="negative"),
        pytest.param("top --sort name", "invalid choice: 'name'", id="sort"),
        pytest.param("completion tcsh", "invalid choice: 'tcsh'", id="shell"),
    ],
)
def test_usage_error_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: str, error: str
) -> None:
    """It says what is wrong, and where to look."""
    with pytest.raises(SystemExit) as raised:
        parse(words.split())

    out, err = capsys.readouterr()
    assert (raised.value.code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("acton-trio: ")
    assert error in err
    assert "--help" in err


def test_every_command_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does; so are the exit codes."""
    with pytest.raises(SystemExit):
        parse(["--help"])

    out = capsys.readouterr().out
    assert all(f"    {each} " in out for each in COMMANDS)
    assert "__complete" not in out
    assert "130  Ctrl-C" in out


def test_every_command_is_done_by_somebody() -> None:
    """Those that need no service are done by `main` itself."""
    assert {*CONNECTED, "config", "completion"} == {*COMMANDS}


# --- what is to be said


def test_payload_is_sent_exactly_as_it_was_written(tmp_path: Path) -> None:
    """No digit of it is lost."""
    text = '{"n": 12345678901234567890.10,  "ü": "\\u0041"}'
    (tmp_path / "file").write_text(text)

    found = {
        payload_of(text, io.BytesIO()),
        payload_of("-", io.BytesIO(text.encode())),
        payload_of(f"@{tmp_path}/file", io.BytesIO()),
    }

    assert found == {text.encode()}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("{", "is no JSON", id="cut"),
        pytest.param("", "is no JSON", id="empty"),
        pytest.param("hello", "'hello' is no JSON", id="text"),
        pytest.param("NaN", "NaN is a number to Python alone", id="nan"),
        pytest.param("[-Infinity]", "-Infinity is a number", id="infinity"),
        pytest.param("[" * 100_000, "is no JSON", id="deep"),
        pytest.param("\udcff", "is no JSON", id="no UTF-8"),
        pytest.param("@", "cannot read", id="no name"),
        pytest.param("@/nowhere/at/all", "No such file", id="no file"),
        pytest.param("@/", "Is a directory", id="folder"),
        pytest.param("@\0", "cannot read", id="NUL"),
        pytest.param("-", "stdin is no JSON", id="stdin"),
    ],
)
def test_what_is_no_json_is_refused_before_it_is_sent(text: str, error: str) -> None:
    """The line says where it was, and what is wrong with it."""
    with pytest.raises(UsageError, match=error):
        payload_of(text, io.BytesIO(b"\xff\xfe1\0"))
