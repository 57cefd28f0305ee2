"""`Lookout`: whether an exclusive message waits in a long queue, asked again and again."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol, TypeAlias, final

import attrs

from .actor import Behaviour
from .envelope import Envelope, Place
from .line import Line

__all__ = ["Lookout"]

_Glimpse: TypeAlias = Callable[[], Envelope | None]


def _nothing() -> None:
    return None


class Watched(Place, Protocol):
    """A mailbox, as far as somebody has to see who holds whom up in it."""

    behaviour: Behaviour
    control: deque[Envelope]
    queue: deque[object]
    line: Line

    def enveloped(self, item: object) -> Envelope:
        """Return what is queued in an envelope, if it is not in one."""
        ...


@final
@attrs.define(eq=False)
class Lookout:
    """Looks for messages that are handled alone; lives until others may be."""

    _mailbox: Watched
    # What the last look has found: such a message, or one up to which there is none.
    _found: _Glimpse = attrs.field(default=_nothing, init=False)
    _none_up_to: _Glimpse = attrs.field(default=_nothing, init=False)

    def has_before(self, envelope: Envelope) -> bool:
        """Return whether *envelope* is handled alone, or one that is before it."""
        # Room is needed for what was sent, not yet a turn of its own.
        exclusive_types = self._mailbox.behaviour.exclusive_types
        if envelope.ask is not None and type(envelope.message) in exclusive_types:
            return True
        if envelope.place is not self._mailbox:
            return self._has_any()
        mailbox = self._mailbox
        for each in chain(mailbox.control, mailbox.queue, mailbox.line):
            if each is envelope:
                return False
            if self._is_such(each):
                return True
        return False

    def _has_any(self) -> bool:
        """Return whether there is one, looking from the end.

        And only as far as was not looked before: a handler may ask again and again
        while a long queue waits.
        """
        found, seen = self._found(), self._none_up_to()
        if found is not None and self._is_such(found):
            return True
        if any(map(self._is_such, self._mailbox.control)):
            return True
        latest: Envelope | None = None
        for each in self._from_the_end():
            if each is seen:
                break
            if self._is_such(each):
                self._found = weakref.ref(each)
                return True
            latest = latest or each
        if latest is not None:
            self._none_up_to = weakref.ref(latest)
        return False

    def _from_the_end(self) -> Iterator[Envelope]:
        """Yield what waits, the last first, as what can be known again."""
        yield from reversed(self._mailbox.line)
        queue = self._mailbox.queue
        for index in range(len(queue) - 1, -1, -1):
            envelope = queue[index] = self._mailbox.enveloped(queue[index])
            yield envelope

    def _is_such(self, item: object) -> bool:
        exclusive_types = self._mailbox.behaviour.exclusive_types
        if not isinstance(item, Envelope):
            return type(item) in exclusive_types
        return type(item.message) in exclusive_types and item.place is self._mailbox
