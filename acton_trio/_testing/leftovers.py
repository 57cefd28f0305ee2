"""What is left open when a test ends: tasks that nobody waits for, and sockets."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import trio

from .leaks import Leak
from .origins import lines_of_task, place_of

__all__ = [
    "OpenSockets",
    "leaked_sockets",
    "leaked_tasks",
    "open_sockets",
    "system_tasks",
]

OpenSockets: TypeAlias = dict[tuple[int, int], int]
"""File descriptors by what they refer to, which no two sockets share."""

_FOLDER: Final = Path("/dev/fd")


# --- tasks


def system_tasks() -> set[trio.lowlevel.Task]:
    """Return the tasks that run beside the main task, as long as this run."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {task for nursery in root.child_nurseries for task in nursery.child_tasks}


def leaked_tasks(before: set[trio.lowlevel.Task]) -> Iterator[Leak]:
    """Yield the system tasks that were not there *before*."""
    for task in sorted(system_tasks() - before, key=lambda each: each.name):
        yield Leak("task", f"{task.name}, which waits at {lines_of_task(task)}")


# --- sockets


def open_sockets() -> OpenSockets:
    """Return the sockets that this process has open.

    Empty where the system does not list them.
    """
    found: OpenSockets = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(_FOLDER):  # noqa: PTH208 - of names, not of paths
            # The folder itself was open while it was listed.
            with contextlib.suppress(OSError):
                status = os.fstat(int(name))
                if stat.S_ISSOCK(status.st_mode):
                    found[status.st_dev, status.st_ino] = int(name)
    return found


def leaked_sockets(before: OpenSockets) -> Iterator[Leak]:
    """Yield the sockets that are open now and were not *before*."""
    now = open_sockets()
    for key in sorted(now.keys() - before.keys(), key=now.__getitem__):
        number = now[key]
        yield Leak("socket", f"{_addresses(number)}, {_line(number)}")


def _addresses(number: int) -> str:
    with contextlib.closing(socket.socket(fileno=os.dup(number))) as twin:
        here = _address(twin.getsockname)
        there = _address(twin.getpeername)
        kind = socket.SocketKind(twin.type).name
        return f"file descriptor {number}, {kind} at {here} to {there}"


def _address(get: object) -> str:
    assert callable(get)
    try:
        address = get()
    except OSError:
        return "nobody"
    return repr(address) if address else "no address"


def _line(number: int) -> str:
    """Return where the socket was made, which only tracemalloc knows."""
    if not tracemalloc.is_tracing():
        return "made somewhere: python -X tracemalloc=10 tells where"
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket) and thing.fileno() == number:
            trace = tracemalloc.get_object_traceback(thing)
            return f"made at {_own_line(trace)}"
    return "made outside of Python"


def _own_line(trace: tracemalloc.Traceback | None) -> str:
    frames = list(trace or ())
    machinery = (str(Path(trio.__file__).parent), socket.__file__)
    own = [each for each in frames if not each.filename.startswith(machinery)]
    for frame in reversed(own or frames):
        return place_of(frame.filename, frame.lineno)
    return "an unknown place"
