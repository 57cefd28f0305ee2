"""A bounded queue of envelopes that belongs to an actor's seat.

Messages leave it in the order in which they came.  When it is full, those
who want to put something in wait in a line, first come, first served.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import TypeAlias, final

import attrs
import outcome
import trio

from .._base.errors import ActorStoppedError
from .._base.patience import MailboxFullError
from .activity import Activity
from .envelope import Envelope, Result
from .gates import GATES, may_enter
from .instruments import QUIET, Panel
from .tally import Tally

__all__ = ["Mailbox", "never"]


def never() -> bool:
    """Return ``False``: what is not asked for does not happen."""
    return False


def _nothing() -> None:
    return None


_Glimpse: TypeAlias = Callable[[], Envelope | None]


@final
@attrs.define(eq=False)
class Mailbox:
    """Where messages for one seat wait; lives as long as the seat.

    Restarts come and go, the mailbox stays.
    """

    owner: str
    """Name of the actor it belongs to."""

    capacity: int
    """How many messages it holds."""

    max_concurrency: int = 1
    """How many `act_on` handlers may overlap."""

    panel: Panel = QUIET
    """Who looks in."""

    exclusive_types: Collection[type] = attrs.field(default=(), init=False)
    """The message types that are handled alone."""

    running: set[Activity] = attrs.field(factory=set[Activity], init=False)
    """What of the actor's code runs, and holds up what is queued."""

    hold: Activity | None = attrs.field(default=None, init=False)
    """Stands for what has to end before the next incarnation can begin."""

    is_held: Callable[[], bool] = attrs.field(default=never, init=False)
    """Whether nothing may start before all that runs has ended."""

    tally: Tally = attrs.field(factory=Tally, init=False)

    # What its supervisor has to tell the actor: before all else, and no more
    # than the restart limits of its children allow.
    _control: deque[Envelope] = attrs.field(factory=deque[Envelope], init=False)
    _queue: deque[Envelope] = attrs.field(factory=deque[Envelope], init=False)
    _size: int = attrs.field(default=0, init=False)
    # Invariant: the line is empty, or the queue is full, or both are closed.
    _line: OrderedDict[Envelope, Callable[[Result], None] | None] = attrs.field(
        factory=OrderedDict[Envelope, "Callable[[Result], None] | None"], init=False
    )
    _closed: Callable[[], ActorStoppedError] | None = attrs.field(
        default=None, init=False
    )
    # What the last look has found: an exclusive message, or one up to which
    # there is none.
    _exclusive: _Glimpse = attrs.field(default=_nothing, init=False)
    _none_up_to: _Glimpse = attrs.field(default=_nothing, init=False)
    _parked: trio.lowlevel.Task | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        """Return how many messages wait to be handled."""
        return self._size + len(self._control)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be put in any more."""
        return self._closed is not None

    @property
    def in_line(self) -> int:
        """How many messages wait for room."""
        return len(self._line)

    @property
    def has_room(self) -> bool:
        """Whether a message more is queued at once."""
        return self._closed is None and self._size < self.capacity

    def serve(
        self, exclusive_types: Collection[type], is_held: Callable[[], bool] = never
    ) -> None:
        """Take note of what an incarnation does that now takes from here.

        Args:
            exclusive_types: The message types that it handles alone.
            is_held: Says whether it starts nothing before all that runs has ended.
        """
        self.exclusive_types, self.is_held = exclusive_types, is_held
        self._exclusive = self._none_up_to = _nothing

    # --- putting in

    def check_open(self) -> None:
        """Refuse what is to be put in later as what is put in now.

        Raises:
            ActorStoppedError: If the mailbox is closed.
        """
        if self._closed is not None:
            raise self._closed()

    def put_nowait(self, envelope: Envelope) -> None:
        """Put *envelope* at the end of the queue.

        Raises:
            MailboxFullError: If there is no room, or others wait for it.
            ActorStoppedError: If the mailbox is closed.
        """
        if self._closed is not None:
            raise self._closed()
        if self._size >= self.capacity:
            raise MailboxFullError(self.owner, self.capacity)
        if not GATES or may_enter(self, envelope):
            self._append(envelope)

    async def put(self, envelope: Envelope) -> None:
        """Put *envelope* in, waiting in line for room.

        Cancellation:
            The envelope was not put in, and will not be.
        """
        if self._closed is not None:
            raise self._closed()
        if GATES and not may_enter(self, envelope):
            return
        if self._size < self.capacity:
            self._append(envelope)
            return
        task = trio.lowlevel.current_task()
        self._stand_in_line(
            envelope, lambda result: trio.lowlevel.reschedule(task, result)
        )

        def leave_line(_: object) -> trio.lowlevel.Abort:
            del self._line[envelope]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave_line)

    def line_up(
        self, envelope: Envelope, admitted: Callable[[Result], None] | None = None
    ) -> None:
        """Put *envelope* in the queue or, if that is full, in the line for it.

        Args:
            envelope: Its ask, if it has one, hears if the mailbox closes first.
            admitted: Hears how the wait in the line ends, if there is one.
        """
        if self._closed is not None:
            raise self._closed()
        if GATES and not may_enter(self, envelope):
            return
        if self._size < self.capacity:
            self._append(envelope)
        else:
            self._stand_in_line(envelope, admitted)

    def put_urgent(self, envelope: Envelope) -> bool:
        """Put *envelope* before what others have sent, whether there is room or not.

        Returns:
            Whether the mailbox was open.
        """
        if self._closed is None:
            envelope.place = self
            self._control.append(envelope)
            self.ring()
        return self._closed is None

    def drop_urgent(self, is_moot: Callable[[object], bool]) -> None:
        """Drop what was put in as urgent and *is_moot* now."""
        kept = [each for each in self._control if not is_moot(each.message)]
        self._control = deque(kept)

    def _stand_in_line(
        self, envelope: Envelope, admitted: Callable[[Result], None] | None
    ) -> None:
        """Have *envelope* wait for room; *admitted* hears how that ends."""
        envelope.place = self
        self._line[envelope] = admitted

    def _append(self, envelope: Envelope) -> None:
        envelope.place = self
        self._queue.append(envelope)
        self._size += 1
        if self.panel.is_watching:
            envelope.queued_at = trio.current_time()
        self.ring()

    def queued(self) -> Sequence[Envelope]:
        """Return what is in the queue, the next to be handled first."""
        queue = (envelope for envelope in self._queue if envelope.place is self)
        return [*self._control, *queue]

    def questions(self) -> Sequence[tuple[Envelope, Activity]]:
        """Return what is queued or in line and has a handler wait for its answer."""
        return [
            (envelope, envelope.ask.asker)
            for envelope in (*self.queued(), *self._line)
            if envelope.ask is not None
            and envelope.ask.is_open
            and envelope.ask.asker is not None
        ]

    # --- taking out

    def head(self) -> Envelope | None:
        """Return the next envelope without taking it; ``None`` if there is none."""
        if self._control:
            return self._control[0]
        queue = self._queue
        while queue:
            envelope = queue[0]
            if envelope.place is self:
                return envelope
            queue.popleft()
        return None

    def take(self) -> Envelope:
        """Take out the envelope that `head` returned."""
        if self._control:
            envelope = self._control.popleft()
            envelope.place = None
            return envelope
        envelope = self._queue.popleft()
        envelope.place = None
        self._size -= 1
        if self._line:
            self._admit()
        return envelope

    def put_back(self, envelope: Envelope) -> None:
        """Put *envelope* at the head again: its handler never took its first step."""
        envelope.place = self
        self._queue.appendleft(envelope)
        self._size += 1

    def give_up(self, envelope: Envelope) -> None:
        """Take *envelope* back: nobody waits for its reply any more."""
        self.tally.expired += 1
        self.withdraw(envelope)

    def withdraw(self, envelope: Envelope) -> None:
        """Take *envelope* out, which is queued or in line, and will never run."""
        envelope.place = None
        if envelope in self._line:
            del self._line[envelope]
            return
        # It stays in the queue as a gap, which `head` skips: searching the
        # queue would make it quadratic to time out a full one.
        self._size -= 1
        if len(self._queue) > 2 * self._size + 32:
            self._queue = deque(each for each in self._queue if each.place is self)
        if self._line:
            self._admit()
        self.ring()

    def _admit(self) -> None:
        envelope, admitted = self._line.popitem(last=False)
        self._append(envelope)
        if admitted is not None:
            admitted(outcome.Value(None))

    # --- the end

    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        """Refuse what comes from now on, and whatever waits for room.

        What is queued stays, to be handled or taken with `empty`.
        """
        self._closed = why
        while self._line:
            envelope, admitted = self._line.popitem(last=False)
            envelope.place = None
            error = outcome.Error(why())
            if admitted is not None:
                admitted(error)
            elif envelope.ask is not None:
                envelope.ask.settle(error)

    def empty(self) -> list[Envelope]:
        """Take out and return all that is queued."""
        left = [*self.queued()]
        self._control.clear()
        self._queue.clear()
        self._size = 0
        for envelope in left:
            envelope.place = None
        return left

    # --- who holds things up

    def blockers(self, envelope: Envelope) -> Collection[Activity]:
        """Return the code that has to return before *envelope* can be handled.

        For what was sent it is the wait for room that counts: when it is in
        the queue, its sender waits no more.
        """
        running = self.running
        if (
            envelope.ask is None
            and envelope.place is self
            and envelope not in self._line
        ):
            return ()
        if self.hold is not None:
            return (self.hold,)
        if not running or self.is_held() or any(each.exclusive for each in running):
            return running
        if len(running) >= self.max_concurrency == 1:
            return running
        return running if self._is_behind_exclusive(envelope) else ()

    def _is_behind_exclusive(self, envelope: Envelope) -> bool:
        # Room is needed for what was sent, not yet a turn of its own.
        if envelope.ask is not None and type(envelope.message) in self.exclusive_types:
            return True
        if envelope.place is not self:
            return self._has_exclusive()
        for each in chain(self._control, self._queue, self._line):
            if each is envelope:
                return False
            if self._is_exclusive(each):
                return True
        return False

    def _has_exclusive(self) -> bool:
        """Return whether one that is handled alone is queued, or in line.

        Looked at from the end, and only as far as was not looked at before: a
        handler may ask again and again while a long queue waits.
        """
        found, seen = self._exclusive(), self._none_up_to()
        if found is not None and self._is_exclusive(found):
            return True
        if any(map(self._is_exclusive, self._control)):
            return True
        latest: Envelope | None = None
        for each in chain(reversed(self._line), reversed(self._queue)):
            if each is seen:
                break
            if self._is_exclusive(each):
                self._exclusive = weakref.ref(each)
                return True
            latest = latest or each
        if latest is not None:
            self._none_up_to = weakref.ref(latest)
        return False

    def _is_exclusive(self, envelope: Envelope) -> bool:
        return type(envelope.message) in self.exclusive_types and envelope.place is self

    # --- the bell

    async def wait(self) -> None:
        """Wait until the bell rings; only the actor itself waits here.

        Cancellation:
            Nothing was taken.
        """
        self._parked = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def ring(self) -> None:
        """Wake the actor, if it waits, to look what there is to do."""
        parked, self._parked = self._parked, None
        if parked is not None:
            trio.lowlevel.reschedule(parked)

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say how many messages are before each of *envelopes*."""
        ahead = {each: number for number, each in enumerate(self.queued())}
        in_line = f"waiting for room in the mailbox, behind {self._size} messages"
        return [
            f"queued behind {ahead[each]} messages" if each in ahead else in_line
            for each in envelopes
        ]
