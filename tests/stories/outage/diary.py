"""What a client says of each of its requests, for the test that runs it.

``? id`` when it is about to be sent, ``= id outcome`` when it has ended; the
outcome is ``ok``, or the name of an error.  ``! number`` is a tick.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

_lock = threading.Lock()
_numbers = itertools.count()


def say(text: str) -> None:
    """Write a line, whole."""
    with _lock:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def new_id(name: str) -> str:
    """Return an id that no other request of the client *name* has."""
    return f"{name}-{next(_numbers)}"


@contextmanager
def noted(request_id: str, *errors: type[Exception]) -> Generator[None, None, None]:
    """Say how the request ends that is made in the block; *errors* are no surprise."""
    say(f"? {request_id}")
    try:
        yield
    except errors as error:
        say(f"= {request_id} {type(error).__name__}")
    else:
        say(f"= {request_id} ok")
