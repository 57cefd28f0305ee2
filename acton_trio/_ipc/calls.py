"""`Calls`: what a client can ask of actors, each call from its words to its result."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar, final

import attrs
import trio
from msgspec import UNSET, Raw, UnsetType, structs

from .._base.blocks import async_block
from .._base.errors import AskError
from .._base.util import name_of
from .._kernel.activity import current_activity, waiting_activity
from .._kernel.chains import CHAIN_HEADER, abroad
from .._kernel.checks import checked_stream
from .._kernel.handle import ActorHandle, seat_of
from .._kernel.instruments import Panel
from .._messages.declare import Request as RequestMessage, StreamRequest
from .._wire.envelopes import Discover, Request
from .dialogue import Dialogue
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
from .interests import subscribe
from .patience import Patience
from .reconnecting import Line
from .remote_stream import RemoteStream
from .remote_subscription import RemoteSubscription
from .results import acknowledged, reply_in, timed_out

__all__ = ["Calls"]

R = TypeVar("R")
T = TypeVar("T")

# An id is given when it is known over which connection it goes.
_NO_ID: Final = ""

# What no handler waits for; the same each time, as most calls are.
_NOBODY: Final = nullcontext("")


class _AnyRequest(RequestMessage[Any]):
    """A request whose reply is whatever comes."""


class _AnyStreamRequest(StreamRequest[Any]):
    """The same for each reply of a stream."""


@final
class _UsualPatience:
    """Waits in its block as long as the caller will, or else for 30 seconds.

    Not by a generator: Ctrl-C amid that would leave trio with a scope that is not
    closed, and a program that says so instead of ending.
    """

    __slots__ = ("_scope", "_timed_out")

    def __init__(self, timed_out: Callable[[], AskError]) -> None:
        self._timed_out = timed_out
        self._scope: trio.CancelScope | None = None

    @trio.lowlevel.enable_ki_protection
    def __enter__(self) -> None:
        if trio.current_effective_deadline() == math.inf:
            self._scope = trio.CancelScope(relative_deadline=DEFAULT_TIMEOUT)
            self._scope.__enter__()

    @trio.lowlevel.enable_ki_protection
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._scope is not None:
            self._scope.__exit__(kind, error, traceback)
            if self._scope.cancelled_caught:
                raise self._timed_out()


@final
@attrs.define(eq=False, repr=False)
class Calls:
    """What a client can ask; lives as long as it."""

    _line: Line
    _panel: Panel

    async def ask(self, target: str, message: RequestMessage[R]) -> R:
        """Ask the actor *target*; see `RemoteActorHandle.ask`.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can.
        """
        cls = type(message)
        with _waiting_abroad() as chain:
            headers = self._headers(target, cls, chain, is_asked=True)
            patience = Patience.of_caller()
            request = request_for(
                target,
                message,
                self._line.dialogue.new_id("req"),
                expects_reply=True,
                timeout=patience.seconds,
                headers=headers,
            )
            request, answer, after = await self._exchange(request, cls, patience)
        reply: R = reply_in(answer, request, cls, after)
        return reply

    async def ask_by_name(self, target: str, name: str, payload: Raw) -> object:
        """Ask with a name and JSON, and return the reply as plain data.

        Raises:
            AskError, Rejection: As of `RemoteActorHandle.ask`.

        Cancellation:
            As of `ask`.
        """
        request, answer, timeout = await self._ask_by_name(target, name, payload)
        reply: object = reply_in(answer, request, _AnyRequest, timeout)
        return reply

    async def request(
        self, target: str, message_type: str, payload: object
    ) -> IpcResponse:
        """Ask with names and plain data; see `Client.request`.

        Cancellation:
            As of `ask`.
        """
        _, answer, _ = await self._ask_by_name(target, message_type, raw(payload))
        return plain(answer)

    async def send(self, target: str, message: object) -> None:
        """Send to the actor *target*; see `RemoteActorHandle.send`.

        Cancellation:
            Nobody knows whether it was put in.
        """
        cls = type(message)
        headers = self._headers(target, cls, is_asked=False)
        new_id = self._line.dialogue.new_id("req")
        request = request_for(
            target, message, new_id, expects_reply=False, timeout=0, headers=headers
        )
        await self._send(request, cls)

    async def send_by_name(self, target: str, name: str, payload: Raw) -> None:
        """Send with a name and JSON.

        Raises:
            AskError: As of `RemoteActorHandle.send`.

        Cancellation:
            Nobody knows whether it was put in.
        """
        headers = self._headers(target, name, is_asked=False)
        new_id = self._line.dialogue.new_id("req")
        request = Request(new_id, target, name, payload, headers=headers)
        await self._send(request, name)

    @async_block("actor.stream(...)", "replies", "reply")
    @asynccontextmanager
    async def stream(
        self, target: str, message: StreamRequest[R]
    ) -> AsyncGenerator[RemoteStream[R], None]:
        """Ask the actor *target* for a stream; see `RemoteActorHandle.stream`.

        Cancellation:
            The request is given up by a peer that can.
        """
        checked_stream(message)
        cls = type(message)
        headers = self._headers(target, cls, is_asked=True)
        request = stream_request_for(
            target, message, _NO_ID, timeout=0, headers=headers
        )
        async with self._stream(request, cls, cls) as stream:
            yield stream

    @asynccontextmanager
    async def stream_by_name(
        self, target: str, name: str, payload: Raw
    ) -> AsyncGenerator[RemoteStream[Any], None]:
        """Ask for a stream with a name and JSON, and read it as plain data.

        Raises:
            AskError, Rejection: While reading, as of `RemoteActorHandle.stream`.

        Cancellation:
            The request is given up by a peer that can.
        """
        headers = self._headers(target, name, is_asked=True)
        request = Request(
            _NO_ID, target, name, payload, expects_stream=True, headers=headers
        )
        async with self._stream(request, _AnyStreamRequest, name) as stream:
            yield stream

    async def discover(self, question: Discover) -> Answer:
        """Ask the peer what it has to offer; see `Client.discover`.

        Cancellation:
            The answer is dropped when it comes.
        """
        with self._patience("the peer", "Discover"):
            dialogue = await self._line.ready()
            question = structs.replace(question, correlation_id=dialogue.new_id("disc"))
            return await dialogue.ask(question)

    async def subscribe(self, subscription: RemoteSubscription[T]) -> None:
        """Have *subscription* hear what the peer pushes; see `Client.subscribe`.

        Cancellation:
            Nobody knows whether the peer has heard of it.
        """
        with self._patience("the peer", "Subscribe"):
            dialogue = await self._line.ready()
            self._line.interests.add(subscription)
            await subscribe(dialogue, subscription.names)

    # --- requests that are written but for their ids

    async def _ask_by_name(
        self, target: str, name: str, payload: Raw
    ) -> tuple[Request, Answer, float]:
        with _waiting_abroad() as chain:
            headers = self._headers(target, name, chain, is_asked=True)
            patience = Patience.of_caller()
            request = Request(
                self._line.dialogue.new_id("req"),
                target,
                name,
                payload,
                expects_reply=True,
                response_timeout_ms=milliseconds_left(patience.seconds),
                headers=headers,
            )
            return await self._exchange(request, name, patience)

    async def _send(self, request: Request, of: type | str) -> None:
        patience = Patience.of_caller()
        request, answer, after = await self._exchange(request, of, patience)
        acknowledged(answer, request, after)

    async def _exchange(
        self, request: Request, of: type | str, patience: Patience
    ) -> tuple[Request, Answer, float]:
        """Return *request* as it was written, its answer, and how long that might take.

        Args:
            request: What to ask, as it is written if there is a connection now.
            of: What kind of message that is, for errors.
            patience: How long the caller waits from now on.
        """
        dialogue = self._line.dialogue
        if dialogue.lost is not None:
            return await self._exchange_later(request, of)
        try:
            answer = await dialogue.ask(request, patience.by_default)
        except TimeoutError:
            raise self._timed_out(request.target, of) from None
        return request, answer, patience.seconds

    async def _exchange_later(
        self, request: Request, of: type | str
    ) -> tuple[Request, Answer, float]:
        """The same, between connections: over the next one, if there is one."""
        with self._patience(request.target, of):
            dialogue = await self._line.ready()
            request, seconds = _addressed(request, dialogue, "req")
            return request, await dialogue.ask(request), seconds

    @asynccontextmanager
    async def _stream(
        self, request: Request, message_type: type, of: type | str
    ) -> AsyncGenerator[RemoteStream[Any], None]:
        await trio.lowlevel.checkpoint()
        with self._patience(request.target, of):
            dialogue = await self._line.ready()
        request, timeout = _addressed(request, dialogue, "str")
        stream = RemoteStream[Any](request, message_type, timeout, dialogue)
        dialogue.open(request, stream)
        try:
            yield stream
        finally:
            stream.close()
            dialogue.close(request.correlation_id)

    # --- how long it may take

    def _patience(self, target: str, of: type | str) -> _UsualPatience:
        """Wait in the block as long as the caller will, or else for 30 seconds."""
        return _UsualPatience(partial(self._timed_out, target, of))

    def _timed_out(self, target: str, of: type | str) -> AskError:
        where = self._line.whereabouts()
        return timed_out(target, _name_of(of), DEFAULT_TIMEOUT, where)

    # --- what travels with it

    def _headers(
        self, target: str, of: type | str, chain: str = "", *, is_asked: bool
    ) -> dict[str, str] | UnsetType:
        """Return what travels with a message: what does with all that the actor sends.

        Who looks in on that actor may add to it, if the client has nobody of
        its own who does.
        """
        activity = current_activity.get()
        panel = self._panel
        if activity is None and not panel.message_sent:
            return UNSET
        if activity is not None and not panel.message_sent:
            assert isinstance(activity.actor, ActorHandle)
            panel = seat_of(activity.actor).mailbox.panel
        headers = dict(
            panel.headers_for(activity, target, _name_of(of), is_asked=is_asked)
        )
        if chain:
            headers[CHAIN_HEADER] = chain
        return headers or UNSET


def _waiting_abroad() -> AbstractContextManager[str]:
    """Let the peer know, in the block, which handler waits for it, if one does."""
    activity = waiting_activity()
    return _NOBODY if activity is None else abroad(activity)


def _name_of(of: type | str) -> str:
    return of if isinstance(of, str) else name_of(of)


def _addressed(
    request: Request, dialogue: Dialogue, prefix: str
) -> tuple[Request, float]:
    """Return *request* as it is written there, now, and how long its asker waits."""
    seconds = max(trio.current_effective_deadline() - trio.current_time(), 0)
    return structs.replace(
        request,
        correlation_id=dialogue.new_id(prefix),
        response_timeout_ms=milliseconds_left(seconds) if request.is_asked else UNSET,
    ), seconds
