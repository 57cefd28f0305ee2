"""`Ref`: whatever can be spoken to as an actor can, wherever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar, runtime_checkable

from .._base.util import publish_names
from .._messages.declare import Request, StreamRequest

__all__ = ["Ref"]

R = TypeVar("R")


@runtime_checkable
class Ref(Protocol):
    """An actor as code sees it that does not care where the actor is.

    An `ActorHandle` is one, an `acton_trio.ipc.RemoteActorHandle` and a probe of
    `acton_trio.testing` are.  ``isinstance`` looks for the names alone.
    """

    @property
    def name(self) -> str:
        """What the actor is called."""
        ...

    async def ask(self, request: Request[R], /) -> R:
        """Send *request*, and wait for its reply.

        Cancellation:
            The caller leaves at once, and the request is given up.
        """
        ...

    async def send(self, message: object, /) -> None:
        """Put *message* in the actor's mailbox.

        Cancellation:
            In this process it was not put in; of another one nobody knows.
        """
        ...

    def stream(
        self, request: StreamRequest[R], /
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Send *request*, and read its replies as they come, in a block.

        Cancellation:
            The request is given up.
        """
        ...


publish_names(globals(), ["Ref"])
