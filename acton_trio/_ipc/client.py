"""`open_client`: a trio task's way to the actors of another process."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from os import PathLike
from typing import TypeVar, final

import attrs
import trio
from msgspec import UNSET, UnsetType

from .._base.util import name_of, publish_names
from .._kernel.activity import current_activity
from .._kernel.handle import ActorHandle, seat_of
from .._kernel.instruments import Panel
from .._messages.declare import Request as RequestMessage
from .._supervision.instruments import Instrument
from .._wire.envelopes import Discover, Request
from .dialogue import Dialogue
from .exchange import (
    DEFAULT_TIMEOUT,
    Answer,
    Discovery,
    IpcResponse,
    acknowledged,
    milliseconds_left,
    plain,
    raw,
    reply_in,
    request_for,
    timed_out,
)

__all__ = ["Client", "RemoteActorHandle", "open_client", "stream_of"]

R = TypeVar("R")


@final
@attrs.define(eq=False, repr=False)
class Client:
    """A connection to another process; lives as long as its `open_client` block.

    Any number of tasks may use it at once.
    """

    _dialogue: Dialogue
    _panel: Panel
    _ids: Iterator[int] = attrs.field(factory=lambda: iter(count(1)), init=False)

    def actor(self, name: str) -> RemoteActorHandle:
        """Return a handle of the actor that the peer exposes as *name*.

        Whether there is one shows when it is used.
        """
        return RemoteActorHandle(name, self)

    async def request(
        self, target: str, message_type: str, payload: object = None
    ) -> IpcResponse:
        """Ask with names and plain data, for when the types are not at hand.

        Args:
            target: Name under which the actor is exposed.
            message_type: Name of the message's type.
            payload: The message as plain data.

        Returns:
            The answer, also when it is an error.

        Raises:
            AskTimeoutError: If no answer came in 30 seconds, and the caller
                has no deadline of its own.
            PeerLostError: If the connection broke.
            ConnectionRefusedByPeerError: If the peer refused it.
            SerializationError: If the payload is no plain data.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can.
        """
        timeout = _time_left()
        request = Request(
            self._new_id(),
            target,
            message_type,
            raw(payload),
            expects_reply=True,
            response_timeout_ms=milliseconds_left(timeout),
            headers=self._headers(target, message_type, is_asked=True),
        )
        return plain(await self._exchange(request, target, message_type))

    async def discover(self) -> Discovery:
        """Ask the peer what it has to offer.

        Raises:
            AskTimeoutError: If no answer came in 30 seconds, and the caller
                has no deadline of its own.
            PeerLostError: If the connection broke.
            ConnectionRefusedByPeerError: If the peer refused it.

        Cancellation:
            The answer is dropped when it comes.
        """
        question = Discover(self._new_id())
        answer = await self._exchange(question, "the peer", "Discover")
        return Discovery.of(answer.response)

    async def ask(self, target: str, message: RequestMessage[R]) -> R:
        """Ask the actor *target*; see `RemoteActorHandle.ask`.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can.
        """
        timeout = _time_left()
        request = request_for(
            target,
            message,
            self._new_id(),
            expects_reply=True,
            timeout=timeout,
            headers=self._headers(target, name_of(type(message)), is_asked=True),
        )
        answer = await self._exchange(request, target, request.message_type)
        reply: R = reply_in(answer, request, type(message), timeout)
        return reply

    async def send(self, target: str, message: object) -> None:
        """Send to the actor *target*; see `RemoteActorHandle.send`.

        Cancellation:
            Nobody knows whether it was put in.
        """
        timeout = _time_left()
        request = request_for(
            target,
            message,
            self._new_id(),
            expects_reply=False,
            timeout=timeout,
            headers=self._headers(target, name_of(type(message)), is_asked=False),
        )
        answer = await self._exchange(request, target, request.message_type)
        acknowledged(answer, request, timeout)

    def _headers(
        self, target: str, message_type: str, *, is_asked: bool
    ) -> dict[str, str] | UnsetType:
        """Return what travels with a message: what does with all that the actor sends.

        Who looks in on that actor may add to it, if the client has nobody of
        its own who does.
        """
        activity = current_activity.get()
        panel = self._panel
        if activity is not None and not panel.message_sent:
            assert isinstance(activity.actor, ActorHandle)
            panel = seat_of(activity.actor).mailbox.panel
        headers = panel.headers_for(activity, target, message_type, is_asked=is_asked)
        return {**headers} or UNSET

    def _new_id(self) -> str:
        # Unique on this connection, which is all that an id has to be.
        return f"req_{next(self._ids)}"

    async def _exchange(
        self, question: Request | Discover, target: str, name: str
    ) -> Answer:
        if trio.current_effective_deadline() < math.inf:
            return await self._dialogue.ask(question)
        with trio.move_on_after(DEFAULT_TIMEOUT):
            return await self._dialogue.ask(question)
        raise timed_out(target, name, DEFAULT_TIMEOUT, "the peer has not answered")


@final
@attrs.frozen(eq=False)
class RemoteActorHandle:
    """An actor of another process; valid as long as its `Client`."""

    name: str
    """What the peer exposes it as."""

    _client: Client = attrs.field(repr=False)

    async def ask(self, request: RequestMessage[R]) -> R:
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
            UnexpectedReplyError: If the reply is not of the declared type.
            Rejection: If the handler raised one; a `RemoteRejection` if its
                class is not known here.
            TypeError: If it is no request, or not one that may travel.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can: there it goes on as for an asker in the process.
        """
        return await self._client.ask(self.name, request)

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
        await self._client.send(self.name, message)


def stream_of(client: Client) -> trio.abc.Stream:
    """Return what *client* talks over: for tests, which cut it."""
    return client._dialogue.stream  # noqa: SLF001 - not for users


def _time_left() -> float:
    deadline = trio.current_effective_deadline()
    if deadline == math.inf:
        return DEFAULT_TIMEOUT
    return max(deadline - trio.current_time(), 0)


@asynccontextmanager
async def open_client(
    where: str | PathLike[str] | trio.abc.Stream,
    *,
    instruments: Iterable[object] = (),
) -> AsyncGenerator[Client, None]:
    """Connect to another process.

    Args:
        where: Path of its socket, or any trio stream, which is closed with
            the block.
        instruments: Who hears of what is sent, and may add headers to it: the
            `message_sent` of an `acton_trio.instruments.Instrument`.  By default,
            for what an actor sends, those of its runtime.

    Raises:
        TypeError: If one of *instruments* is none.
        OSError: If nobody listens at that path.

    Cancellation:
        The connection is closed.
    """
    panel = Panel(Instrument)
    for each in instruments:
        panel.add(each)
    stream = (
        where
        if isinstance(where, trio.abc.Stream)
        else await trio.open_unix_socket(where)
    )
    dialogue = Dialogue(stream)
    body_error: BaseException | None = None
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(dialogue.run, name="ipc client")
        # The nursery would wrap what the block raises in a group.
        try:
            yield Client(dialogue, panel)
        except BaseException as error:  # noqa: BLE001, ASYNC103 - raised below
            body_error = error
        nursery.cancel_scope.cancel(reason="the client's block was left")
    if body_error is not None:
        raise body_error


publish_names(
    globals(), ["Client", "RemoteActorHandle", "open_client"], "acton_trio.ipc"
)
