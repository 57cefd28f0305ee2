"""Who waits for whom: finding the ask that could never be answered.

The graph is made of running code and what it waits for, and is looked at when
an edge is about to be added.  A message that is queued waits for the
exclusive handler before it, and for every running `act_on` handler if it, or
one ahead of it, is exclusive; a message in a handler's hands waits for that
handler.

Not seen: replies that somebody has kept the address of, background tasks, the
user's own locks, and which of several full `act_on` handlers ends first.
"""

from __future__ import annotations

from collections.abc import Iterable

from .activity import Activity

__all__ = ["find_cycle"]


def find_cycle(first: Iterable[Activity], asking: Activity) -> tuple[str, ...] | None:
    """Return the names of those between a new ask and its asker, if it is a cycle.

    Args:
        first: What has to return before the asked message can be answered.
        asking: The code that is about to ask.

    Returns:
        The actors on the way, ending with the asker's, or ``None``.
    """
    came_from: dict[Activity, Activity | None] = dict.fromkeys(first)
    to_do = list(came_from)
    while to_do:
        activity = to_do.pop()
        if activity is asking:
            return _path(came_from, activity)
        for wait in activity.waits:
            for blocker in wait.blockers():
                if blocker not in came_from:
                    came_from[blocker] = activity
                    to_do.append(blocker)
    return None


def _path(
    came_from: dict[Activity, Activity | None], last: Activity
) -> tuple[str, ...]:
    names: list[str] = []
    step: Activity | None = last
    while step is not None:
        names.append(step.name)
        step = came_from[step]
    return tuple(reversed(names))
