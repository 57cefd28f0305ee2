"""Programs of the comparison: how they are compiled, started and ended."""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

__all__ = ["HERE", "Running", "compiled", "end_on_sigterm", "running"]

HERE: Final = Path(__file__).parent
"""Where Python programs are started, so that they find each other."""

PATIENCE: Final = 20.0
"""How long a program may take for what takes no time, in seconds."""


def compiled(source: Path, folder: Path) -> Path:
    """Compile a C program into *folder*, and return it.

    Raises:
        FileNotFoundError: If there is no compiler.
        subprocess.CalledProcessError: If it does not compile.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        msg = "there is no C compiler, cc"
        raise FileNotFoundError(msg)
    program = folder / source.stem
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)  # noqa: S603
    return program


class Running:
    """A program that runs; lives in the block of `running`."""

    def __init__(self, program: subprocess.Popen[bytes], command: str) -> None:
        assert program.stdin is not None
        assert program.stdout is not None
        self.pid = program.pid
        self._command = command
        self._input = program.stdin
        self._output = program.stdout

    def write(self, text: str) -> None:
        """Write to its standard input."""
        self._input.write(text.encode())
        self._input.flush()

    def read_line(self, patience: float) -> str:
        """Return the next line of its output, in *patience* seconds and some more.

        Raises:
            RuntimeError: If it has ended, or says nothing for so long.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            if not selector.select(patience + PATIENCE):
                msg = f"it says nothing: {self._command}"
                raise RuntimeError(msg)
        line = self._output.readline()
        if not line:
            msg = f"it has ended: {self._command}"
            raise RuntimeError(msg)
        return line.decode()

    def confine(self, *, to_one: bool) -> None:
        """Have it run on one processor only, or wherever we may; Linux only.

        Where one of two programs always waits for the other, both belong on the
        same processor: else each call wakes an idle one or not, as it happens,
        and that takes several times as long as what is to be measured.
        """
        all_of_them = os.sched_getaffinity(0)
        processors = {max(all_of_them)} if to_one else all_of_them
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            # It may have ended in the meantime.
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), processors)

    def cpu(self) -> float:
        """Return how long it has used a processor, in seconds; Linux only."""
        # What clock_getcpuclockid() makes of a process; here to the nanosecond.
        return time.clock_gettime(~self.pid << 3 | 2)


@contextmanager
def running(command: Sequence[str | Path], tree: str = "") -> Generator[Running]:
    """Run a program until the block is left, and kill it then.

    It is yielded once it has said ``ready``.

    Args:
        command: The words that start it.
        tree: A folder that Python has to look into first, if any.

    Raises:
        RuntimeError: If it does not say that.
    """
    words = shlex.join(map(str, command))
    with subprocess.Popen(  # noqa: S603 - no shell, and none of it is input
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=HERE,
        env=os.environ | ({"PYTHONPATH": tree} if tree else {}),
    ) as program:
        try:
            it = Running(program, words)
            if it.read_line(0) != "ready\n":
                msg = f"it does not say that it is ready: {words}"
                raise RuntimeError(msg)
            yield it
        finally:
            program.kill()


def end_on_sigterm() -> None:
    """Leave all blocks when this process is to end, as on Ctrl-C."""

    def leave(number: int, frame: object) -> NoReturn:
        del frame
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
