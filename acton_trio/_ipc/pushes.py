"""What is broadcast in the process, told to the peers that have subscribed to it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final, final

import attrs
import msgspec
from msgspec import Raw

from .._base.errors import ActonError, LocalProtocolError
from .._base.formats import Format
from .._base.ids import type_id
from .._messages.registry import MessageRegistry
from .._services.broker import Broker
from .._wire.bodies import encode_body
from .._wire.envelopes import Push
from .._wire.frames import MAX_FRAME_SIZE, FrameType, encode_frame
from .statistics import Counters

__all__ = ["PushSubscriptions", "Pushes"]

_log = logging.getLogger("acton_trio.ipc")

# How much one connection may subscribe to: names, and bytes of them in all.
# More types than any program has, and no more memory than a frame.
_MOST_NAMES: Final = 1024
_MOST_BYTES: Final = 65536

# A push has to fit a frame, whatever is said in it of others that were dropped.
_LARGEST: Final = MAX_FRAME_SIZE - len(',"dropped":9223372036854775807')

Write = Callable[[bytes, Callable[[], None]], bool]
"""Has a frame written and is told when it is; returns whether it will be."""


@final
@attrs.define(eq=False)
class Pushes:
    """Who of a listener's peers has subscribed to what; lives as long as that."""

    _broker: Broker
    _registry: MessageRegistry
    counters: Counters
    _subscribers: dict[str, dict[PushSubscriptions, None]] = attrs.field(
        factory=dict[str, "dict[PushSubscriptions, None]"], init=False
    )

    def add(self, name: str, subscriber: PushSubscriptions) -> None:
        """Have *subscriber* be told of what is broadcast as *name*."""
        if not self._subscribers:
            self._broker.tap(self._broadcast)
        self._subscribers.setdefault(name, {})[subscriber] = None

    def remove(self, name: str, subscriber: PushSubscriptions) -> None:
        """Have *subscriber* be told of it no more."""
        group = self._subscribers[name]
        del group[subscriber]
        if not group:
            del self._subscribers[name]
        if not self._subscribers:
            self._broker.untap(self._broadcast)

    def _broadcast(self, message: object) -> None:
        # A class may be registered under several names: whoever has subscribed
        # to an older one is told under that.
        for name in self._registry.names_of(type(message)):
            subscribers = self._subscribers.get(name)
            if subscribers:
                self._push(name, message, [*subscribers])

    def _push(
        self, name: str, message: object, subscribers: Iterable[PushSubscriptions]
    ) -> None:
        try:
            push = self._push_of(name, message)
            frame = _frame_of(push)
            _check_size(frame)
        except ActonError:
            # Whoever has broadcast it is not to blame, and must not be hurt.
            _log.exception(
                "%r was broadcast, and cannot be pushed as %s", message, name
            )
            return
        for each in subscribers:
            each.push(push, frame)

    def _push_of(self, name: str, message: object) -> Push:
        milliseconds = time.time_ns() // 1_000_000
        return Push(
            notification_id=type_id("push", milliseconds, secrets.randbits(74)),
            message_type=name,
            payload=Raw(self._registry.encode(message, Format.JSON)),
            timestamp_ms=milliseconds,
        )


@final
@attrs.define(eq=False)
class PushSubscriptions:
    """What one peer has subscribed to; lives as long as its connection."""

    _pushes: Pushes
    _capacity: int
    """Pushes that the peer may be behind."""

    _write: Write
    names: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    """What the peer has subscribed to, in the order in which it did."""

    _unread: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)
    """How many there was no room for since the last one that there was."""

    def add(self, names: Iterable[str]) -> None:
        """Subscribe to *names* as well, known or not.

        Raises:
            LocalProtocolError: If that were too many; then to none of them.
        """
        wanted = dict.fromkeys(names)
        together = self.names | wanted
        size = sum(len(each.encode()) for each in together)
        if len(together) > _MOST_NAMES or size > _MOST_BYTES:
            limits = f"{_MOST_NAMES} types whose names take {_MOST_BYTES} bytes"
            msg = f"one connection may subscribe to at most {limits}"
            raise LocalProtocolError(msg)
        for name in wanted.keys() - self.names.keys():
            self._pushes.add(name, self)
            self._pushes.counters.subscriptions_added += 1
        self.names = together

    def remove(self, names: Iterable[str]) -> None:
        """End subscriptions to *names*; of no names: to all."""
        for name in [*names] or [*self.names]:
            if name in self.names:
                del self.names[name]
                self._pushes.remove(name, self)
                self._pushes.counters.subscriptions_removed += 1

    def close(self) -> None:
        """End them all: the connection has ended."""
        for name in self.names:
            self._pushes.remove(name, self)
        self.names.clear()

    def push(self, push: Push, frame: bytes) -> None:
        """Have *push* written, which is *frame*; or drop it if the peer is behind."""
        counters = self._pushes.counters
        if self._unread >= self._capacity:
            self._dropped += 1
            counters.push_notifications_dropped += 1
            return
        if self._dropped:
            frame = _frame_of(msgspec.structs.replace(push, dropped=self._dropped))
        if self._write(frame, self._wrote_one):
            self._unread += 1
            self._dropped = 0
            counters.push_notifications_sent += 1

    def _wrote_one(self) -> None:
        self._unread -= 1


def _check_size(frame: bytes) -> None:
    if len(frame) > _LARGEST:
        msg = f"a push of {len(frame)} bytes exceeds the limit of {_LARGEST}"
        raise LocalProtocolError(msg)


def _frame_of(push: Push) -> bytes:
    return encode_frame(FrameType.PUSH, encode_body(push, Format.JSON))
