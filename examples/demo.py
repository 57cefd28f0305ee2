"""Starts the service of `my_service.py`, and calls it in every language at hand.

``./dev demo`` runs it.  The service is a process of its own, on a socket in a
temporary directory.  At the end it is stopped with SIGTERM; it must have
drained and left no socket behind.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

HERE: Final = Path(__file__).parent
LIBRARIES: Final = HERE / "ipc_client_libraries"


def main() -> int:
    """Run the demonstration; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="acton-") as folder:
        socket = Path(folder, "my-service.sock")
        with running_service(socket) as service:
            call("trio, frames and blocking", python(HERE / "my_client.py", socket))
            example = LIBRARIES / "python" / "example.py"
            call("Python, standard library only", python(example, socket))
            call_from_node(LIBRARIES / "nodejs", socket)
            show("stop", "SIGTERM")
            service.send_signal(signal.SIGTERM)
            drained = service.wait(timeout=30) == 0
        left = sorted(each.name for each in Path(folder).iterdir())
        show("socket left behind", ", ".join(left) or "none")
    return 0 if drained and not left else 1


def show(title: str, text: str) -> None:
    """Print *text* under *title*, line by line."""
    for line in text.splitlines():
        print(f"{title:>30} | {line}", flush=True)


def python(script: Path, socket: Path) -> list[str]:
    """Return the command that runs *script* with the path of the socket."""
    return [sys.executable, str(script), str(socket)]


@contextmanager
def running_service(
    socket: Path,
) -> Generator[subprocess.Popen[str], None, None]:
    """Run the service as a process, and show what it prints."""
    service = subprocess.Popen(
        python(HERE / "my_service.py", socket), stdout=subprocess.PIPE, text=True
    )
    output = service.stdout
    assert output is not None
    try:
        show_until(output, "listening")
        yield service
        show("service", output.read())
    finally:
        service.kill()
        service.wait()
        output.close()


def show_until(output: IO[str], last: str) -> None:
    """Show what the service prints, up to the line *last*."""
    for line in output:
        show("service", line)
        if line.strip() == last:
            return
    msg = "the service ended before it was ready; see what it printed above"
    raise RuntimeError(msg)


def call(title: str, command: list[str], cwd: Path | None = None) -> None:
    """Run a client, and show what it prints."""
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )
    show(title, finished.stdout)
    if finished.returncode != 0:
        msg = f"{title} failed:\n{finished.stderr}"
        raise RuntimeError(msg)


def call_from_node(package: Path, socket: Path) -> None:
    """Run the Node.js client, if there is Node.js here."""
    npm = shutil.which("npm")
    node = shutil.which("node")
    if npm is None or node is None:
        show("Node.js", "not on this machine: left out")
        return
    if not (package / "dist").exists():
        built = subprocess.run(
            [npm, "ci", "--silent", "--no-audit", "--no-fund"],
            cwd=package,
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            show("Node.js", "its packages cannot be installed here: left out")
            return
    call("Node.js", [node, "example.mjs", str(socket)], cwd=package)


if __name__ == "__main__":
    sys.exit(main())
