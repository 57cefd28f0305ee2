"""A bounded queue of messages that belongs to an actor's seat.

They leave it in the order in which they came.  When it is full, those who want
to put something in wait in a line, first come, first served.

A message with which nothing travels, neither a question nor a sender, is queued
bare: its envelope would cost as much as all the rest of its way.  Whoever wants to
look at it finds it in one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Protocol, final

import attrs
import outcome
import trio

from .._base.errors import ActorStoppedError
from .._base.patience import MailboxFullError
from .activity import Activity
from .envelope import Envelope, Result
from .gates import GATES, may_enter
from .instruments import QUIET, Panel
from .lookout import Lookout
from .tally import Tally

__all__ = ["Mailbox", "never"]


def never() -> bool:
    """Return ``False``: what is not asked for does not happen."""
    return False


class Work(Protocol):
    """What an incarnation does, as far as a mailbox has to know."""

    @property
    def types(self) -> Collection[type]:
        """The message types that are surely handled."""
        ...

    @property
    def exclusive_types(self) -> Collection[type]:
        """The message types that are handled alone."""
        ...


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

    bare_types: Collection[type] = attrs.field(default=(), init=False)
    """The message types that may be queued bare."""

    queue: deque[object] = attrs.field(factory=deque[object], init=False)
    """What waits, bare or in envelopes; one that has been withdrawn is a gap."""

    # Invariant: the line is empty, or the queue is full, or both are closed.
    line: OrderedDict[Envelope, Callable[[Result], None] | None] = attrs.field(
        factory=OrderedDict[Envelope, "Callable[[Result], None] | None"], init=False
    )
    """What waits for room, and who hears how that ends."""

    has_rung: bool = attrs.field(default=False, init=False)
    """Whether there may be something else to do than to handle the next message."""

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
    _gaps: int = attrs.field(default=0, init=False)
    _closed: Callable[[], ActorStoppedError] | None = attrs.field(
        default=None, init=False
    )
    _lookout: Lookout | None = attrs.field(default=None, init=False)
    _parked: trio.lowlevel.Task | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        """Return how many messages wait to be handled."""
        return self._size + len(self._control)

    @property
    def _size(self) -> int:
        return len(self.queue) - self._gaps

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be put in any more."""
        return self._closed is not None

    @property
    def has_room(self) -> bool:
        """Whether a message more is queued at once."""
        return self._closed is None and self._size < self.capacity

    def serve(self, work: Work, is_held: Callable[[], bool] = never) -> None:
        """Take note of what an incarnation does that now takes from here.

        Args:
            work: What it does.
            is_held: Says whether it starts nothing before all that runs has ended.
        """
        self.bare_types = () if self.is_closed else work.types
        self.exclusive_types, self.is_held = work.exclusive_types, is_held
        self._lookout = None

    # --- putting in

    def check_open(self) -> None:
        """Refuse what is to be put in later as what is put in now.

        Raises:
            ActorStoppedError: If the mailbox is closed.
        """
        if self._closed is not None:
            raise self._closed()

    def put_bare(self, message: object) -> bool:
        """Put *message* in as it is, if that can be; return whether it is in."""
        if (
            type(message) not in self.bare_types
            or len(self.queue) >= self.capacity
            or not self.panel.is_quiet
            or GATES
        ):
            return False
        self.queue.append(message)
        if self._parked is not None:
            self._wake()
        return True

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
            del self.line[envelope]
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
        if len(self.queue) - self._gaps < self.capacity:
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
        self.line[envelope] = admitted

    def _append(self, envelope: Envelope) -> None:
        envelope.place = self
        self.queue.append(envelope)
        if self.panel.is_watching:
            envelope.queued_at = trio.current_time()
        if self._parked is not None:
            self._wake()

    def queued(self) -> Sequence[Envelope]:
        """Return what is in the queue, the next to be handled first."""
        return [*self._control, *self._without_gaps()]

    def _without_gaps(self) -> Sequence[Envelope]:
        """Put all that is queued in envelopes, close the gaps, and return it."""
        envelopes = [self._enveloped(each) for each in self.queue]
        kept = [each for each in envelopes if each.place is self]
        # In place, as the actor may be amid it.
        self.queue.clear()
        self.queue.extend(kept)
        self._gaps = 0
        return kept

    def _enveloped(self, item: object) -> Envelope:
        if type(item) is Envelope:
            return item
        envelope = Envelope(item)
        envelope.place = self
        return envelope

    def questions(self) -> Sequence[tuple[Envelope, Activity]]:
        """Return what is queued or in line and has a handler wait for its answer."""
        return [
            (envelope, envelope.ask.asker)
            for envelope in (*self.queued(), *self.line)
            if envelope.ask is not None
            and envelope.ask.is_open
            and envelope.ask.asker is not None
        ]

    # --- taking out

    def head(self) -> Envelope | None:
        """Return the next envelope without taking it; ``None`` if there is none."""
        if self._control:
            return self._control[0]
        queue = self.queue
        while queue:
            first = queue[0]
            envelope = first if isinstance(first, Envelope) else self._enveloped(first)
            queue[0] = envelope
            if envelope.place is self:
                return envelope
            queue.popleft()
            self._gaps -= 1
        return None

    def take(self) -> Envelope:
        """Take out the envelope that `head` returned."""
        if self._control:
            envelope = self._control.popleft()
            # There is more of this before all the rest.
            self.has_rung |= bool(self._control)
        else:
            head = self.queue.popleft()
            assert isinstance(head, Envelope)
            envelope = head
            if self.line:
                self.admit()
        envelope.place = None
        return envelope

    def put_back(self, envelope: Envelope) -> None:
        """Put *envelope* at the head again: its handler never took its first step."""
        envelope.place = self
        self.queue.appendleft(envelope)

    def give_up(self, envelope: Envelope) -> None:
        """Take *envelope* back: nobody waits for its reply any more."""
        self.tally.expired += 1
        self.withdraw(envelope)

    def withdraw(self, envelope: Envelope) -> None:
        """Take *envelope* out, which is queued or in line, and will never run."""
        envelope.place = None
        if envelope in self.line:
            del self.line[envelope]
            return
        # It stays in the queue as a gap, which `head` skips: searching the
        # queue would make it quadratic to time out a full one.
        self._gaps += 1
        if self._gaps > self._size + 32:
            self._without_gaps()
        if self.line:
            self.admit()
        self.ring()

    def admit(self) -> None:
        """Let the next one in line in, now that there is room for it."""
        envelope, admitted = self.line.popitem(last=False)
        self._append(envelope)
        if admitted is not None:
            admitted(outcome.Value(None))

    # --- the end

    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        """Refuse what comes from now on, and whatever waits for room.

        What is queued stays, to be handled or taken with `empty`.
        """
        self._closed = why
        self.bare_types = ()
        while self.line:
            envelope, admitted = self.line.popitem(last=False)
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
        self.queue.clear()
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
            and envelope not in self.line
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
        for each in chain(self._control, self.queue, self.line):
            if each is envelope:
                return False
            if self._is_exclusive(each):
                return True
        return False

    def _has_exclusive(self) -> bool:
        """Return whether one that is handled alone is queued, or in line."""
        if any(map(self._is_exclusive, self._control)):
            return True
        if self._lookout is None:
            self._lookout = Lookout(self._is_exclusive)
        return self._lookout.sees_any(chain(reversed(self.line), self._from_the_end()))

    def _from_the_end(self) -> Iterator[Envelope]:
        """Yield what is queued, the last first, as what can be known again."""
        queue = self.queue
        for index in range(len(queue) - 1, -1, -1):
            envelope = queue[index] = self._enveloped(queue[index])
            yield envelope

    def _is_exclusive(self, item: object) -> bool:
        if not isinstance(item, Envelope):
            return type(item) in self.exclusive_types
        return type(item.message) in self.exclusive_types and item.place is self

    # --- the bell

    async def wait(self) -> None:
        """Wait until the bell rings; only the actor itself waits here.

        Cancellation:
            Nothing was taken.
        """
        self._parked = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
        await trio.lowlevel.checkpoint_if_cancelled()

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def ring(self) -> None:
        """Have the actor look what there is to do, whether it waits or works."""
        self.has_rung = True
        if self._parked is not None:
            self._wake()

    def _wake(self) -> None:
        parked, self._parked = self._parked, None
        assert parked is not None
        trio.lowlevel.reschedule(parked)

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say how many messages are before each of *envelopes*."""
        ahead = {each: number for number, each in enumerate(self.queued())}
        in_line = f"waiting for room in the mailbox, behind {self._size} messages"
        return [
            f"queued behind {ahead[each]} messages" if each in ahead else in_line
            for each in envelopes
        ]
