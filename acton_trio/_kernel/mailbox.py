"""A bounded queue of messages that belongs to an actor's seat.

They leave it in the order in which they came.  When it is full, those who want
to put something in wait in a line, first come, first served.

A message with which nothing travels, neither a question nor a sender, is queued
bare: its envelope would cost as much as all the rest of its way.  Whoever wants to
look at it finds it in one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, final

import attrs
import outcome
import trio

from .._base.errors import ActorStoppedError
from .._base.patience import MailboxFullError
from .._base.util import never
from .activity import Activity, Sleeper
from .actor import NO_BEHAVIOUR, Behaviour
from .envelope import Envelope, Result
from .gates import GATES, may_enter
from .instruments import QUIET, Panel
from .line import Line
from .lookout import Lookout
from .tally import Tally

__all__ = ["Mailbox"]


# Most actors never need some of these, and an empty one takes more than all the rest.
_NO_QUEUE: Final[deque[object]] = deque(maxlen=0)
_NO_CONTROL: Final[deque[Envelope]] = deque(maxlen=0)
_NO_LINE: Final = Line()
_NOBODY: Final[frozenset[Activity]] = frozenset()
_NO_TALLY: Final = Tally()


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

    bare_types: Collection[type] = attrs.field(default=(), init=False)
    """The message types that may be queued bare."""

    queue: deque[object] = attrs.field(default=_NO_QUEUE, init=False)
    """What waits, bare or in envelopes; one that has been withdrawn is a gap."""

    # Invariant: the line is empty, or the queue is full, or both are closed.
    line: Line = attrs.field(default=_NO_LINE, init=False)
    """What waits for room."""

    has_rung: bool = attrs.field(default=False, init=False)
    """Whether there may be something else to do than to handle the next message."""

    running: set[Activity] | frozenset[Activity] = attrs.field(
        default=_NOBODY, init=False
    )
    """What of the actor's code runs, and holds up what is queued."""

    hold: Activity | None = attrs.field(default=None, init=False)
    """Stands for what has to end before the next incarnation can begin."""

    is_held: Callable[[], bool] = attrs.field(default=never, init=False)
    """Whether nothing may start before all that runs has ended."""

    tally: Tally = attrs.field(default=_NO_TALLY, init=False)
    """What is counted; nothing is before the first message."""

    # What its supervisor has to tell the actor: before all else, and no more
    # than the restart limits of its children allow.
    control: deque[Envelope] = attrs.field(default=_NO_CONTROL, init=False)
    _gaps: int = attrs.field(default=0, init=False)
    _closed: Callable[[], ActorStoppedError] | None = attrs.field(
        default=None, init=False
    )
    _lookout: Lookout | None = attrs.field(default=None, init=False)
    behaviour: Behaviour = attrs.field(default=NO_BEHAVIOUR, init=False)
    # Who waits for the bell: the actor's task, or whoever has it begin.
    _parked: trio.lowlevel.Task | Sleeper | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        """Return how many messages wait to be handled."""
        return self._size + len(self.control)

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

    def serve(self, behaviour: Behaviour, is_held: Callable[[], bool] = never) -> None:
        """Take note of what an incarnation does that now takes from here.

        Args:
            behaviour: What it does.
            is_held: Says whether it starts nothing before all that runs has ended.
        """
        self.behaviour, self.is_held = behaviour, is_held
        self._allow_bare()
        self._lookout = None

    def _allow_bare(self) -> None:
        has_queue = self.queue is not _NO_QUEUE
        may_be = has_queue and self._closed is None
        self.bare_types = self.behaviour.types if may_be else ()

    def begin(self, activity: Activity) -> None:
        """Note that code of the actor begins, which holds up what is queued."""
        if isinstance(self.running, frozenset):
            self.running = set()
        self.running.add(activity)

    def end(self, activity: Activity) -> None:
        """Note that code of the actor has ended, or never begun."""
        if not isinstance(self.running, frozenset):
            self.running.discard(activity)

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
        if len(self.queue) - self._gaps >= self.capacity:
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
            if self.control is _NO_CONTROL:
                self.control = deque()
                self.need_queue()
            self.control.append(envelope)
            self.ring()
        return self._closed is None

    def drop_urgent(self, is_moot: Callable[[object], bool]) -> None:
        """Drop what was put in as urgent and *is_moot* now."""
        kept = [each for each in self.control if not is_moot(each.message)]
        self.control = deque(kept)

    def _stand_in_line(
        self, envelope: Envelope, admitted: Callable[[Result], None] | None
    ) -> None:
        """Have *envelope* wait for room; *admitted* hears how that ends."""
        envelope.place = self
        if self.line is _NO_LINE:
            self.line = Line()
        self.line[envelope] = admitted

    def _append(self, envelope: Envelope) -> None:
        envelope.place = self
        if self.queue is _NO_QUEUE:
            self.need_queue()
        self.queue.append(envelope)
        if self.panel.is_watching:
            envelope.queued_at = trio.current_time()
        if self._parked is not None:
            self._wake()

    def need_queue(self) -> None:
        """Have a queue, and a tally of its own: something will be put in, or counted."""
        if self.queue is _NO_QUEUE:
            self.queue, self.tally = deque(), Tally()
            self._allow_bare()

    def queued(self) -> Sequence[Envelope]:
        """Return what is in the queue, the next to be handled first."""
        return [*self.control, *self._without_gaps()]

    def _without_gaps(self) -> Sequence[Envelope]:
        """Put all that is queued in envelopes, close the gaps, and return it."""
        envelopes = [self.enveloped(each) for each in self.queue]
        kept = [each for each in envelopes if each.place is self]
        # In place, as the actor may be amid it.
        self.queue.clear()
        self.queue.extend(kept)
        self._gaps = 0
        return kept

    def enveloped(self, item: object) -> Envelope:
        """Return what is queued in an envelope, if it is not in one."""
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
        if self.control:
            return self.control[0]
        queue = self.queue
        while queue:
            first = queue[0]
            if type(first) is not Envelope:
                first = queue[0] = self.enveloped(first)
            if first.place is self:
                return first
            queue.popleft()
            self._gaps -= 1
        return None

    def take(self) -> Envelope:
        """Take out the envelope that `head` returned."""
        if self.control:
            envelope = self.control.popleft()
            # There is more of this before all the rest.
            self.has_rung |= bool(self.control)
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
        # It has been in it, so there is one.
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
        envelope, admitted = self.line.first()
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
        self.line.close(why)

    def empty(self) -> list[Envelope]:
        """Take out and return all that is queued."""
        left = [*self.queued()]
        self.control.clear()
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
        if self._lookout is None:
            self._lookout = Lookout(self)
        return running if self._lookout.has_before(envelope) else ()

    # --- the bell

    def attend(self, sleeper: Sleeper) -> None:
        """Have *sleeper* roused when the bell rings, as there is no task that waits."""
        self._parked, self.has_rung = sleeper, False

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
        # Not with `isinstance`, which asks the metaclass of tasks.
        if type(parked) is trio.lowlevel.Task:
            trio.lowlevel.reschedule(parked)
        elif parked is not None:
            parked.rouse()

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say how many messages are before each of *envelopes*."""
        ahead = {each: number for number, each in enumerate(self.queued())}
        in_line = f"waiting for room in the mailbox, behind {self._size} messages"
        return [
            f"queued behind {ahead[each]} messages" if each in ahead else in_line
            for each in envelopes
        ]
