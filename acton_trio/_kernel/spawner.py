"""What an incarnation needs of those above it, and of who runs its children."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

from .activity import Activity
from .options import StartOptions

__all__ = ["Idle", "Parent", "Spawner"]


class Idle(Protocol):
    """An actor that is put together and not started yet, an `IdleActor`."""

    async def start(self) -> Any:
        """Start it as an actor of the runtime."""
        ...


class Spawner(Protocol):
    """Who runs the children of one incarnation; lives as long as that.

    What is `Any` here is an `ActorHandle`, which is built from what is built
    from this.
    """

    async def supervise(
        self,
        factory: Callable[..., object] | Idle,
        args: tuple[object, ...],
        options: StartOptions,
    ) -> Any:
        """Start a child, and return its handle once it takes messages."""
        ...

    def unsupervise(self, child: Any) -> None:
        """Order a child to stop for good."""
        ...

    def release(self, child: Any) -> None:
        """Leave a child to the runtime, running as it is."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether no more children are taken."""
        ...

    def handles(self) -> tuple[Any, ...]:
        """Return the children that have started and are not down, in order."""
        ...

    def find(self, name: str) -> Any:
        """Return the child called so, or ``None``."""
        ...

    def blockers(self) -> Collection[Activity]:
        """Return the code of children that has to return before they are down."""
        ...

    def close(self) -> None:
        """Take no more children, and have none come back."""
        ...

    async def stop_all(self) -> None:
        """Stop the children one by one, the last started first."""
        ...

    def cancel_all(self, reason: str) -> None:
        """Have all children end now, and theirs."""
        ...


class Parent(Protocol):
    """Whom an incarnation reports to."""

    @property
    def handle(self) -> Any:
        """The actor's `ActorHandle`, built from what is built here."""
        ...

    def started(self) -> None:
        """Hear that `after_start` is done; called before any message."""
        ...

    def failed(self) -> None:
        """Hear that something has gone wrong; called when it does."""
        ...

    def run(self, cell: Any) -> None:
        """Have the task of *cell* begin."""
        ...

    @property
    def comes_later(self) -> bool:
        """Whether it is not this actor's turn yet to run what is left of its life."""
        ...

    async def may_clean_up(self) -> None:
        """Wait until it is this actor's turn to run what is left of its life."""
        ...

    def make_spawner(
        self, fail: Callable[[BaseException], None], *, is_closing: bool
    ) -> Spawner:
        """Return who runs its children.

        Args:
            fail: Ends the incarnation with what its children's supervisor
                gives up on.
            is_closing: Whether it takes none any more.
        """
        ...
