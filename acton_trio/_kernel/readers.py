"""`Readers`: handlers that overlap, and streams, each in a task of its own.

Between its start and its first step a message is handled by nobody yet: it may be
taken back, lose its point, or be left to the next incarnation.
"""

from __future__ import annotations

from typing import final

import trio

from .._base.errors import ActorStoppedError
from .._base.util import name_of
from .activity import current_activity
from .handlers import Handler
from .performer import Performer
from .turn import Turn

__all__ = ["Readers"]


@final
class Readers(dict[Turn, None]):
    """Those that an exclusive handler waits for; lives as long as an incarnation.

    They are the keys, in the order of their messages.  It is a dictionary because
    whoever decides what starts next looks whether it is empty.
    """

    __slots__ = ("_streams", "_to_begin")

    def __init__(self) -> None:
        super().__init__()
        # Those that have not taken their first step.
        self._to_begin: dict[Turn, None] = {}
        # From their first step on they are no readers: nobody waits for them.
        self._streams: dict[Turn, None] = {}

    @property
    def at_work(self) -> tuple[Turn, ...]:
        """Those that have taken their first step."""
        return tuple(each for each in self if each not in self._to_begin)

    @property
    def streams(self) -> tuple[Turn, ...]:
        """The streams beside them."""
        return tuple(self._streams)

    def may_be_joined(self, handler: Handler, limit: int) -> bool:
        """Return whether *handler* may start beside them.

        Args:
            handler: Of the next message.
            limit: How many may overlap.
        """
        if self._to_begin and not handler.is_async and not handler.is_stream:
            # A function would be done before they had begun.
            return False
        return len(self) < (1 if handler.exclusive else limit)

    def start(self, crew: trio.Nursery, turn: Turn, performer: Performer) -> None:
        """Have the handler of *turn* begin in *crew*."""
        handler, envelope = turn.handler, turn.envelope
        turn.scope = trio.CancelScope(deadline=envelope.deadline)
        # Whoever gives up before its first step only has to say so.
        envelope.place = turn
        self[turn] = self._to_begin[turn] = None
        run = self._stream if handler.is_stream else self._overlap
        name = f"{turn.seat.name}: {name_of(handler.function)}"
        crew.start_soon(run, turn, performer, name=name)

    async def _overlap(self, turn: Turn, performer: Performer) -> None:
        mailbox, scope = turn.seat.mailbox, turn.scope
        assert scope is not None
        try:
            if not self._begins(turn, performer):
                return
            with scope:
                current_activity.set(turn.activity)
                mailbox.begin(turn.activity)
                await performer.perform(turn, turn.envelope.message)
            turn.time_out()
        finally:
            mailbox.end(turn.activity)
            del self[turn]
            mailbox.ring()

    async def _stream(self, turn: Turn, performer: Performer) -> None:
        scope = turn.scope
        assert scope is not None
        del self[turn]
        turn.seat.mailbox.ring()
        if not self._begins(turn, performer):
            return
        if turn.seat.stop_ordered:
            self._end_stream(turn)
            return
        self._streams[turn] = None
        try:
            with scope:
                current_activity.set(turn.activity)
                await performer.perform(turn, turn.envelope.message)
            turn.time_out()
        finally:
            del self._streams[turn]

    def _begins(self, turn: Turn, performer: Performer) -> bool:
        """Decide at its first step whether the message is handled now."""
        now = trio.current_time()
        if trio.current_effective_deadline() <= now:
            return False
        del self._to_begin[turn]
        if not self._to_begin:
            turn.seat.mailbox.ring()
        if turn.envelope.is_pointless(now):
            performer.verdicts.expired(turn.envelope)
            return False
        return True

    def put_back(self) -> None:
        """Queue the messages again whose handlers never took their first step."""
        for turn in reversed(self._to_begin):
            envelope, mailbox = turn.envelope, turn.seat.mailbox
            if envelope.ask is None or envelope.ask.is_open:
                mailbox.put_back(envelope)
            else:
                mailbox.tally.expired += 1
        self._to_begin.clear()

    def end_streams(self) -> None:
        """End all streams at once: the actor stops."""
        for turn in self._streams:
            self._end_stream(turn)

    def _end_stream(self, turn: Turn) -> None:
        if turn.envelope.ask is not None:
            detail = "has stopped, and its streams with it"
            turn.envelope.ask.fail(ActorStoppedError(turn.seat.name, detail))
        turn.give_up(turn.envelope)
