"""A bounded queue of messages that belongs to an actor's seat.

They leave it in the order in which they came.  When it is full, those who want
to put something in wait in a line, first come, first served.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import final

import attrs
import outcome
import trio

from .._base.errors import ActorStoppedError
from .._base.patience import MailboxFullError
from .._base.util import never
from .activity import Sleeper
from .actor import Behaviour
from .envelope import Envelope, Result
from .gates import GATES, may_enter
from .instruments import QUIET, Panel
from .pending import NO_CONTROL, NO_QUEUE, Pending

__all__ = ["Mailbox"]


@final
@attrs.define(eq=False, weakref_slot=False)
class Mailbox(Pending):
    """Where messages for one seat are put in and taken out; lives as long as the seat.

    Restarts come and go, the mailbox stays.
    """

    panel: Panel = QUIET
    """Who looks in."""

    bare_types: Collection[type] = attrs.field(default=(), init=False)
    """The message types that may be queued bare."""

    has_rung: bool = attrs.field(default=False, init=False)
    """Whether there may be something else to do than to handle the next message."""

    _closed: Callable[[], ActorStoppedError] | None = attrs.field(
        default=None, init=False
    )
    # Who waits for the bell: the actor's task, or whoever has it begin.
    _parked: trio.lowlevel.Task | Sleeper | None = attrs.field(default=None, init=False)

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
        self._note_behaviour(behaviour, is_held)
        has_place = self.queue is not NO_QUEUE and self._closed is None
        self.bare_types = behaviour.types if has_place else ()

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
            if self.control is NO_CONTROL:
                self._have_control()
                self.need_queue()
            self.control.append(envelope)
            self.ring()
        return self._closed is None

    def _append(self, envelope: Envelope) -> None:
        envelope.place = self
        if self.queue is NO_QUEUE:
            self.need_queue()
        self.queue.append(envelope)
        if self.panel.is_watching:
            envelope.queued_at = trio.current_time()
        if self._parked is not None:
            self._wake()

    def need_queue(self) -> None:
        """Have a queue, and a tally of its own: something will be put in, or counted."""
        if self.queue is NO_QUEUE:
            self._have_queue()
            if self._closed is None:
                self.bare_types = self.behaviour.types

    # --- taking out

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

    def withdraw(self, envelope: Envelope) -> None:
        """Take *envelope* out, which is queued or in line, and will never run."""
        was_queued = envelope not in self.line
        super().withdraw(envelope)
        if was_queued:
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
