"""`BlockingClient`: the same calls for scripts, threads and other frameworks.

No trio in it: a socket of the standard library, and the same connection that
the trio client has.
"""

from __future__ import annotations

import time
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar, final, overload

import attrs
from msgspec import UNSET

from .._base.teaching import lesson
from .._base.util import publish_names
from .._kernel.checks import checked_stream
from .._messages.declare import Request as RequestMessage, StreamRequest
from .._policy.delivery import Delivery
from .._wire.envelopes import Discover, Request
from .backlog import Backlog, terms_of
from .blocking_dialogue import BlockingDialogue, connected
from .blocking_stream import BlockingStream
from .blocking_subscription import BlockingSubscription
from .discovery import Discovery
from .exchange import (
    DEFAULT_TIMEOUT,
    Answer,
    IpcResponse,
    milliseconds_left,
    plain,
    raw,
    request_for,
    stream_request_for,
)
from .notifications import Notification, codecs_for
from .own_loop import is_for_own_loop
from .results import acknowledged, reply_in, timed_out

__all__ = ["BlockingActorHandle", "BlockingClient"]

_BLOCKING: Final = "with BlockingClient(path) as client: ..."
_OPENED: Final = "async with open_client(path) as client: ..."
_NOT_ASYNC: Final = lesson(
    "a BlockingClient has nothing to do with trio.",
    f"async {_BLOCKING}",
    _OPENED,
    _BLOCKING,
)
_WOULD_WAIT_FOR_ITSELF: Final = lesson(
    "a blocking client in a trio task of the process that it asks would wait for ever.",
    _BLOCKING,
    _OPENED,
)

R = TypeVar("R")
T = TypeVar("T")


@final
class BlockingClient:
    """A connection to another process; lives until it is closed.

    Threads may share it: calls, streams and subscriptions go on side by side.

    Args:
        path: Path of the other process's socket, or its abstract name: ``@name``.
        timeout: How long a call may take, in seconds, unless it is told
            otherwise.

    Raises:
        OSError: If nobody listens at that path.
        ConfigError: If no socket can be there.
        RuntimeError: In a trio task whose own run of trio has a listener, if it is
            this very process that listens there: each call would wait for tasks
            that wait for it.
    """

    def __init__(
        self, path: str | PathLike[str], *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._timeout: Final = timeout
        connection = connected(path, timeout)
        if is_for_own_loop(connection):
            connection.close()
            raise RuntimeError(_WOULD_WAIT_FOR_ITSELF)
        self._dialogue: Final = BlockingDialogue(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Type checkers see that there are none, and say so before it is run.
    if not TYPE_CHECKING:

        async def __aenter__(self) -> NoReturn:
            self.close()
            raise TypeError(_NOT_ASYNC)

        async def __aexit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Close the connection, and end the calls of other threads.

        Doing so twice is allowed.
        """
        self._dialogue.close()

    def actor(self, name: str) -> BlockingActorHandle:
        """Return a handle of the actor that the peer exposes as *name*.

        Whether there is one shows when it is used.
        """
        return BlockingActorHandle(name, self)

    def request(
        self,
        target: str,
        message_type: str,
        payload: object = None,
        *,
        timeout: float | None = None,
    ) -> IpcResponse:
        """Ask with names and plain data, for when the types are not at hand.

        Args:
            target: Name under which the actor is exposed.
            message_type: Name of the message's type.
            payload: The message as plain data.
            timeout: How long to wait, in seconds; by default the client's.

        Returns:
            The answer, also when it is an error.

        Raises:
            AskTimeoutError: If no answer came in that time.
            PeerLostError: If the connection broke, or is closed.
            ConnectionRefusedByPeerError: If the peer refused it.
            SerializationError: If the payload is no plain data.
        """
        seconds = self._seconds(timeout)
        request = Request(
            self._dialogue.new_id("req"),
            target,
            message_type,
            raw(payload),
            expects_reply=True,
            response_timeout_ms=milliseconds_left(seconds),
        )
        return plain(self._ask(request, target, message_type, seconds))

    def discover(
        self, *, include_schemas: bool = False, timeout: float | None = None
    ) -> Discovery:
        """Ask the peer what it has to offer; raises what `request` raises.

        Args:
            include_schemas: Whether it shall tell the JSON Schemas of its
                message types, too.
            timeout: How long to wait, in seconds; by default the client's.
        """
        new_id = self._dialogue.new_id("disc")
        question = Discover(new_id, include_schemas=include_schemas or UNSET)
        seconds = self._seconds(timeout)
        answer = self._ask(question, "the peer", "Discover", seconds)
        return Discovery.of(answer.response)

    @overload
    def subscribe(
        self,
        message_type: type[T],
        /,
        *message_types: type[T],
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription[T]: ...
    @overload
    def subscribe(
        self,
        message_type: str,
        /,
        *message_types: str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription[Notification]: ...
    @overload
    def subscribe(
        self,
        message_type: type[T] | str,
        /,
        *message_types: type[T] | str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription[T | Notification]: ...
    def subscribe(
        self,
        message_type: type | str,
        /,
        *message_types: type | str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription[Any]:
        """Read what is broadcast in the other process, of these types.

        ::

            with client.subscribe(PriceChanged) as events:
                for event in events:
                    ...

        What is lost is counted: ``events.missed`` tells how much, where it was.

        Args:
            message_type: A message class; or a name on the wire, for messages
                as `Notification`.
            *message_types: More of them.
            delivery: What happens to messages while the reader is behind; nobody
                waits for it.
            capacity: By how many messages it may be; by default 256, and one of
                `Delivery.LATEST`.
            timeout: How long the peer may take to agree, in seconds; by default
                as the client's calls.  How long a message is waited for is said
                by ``events.receive(timeout)``.

        Raises:
            PeerRejectedError: On entering, if the peer refuses.
            PeerLostError: If the connection broke, also while reading.
            AskTimeoutError: On entering, if the peer did not say in that time.
            SerializationError: While reading, if a message is not what its type
                declares.
            TypeError: If one of them is not a message class, or does not travel.
            ValueError: If others would have to wait for the reader.
        """
        codecs = codecs_for([message_type, *message_types])
        backlog = Backlog(codecs, terms_of(delivery, capacity))
        return BlockingSubscription(backlog, self._seconds(timeout), self._dialogue)

    def ask(self, target: str, message: RequestMessage[R], timeout: float | None) -> R:
        """Ask *target*, as its handle does; *message*, and *timeout* in seconds."""
        seconds = self._seconds(timeout)
        new_id = self._dialogue.new_id("req")
        request = request_for(
            target, message, new_id, expects_reply=True, timeout=seconds
        )
        answer = self._ask(request, target, request.message_type, seconds)
        reply: R = reply_in(answer, request, type(message), seconds)
        return reply

    def send(self, target: str, message: object, timeout: float | None) -> None:
        """Send to *target*, as its handle does; *message*, and *timeout* in seconds."""
        seconds = self._seconds(timeout)
        new_id = self._dialogue.new_id("req")
        request = request_for(
            target, message, new_id, expects_reply=False, timeout=seconds
        )
        answer = self._ask(request, target, request.message_type, seconds)
        acknowledged(answer, request, seconds)

    def stream(
        self, target: str, message: StreamRequest[R], timeout: float | None
    ) -> BlockingStream[R]:
        """Stream from *target*, as its handle does; *message*, *timeout* in seconds."""
        checked_stream(message)
        seconds = self._seconds(timeout)
        new_id = self._dialogue.new_id("str")
        request = stream_request_for(target, message, new_id, timeout=seconds)
        return BlockingStream(request, type(message), seconds, self._dialogue)

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    def _ask(
        self, question: Request | Discover, target: str, name: str, seconds: float
    ) -> Answer:
        try:
            return self._dialogue.ask(question, time.monotonic() + seconds)
        except TimeoutError:
            where = "the peer has not answered"
            raise timed_out(target, name, seconds, where) from None


@final
@attrs.frozen(eq=False)
class BlockingActorHandle:
    """An actor of another process; valid as long as its `BlockingClient`."""

    name: str
    """What the peer exposes it as."""

    _client: BlockingClient = attrs.field(repr=False)

    def ask(self, request: RequestMessage[R], *, timeout: float | None = None) -> R:
        """Send *request* over the connection, and wait for its reply.

        Args:
            request: What to ask.
            timeout: How long to wait, in seconds; by default the client's.
                It travels with the request.

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
        """
        return self._client.ask(self.name, request, timeout)

    def send(self, message: object, *, timeout: float | None = None) -> None:
        """Put *message* in the actor's mailbox, over the connection.

        It returns when the peer says that it is there, and does not wait for
        room.  It raises what `ask` raises, and `PeerRejectedError` with the
        code ``TARGET_BUSY`` if there is no room.

        Args:
            message: What to send.
            timeout: How long to wait for that word, in seconds; by default the
                client's.
        """
        self._client.send(self.name, message, timeout)

    def stream(
        self, request: StreamRequest[R], *, timeout: float | None = None
    ) -> BlockingStream[R]:
        """Send *request* over the connection, and read its replies as they come.

        ::

            with client.actor("log").stream(Tail(), timeout=math.inf) as lines:
                for line in lines:
                    ...

        Args:
            request: What to ask.
            timeout: How long the whole stream may take, in seconds; by default as
                the client's calls, and for ever if it is `math.inf`.  It travels
                with the request.

        Raises:
            TypeError: If it is no stream request, or not one that may travel.
            PeerLostError: If the connection broke, also while reading.
            AskTimeoutError: While reading, if the time is up.
            PeerRejectedError: While reading, if the peer refused it; its code is
                ``STREAM_ERROR`` if there is no such actor.
            ActorStoppedError: While reading, if the actor is down.
            HandlerFailedError: While reading, if the handler raised.
            UnexpectedReplyError: While reading, if a reply is not of the
                declared type.
            RemoteProtocolError: While reading, if a reply is missing.
            Rejection: While reading, if the handler raised one.
        """
        return self._client.stream(self.name, request, timeout)


publish_names(globals(), __all__, "acton_trio.ipc")
