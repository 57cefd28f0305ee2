"""`Pending`: what waits for an actor to handle it, and what holds that up.

A message with which nothing travels, neither a question nor a sender, is queued
bare: its envelope would cost as much as all the rest of its way.  Whoever wants to
look at it finds it in one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import attrs

from .._base.util import never
from .activity import Activity
from .actor import NO_BEHAVIOUR, Behaviour
from .envelope import Envelope, Result
from .line import Line
from .lookout import Lookout
from .tally import Tally

__all__ = ["NO_CONTROL", "NO_LINE", "NO_QUEUE", "Pending"]


# Most actors never need some of these, and an empty one takes more than all the rest.
NO_QUEUE: Final[deque[object]] = deque(maxlen=0)
NO_CONTROL: Final[deque[Envelope]] = deque(maxlen=0)
NO_LINE: Final = Line()
_NOBODY: Final[frozenset[Activity]] = frozenset()
_NO_TALLY: Final = Tally()


@attrs.define(eq=False, weakref_slot=False)
class Pending:
    """What waits for the actor of one seat; the part of a mailbox that is looked into.

    Lives as long as the seat.
    """

    owner: str
    """Name of the actor it belongs to."""

    capacity: int
    """How many messages it holds."""

    max_concurrency: int = 1
    """How many `act_on` handlers may overlap."""

    queue: deque[object] = attrs.field(default=NO_QUEUE, init=False)
    """What waits, bare or in envelopes; one that has been withdrawn is a gap."""

    # Invariant: the line is empty, or the queue is full, or both are closed.
    line: Line = attrs.field(default=NO_LINE, init=False)
    """What waits for room."""

    # No more than the restart limits of its children allow.
    control: deque[Envelope] = attrs.field(default=NO_CONTROL, init=False)
    """What its supervisor has to tell the actor, before all else."""

    behaviour: Behaviour = attrs.field(default=NO_BEHAVIOUR, init=False)
    """What the incarnation does that takes from here."""

    is_held: Callable[[], bool] = attrs.field(default=never, init=False)
    """Whether nothing may start before all that runs has ended."""

    running: set[Activity] | frozenset[Activity] = attrs.field(
        default=_NOBODY, init=False
    )
    """What of the actor's code runs, and holds up what is queued."""

    hold: Activity | None = attrs.field(default=None, init=False)
    """Stands for what has to end before the next incarnation can begin."""

    tally: Tally = attrs.field(default=_NO_TALLY, init=False)
    """What is counted; nothing is before the first message."""

    _gaps: int = attrs.field(default=0, init=False)
    _lookout: Lookout | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        """Return how many messages wait to be handled."""
        return self._size + len(self.control)

    @property
    def _size(self) -> int:
        return len(self.queue) - self._gaps

    # --- what waits

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

    def enveloped(self, item: object) -> Envelope:
        """Return what is queued in an envelope, if it is not in one."""
        if type(item) is Envelope:
            return item
        envelope = Envelope(item)
        envelope.place = self
        return envelope

    def queued(self) -> Sequence[Envelope]:
        """Return what is in the queue, the next to be handled first."""
        return [*self.control, *self._without_gaps()]

    def questions(self) -> Sequence[tuple[Envelope, Activity]]:
        """Return what is queued or in line and has a handler wait for its answer."""
        return [
            (envelope, envelope.ask.asker)
            for envelope in (*self.queued(), *self.line)
            if envelope.ask is not None
            and envelope.ask.is_open
            and envelope.ask.asker is not None
        ]

    def describe(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Say how many messages are before each of *envelopes*."""
        ahead = {each: number for number, each in enumerate(self.queued())}
        in_line = f"waiting for room in the mailbox, behind {self._size} messages"
        return [
            f"queued behind {ahead[each]} messages" if each in ahead else in_line
            for each in envelopes
        ]

    # --- what does not wait any more

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
        if self._gaps > len(self.queue) - self._gaps + 32:
            self._without_gaps()

    def _without_gaps(self) -> Sequence[Envelope]:
        """Put all that is queued in envelopes, close the gaps, and return it."""
        envelopes = [self.enveloped(each) for each in self.queue]
        kept = [each for each in envelopes if each.place is self]
        # In place, as the actor may be amid it.
        self.queue.clear()
        self.queue.extend(kept)
        self._gaps = 0
        return kept

    def drop_urgent(self, is_moot: Callable[[object], bool]) -> None:
        """Drop what was put in as urgent and *is_moot* now."""
        kept = [each for each in self.control if not is_moot(each.message)]
        self.control = deque(kept)

    # --- what there is only when something waits

    def _have_queue(self) -> None:
        self.queue, self.tally = deque(), Tally()

    def _have_control(self) -> None:
        self.control = deque()

    def _stand_in_line(
        self, envelope: Envelope, admitted: Callable[[Result], None] | None
    ) -> None:
        """Have *envelope* wait for room; *admitted* hears how that ends."""
        envelope.place = self
        if self.line is NO_LINE:
            self.line = Line()
        self.line[envelope] = admitted

    # --- what holds it up

    def _note_behaviour(
        self, behaviour: Behaviour, is_held: Callable[[], bool]
    ) -> None:
        self.behaviour, self.is_held, self._lookout = behaviour, is_held, None

    def begin(self, activity: Activity) -> None:
        """Note that code of the actor begins, which holds up what is queued."""
        if isinstance(self.running, frozenset):
            self.running = set()
        self.running.add(activity)

    def end(self, activity: Activity) -> None:
        """Note that code of the actor has ended, or never begun."""
        if not isinstance(self.running, frozenset):
            self.running.discard(activity)

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
