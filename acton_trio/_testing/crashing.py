"""`crash`: an actor fails because a test says so."""

from __future__ import annotations

import typing
from typing import Final

from .._base.util import note
from .._kernel.handle import ActorHandle, seat_of

__all__ = ["crash", "is_of_a_test", "mark"]

_NOTE: Final = "crashed by a test"


def crash(handle: ActorHandle, error: BaseException) -> None:
    """Have the actor of *handle* fail now with *error*, as by a background task.

    What it handles is cut off, and its supervisor decides what comes next.

    Raises:
        ActorStoppedError: If it is down for good.
        RuntimeError: If it is between two incarnations.
    """
    seat = seat_of(handle)
    if seat.state.is_final:
        raise seat.stopped_error(seat.last_failure)
    if seat.occupant is None:
        msg = f"{handle.name} is between two incarnations: there is nobody to crash"
        raise RuntimeError(msg)
    seat.occupant.fail(mark(error))


def mark(error: BaseException) -> BaseException:
    """Return *error*, with a note that a test is behind it."""
    if not is_of_a_test(error):
        note(error, _NOTE)
    return error


def is_of_a_test(error: BaseException) -> bool:
    """Return whether *error* is what a test has an actor fail with."""
    if _NOTE in getattr(error, "__notes__", ()):
        return True
    if not isinstance(error, BaseExceptionGroup):
        return False
    group = typing.cast("BaseExceptionGroup[BaseException]", error)
    return all(map(is_of_a_test, group.exceptions))
