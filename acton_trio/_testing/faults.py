"""Faults that a test plants: messages that get lost or late, actors that crash.

Each is a context manager, and stands in every runtime of the process for as
long as its block::

    with faults.drop(Ping, nth=2) as fault:
        await handle.send(Ping())
        await handle.send(Ping())
    assert fault.hits == 1
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import name_of, publish_names
from .._ipc.client import Client, stream_of
from .._kernel.activity import Activity
from .._kernel.envelope import Envelope
from .._kernel.gates import Entrance
from .._kernel.handle import ActorHandle
from .._messages.declare import is_message
from .crashing import mark
from .standing import Rank, standing

__all__ = ["CrashError", "Fault", "crash_before", "delay", "disconnect", "drop"]

FaultT = TypeVar("FaultT", bound="Fault")


class CrashError(Exception):
    """What an actor fails with when `faults.crash_before` is given no other exception."""


@attrs.define(eq=False)
class Fault:
    """A planted fault, and how often it has struck; lives as long as its block."""

    message_type: type
    """The messages that it is for; exactly this type."""

    nth: int | None = None
    """Which one of them it strikes, from 1 on; ``None``: all."""

    to: ActorHandle | None = None
    """The actor whose messages they are; ``None``: any."""

    hits: int = attrs.field(default=0, init=False)
    """How often it has struck."""

    _seen: weakref.WeakSet[Envelope] = attrs.field(
        factory=weakref.WeakSet[Envelope], init=False, repr=False
    )
    _count: int = attrs.field(default=0, init=False, repr=False)

    def _strikes(self, actor: str, envelope: Envelope) -> bool:
        """Return whether *envelope*, for *actor*, is one that it strikes; count it."""
        if type(envelope.message) is not self.message_type or envelope in self._seen:
            return False
        if self.to is not None and self.to.name != actor:
            return False
        self._seen.add(envelope)
        self._count += 1
        if self.nth not in (None, self._count):
            return False
        self.hits += 1
        return True


@attrs.define(eq=False)
class _OnTheWay(Fault, ABC):
    """A fault that has messages, which are in no mailbox then."""

    def lets_in(self, entrance: Entrance, envelope: Envelope) -> bool:
        """Keep what it strikes."""
        if not self._strikes(entrance.owner, envelope):
            return True
        envelope.place = self
        self._keep(entrance, envelope)
        return False

    @abstractmethod
    def _keep(self, entrance: Entrance, envelope: Envelope) -> None: ...

    def lets_begin(
        self, actor: str, envelope: Envelope, fail: Callable[[BaseException], None]
    ) -> bool:
        """Let everything begin."""
        del actor, envelope, fail
        return True

    def give_up(self, envelope: Envelope) -> None:
        """Take *envelope* back: it will not arrive."""
        envelope.place = None

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say where they are."""
        return [self._whereabouts()] * len(envelopes)

    @abstractmethod
    def _whereabouts(self) -> str: ...

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return nothing: it waits for nobody."""
        del envelope
        return ()


@final
@attrs.define(eq=False)
class _Drop(_OnTheWay):
    """Loses messages on their way."""

    def _keep(self, entrance: Entrance, envelope: Envelope) -> None:
        """Do nothing: it never arrives."""

    def _whereabouts(self) -> str:
        return "lost, as a fault of the test has dropped it"


@final
@attrs.define(eq=False)
class _Delay(_OnTheWay):
    """Has messages arrive late."""

    seconds: float = 0.0

    def _keep(self, entrance: Entrance, envelope: Envelope) -> None:
        trio.lowlevel.spawn_system_task(
            self._bring,
            entrance,
            envelope,
            name=f"{name_of(self.message_type)} for {entrance.owner}, delayed",
        )

    async def _bring(self, entrance: Entrance, envelope: Envelope) -> None:
        await trio.sleep(self.seconds)
        if envelope.place is not self:
            return
        envelope.place = None
        try:
            entrance.line_up(envelope)
        except ActorStoppedError as error:
            # A sender who was told that it is put in cannot be told otherwise.
            if envelope.ask is not None:
                envelope.ask.fail(error)

    def _whereabouts(self) -> str:
        return f"on its way, as a fault of the test has it {self.seconds:g} s late"


@final
@attrs.define(eq=False)
class _CrashBefore(Fault):
    """Has actors fail when a message's turn has come; it stays queued."""

    error: Exception | None = None

    def lets_in(self, entrance: Entrance, envelope: Envelope) -> bool:
        """Let everything in."""
        del entrance, envelope
        return True

    def lets_begin(
        self, actor: str, envelope: Envelope, fail: Callable[[BaseException], None]
    ) -> bool:
        """Keep what it strikes from beginning, and have the actor fail."""
        if not self._strikes(actor, envelope):
            return True
        error = self.error or CrashError(f"before {name_of(self.message_type)}")
        fail(mark(error))
        return False


@contextmanager
def _planted(fault: FaultT) -> Generator[FaultT, None, None]:
    if not is_message(fault.message_type):
        msg = (
            f"{name_of(fault.message_type)} is not a message class: a fault is for one"
        )
        raise TypeError(msg)
    if fault.nth is not None and fault.nth < 1:
        msg = f"nth counts from 1 on, not {fault.nth}"
        raise ValueError(msg)
    assert isinstance(fault, (_OnTheWay, _CrashBefore))
    with standing(fault, Rank.FAULT):
        yield fault


def drop(
    message_type: type, *, nth: int | None = None, to: ActorHandle | None = None
) -> AbstractContextManager[Fault]:
    """Lose messages of *message_type* on their way, as long as the block lasts.

    ``send`` and ``send_nowait`` return as if it were put in; an ask waits until
    its deadline.

    Args:
        message_type: Which messages; exactly this type.
        nth: Only the so-manieth of them, from 1 on; all if not given.
        to: Only those for this actor.
    """
    return _planted(_Drop(message_type, nth, to))


def delay(
    message_type: type,
    seconds: float,
    *,
    nth: int | None = None,
    to: ActorHandle | None = None,
) -> AbstractContextManager[Fault]:
    """Have messages of *message_type* arrive late; others overtake them.

    The sender does not wait.  What is late when the block ends still arrives,
    unless its actor is down by then: it is lost then.

    Args:
        message_type: Which messages; exactly this type.
        seconds: By how much, on trio's clock.
        nth: Only the so-manieth of them, from 1 on; all if not given.
        to: Only those for this actor.
    """
    return _planted(_Delay(message_type, nth, to, seconds))


def crash_before(
    message_type: type,
    error: Exception | None = None,
    *,
    nth: int | None = 1,
    to: ActorHandle | None = None,
) -> AbstractContextManager[Fault]:
    """Have an actor fail just before it handles a message of *message_type*.

    The message is still queued then, so the next incarnation handles it.

    Args:
        message_type: Which messages; exactly this type.
        error: What the actor fails with; a `CrashError` if not given.
        nth: Before the so-manieth of them, from 1 on; ``None``: each.
        to: Only this actor.
    """
    return _planted(_CrashBefore(message_type, nth, to, error))


@contextmanager
def disconnect(client: Client, *, after: float = 0.0) -> Generator[None, None, None]:
    """Cut *client*'s connection, without a word, *after* so many seconds.

    Not at all if the block ends before that.
    """
    scope = trio.CancelScope()

    async def cut() -> None:
        # What leaves a system task is the end of trio.
        with scope, suppress(trio.BrokenResourceError, OSError):
            await trio.sleep(after)
            await trio.aclose_forcefully(stream_of(client))

    trio.lowlevel.spawn_system_task(cut, name="a connection to be cut")
    try:
        yield
    finally:
        scope.cancel(reason="the block of the fault was left")


publish_names(globals(), ["CrashError", "Fault"], "acton_trio.testing")
