"""`Pump`: a socket whose work is done by the threads that wait for it."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar, final

import attrs

__all__ = ["Pump"]

T = TypeVar("T")

_CHUNK: Final = 65536

# How long a peer that reads nothing any more may take for its last words, in seconds.
_LAST_WORDS: Final = 1.0

# Half of the time after which a server cuts a silent peer, in seconds.
_KEEPALIVE: Final = 30.0

# More than anybody waits at a time: what poll and locks take, in seconds.
_LONGEST: Final = 3600.0


@attrs.define(eq=False)
class _Frame:
    """What is to be written, and what is left of it."""

    rest: memoryview
    owner: str | None
    has_begun: bool = False


@final
class Pump:
    """A socket whose work is done by the threads that wait for it, one at a time.

    It has no thread of its own.  Of the threads that wait, one watches the socket
    for all of them, reads and writes; when it has what it wants another one takes
    over.  All else happens under the lock, which nobody holds while watching.

    Args:
        link: The socket, connected; it becomes the pump's.
        hear: Is called with what was read, under the lock; ``b""`` at the end.
        beat: Is called when nothing was written for a long time, under the lock.
    """

    def __init__(
        self,
        link: socket.socket,
        hear: Callable[[bytes], None],
        beat: Callable[[], None],
    ) -> None:
        self.lock: Final = threading.RLock()
        self._sleepers: Final[list[threading.Lock]] = []
        self._link: Final = link
        self._hear: Final = hear
        self._beat: Final = beat
        self._outgoing: Final[deque[_Frame]] = deque()
        self._is_watched = False
        self._is_over = False
        self._wrote_at = time.monotonic()
        self._until = math.inf
        # Whoever watches the socket watches this, too, and is called away by it.
        self._bell, self._ringer = socket.socketpair()
        for each in (self._link, self._bell, self._ringer):
            each.setblocking(False)  # noqa: FBT003 - positional in the library
        # Made once: only one thread watches at a time.
        self._poll: Final = select.poll()
        self._watched_for = select.POLLIN
        self._poll.register(self._link, self._watched_for)
        self._poll.register(self._bell, select.POLLIN)

    # --- under the lock

    def put(self, data: bytes, owner: str | None = None) -> None:
        """Have *data* written, and wait for nothing; *owner* may take it back."""
        self._outgoing.append(_Frame(memoryview(data), owner))
        self._write()
        if self._outgoing:
            self._call_away()

    def withdraw(self, owner: str) -> bool:
        """Take back what *owner* has put; return whether none of it was written."""
        for each in self._outgoing:
            if each.owner == owner and not each.has_begun:
                self._outgoing.remove(each)
                return True
        return False

    def catch_up(self) -> None:
        """Read what has come meanwhile, unless somebody does so anyway."""
        if not self._is_watched:
            self._read()

    def wait(self, look: Callable[[], T | None], deadline: float) -> T:
        """Return what *look* finds, as soon as it finds anything.

        Raises:
            TimeoutError: If that takes longer than until *deadline*.
        """
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                raise TimeoutError
            if self._is_watched:
                self._sleep(_seconds_until(deadline))
            else:
                self._watch(deadline)

    def stir(self) -> None:
        """Have everybody who waits look again."""
        self._wake_all()
        self._call_away()

    def shut(self) -> None:
        """End the connection; nothing more is read or written."""
        if not self._is_over:
            self._is_over = True
            self._outgoing.clear()
            # Who watches it finds the end.
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
            self._wake_all()

    def close(self) -> None:
        """Give the socket back, once nobody watches it any more."""
        # The number of a closed socket may be given to another file at once.
        while self._is_watched:
            self._sleep(_LONGEST)
        for each in (self._link, self._bell, self._ringer):
            each.close()

    # --- the work

    def _watch(self, deadline: float) -> None:
        events = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
        until = min(deadline, self._wrote_at + _KEEPALIVE, self._until)
        self._is_watched = True
        try:
            self.lock.release()
            self._wait_for(events, until)
        finally:
            try:
                self._take_back()
            finally:
                self._is_watched = False
                self._wake_all()
        self._read()
        self._write()
        if time.monotonic() >= self._until and not self._is_over:
            self._hear(b"")
        if time.monotonic() >= self._wrote_at + _KEEPALIVE:
            self._wrote_at = time.monotonic()
            self._beat()

    def _wake_all(self) -> None:
        sleepers, self._sleepers[:] = self._sleepers[:], []
        for each in sleepers:
            each.release()

    def _sleep(self, seconds: float) -> None:
        # A `Condition` is Python code: Ctrl-C in it may leave the lock locked for ever.
        bell = threading.Lock()
        bell.acquire()
        self._sleepers.append(bell)
        try:
            self.lock.release()
            bell.acquire(timeout=seconds)
        finally:
            self._take_back()
            if bell in self._sleepers:
                self._sleepers.remove(bell)

    def _take_back(self) -> None:
        # Ctrl-C may come at any step, also after the lock was taken: so it is asked,
        # as the standard library's own `Condition` asks it.
        interruption = None
        while not self.lock._is_owned():  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: SLF001
            try:
                self.lock.acquire()
            except KeyboardInterrupt as error:
                interruption = error
        if interruption is not None:
            raise interruption

    def _wait_for(self, events: int, deadline: float) -> None:
        if events != self._watched_for:
            self._poll.modify(self._link, events)
            self._watched_for = events
        ready = self._poll.poll(math.ceil(_seconds_until(deadline) * 1000))
        bell = self._bell.fileno()
        if any(number == bell for number, _ in ready):
            with suppress(BlockingIOError):
                self._bell.recv(_CHUNK)

    def _call_away(self) -> None:
        # A bell that is full has been rung.
        if self._is_watched:
            with suppress(BlockingIOError):
                self._ringer.send(b"!")

    def _read(self) -> None:
        if self._is_over:
            return
        try:
            data = self._link.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._hear(data)

    def _write(self) -> None:
        while self._outgoing and not self._is_over:
            frame = self._outgoing[0]
            try:
                count = self._link.send(frame.rest)
            except BlockingIOError:
                return
            except OSError:
                # The peer has gone; its last words may still be there to be read.
                self._outgoing.clear()
                self._until = min(self._until, time.monotonic() + _LAST_WORDS)
                return
            self._wrote_at = time.monotonic()
            frame.has_begun = True
            frame.rest = frame.rest[count:]
            if not frame.rest:
                self._outgoing.popleft()


def _seconds_until(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0), _LONGEST)
