"""A shell that is typed into as the reader of a page would, one command at a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import IO, Final, NamedTuple, Self, final

from ..reader import PATIENCE, environment
from .pages import Fence

__all__ = ["Command", "Printed", "Terminal", "commands_of"]

# What is typed, over several lines if they end in a backslash, and what is below it.
COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

# Printed after each command, with its exit code.
MARK: Final = "--- it has ended with"


class Command(NamedTuple):
    """A command of a page, and what it prints there."""

    text: str
    shown: str


class Printed(NamedTuple):
    """What a command has printed, and its exit code."""

    text: str
    code: int


def commands_of(fences: Iterable[Fence]) -> Iterator[Command]:
    """Yield what is typed in *fences*, in order."""
    for fence in fences:
        for text, shown in COMMAND.findall(fence.text):
            yield Command(text, shown)


@final
class Terminal:
    """One shell; lives as long as its block, and all that was started in it.

    What ends in ``&`` goes on, and what it prints is news, beside what the commands
    after it print.

    Args:
        folder: Where the shell is, and its user at home.
        variables: What else is set there.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        home = dict.fromkeys(
            ("HOME", "XDG_CONFIG_DIRS", "XDG_RUNTIME_DIR"), str(folder)
        )
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env={**environment(), **home, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # So that all that it has started can be ended along with it.
            start_new_session=True,
        )
        self._watchdog = Timer(PATIENCE, self._kill)

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._kill()
        self._shell.wait()
        for pipe in self._shell.stdin, self._shell.stdout, self._shell.stderr:
            assert pipe is not None
            pipe.close()

    def type(self, command: str) -> Printed:
        """Type *command*, and return what it has printed when the next can be typed."""
        assert self._shell.stdin is not None
        where = ">&2" if command.endswith("&") else "2>&1"
        # In braces, as what is set in there is set afterwards, too.
        self._shell.stdin.write(
            f"{{ {command}\n}} </dev/null {where}\necho '{MARK}' $?\n"
        )
        self._shell.stdin.flush()
        printed = ""
        for line in _lines(self._shell.stdout):
            text, mark, code = line.partition(MARK)
            printed += text
            if mark:
                return Printed(printed, int(code))
        msg = f"the shell has ended in `{command}`: {printed}"
        raise AssertionError(msg)

    def wait_for_news(self, words: str) -> str:
        """Return the next line with *words* in it that comes from behind an ``&``."""
        for line in _lines(self._shell.stderr):
            if words in line:
                return line
        msg = f"nothing has told of {words!r}"
        raise AssertionError(msg)

    def end_service(self) -> int:
        """Send SIGTERM to what was started last with ``&``; return its exit code."""
        return self.type("kill $! && wait $!").code

    def _kill(self) -> None:
        os.killpg(self._shell.pid, signal.SIGKILL)


def _lines(pipe: IO[str] | None) -> Iterator[str]:
    assert pipe is not None
    while line := pipe.readline():
        yield line
