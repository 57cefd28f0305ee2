"""What an actor needs of the runtime around it, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
import trio

from .._base.util import publish_names
from .._messages.declare import message
from .._policy.delivery import Terms
from . import pace
from .commons import Commons
from .instruments import Panel
from .patience import Patience
from .subscription import ActorSubscription
from .timetable import Timetable

__all__ = ["DeadLetter", "Surroundings", "clock"]


@message
class DeadLetter:
    """A message that was not handled, or whose failure nobody waits for; a value."""

    message: object
    """The message itself."""

    target: str
    """Name of the actor it was for."""

    reason: str
    """What became of it, in words."""

    error: BaseException | None = None
    """The exception that ended it, if one did."""


class Exchange(Protocol):
    """Where actors subscribe: the broker, as far as they need one."""

    def subscribe_actor(
        self, seat: Any, message_type: type, terms: Terms
    ) -> ActorSubscription:
        """Have the actor in *seat* get what is broadcast of that type."""
        ...

    def unsubscribe_actor(self, seat: Any, message_type: type) -> None:
        """Have the actor in *seat* get no more of that type."""
        ...

    def forget(self, seat: Any) -> None:
        """Call off all that the actor in *seat* has subscribed to: it is down."""
        ...


class Overseer(Protocol):
    """Who takes note of how a runtime ends."""

    def cut_off(
        self, actor: str, message: object, function: Callable[..., Any], error: Any
    ) -> None:
        """Take note of a handler that was cancelled along with its actor."""
        ...

    def is_due(self, cell: Any) -> None:
        """Take note of when an incarnation is to have ended, if that was ordered."""
        ...

    def overran(self, cell: Any, function: Callable[..., Any]) -> None:
        """Take note that *function* has returned when the time of *cell* was up."""
        ...

    def ended(self, cell: Any) -> None:
        """Take note of an incarnation that is no more."""
        ...


def _new_commons() -> Commons | None:
    return Commons() if pace.may_share_a_task() else None


def clock() -> Callable[[], float]:
    """Return what `trio.current_time` asks, once it has found it: two calls less."""
    return trio.lowlevel.current_clock().current_time


def _new_turns() -> Iterator[int]:
    # Looked up now, as a test may have put something else there.
    return pace.new_turns()


@attrs.define(eq=False)
class Surroundings:
    """The services that every actor of a runtime shares; live as long as it."""

    actor_shutdown: float
    """Longest time that an actor may take to stop, in seconds."""

    patience: Patience
    """Ends the asks whose time is up."""

    timetable: Timetable
    """Sends messages when they are due."""

    dead_letter: Callable[[DeadLetter], None]
    """Takes what nobody else will."""

    exchange: Exchange
    """Where actors subscribe."""

    overseer: Overseer
    """Takes note of how it all ends."""

    panel: Panel = attrs.field(factory=Panel)
    """Who looks in."""

    runtime: object = None
    """The `Runtime`, once there is one; the kernel only hands it on."""

    commons: Commons | None = attrs.field(factory=_new_commons, init=False)
    """Where actors take their steps that need no task of their own."""

    now: Callable[[], float] = attrs.field(factory=clock, init=False)
    """Tells the time on trio's clock."""

    turns: Iterator[int] = attrs.field(factory=_new_turns, init=False)
    """Tells each send whether others have their turn: at 0."""


publish_names(globals(), ["DeadLetter"])
