"""`RemoteActorHandle`: what a client holds of an actor of another process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeVar, final

import attrs

from .._base.util import publish_names
from .._messages.declare import Request, StreamRequest
from .calls import Calls
from .remote_stream import RemoteStream

__all__ = ["RemoteActorHandle"]

R = TypeVar("R")


@final
@attrs.frozen(eq=False)
class RemoteActorHandle:
    """An actor of another process; valid as long as its `Client`."""

    name: str
    """What the peer exposes it as."""

    _calls: Calls = attrs.field(repr=False)

    async def ask(self, request: Request[R]) -> R:
        """Send *request* over the connection, and wait for its reply.

        The caller's deadline travels with it.  Without one it is 30 seconds.

        Raises:
            AskTimeoutError: If no answer came in that time.
            PeerRejectedError: If the peer refused it before it was dispatched.
            PeerLostError: If the connection broke: nobody knows whether it was
                handled.
            HandlerFailedError: If its handler raised.
            NoReplyError: If its handler returned without replying.
            ActorStoppedError: If the actor is down.
            AskCycleError: If the answer would have to wait for the handler that
                asks, by way of processes that are all of this package.
            UnexpectedReplyError: If the reply is not of the declared type.
            Rejection: If the handler raised one; a `RemoteRejection` if its
                class is not known here.
            TypeError: If it is no request, or not one that may travel.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can: there it goes on as for an asker in the process.
        """
        return await self._calls.ask(self.name, request)

    async def send(self, message: object) -> None:
        """Put *message* in the actor's mailbox, over the connection.

        It returns when the peer says that it is there, and does not wait for
        room.

        Raises:
            PeerRejectedError: If it is not: ``TARGET_BUSY`` if there is no
                room, ``ACTOR_NOT_FOUND`` if there is no such actor.
            PeerLostError: If the connection broke: nobody knows.
            ActorStoppedError: If the actor is down.
            AskTimeoutError: If the peer did not say in 30 seconds.
            TypeError: If it is no message, or not one that may travel.

        Cancellation:
            Nobody knows whether it was put in.
        """
        await self._calls.send(self.name, message)

    def stream(
        self, request: StreamRequest[R]
    ) -> AbstractAsyncContextManager[RemoteStream[R]]:
        """Send *request* over the connection, and read its replies as they come.

        ::

            async with client.actor("log").stream(Tail()) as lines:
                async for line in lines:
                    ...

        The caller's deadline travels with it, and is one for the whole stream;
        without one a stream has no end but its own.  The handler waits while
        the reader is behind, as `RemoteStream` says.

        Raises:
            TypeError: If it is no stream request, or not one that may travel.
            PeerLostError: If the connection broke, also while reading.
            AskTimeoutError: While reading, if the peer says that the time is up;
                on entering, if there was no connection for 30 seconds.
            PeerRejectedError: While reading, if the peer refused it; its code is
                ``STREAM_ERROR`` if there is no such actor.
            ActorStoppedError: While reading, if the actor is down.
            HandlerFailedError: While reading, if the handler raised.
            UnexpectedReplyError: While reading, if a reply is not of the
                declared type.
            RemoteProtocolError: While reading, if a reply is missing.
            Rejection: While reading, if the handler raised one.

        Cancellation:
            The request is given up by a peer that can; so it is when the block
            is left before the stream has ended.
        """
        return self._calls.stream(self.name, request)


publish_names(globals(), ["RemoteActorHandle"], "acton_trio.ipc")
