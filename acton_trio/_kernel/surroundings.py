"""What an actor needs of the runtime around it, and nothing more."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from .._base.util import publish_names
from .._messages.declare import message
from .patience import Patience

__all__ = ["DeadLetter", "Surroundings"]


@message
class DeadLetter:
    """A message that was not handled, or whose failure nobody waits for."""

    message: object
    """The message itself."""

    target: str
    """Name of the actor it was for."""

    reason: str
    """What became of it, in words."""

    error: BaseException | None = None
    """The exception that ended it, if one did."""


@attrs.define(eq=False)
class Surroundings:
    """The services that every actor of a runtime shares; live as long as it."""

    actor_shutdown: float
    """Longest time that an actor may take to stop, in seconds."""

    patience: Patience
    """Ends the asks whose time is up."""

    dead_letter: Callable[[DeadLetter], None]
    """Takes what nobody else will."""

    runtime: object = None
    """The `Runtime`, once there is one; the kernel only hands it on."""


publish_names(globals(), ["DeadLetter"])
