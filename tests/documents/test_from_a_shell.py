"""What `docs/howto/from-a-shell.md` shows is typed, at a service that runs."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

import pytest

import acton_trio as acton
from acton_trio._cli.failures import Exit

from ..reader import PATIENCE
from .pages import ROOT, Page
from .terminals import Command, Printed, Terminal, commands_of

PAGE: Final = Page(ROOT / "docs" / "howto" / "from-a-shell.md")

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")


@contextmanager
def open_terminal(folder: Path) -> Generator[Terminal, None, None]:
    """Have the program of the page in a folder, and a terminal there."""
    (folder / "stock.py").write_text(PAGE.fences("python")[0].text, "utf-8")
    # It says so to systemd when it listens; nothing else is different.
    variables = {
        "ACTON_IPC_SOCKET_SYSTEMD": "1",
        "NOTIFY_SOCKET": str(folder / "notify"),
    }
    with Terminal(folder, **variables) as terminal:
        yield terminal


def start_service(terminal: Terminal, command: str) -> Printed:
    """Start the service, and wait until it listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(terminal.folder / "notify"))
        systemd.settimeout(PATIENCE)
        printed = terminal.type(command)
        assert systemd.recv(100) == b"READY=1"
    return printed


@contextmanager
def somebody_takes_tea(folder: Path) -> Generator[None, None, None]:
    """Have Item broadcast in the block: none is taken, again and again."""
    is_over = Event()

    def take() -> None:
        [path] = folder.rglob("*.sock")
        with acton.ipc.BlockingClient(path) as client:
            while not is_over.wait(0.02):
                client.request("stock", "Take", {"item": "tea", "count": 0})

    somebody = Thread(target=take)
    somebody.start()
    try:
        yield
    finally:
        is_over.set()
        somebody.join()


def do(terminal: Terminal, command: Command) -> Printed:
    """Type what is on the page, and do what it says about it."""
    if command.text.endswith("&"):
        return start_service(terminal, command.text)
    if " watch " in command.text:
        with somebody_takes_tea(terminal.folder):
            return terminal.type(command.text)
    return terminal.type(command.text)


def evened(text: str) -> str:
    """Return *text* as it is whenever it is looked at."""
    return re.sub(r"\b[\d.]+ m?s\b", "TIME", text)


def test_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    """All of them, where there is jq; and those without it everywhere."""
    typed = [*commands_of(PAGE.fences("console"))]
    possible = [
        each for each in typed if shutil.which("jq") or " jq " not in f" {each.text}"
    ]
    wrong = list[str]()
    with open_terminal(tmp_path) as terminal:
        for command in possible:
            printed = do(terminal, command)
            # The only one that is to fail is to show what is told then.
            expected = Printed(command.shown, int("2>error" in command.text))
            if evened(str(printed)) != evened(str(expected)):
                wrong.append(f"$ {command.text}\n{printed}")
        code = terminal.end_service()

    assert "\n".join(wrong) == ""
    assert code == 0
    if possible != typed:
        pytest.skip("needs jq for the lines with it; all others were typed, and right")


@needs_jq
def test_script_tries_again_while_the_service_is_away(tmp_path: Path) -> None:
    """It waits as long as it says, and gives up with the code of the table."""
    [script] = PAGE.fences("sh")
    (tmp_path / "take.sh").write_text(script.text, "utf-8")
    # Tells how long it would sleep, and does not.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sleep").write_text('#!/bin/sh\necho "slept $1"\n', "utf-8")
    (tmp_path / "bin" / "sleep").chmod(0o755)
    with open_terminal(tmp_path) as terminal:
        start_service(terminal, "python stock.py &")
        served = terminal.type("sh take.sh tea")
        refused = terminal.type("sh take.sh coffee 2>/dev/null")
        terminal.end_service()
        lost = terminal.type("PATH=$PWD/bin:$PATH sh take.sh tea 2>/dev/null")

    assert served == Printed("11\n", Exit.SUCCESS)
    assert refused == Printed("", Exit.ANSWERED_WITH_ERROR)
    assert lost == Printed("slept 1\nslept 2\nslept 4\n", Exit.NO_CONNECTION)


def test_table_has_every_exit_code() -> None:
    """Each is in it once."""
    codes = re.findall(r"^\| (\d+) \|", PAGE.path.read_text("utf-8"), re.MULTILINE)

    assert [int(each) for each in codes] == [*Exit]
