"""The children of one supervisor, in the order in which they were started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import attrs
import trio

from .._kernel.handle import ActorHandle
from .._kernel.seat import Seat
from .._kernel.statistics import ActorSnapshot, snapshot_of
from .children import Child

__all__ = ["Roster", "own_name"]


def own_name(seat: Seat) -> str:
    """Return what an actor is called among its siblings: the end of its path."""
    return seat.name.rpartition("/")[2]


@final
@attrs.define(eq=False)
class Roster:
    """The children of one supervisor; lives as long as that.

    They are in it from before their first start until they are down for good.
    """

    # In the order in which they were started.
    _children: dict[Seat, Child] = attrs.field(factory=dict[Seat, Child], init=False)
    # One that was released keeps its path, and has no name here.
    _by_name: dict[str, Child] = attrs.field(factory=dict[str, Child], init=False)
    _count: int = attrs.field(default=0, init=False)

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def add(self, child: Child, name: str | None = None) -> None:
        """Take *child* in as the last, to be found by *name* if it has one here."""
        self._children[child.seat] = child
        if name is not None:
            self._by_name[name] = child
        child.number = self._count
        self._count += 1

    def remove(self, child: Child) -> None:
        """Forget *child*, and free its name."""
        del self._children[child.seat]
        name = own_name(child.seat)
        if self._by_name.get(name) is child:
            del self._by_name[name]

    def of(self, seat: Seat) -> Child | None:
        """Return the child in *seat*, if it is one."""
        return self._children.get(seat)

    def named(self, name: str) -> Child | None:
        """Return the child that has *name*, if only one that is starting."""
        return self._by_name.get(name)

    def last(self) -> Child | None:
        """Return the child that was started last."""
        return next(reversed(self._children.values()), None)

    def find(self, path: str) -> ActorHandle | None:
        """Return the actor at *path* from here, once it has started."""
        first, slash, rest = path.partition("/")
        child = self._by_name.get(first)
        if child is None or not child.has_started:
            return None
        if not slash:
            return child.handle
        if child.spawner is None:
            return None
        found: ActorHandle | None = child.spawner.find(rest)
        return found

    def snapshots(self) -> tuple[ActorSnapshot, ...]:
        """Return how all children and theirs are now."""
        now = trio.current_time()
        return tuple(
            snapshot_of(
                child.seat, now, child.spawner.snapshots() if child.spawner else ()
            )
            for child in self
        )

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of all children and theirs."""
        seats: list[Seat] = []
        for child in self:
            seats.append(child.seat)
            if child.spawner is not None:
                seats.extend(child.spawner.seats())
        return tuple(seats)
