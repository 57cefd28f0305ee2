"""What is done about a fenced block, by its language.

Python is run, and text compared, by `test_pages.py`; both for a page as a whole.
All else is checked here, a block at a time: a check raises what is wrong with it.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from acton_trio._ipc.config import IPC_FILE
from acton_trio._runtime.config import CONFIG_FILE

from .pages import ROOT, Fence

__all__ = ["CHECKS", "FOREIGN", "TYPED", "WHOLE_PAGE"]

# Run or compared where the page is looked at as a whole.
WHOLE_PAGE: Final = {"python", "text"}

# What a reader comes from is shown as it is known there; nothing here can run it, but
# for other frameworks in Python: `tests/test_coming_from.py` does, where they are.
FOREIGN: Final = {
    "docs/coming-from/": {"erlang", "elixir", "java", "py", "rust", "scala"}
}

# Pages whose commands a test types, all of them, and compares what they print.
TYPED: Final = {
    "docs/cli.md": "tests/cli/test_page.py",
    "docs/howto/from-a-shell.md": "tests/documents/test_from_a_shell.py",
    "docs/howto/systemd.md": "tests/documents/test_systemd.py",
    "docs/howto/tls.md": "tests/documents/test_tls.py",
}

# Commands that change the machine, or fetch something: no test may.
NOT_RUN: Final = {"journalctl", "pip", "systemctl"}

NODE: Final = shutil.which("node")


def check_json(fence: Fence) -> None:
    """Have it be JSON."""
    json.loads(fence.text)


def check_toml(fence: Fence) -> None:
    """Have it be TOML, and a file that is loaded if it says that it is one."""
    tables = tomllib.loads(fence.text)
    name = fence.text.partition("\n")[0].removeprefix("#").strip()
    match name.rpartition("/")[2]:
        case "config.toml":
            CONFIG_FILE.read(tables, str(fence), {})
        case "ipc.toml":
            IPC_FILE.read(tables, str(fence), {})
        case "pyproject.toml":
            assert tables
        case _:
            msg = "the first line has to say in a comment which file it is"
            raise AssertionError(msg)


# Of systemd.
SECTIONS: Final = {"Install", "Path", "Service", "Socket", "Timer", "Unit"}


def check_units(fence: Fence) -> None:
    """Have it be units of systemd, in sections that it knows."""
    # Of a key that stands there twice each counts; of one unit after another, too.
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, delimiters=["="]
    )
    parser.read_string(fence.text)
    assert {*parser.sections()} <= SECTIONS
    assert all(value for name in parser.sections() for value in parser[name].values())


def check_javascript(fence: Fence) -> None:
    """Have it be a module that Node.js can read."""
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "page.mjs")
        module.write_text(fence.text, "utf-8")
        assert NODE is not None
        read = [NODE, "--check", str(module)]
        subprocess.run(read, check=True, capture_output=True, timeout=60)


def check_shell(fence: Fence) -> None:
    """Have it be a script that a shell can read."""
    read = ["sh", "-n", "-c", fence.text]
    subprocess.run(read, check=True, capture_output=True, timeout=60)


def check_console(fence: Fence) -> None:
    """Have each command be one that a test runs, is `./dev` itself, or may not be run."""
    text = fence.text.replace("\\\n", " ")
    typed: list[str] = re.findall(r"^[$#] (.*)$", text, re.MULTILINE)
    assert typed, "a command begins with `$ `, or with `# ` if root has to give it"
    if fence.page in TYPED:
        return
    for command in typed:
        check_command(shlex.split(command, comments=True))


def check_command(words: list[str]) -> None:
    """Have a command be one that something runs."""
    match words:
        case ["./dev", command, *rest]:
            usage = (ROOT / "dev").read_text("utf-8").partition("set -eu")[0]
            assert re.search(rf"^#   \./dev {command}\b", usage, re.MULTILINE)
            # Questions of `bench`, by their files; and options, which it tells itself.
            for name in rest:
                assert name.startswith("--") or (
                    (ROOT / "benchmarks" / f"{name}.py").exists()
                )
        case ["python", script, *_] if script.startswith("examples/"):
            # The file is run by `tests/test_examples.py`, as every one is.
            assert (ROOT / script).exists()
        case [program, *_] if program in NOT_RUN:
            pass
        case _:
            msg = (
                f"nothing runs `{shlex.join(words)}`: have a test type the commands of "
                "the page, and name it in TYPED of tests/documents/fences.py"
            )
            raise AssertionError(msg)


CHECKS: Final[Mapping[str, Callable[[Fence], None]]] = {
    "console": check_console,
    "ini": check_units,
    "js": check_javascript,
    "json": check_json,
    "sh": check_shell,
    "toml": check_toml,
}
