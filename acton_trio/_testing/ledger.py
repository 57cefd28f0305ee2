"""`Ledger`: remembers what goes on in a runtime, to tell what a test leaves behind.

It stands as a gate before the mailboxes, and has subscribed to what the runtime
tells; both outlive the runtime, whose end is where most leaks come to light.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar, final

import attrs
import trio
import trio.testing

from .._base.util import shown
from .._kernel.envelope import Envelope, whereabouts
from .._kernel.gates import Entrance
from .._kernel.scheduled import Timer
from .._kernel.surroundings import DeadLetter
from .._runtime.runtime import RuntimeCore
from .crashing import is_of_a_test
from .events import EVENTS, EventLog
from .idle import settle, wait_until
from .leaks import Leak
from .leftovers import (
    OpenSockets,
    leaked_sockets,
    leaked_tasks,
    open_sockets,
    system_tasks,
)
from .origins import Line, Origins, in_words, line_of_failure
from .standing import Rank, standing

__all__ = ["Ledger", "expect_event", "ledger_of"]

T = TypeVar("T")

# No test has more of anything.
_ENDLESS: Final = 2**63 - 1

_ledgers: Final = weakref.WeakKeyDictionary[RuntimeCore, "Ledger"]()


@final
@attrs.define(eq=False)
class Ledger:
    """What goes on in a runtime, and what it leaves behind; lives for one test."""

    grace: float
    """How long asks may go on when the test is over, in seconds."""

    _tasks: set[trio.lowlevel.Task] = attrs.field(factory=system_tasks, init=False)
    _sockets: OpenSockets = attrs.field(factory=open_sockets, init=False)
    _runtime: RuntimeCore | None = attrs.field(default=None, init=False)
    _origins: Origins = attrs.field(factory=Origins, init=False)
    # By entrance, whether it belongs to this runtime and not to another.
    _is_own: dict[Entrance, bool] = attrs.field(
        factory=dict["Entrance", bool], init=False
    )
    # Those that are sent are here to be known again, when they come late.
    _seen: weakref.WeakKeyDictionary[Envelope, None] = attrs.field(
        factory=weakref.WeakKeyDictionary[Envelope, None], init=False
    )
    # What plain code has armed, and at which line.
    _armed: weakref.WeakKeyDictionary[Timer, Line] = attrs.field(
        factory=weakref.WeakKeyDictionary[Timer, Line], init=False
    )
    _leaks: list[Leak] = attrs.field(factory=list[Leak], init=False)
    _log: EventLog | None = attrs.field(default=None, init=False)

    @asynccontextmanager
    async def watching(self, runtime: RuntimeCore) -> AsyncGenerator[None, None]:
        """Write down what happens in *runtime*; left when that has closed.

        Cancellation:
            Nothing is written down.
        """
        self._runtime = runtime
        _ledgers[runtime] = self
        runtime.surroundings.timetable.on_armed = self._note_arming
        async with runtime.broker.subscribe(*EVENTS, capacity=_ENDLESS) as events:
            self._log = EventLog(events)
            try:
                with standing(self, Rank.WITNESS):
                    yield
            finally:
                self._leaks += leaked_tasks(self._tasks)
                # It would keep the runtime alive, and that what is written here.
                self._runtime = None

    @property
    def events(self) -> EventLog:
        """What the runtime has told of itself."""
        assert self._log is not None
        return self._log

    # --- as a gate

    def lets_in(self, entrance: Entrance, envelope: Envelope) -> bool:
        """Write down who sends *envelope*, and let it in."""
        if envelope not in self._seen and self._owns(entrance):
            self._seen[envelope] = None
            self._origins.remember(envelope)
        return True

    def lets_begin(
        self,
        actor: str,  # noqa: ARG002 - for those who mind
        envelope: Envelope,  # noqa: ARG002
        fail: Callable[[BaseException], None],  # noqa: ARG002
    ) -> bool:
        """Let everything begin."""
        return True

    def _owns(self, entrance: Entrance) -> bool:
        is_own = self._is_own.get(entrance)
        if is_own is None:
            assert self._runtime is not None
            seats = self._runtime.root.seats()
            is_own = any(seat.mailbox is entrance for seat in seats)
            self._is_own[entrance] = is_own
        return is_own

    # --- asks

    async def close_asks(self, to: str | None = None) -> None:
        """Give what is under way time to end; the asks that do not are leaks.

        Args:
            to: Only those to this actor.

        Cancellation:
            Nothing was written down.
        """
        await settle()
        asks = self._open_asks(to)
        if not asks:
            return
        await _wait_or_jump(self.grace, lambda: not any(map(_is_open, asks)))
        left = [each for each in asks if _is_open(each)]
        self._leaks += map(self._leak_of, left, whereabouts(left))
        for each in left:
            # One leak is enough for each.
            del self._seen[each]

    def _open_asks(self, to: str | None) -> list[Envelope]:
        asks = [each for each in self._seen if _is_open(each)]
        if to is None:
            return asks
        return [each for each in asks if each.ask and each.ask.actor == to]

    def _leak_of(self, envelope: Envelope, where: str) -> Leak:
        ask = envelope.ask
        assert ask is not None
        kind = "unanswered ask" if ask.outlet is None else "open stream"
        line = self._origins.of(envelope.message)
        what = shown(envelope.message)
        return Leak(kind, f"{what} to {ask.actor}, asked {line}: {where}")

    # --- timers

    def _note_arming(self, timer: Timer, envelope: Envelope) -> None:
        line = self._origins.remember(envelope)
        # What an actor has armed is part of how it lives, and no test's.
        if timer.sender is None:
            self._armed[timer] = line

    def note_timers(self, to: str | None = None) -> None:
        """Write down what is still to be sent when the test is over.

        Args:
            to: Only to this actor.
        """
        assert self._runtime is not None
        for timer in self._runtime.surroundings.timetable.live():
            name = timer.mailbox.owner
            if timer in self._armed and to in (None, name):
                line = in_words(self._armed.pop(timer))
                text = f"{shown(timer.message)} for {name}, {_when(timer)}"
                self._leaks.append(Leak("live timer", f"{text}, armed {line}"))

    # --- the end

    def origin_of(self, message: object) -> str:
        """Return where *message* was sent: ``at tests/test_till.py:41``."""
        return self._origins.of(message)

    def add(self, leaks: Sequence[Leak]) -> None:
        """Write down what somebody else has found."""
        self._leaks += leaks

    def leaks(self) -> list[Leak]:
        """Return what is left behind, now that the runtime has closed."""
        told = list(self._told())
        return [*self._leaks, *told, *leaked_sockets(self._sockets)]

    def _told(self) -> Iterator[Leak]:
        for event in self.events.unasserted():
            if isinstance(event, DeadLetter):
                yield Leak("dead letter", self._describe(event))
        for end in self.events.unasserted_ends():
            assert end.error is not None
            if not is_of_a_test(end.error):
                line = line_of_failure(end.error)
                text = f"{end.child} has failed: {shown(end.error)}, raised at {line}"
                yield Leak("failure without an owner", text)

    def _describe(self, letter: DeadLetter) -> str:
        line = self._origins.of(letter.message)
        text = f"{shown(letter.message)} for {letter.target}, sent {line}"
        text = f"{text}: {letter.reason}"
        if letter.error is not None and letter.error.__traceback__ is not None:
            where = line_of_failure(letter.error)
            text = f"{text}, {shown(letter.error)} raised at {where}"
        return text


def ledger_of(runtime: RuntimeCore) -> Ledger | None:
    """Return what writes down what happens in *runtime*, if anything does."""
    return _ledgers.get(runtime)


async def expect_event(
    runtime: RuntimeCore,
    event_type: type[T],
    *,
    where: Callable[[T], bool] | None = None,
    within: float = 1.0,
) -> T:
    """Return the first event of that type that nobody has expected yet.

    Afterwards it is no leak.  It is waited for, and found if it came before.

    Args:
        runtime: One of `open_test_runtime`, or the fixture ``runtime``.
        event_type: What the runtime tells: `DeadLetter`, `ChildSupervised`,
            `ChildRestarted`, `ChildTerminated`, `SupervisionEscalated`.
        where: Says whether it is the one; called with each of that type.
        within: How long to wait, in seconds on trio's clock.

    Raises:
        EventError: If none came by then; says what did.
        RuntimeError: If the runtime is not one for tests.
        TypeError: If it is another type.

    Cancellation:
        No event was taken.
    """
    ledger = ledger_of(runtime)
    if ledger is None:
        msg = (
            "expect_event() needs a runtime that remembers what happens in it.\n"
            "  incorrect: async with acton.open_runtime() as runtime: ...\n"
            "  correct:   async with open_test_runtime() as runtime: ...\n"
            "             or the fixture: async def test(runtime): ..."
        )
        raise RuntimeError(msg)
    return await ledger.events.expect(event_type, where, within)


def _when(timer: Timer) -> str:
    if timer.in_line is not None:
        return "waiting for room in the mailbox"
    return f"due in {timer.due - trio.current_time():g} s"


def _is_open(envelope: Envelope) -> bool:
    return envelope.ask is not None and envelope.ask.is_open


async def _wait_or_jump(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, for so many seconds at most."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, trio.testing.MockClock) and _stands_still(clock):
        # Whoever moves it has gone: the test is over.
        clock.jump(seconds)
        await settle()
        return
    with trio.move_on_after(seconds):
        await wait_until(condition)


def _stands_still(clock: trio.testing.MockClock) -> bool:
    return clock.rate == 0 and clock.autojump_threshold == float("inf")
