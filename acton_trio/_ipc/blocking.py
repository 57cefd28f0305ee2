"""`BlockingClient`: the same calls for scripts, threads and other frameworks.

No trio in it: a socket of the standard library, and the same connection that
the trio client has.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from itertools import count
from os import PathLike, fspath
from types import TracebackType
from typing import Final, Self, TypeVar, final

import attrs

from .._base.errors import ActonError, PeerLostError, ProtocolError
from .._base.util import publish_names
from .._messages.declare import Request as RequestMessage
from .._wire.connection import Connection
from .._wire.envelopes import Discover, Request, Response
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.malformed import Malformed
from .._wire.refusals import UNKNOWN_CORRELATION_ID, refusal_of
from .._wire.states import Role
from .exchange import (
    DEFAULT_TIMEOUT,
    Answer,
    Discovery,
    IpcResponse,
    acknowledged,
    fresh,
    milliseconds_left,
    no_sense,
    plain,
    raw,
    reply_in,
    request_for,
    timed_out,
)

__all__ = ["BlockingActorHandle", "BlockingClient"]

R = TypeVar("R")

_CHUNK: Final = 65536


@final
class BlockingClient:
    """A connection to another process; lives until it is closed.

    Threads may share it: one call goes on at a time.

    Args:
        path: Path of the other process's socket.
        timeout: How long a call may take, in seconds, unless it is told
            otherwise.

    Raises:
        OSError: If nobody listens at that path.
    """

    def __init__(
        self, path: str | PathLike[str], *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._timeout: Final = timeout
        self._ids: Final = count(1)
        self._lock: Final = threading.Lock()
        self._connection: Final = Connection(Role.CLIENT)
        self._lost: ActonError | None = None
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self._seconds(None))
            self._socket.connect(fspath(path))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and end a call of another thread.

        Doing so twice is allowed.
        """
        self._lose(PeerLostError("this client was closed"))
        # Who reads in another thread finds the end of the stream.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._close_if_lost()

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
            self._new_id(),
            target,
            message_type,
            raw(payload),
            expects_reply=True,
            response_timeout_ms=milliseconds_left(seconds),
        )
        return plain(self._exchange(request, target, message_type, seconds))

    def discover(self, *, timeout: float | None = None) -> Discovery:
        """Ask the peer what it has to offer; raises what `request` raises."""
        question = Discover(self._new_id())
        seconds = self._seconds(timeout)
        answer = self._exchange(question, "the peer", "Discover", seconds)
        return Discovery.of(answer.response)

    def ask(self, target: str, message: RequestMessage[R], timeout: float | None) -> R:
        """Ask the actor *target*; see `BlockingActorHandle.ask`."""
        seconds = self._seconds(timeout)
        request = request_for(
            target, message, self._new_id(), expects_reply=True, timeout=seconds
        )
        answer = self._exchange(request, target, request.message_type, seconds)
        reply: R = reply_in(answer, request, type(message), seconds)
        return reply

    def send(self, target: str, message: object, timeout: float | None) -> None:
        """Send to the actor *target*; see `BlockingActorHandle.send`."""
        seconds = self._seconds(timeout)
        request = request_for(
            target, message, self._new_id(), expects_reply=False, timeout=seconds
        )
        answer = self._exchange(request, target, request.message_type, seconds)
        acknowledged(answer, request, seconds)

    def _seconds(self, timeout: float | None) -> float:
        seconds = self._timeout if timeout is None else timeout
        return min(seconds, threading.TIMEOUT_MAX)

    def _new_id(self) -> str:
        return f"req_{next(self._ids)}"

    # --- the connection

    def _exchange(
        self, question: Request | Discover, target: str, name: str, seconds: float
    ) -> Answer:
        deadline = time.monotonic() + seconds
        if not self._lock.acquire(timeout=max(seconds, 0)):
            raise timed_out(target, name, seconds, "another thread's call goes on")
        try:
            if self._lost is not None:
                raise fresh(self._lost)
            self._write(self._connection.send(question), deadline)
            return self._read_answer(question.correlation_id, deadline)
        except TimeoutError:
            where = "the peer has not answered"
            raise timed_out(target, name, seconds, where) from None
        except OSError as error:
            lost = PeerLostError(f"the connection broke: {error}")
            raise self._lose(lost) from error
        finally:
            self._lock.release()
            self._close_if_lost()

    def _write(self, frame: bytes, deadline: float) -> None:
        self._wait_until(deadline)
        try:
            self._socket.sendall(frame)
        except ConnectionError:
            # The peer has gone; its last words may still be there to be read.
            return
        except BaseException:
            # Nobody knows how much of the frame has gone.
            self._lose(PeerLostError("a request was written in part only"))
            raise

    def _read_answer(self, correlation_id: str, deadline: float) -> Answer:
        while True:
            try:
                event = self._connection.next_event()
            except ProtocolError as error:
                raise self._lose(error) from None
            if event is NEED_DATA:
                self._wait_until(deadline)
                self._connection.receive_data(self._socket.recv(_CHUNK))
            elif isinstance(event, ConnectionClosed):
                raise self._lose(PeerLostError("the peer closed the connection"))
            elif isinstance(event, Received) and isinstance(event.body, Response):
                if event.body.correlation_id == correlation_id:
                    return Answer(event.body, event.format)
                self._check_last_words(event.body)
            elif (
                isinstance(event, Malformed) and event.correlation_id == correlation_id
            ):
                raise no_sense(event)

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _check_last_words(self, response: Response) -> None:
        # Any other answer is a late one, to a call that has given up.
        refusal = refusal_of(response)
        if refusal is not None:
            raise self._lose(refusal)
        if response.correlation_id == UNKNOWN_CORRELATION_ID and not response.success:
            words = f"the peer says {response.error_code}: {response.error}"
            raise self._lose(PeerLostError(words))

    # --- its end

    def _lose(self, why: ActonError) -> ActonError:
        """Note why there will be no more answers; return the first such reason."""
        if self._lost is None:
            self._lost = why
        return fresh(self._lost)

    def _close_if_lost(self) -> None:
        # Not under a thread that reads: the number of its socket may be given
        # to another file at once.  That thread comes by here when it is done.
        if self._lost is not None and self._lock.acquire(blocking=False):
            try:
                self._socket.close()
            finally:
                self._lock.release()


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
        """
        self._client.send(self.name, message, timeout)


publish_names(globals(), __all__, "acton_trio.ipc")
