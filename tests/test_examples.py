"""Every example runs, as a process, and prints what it promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(*arguments: str, cwd: Path = EXAMPLES) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of the examples."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_demo_shows_every_client_and_a_clean_end() -> None:
    """The demonstration starts, calls and stops the service, and leaves nothing."""
    finished = run("demo.py")
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
    lines = run("demo.py").stdout.splitlines()
    node = [line.partition("|")[2].strip() for line in lines if "Node.js |" in line]

    if shutil.which("node") is None:
        assert node == ["not on this machine: left out"]
    else:
        assert len(node) == 1


def test_client_library_of_one_file_passes_its_own_tests() -> None:
    """The library for people without this package holds what it promises."""
    folder = EXAMPLES / "ipc_client_libraries" / "python"
    finished = run("-W", "error", "-m", "unittest", cwd=folder)

    assert finished.returncode == 0, finished.stderr
