"""How many instructions of the processor operations take, counted by callgrind.

The count is of everything, the interpreter and what is written in C as well, and
the same on a busy machine.  It differs from one Python to the next.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import trio
from counts import OPERATIONS

__all__ = ["count_instructions", "hindrance", "totals_of"]

SOURCE: Final = Path(__file__).with_suffix(".c")

TIMES: Final = 128
WARM_UP: Final = 64

_NAME: Final = re.compile(r"^desc: Trigger: Client Request: (.+)$", re.MULTILINE)
_TOTAL: Final = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def hindrance() -> str:
    """Return why nothing can be counted here; empty if it can."""
    for program in ("valgrind", "cc"):
        if shutil.which(program) is None:
            return f"there is no {program} here"
    if not Path("/usr/include/valgrind/callgrind.h").exists():
        return "valgrind is here without its headers"
    return ""


def count_instructions() -> dict[str, float]:
    """Return how many each operation takes, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        library, dump = f"{folder}/instructions.so", f"{folder}/dump"
        _execute("cc", "-shared", "-fPIC", "-O1", "-o", library, str(SOURCE))
        _execute(
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={dump}",
            sys.executable,
            __file__,
            library,
        )
        return dict(totals_of(each.read_text("utf-8") for each in _dumps(folder)))


def totals_of(dumps: Iterator[str]) -> Iterator[tuple[str, float]]:
    """Yield what was counted, and for one operation, of each dump that has a name."""
    for dump in dumps:
        name, total = _NAME.search(dump), _TOTAL.search(dump)
        if name is not None and total is not None:
            yield name[1], int(total[1]) / TIMES


def _dumps(folder: str) -> list[Path]:
    return sorted(Path(folder).glob("dump*"))


def _execute(*command: str) -> None:
    # The order of a set would change what is called.
    environ = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(  # noqa: S603 - no shell, and none of it is input
        command, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command[0]} has failed:\n{done.stderr}")


# --- under callgrind


async def _count_one(library: ctypes.CDLL, name: str) -> None:
    async with OPERATIONS[name]() as work:
        await work(WARM_UP)
        library.begin()
        await work(TIMES)
        library.end(name.encode())


def main() -> None:
    """Do each operation between a begin and an end that callgrind hears."""
    library = ctypes.CDLL(sys.argv[1])
    for name in OPERATIONS:
        trio.run(partial(_count_one, library, name))


if __name__ == "__main__":
    main()
