"""`open_client`: a trio task's way to the actors of another process."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from os import PathLike
from typing import Final, TypeVar, final

import attrs
import outcome
import trio

from .._base.errors import ActonError, PeerLostError, ProtocolError, RemoteProtocolError
from .._base.util import publish_names
from .._messages.declare import Request as RequestMessage
from .._wire.codes import ErrorCode
from .._wire.connection import Connection
from .._wire.envelopes import HEARTBEAT, Body, Discover, Heartbeat, Request, Response
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.malformed import Malformed
from .._wire.refusals import UNKNOWN_CORRELATION_ID, refusal_of
from .._wire.states import Role
from .exchange import (
    DEFAULT_TIMEOUT,
    Discovery,
    IpcResponse,
    acknowledged,
    fresh,
    milliseconds_left,
    plain,
    raw,
    reply_in,
    request_for,
    timed_out,
)
from .outbox import Outbox

__all__ = ["Client", "RemoteActorHandle", "open_client"]

R = TypeVar("R")

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

# Half of the time after which a server cuts a silent peer, in seconds.
_KEEPALIVE: Final = 30.0


@final
@attrs.define(eq=False, repr=False)
class Client:
    """A connection to another process; lives as long as its `open_client` block.

    Any number of tasks may use it at once.
    """

    _stream: trio.abc.Stream
    _connection: Connection = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _ids: Iterator[int] = attrs.field(factory=lambda: iter(count(1)), init=False)
    _waiting: dict[str, trio.lowlevel.Task] = attrs.field(
        factory=dict[str, trio.lowlevel.Task], init=False
    )
    _lost: ActonError | None = attrs.field(default=None, init=False)
    """Why there will be no more answers, once there will be none."""

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(Role.CLIENT)
        self._outbox = Outbox(self._stream)

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
            The answer is dropped when it comes.
        """
        timeout = _time_left()
        request = Request(
            self._new_id(),
            target,
            message_type,
            raw(payload),
            expects_reply=True,
            response_timeout_ms=milliseconds_left(timeout),
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
        return Discovery.of(await self._exchange(question, "the peer", "Discover"))

    async def ask(self, target: str, message: RequestMessage[R]) -> R:
        """Ask the actor *target*; see `RemoteActorHandle.ask`.

        Cancellation:
            The answer is dropped when it comes.
        """
        timeout = _time_left()
        request = request_for(
            target, message, self._new_id(), expects_reply=True, timeout=timeout
        )
        response = await self._exchange(request, target, request.message_type)
        reply: R = reply_in(response, request, type(message), timeout)
        return reply

    async def send(self, target: str, message: object) -> None:
        """Send to the actor *target*; see `RemoteActorHandle.send`.

        Cancellation:
            Nobody knows whether it was put in.
        """
        timeout = _time_left()
        request = request_for(
            target, message, self._new_id(), expects_reply=False, timeout=timeout
        )
        response = await self._exchange(request, target, request.message_type)
        acknowledged(response, request, timeout)

    def _new_id(self) -> str:
        # Unique on this connection, which is all that an id has to be.
        return f"req_{next(self._ids)}"

    async def _exchange(
        self, question: Request | Discover, target: str, name: str
    ) -> Response:
        if trio.current_effective_deadline() < math.inf:
            return await self._round_trip(question)
        with trio.move_on_after(DEFAULT_TIMEOUT):
            return await self._round_trip(question)
        raise timed_out(target, name, DEFAULT_TIMEOUT, "the peer has not answered")

    async def _round_trip(self, question: Request | Discover) -> Response:
        if self._lost is not None:
            await trio.lowlevel.checkpoint()
            raise fresh(self._lost)
        correlation_id = question.correlation_id
        self._outbox.put(self._connection.send(question))
        self._waiting[correlation_id] = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[correlation_id]
            return trio.lowlevel.Abort.SUCCEEDED

        response: Response = await trio.lowlevel.wait_task_rescheduled(leave)
        return response

    # --- the connection's own tasks

    async def run(self) -> None:
        """Read answers and write questions until cancelled or disconnected.

        Cancellation:
            Whoever waits for an answer waits on: close the block around them.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            nursery.start_soon(self._keep_alive)
            await self._read()
            nursery.cancel_scope.cancel(reason="the peer has gone")

    async def _read(self) -> None:
        try:
            while True:
                event = self._connection.next_event()
                if event is NEED_DATA:
                    data = await self._stream.receive_some(_CHUNK)
                    self._connection.receive_data(bytes(data))
                elif isinstance(event, ConnectionClosed):
                    self._lose(PeerLostError("the peer closed the connection"))
                    return
                elif isinstance(event, Received):
                    self._take(event.body)
                elif isinstance(event, Malformed):
                    self._fail(event)
        except ProtocolError as error:
            self._lose(error)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._lose(PeerLostError("the connection broke"))

    def _take(self, body: Body) -> None:
        if not isinstance(body, Response):
            assert isinstance(body, Heartbeat) or not isinstance(body, Discover)
            return
        refusal = refusal_of(body)
        if refusal is not None:
            self._lose(refusal)
            return
        task = self._waiting.pop(body.correlation_id, None)
        if task is not None:
            trio.lowlevel.reschedule(task, outcome.Value(body))
        elif body.correlation_id == UNKNOWN_CORRELATION_ID and not body.success:
            # What a peer says before it closes; a late answer has an id.
            code = body.error_code or ErrorCode.CONNECTION_CLOSED
            self._lose(PeerLostError(f"the peer says {code}: {body.error}"))

    def _fail(self, malformed: Malformed) -> None:
        task = self._waiting.pop(malformed.correlation_id, None)
        if task is not None:
            error = RemoteProtocolError(
                f"the answer makes no sense: {malformed.detail}"
            )
            trio.lowlevel.reschedule(task, outcome.Error(error))

    def _lose(self, why: ActonError) -> None:
        """Answer everybody that there will be no more answers."""
        if self._lost is None:
            self._lost = why
        waiting, self._waiting = self._waiting, {}
        for task in waiting.values():
            trio.lowlevel.reschedule(task, outcome.Error(fresh(self._lost)))

    async def _write(self) -> None:
        try:
            await self._outbox.run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader sees the end as well, after the peer's last words.
            return

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(_KEEPALIVE)
            if self._lost is None:
                self._outbox.put(self._connection.send(HEARTBEAT))


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
            The answer is dropped when it comes.
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


def _time_left() -> float:
    deadline = trio.current_effective_deadline()
    if deadline == math.inf:
        return DEFAULT_TIMEOUT
    return max(deadline - trio.current_time(), 0)


@asynccontextmanager
async def open_client(
    where: str | PathLike[str] | trio.abc.Stream,
) -> AsyncGenerator[Client, None]:
    """Connect to another process.

    Args:
        where: Path of its socket, or any trio stream, which is closed with
            the block.

    Raises:
        OSError: If nobody listens at that path.

    Cancellation:
        The connection is closed.
    """
    stream = (
        where
        if isinstance(where, trio.abc.Stream)
        else await trio.open_unix_socket(where)
    )
    client = Client(stream)
    body_error: BaseException | None = None
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(client.run, name="ipc client")
        # The nursery would wrap what the block raises in a group.
        try:
            yield client
        except BaseException as error:  # noqa: BLE001, ASYNC103 - raised below
            body_error = error
        nursery.cancel_scope.cancel(reason="the client's block was left")
    if body_error is not None:
        raise body_error


publish_names(globals(), __all__, "acton_trio.ipc")
