"""What `docs/cli.md` shows is what the command does, typed about the page's service."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import attrs
import pytest
import trio

import acton_trio as acton
from acton_trio._cli.arguments import COMMANDS, parse
from acton_trio._cli.failures import Exit
from acton_trio._cli.main import main
from acton_trio._cli.output import Output
from acton_trio._cli.payloads import payload_of
from acton_trio._cli.running import perform
from acton_trio._cli.whereabouts import socket_of

PAGE: Final = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")

# Where the page says that everything is; the test has it elsewhere.
HOME: Final = "home/me"
RUN: Final = "run/user/1000"


class Step(NamedTuple):
    """A command of the page, and what it prints there."""

    command: str
    shown: str


def steps() -> Iterator[Step]:
    """Yield all that is typed on the page, but what is about shells."""
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for command, shown in re.findall(
            r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE
        ):
            if "completion" not in command:
                yield Step(command, shown)


def pattern_of(shown: str) -> str:
    """Return what matches *shown* at any time; ``...`` stands for anything."""
    words = re.escape(evened(shown)).replace(re.escape("..."), ".*")
    return rf"(?s:{words})"


def evened(text: str) -> str:
    """Return *text* as it is whenever it is looked at, whatever the machine's pace."""
    text = re.sub(r"\b\d+(\.\d+)? ?m?s\b", "TIME", text)
    return re.sub(r" +", " ", text)


class Terminal:
    """Where the page's commands are typed."""

    def __init__(
        self,
        names: dict[str, Any],
        runtime: acton.Runtime,
        listener: acton.ipc.IpcListener,
    ) -> None:
        self.names = names
        self.runtime = runtime
        self.listener = listener
        self.status = 0

    async def type(self, command: str) -> str:
        """Type *command*, and return all that it prints."""
        if command == "echo $?":
            return f"{self.status}\n"
        piped, _, rest = command.rpartition(" | ")
        words = shlex.split(rest)
        variables = [words.pop(0) for word in [*words] if re.match(r"[A-Z_]+=", word)]
        assert words.pop(0) == "acton-trio"
        stdin = shlex.split(piped)[1].encode() if piped else b""
        with pytest.MonkeyPatch.context() as environ:
            for name, _, value in (each.partition("=") for each in variables):
                environ.setenv(name, value)
            return await self.obey(words, stdin)

    async def obey(self, words: list[str], stdin: bytes) -> str:
        """Do what *words* say, in this process."""
        screen = io.StringIO()
        arguments = parse(words)
        if arguments.command == "config":
            with redirect_stdout(screen):
                self.status = main(words)
            return screen.getvalue()
        payload = payload_of(arguments.payload, io.BytesIO(stdin))
        output = Output(screen, screen, arguments.json)
        async with trio.open_nursery() as nursery:
            if arguments.command == "watch":
                nursery.start_soon(self.sell_to_who_watches)
            where = socket_of(arguments.socket, arguments.app)
            self.status = await perform(arguments, where, payload, output)
        return screen.getvalue()

    async def sell_to_who_watches(self) -> None:
        """Have something broadcast as soon as somebody hears it."""
        before = self.listener.statistics().subscriptions_added
        while self.listener.statistics().subscriptions_added == before:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        for cents in (250, 100):
            await self.runtime.broker.broadcast(self.names["Sold"](cents))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the files and folders that the page speaks of, and no others."""
    for name in [each for each in os.environ if each.startswith(("ACTON_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / HOME))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / RUN))
    (tmp_path / RUN).mkdir(parents=True, mode=0o700)
    config = tmp_path / HOME / ".config" / "acton" / "shop" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("introspection = true\n")


@asynccontextmanager
async def open_terminal() -> AsyncGenerator[Terminal, None]:
    """Have the service of the page run, as its `main` does, and a terminal beside it."""
    names: dict[str, Any] = {"__name__": "shop"}
    # The page may be run elsewhere, too, and a rejection has its name for good;
    # and who types commands knows none of them.
    with patch.dict("acton_trio._messages.declare._rejections", clear=True):
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block, "cli.md", "exec", dont_inherit=True), names)
    config, doors = acton.Config.load("shop"), acton.ipc.IpcConfig.load("shop")
    # What is handled for an hour is not waited for.
    config = attrs.evolve(config, timeouts=acton.Timeouts(actor_shutdown=0.01))
    doors = attrs.evolve(doors, socket=attrs.evolve(doors.socket, app_name="shop"))
    async with acton.open_runtime(config) as runtime:
        await names["open_shop"](runtime)
        async with acton.ipc.open_listener(runtime, doors) as listener:
            yield Terminal(names, runtime, listener)


async def test_page_shows_what_the_commands_print(tmp_path: Path) -> None:
    """In the order in which they are typed there; but for what time it took."""
    wrong = list[str]()
    async with open_terminal() as terminal:
        for command, shown in steps():
            printed = (await terminal.type(command)).replace(f"{tmp_path}/", "/")
            if not re.fullmatch(pattern_of(shown), evened(printed)):
                wrong.append(f"$ {command}\n{printed}")

    assert "\n".join(wrong) == ""


def test_page_shows_every_command() -> None:
    """And what each of its exit codes means."""
    shown = " ".join(each.command for each in steps())
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)

    assert [each for each in COMMANDS if f" {each}" not in shown] == ["completion"]
    assert [int(each) for each in codes] == [*Exit]
