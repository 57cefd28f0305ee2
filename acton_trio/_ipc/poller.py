"""`Poller`: one task that listens to the plain sockets of a listener, all at once.

To wait for a socket through trio costs more than to read what has come, to
understand it and to hand it on.  So the sockets are watched by an object of the
system's, epoll or kqueue, and trio waits for that: once, however many of them
have something to say.

It tells of a socket once, when something has come, and again only when more
has (edge-triggered): whoever is told remembers it until everything is read.  So
who has to wait for a turn, or is not listened to for a while, costs nothing
meanwhile, and need not be taken out and put back.
"""

from __future__ import annotations

import select
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, final

import trio

from .turns import Turns

__all__ = ["Poller", "Watched", "open_poller"]


# News that are asked for at a time; there may be more at once.
_MOST: Final = 1024


class Watched(Protocol):
    """Who is told that something has come."""

    def note_news(self, *, is_end: bool) -> None:
        """Take note that there is something to be read, and whether it ends then."""
        ...


class Watch(Protocol):
    """What the system has for watching many sockets."""

    def fileno(self) -> int:
        """Return what to wait for: it can be read when there are news."""
        ...

    def add(self, fd: int) -> None:
        """Watch a socket as well."""
        ...

    def remove(self, fd: int) -> None:
        """Watch it no more."""
        ...

    def news(self) -> Iterable[tuple[int, bool]]:
        """Return the sockets at which something has come, and whether the end has."""
        ...

    def close(self) -> None:
        """Watch nothing more."""
        ...


@final
class Poller:
    """Listens to many sockets at once; lives as long as their listener."""

    def __init__(self, watch: Watch, turns: Turns) -> None:
        self._watch: Final = watch
        self.turns: Final = turns
        self._watched: dict[int, Watched] = {}

    async def run(self) -> None:
        """Tell who is watched of what has come, until cancelled."""
        bell = self._watch.fileno()
        while True:
            await trio.lowlevel.wait_readable(bell)
            for fd, is_end in self._watch.news():
                watched = self._watched.get(fd)
                if watched is not None:
                    watched.note_news(is_end=is_end)
            self.turns.begin_pass()

    def add(self, fd: int, watched: Watched) -> None:
        """Tell *watched* what comes at a socket.

        Raises:
            OSError: If the system cannot watch so many.
        """
        self._watch.add(fd)
        self._watched[fd] = watched

    def remove(self, fd: int) -> None:
        """Watch a socket no more: it is about to be closed, and its number reused."""
        del self._watched[fd]
        # Who has closed it already has taken it out.
        with suppress(OSError):
            self._watch.remove(fd)


@contextmanager
def open_poller(turns: Turns) -> Generator[Poller | None, None, None]:
    """Have a poller, if the system can do with one more, and knows how.

    Whoever is watched has to be taken out before the block ends.
    """
    try:
        watch = new_watch()
    except OSError:
        # No more descriptors: it goes on, only slower.
        watch = None
    if watch is None:
        yield None
        return
    try:
        yield Poller(watch, turns)
    finally:
        watch.close()


# Not every system has either of them, and no type checker knows both.
_select: Final[Any] = select


@final
class EpollWatch:
    """What Linux has."""

    def __init__(self) -> None:
        self._epoll: Final = _select.epoll()
        self._events: Final = _select.EPOLLIN | _select.EPOLLRDHUP | _select.EPOLLET
        self._end: Final = _select.EPOLLRDHUP | _select.EPOLLHUP | _select.EPOLLERR

    def fileno(self) -> int:
        """Return what to wait for: it can be read when there are news."""
        number: int = self._epoll.fileno()
        return number

    def add(self, fd: int) -> None:
        """Watch a socket as well."""
        self._epoll.register(fd, self._events)

    def remove(self, fd: int) -> None:
        """Watch it no more."""
        self._epoll.unregister(fd)

    def news(self) -> Iterable[tuple[int, bool]]:
        """Return the sockets at which something has come, and whether the end has."""
        return [(fd, mask & self._end != 0) for fd, mask in self._epoll.poll(0)]

    def close(self) -> None:
        """Watch nothing more."""
        self._epoll.close()


@final
class KqueueWatch:
    """What macOS and the BSDs have."""

    def __init__(self) -> None:
        self._kqueue: Final = _select.kqueue()

    def fileno(self) -> int:
        """Return what to wait for: it can be read when there are news."""
        number: int = self._kqueue.fileno()
        return number

    def add(self, fd: int) -> None:
        """Watch a socket as well."""
        self._change(fd, _select.KQ_EV_ADD | _select.KQ_EV_CLEAR)

    def remove(self, fd: int) -> None:
        """Watch it no more."""
        self._change(fd, _select.KQ_EV_DELETE)

    def _change(self, fd: int, flags: int) -> None:
        event = _select.kevent(fd, _select.KQ_FILTER_READ, flags)
        self._kqueue.control([event], 0)

    def news(self) -> Iterable[tuple[int, bool]]:
        """Return the sockets at which something has come, and whether the end has."""
        events = self._kqueue.control(None, _MOST, 0)
        return [(each.ident, each.flags & _select.KQ_EV_EOF != 0) for each in events]

    def close(self) -> None:
        """Watch nothing more."""
        self._kqueue.close()


def new_watch() -> Watch | None:
    """Return what the system has, if it has anything.

    Raises:
        OSError: If there are no descriptors left.
    """
    if hasattr(_select, "epoll"):
        return EpollWatch()
    if hasattr(_select, "kqueue"):
        return KqueueWatch()
    return None
