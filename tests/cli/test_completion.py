"""What is offered for the next word of a command, and to which shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import acton_trio as acton
from acton_trio._cli.candidates import candidates_for
from acton_trio._cli.completion import script_for
from acton_trio._cli.main import main

from .shop import open_shop


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["t"], ["top", "tree"], id="command"),
        pytest.param(["--json", "disc"], ["discover"], id="behind an option"),
        pytest.param(["top", "--s"], ["--socket", "--sort"], id="option"),
        pytest.param(["top", "--sort", "a"], ["age"], id="value"),
        pytest.param(["completion", ""], ["bash", "fish", "zsh"], id="shell"),
        pytest.param(["completion", "zsh", ""], [], id="nothing more"),
        pytest.param(["--socket", ""], [], id="path, which shells know"),
        pytest.param(["tree", ""], [], id="no words"),
        pytest.param(["ask", "a", "B", ""], [], id="JSON, which nobody knows"),
        pytest.param(["--socket=/nowhere", "ask", ""], [], id="nobody there"),
    ],
)
def test_what_needs_no_service_is_offered_at_once(
    words: list[str], expected: list[str]
) -> None:
    """Commands, options and their values."""
    assert candidates_for(words) == expected


def test_without_anything_typed_all_commands_are_offered() -> None:
    """But not the one that shells call."""
    found = candidates_for([])

    assert {"ask", "config", "watch"} <= {*found}
    assert "__complete" not in found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["ask", ""], ["acton", "till"], id="target"),
        pytest.param(["send", "t"], ["till"], id="target begun"),
        pytest.param(["stream", "till", "C"], ["Count"], id="type"),
        pytest.param(["ask", "acton", ""], ["acton.GetSnapshot"], id="its types"),
        pytest.param(["ask", "x", "S"], ["Sell", "Sleep", "Sold"], id="unknown target"),
        pytest.param(["watch", "Sold", "Si"], [], id="none"),
        pytest.param(["watch", "Sold", "Se"], ["Sell"], id="types"),
    ],
)
async def test_targets_and_types_are_those_of_the_service(
    tmp_path: Path, words: list[str], expected: list[str]
) -> None:
    """It is asked, for a second at most."""
    async with open_shop(tmp_path) as shop:
        where = f"--socket={shop.where}"
        found = await trio.to_thread.run_sync(candidates_for, [where, *words])

    assert found == expected


async def test_what_a_shell_would_evaluate_is_not_offered(tmp_path: Path) -> None:
    """Names come from other processes, and end up in a command line."""
    odd = ["$(reboot)", "a b", "`x`", "a;b", "-x", "~", "a\x1b", "a'b", "ok/1.x-y_z"]
    async with open_shop(tmp_path) as shop:
        for each in odd:
            shop.runtime.ipc_expose(each, shop.till)
        words = ["--socket", str(shop.where), "ask", ""]
        found = await trio.to_thread.run_sync(candidates_for, words)

    assert found == ["acton", "ok/1.x-y_z", "till"]


def test_shell_is_told_one_candidate_per_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command that its script calls."""
    assert main(["__complete", "t"]) == 0
    assert capsys.readouterr().out == "top\ntree\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed_for_each_shell(
    capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    """It calls back."""
    assert main(["completion", shell]) == 0
    assert "__complete" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_one_that_the_shell_reads(shell: str) -> None:
    """If it is there to be asked."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    finished = subprocess.run(
        [program, "-n"],
        input=script_for(shell),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("acton-trio to", ["top"], id="command"),
        pytest.param("acton-trio --socket @SOCKET ask ti", ["till"], id="target"),
        pytest.param("acton-trio --socket @SOCKET ask ", ["acton", "till"], id="empty"),
    ],
)
async def test_bash_offers_what_the_command_prints(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    """Also behind an abstract name, which bash would take apart."""
    name = f"@acton-{tmp_path.name}-{tmp_path.stat().st_ino}"
    line = line.replace("@SOCKET", name)
    script = f"""
acton-trio() {{ '{sys.executable}' -m acton_trio "$@"; }}
{script_for("bash")}
COMP_LINE='{line}' COMP_POINT={len(line)}
_acton_trio
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    async with (
        open_shop(tmp_path) as shop,
        acton.ipc.open_listener(shop.runtime, path=name),
    ):
        finished = await trio.run_process(["bash", "-c", script], capture_stdout=True)

    assert finished.stdout.decode().split() == expected
