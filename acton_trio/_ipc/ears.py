"""Ears: how a peer is listened to, whatever its connection is made of.

Any stream of trio's will do, and is read by whoever listens.  To a plain socket
a poller listens, which does so for all connections of a listener.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, final

import attrs
import outcome
import trio

from .poller import Poller
from .turns import Share

__all__ = ["CHUNK", "Ear", "Hear", "Heard", "SocketEar", "StreamEar", "ear_at"]

CHUNK: Final = 65536
"""As much as is read at a time, and as much as is kept for later; in bytes."""


class Heard(enum.Enum):
    """What has become of what a peer said."""

    ALL = enum.auto()
    """It is dealt with: more can be listened to."""

    SOME = enum.auto()
    """The peer has said so much that it is the others' turn before the rest."""

    ENOUGH = enum.auto()
    """Something else has to be waited for first, or this was the end."""


Hear: TypeAlias = Callable[[bytes | None], Heard]
"""Deals with what has come, without waiting; with ``b""`` at the end.

With ``None`` for the rest of what came before, when it is the peer's turn again.
"""


class Ear(Protocol):
    """How a peer is listened to; lives as long as its connection."""

    @property
    def is_behind(self) -> bool:
        """Whether the rest of what came before waits for its turn."""
        ...

    async def listen(self, hear: Hear) -> None:
        """Have *hear* deal with what comes, until it has had enough.

        Where a connection breaks, it ends.

        Cancellation:
            No byte is lost.
        """
        ...

    def close(self) -> None:
        """Use the stream no more: it is about to be closed."""
        ...


@final
@attrs.define(eq=False)
class StreamEar:
    """Listens to any of trio's streams: whoever listens reads."""

    _stream: trio.abc.ReceiveStream
    is_behind: bool = attrs.field(default=False, init=False)

    async def listen(self, hear: Hear) -> None:
        """Have *hear* deal with what comes, until it has had enough.

        Cancellation:
            No byte is lost.
        """
        while hear(await self._receive()) is Heard.ALL:
            pass

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(CHUNK))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def close(self) -> None:
        """Do nothing: there is no more to it than the stream."""


def _hear_nothing(_: bytes | None) -> Heard:
    raise AssertionError("unreachable")  # noqa: EM101 - for coverage


@final
@attrs.define(eq=False)
class SocketEar:
    """Listens to a plain socket: a poller tells when there is something to read."""

    socket: int
    """Its descriptor."""

    _poller: Poller
    _share: Share
    is_behind: bool = attrs.field(default=False, init=False)
    _hear: Hear = attrs.field(default=_hear_nothing, init=False)
    _listener: trio.lowlevel.Task | None = attrs.field(default=None, init=False)
    """Who waits in `listen`."""

    _has_news: bool = attrs.field(default=False, init=False)
    """Whether there may be something to be read."""

    _has_ended: bool = attrs.field(default=False, init=False)
    """Whether there always is: at the end ``b""``, again and again."""

    _is_in_line: bool = attrs.field(default=False, init=False)
    """Whether it is in line for its turn."""

    def __attrs_post_init__(self) -> None:
        self._share.turn = self._take_turn
        self._poller.add(self.socket, self)

    def close(self) -> None:
        """Use the socket no more: it is about to be closed."""
        self._poller.remove(self.socket)

    async def listen(self, hear: Hear) -> None:
        """Have *hear* deal with what comes, until it has had enough.

        Cancellation:
            No byte is lost.
        """
        self._hear, self.is_behind = hear, False
        self._listener = trio.lowlevel.current_task()
        if self._has_news:
            self._line_up()
            self._poller.turns.begin_passes()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._listener = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def note_news(self, *, is_end: bool) -> None:
        """Read on when it is the peer's turn, if anybody listens."""
        self._has_news = True
        # The poller tells of it but once.
        self._has_ended |= is_end
        if self._listener is not None and not self._is_in_line:
            self._is_in_line = True
            self._share.line_up()

    def _line_up(self) -> None:
        if not self._is_in_line:
            self._is_in_line = True
            self._share.line_up()

    def _take_turn(self) -> None:
        self._is_in_line = False
        if self._listener is None:
            return
        try:
            heard = self._hear(None) if self.is_behind else self._read()
        except Exception as error:  # noqa: BLE001 - this connection's: the others go on
            self._wake(outcome.Error(error))
            return
        self.is_behind = heard is Heard.SOME
        if heard is Heard.ENOUGH:
            self._wake(outcome.Value(None))
        elif self._has_news or self.is_behind:
            self._line_up()

    def _read(self) -> Heard:
        try:
            data = os.read(self.socket, CHUNK)
        except BlockingIOError:
            self._has_news = False
            return Heard.ALL
        except OSError:
            data = b""
        if not data:
            self._has_ended = True
        # Less than a chunk is all that there was, and the poller tells of more.
        self._has_news = self._has_ended or len(data) == CHUNK
        return self._hear(data)

    def _wake(self, result: outcome.Outcome[None]) -> None:
        if self._listener is not None:
            trio.lowlevel.reschedule(self._listener, result)
            self._listener = None


def ear_at(stream: trio.abc.Stream, poller: Poller | None, share: Share) -> Ear:
    """Return an ear at *stream*: the fastest that there is.

    Args:
        stream: It stays its owner's, who closes it after the ear.
        poller: Who can listen to sockets, if anybody can.
        share: Whose turn is waited for.
    """
    if poller is not None and isinstance(stream, trio.SocketStream):
        try:
            return SocketEar(stream.socket.fileno(), poller, share)
        except OSError:
            # It cannot be watched, for want of memory: it goes on, only slower.
            pass
    return StreamEar(stream)
