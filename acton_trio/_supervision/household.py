"""What all supervisors of a runtime share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, final

import attrs
import trio

from .._kernel.handle import ActorHandle
from .._kernel.options import StartOptions
from .._kernel.seat import Seat
from .._kernel.spawner import Idle
from .children import Child
from .events import SupervisionEvent

__all__ = ["MAX_DEPTH", "Household"]

MAX_DEPTH: Final = 10
"""How many generations there are below the actors of the runtime; the reference's."""


def _ignore(_thing: object) -> None:
    pass


@final
@attrs.define(eq=False)
class Household:
    """What all supervisors of a runtime share; lives as long as it.

    All actors stand in one nursery, whoever supervises them: a task cannot move
    to another one, and an actor that is released is another's from then on.
    What makes a tree of it is who waits for whom: no incarnation ends before
    its children are down.
    """

    nursery: trio.Nursery

    announce: Callable[[SupervisionEvent, Seat | None], object]
    """Takes what others may want to know of actors, and who knows it already."""

    place: Callable[
        [Any, Callable[..., object] | Idle, tuple[object, ...], StartOptions],
        Awaitable[ActorHandle],
    ] = attrs.field(init=False)
    """Starts an actor of a `Supervisor`."""

    adopt: Callable[[Child, float], None] = attrs.field(init=False)
    """Takes the actors that their supervisors release: the runtime's does."""

    went_down: Callable[[ActorHandle], None] = _ignore
    """Hears of every actor that is down for good."""
