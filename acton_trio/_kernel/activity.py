"""Which actor's code is running: the sender of what it sends, the waiter on others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextvars import ContextVar
from typing import Final, Protocol, final

import attrs

__all__ = [
    "NO_HEADERS",
    "Activity",
    "Asked",
    "Sleeper",
    "Wait",
    "current_activity",
    "waiting",
    "waiting_activity",
]

NO_HEADERS: Final[Mapping[str, str]] = {}


class Wait(Protocol):
    """Something that running code waits for."""

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return first, as far as is known now."""
        ...


class Sleeper(Protocol):
    """Who has no task as long as there is nothing to do."""

    def rouse(self) -> None:
        """Have the task begin."""
        ...


class Asked(Protocol):
    """The ask that running code works for."""

    asker: Activity | None
    """The code that waits for the answer, if it is in this process."""

    chain: tuple[str, ...]
    """What an ask from another process says of those who wait for it."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits."""
        ...


@final
@attrs.define(eq=False)
class Activity:
    """Code of an actor at work, a handler or a hook; lives until it returns."""

    name: str
    """Name of the actor whose code it is."""

    actor: object
    """The actor's `ActorHandle`, which is built from what is built from this."""

    headers: Mapping[str, str] = NO_HEADERS
    """What travels on with every message that the code sends."""

    exclusive: bool = True
    """Whether nothing else of the actor may run meanwhile."""

    is_background: bool = False
    """Whether it is a task that no message waits for."""

    ask: Asked | None = None
    """What it answers, if it is asked."""

    message_type: type | None = None
    """The type of what a handler handles; for those who log what it says."""

    waits: list[Wait] = attrs.field(factory=list[Wait], init=False)
    """What it waits for now; its own nurseries may make that several things."""


current_activity: Final[ContextVar[Activity | None]] = ContextVar(
    "acton_trio_activity", default=None
)
"""Inherited by the tasks that a handler starts in nurseries of its own."""


def waiting_activity() -> Activity | None:
    """Return the activity that waits if this task does; ``None`` if none does."""
    activity = current_activity.get()
    return None if activity is None or activity.is_background else activity


@final
class waiting:  # noqa: N801 - read as a statement
    """Lets it be seen, in its block, that the running handler waits for something."""

    __slots__ = ("_activity", "_wait")

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    def __enter__(self) -> None:
        self._activity = waiting_activity()
        if self._activity is not None:
            self._activity.waits.append(self._wait)

    def __exit__(self, *_: object) -> None:
        if self._activity is not None:
            self._activity.waits.remove(self._wait)
