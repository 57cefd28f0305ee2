"""Somebody who does to the letter what a page says, and copies what it shows.

Each block of a page is code to be saved, or commands and what they print.  What to do
with it is in the words right before it, which are the same everywhere:

* ``Save this as `FILE`:`` or ``Save this as `FILE`, over the old one:``
* ``In `FILE`, put this in place of `NAME`:``, ``above `NAME`:`` or ``at the end of
  `NAME`:``, where the name is that of a function, a class or a method, ``Class.method``
* ``Start it in the first terminal:``, with a command that goes on

Any other ``console`` block with commands is typed in the second terminal, or the only
one; one without commands is what the first terminal shows next, and ``^C`` at its
beginning is what is pressed there.  ``...`` stands for anything that is printed.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Set as AbstractSet
from pathlib import Path
from threading import Timer
from typing import Final, NamedTuple, final

import attrs

# What hangs is killed, so that a test fails for what it did not print; in seconds,
# and nothing is ever waited for that long.
PATIENCE: Final = 120

_FENCE: Final = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVE: Final = re.compile(r"[Ss]ave this as `([\w.]+)`(?:, over the old one)?:$")
_CHANGE: Final = re.compile(
    r"In `([\w.]+)`, put this (in place of|above|at the end of) `([\w.]+)`:$"
)
_COMMAND: Final = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


class Block(NamedTuple):
    """A block of a page, and the words before it."""

    language: str
    text: str
    words: str


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of *page*, but those that only Sphinx reads."""
    end = 0
    for fence in _FENCE.finditer(page):
        words = " ".join(page[end : fence.start()].split())
        end = fence.end()
        if not fence[1].startswith("{"):
            yield Block(fence[1], fence[2], words)


def changed(source: str, where: str, name: str, new: str) -> str:
    """Return *source* with *new* put where a page says, relative to *name*."""
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    node = ast.parse(source)
    for part in name.split("."):
        [node] = (
            each
            for each in node.body
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and each.name == part
        )
    assert not isinstance(node, ast.Module)
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
    last = node.end_lineno
    lines = source.splitlines(keepends=True)
    if where == "in place of":
        lines[first:last] = [new]
    elif where == "above":
        lines[first:first] = [f"{new}\n\n"]
    else:
        lines[last:last] = [f"\n{new}"]
    return "".join(lines)


def looks_like(printed: str, shown: str) -> bool:
    """Return whether a page may show *printed* as *shown*."""
    pattern = re.escape(shown).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


@final
@attrs.define
class Reader:
    """Has a folder and two terminals, and may be told not to type some commands."""

    folder: Path
    skipped: AbstractSet[str] = frozenset()
    wrong: list[str] = attrs.field(factory=list[str], init=False)
    """What was not printed as it is shown."""
    _status: int = attrs.field(default=0, init=False)
    _service: subprocess.Popen[str] | None = attrs.field(default=None, init=False)
    _watchdog: Timer | None = attrs.field(default=None, init=False)

    def copy_files(self, page: str) -> None:
        """Save and change all that *page* says, and type nothing."""
        for block in blocks_of(page):
            if block.language != "console":
                self._save(block)

    def follow(self, page: str) -> None:
        """Do all that *page* says; afterwards nothing runs any more."""
        try:
            for block in blocks_of(page):
                if block.language != "console":
                    self._save(block)
                elif not block.text.startswith("$ "):
                    self._look(block.text)
                elif re.search(r"in the first terminal:$", block.words):
                    self._start(block.text)
                else:
                    self._type(block.text)
            assert self._service is None, "the page leaves its service running"
        finally:
            self._kill()

    def _save(self, block: Block) -> None:
        whole, part = _SAVE.search(block.words), _CHANGE.search(block.words)
        if whole is not None:
            text = block.text
            file = self.folder / whole[1]
            is_there = ", over the old one" in whole[0]
            assert file.exists() is is_there, f"{file.name}: {whole[0]}"
        else:
            assert part is not None, f"nothing says what this is for:\n{block.text}"
            file = self.folder / part[1]
            text = changed(file.read_text("utf-8"), part[2], part[3], block.text)
        file.write_text(text, "utf-8")

    def _type(self, text: str) -> None:
        for command, shown in _COMMAND.findall(text):
            if command in self.skipped:
                continue
            finished = subprocess.run(
                # Each command has a shell of its own, which knows of the last one.
                ["sh", "-c", f"(exit {self._status}); {command}"],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
            self._status = finished.returncode
            self._compare(f"$ {command}\n", finished.stdout, shown)

    def _start(self, text: str) -> None:
        assert self._service is None
        [(command, shown)] = _COMMAND.findall(text)
        program, *arguments = command.split()
        assert program == "python"
        self._service = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watchdog = Timer(PATIENCE, self._service.kill)
        self._watchdog.start()
        self._look(shown)

    def _look(self, shown: str) -> None:
        """Look at what the first terminal shows next, having pressed ^C if it says so."""
        service = self._service
        assert service is not None
        assert service.stdout is not None
        if shown.startswith("^C"):
            service.send_signal(signal.SIGINT)
            printed = service.stdout.read()
            assert service.wait() == 0, printed
            self._kill()
            self._compare("^C", printed, shown.removeprefix("^C"))
        else:
            lines = [service.stdout.readline() for _ in shown.splitlines()]
            self._compare("", "".join(lines), shown)

    def _compare(self, prompt: str, printed: str, shown: str) -> None:
        if not looks_like(printed, shown):
            self.wrong.append(f"{prompt}{printed}")

    def _kill(self) -> None:
        """End what may be left of the service."""
        if self._service is None or self._watchdog is None:
            return
        self._watchdog.cancel()
        self._service.kill()
        self._service.wait()
        if self._service.stdout is not None:
            self._service.stdout.close()
        self._service = self._watchdog = None


def environment() -> dict[str, str]:
    """Return what is around somebody who sits at a terminal, and has set nothing."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ACTON_", "PYTEST_", "XDG_"))
    }
    here = str(Path(sys.executable).parent)
    # Two lines of one program come in the order in which they were printed.
    terminal = {"PYTHONUNBUFFERED": "1", "COLUMNS": "80", "NO_COLOR": "1"}
    path = os.pathsep.join([here, ours.get("PATH", os.defpath)])
    return {**ours, **terminal, "PATH": path}
