"""One peer's connection: what it says is read here, and its answers written.

Two tasks: the reader, which this one is, and the outbox, which alone writes.
While the reader waits for room, a third sees whether the peer leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import Final, final

import attrs
import trio

from .._base.formats import Format
from .._wire.connection import Connection
from .._wire.envelopes import (
    HEARTBEAT,
    Body,
    Cancel,
    Discover,
    Heartbeat,
    Request,
    Response,
    Subscribe,
    Unsubscribe,
)
from .._wire.events import NEED_DATA, ConnectionClosed, Ignored, Received
from .._wire.faults import BadHeaderError
from .._wire.malformed import Malformed
from .._wire.refusals import idle_farewell
from .._wire.states import Role
from .host import Host
from .outbox import Outbox
from .requests import Requests

__all__ = ["FAREWELL_SECONDS", "Session"]

# How long a peer that is shown the door may take to read why.
FAREWELL_SECONDS: Final = 0.25

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

# Frames that are handled in one go before other tasks have their turn.
_FRAMES_PER_SWITCH: Final = 64

_NO_SUBSCRIPTIONS: Final = "Protocol error: this server has no subscriptions"


@final
@attrs.define(eq=False)
class Session:
    """One peer's connection, from this side; lives until either closes it."""

    _stream: trio.abc.Stream
    _host: Host
    _connection: Connection = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _requests: Requests = attrs.field(init=False)
    _frame_due: float = attrs.field(default=math.inf, init=False)
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _is_leaving: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        config = self._host.config
        self._connection = Connection(
            Role.SERVER, max_message_size=config.limits.max_message_size
        )
        self._outbox = Outbox(self._stream, config.timeouts.write_timeout or math.inf)
        self._requests = Requests(self._host, self._send)

    async def run(self) -> None:
        """Serve the peer until it leaves, misbehaves, or is told to go.

        Cancellation:
            The peer's queued requests are taken back and its running `act_on`
            handlers cancelled.  What was not written yet is lost.
        """
        try:
            async with trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                nursery.start_soon(self._write, scope, name="ipc connection: writing")
                patience = await self._read()
                self._outbox.close()
                nursery.cancel_scope.deadline = trio.current_time() + patience
        finally:
            self._requests.close()
            self._connection.close()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    def leave(self) -> None:
        """Read no more, and close once all that was answered is written."""
        self._is_leaving = True
        self._reading.cancel(reason="the listener is closing")

    # --- writing

    def _send(
        self,
        body: Body,
        version: int,
        body_format: Format,
        written: Callable[[], None] | None = None,
    ) -> None:
        frame = self._connection.send(body, version=version, format=body_format)
        self._outbox.put(frame, written)

    async def _write(self, connection_scope: trio.CancelScope) -> None:
        try:
            await self._outbox.run()
        except (
            trio.TooSlowError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
        ) as error:
            connection_scope.cancel(reason=f"the peer does not read: {error!r}")

    def _say_farewell(self, words: Response, version: int = 2) -> float:
        self._host.counters.errors += 1
        self._requests.give_up()
        self._send(words, version, Format.JSON)
        return FAREWELL_SECONDS

    # --- reading

    async def _read(self) -> float:
        """Take what the peer says; return how long the last words may take."""
        self._expect_frame()
        try:
            for turn in count(1):
                event = self._connection.next_event()
                if isinstance(event, ConnectionClosed):
                    break
                if event is not NEED_DATA:
                    await self._take(event)
                    self._expect_frame()
                elif not await self._receive():
                    return self._leave_taking()
                if turn % _FRAMES_PER_SWITCH == 0:
                    await trio.lowlevel.checkpoint()
        except BadHeaderError as fault:
            return self._say_farewell(fault.hint, fault.hint_version)
        # Who has gone cannot hear the answers.
        self._requests.give_up()
        return FAREWELL_SECONDS

    def _expect_frame(self) -> None:
        """Give the peer time for its next frame: all of it, not each part."""
        timeout = self._host.config.timeouts.read_timeout or math.inf
        self._frame_due = trio.current_time() + timeout

    async def _receive(self) -> bool:
        """Read more; return whether anything came before the time was up."""
        await self._wait_for_reader()
        while not self._is_leaving:
            with trio.CancelScope(deadline=self._frame_due) as self._reading:
                await self._receive_some()
                return True
            if self._connection.buffered or not self._requests.in_flight:
                break
            # A peer that waits for an answer need not say anything.
            self._expect_frame()
        return False

    async def _wait_for_reader(self) -> None:
        """Have a peer wait that asks and does not read: its answers pile up."""
        since = trio.current_time()
        await self._outbox.wait_room()
        # Nobody has listened to it meanwhile.
        self._frame_due += trio.current_time() - since

    async def _receive_some(self) -> bool:
        """Take what the peer says next; return whether it may say more."""
        try:
            data = await self._stream.receive_some(_CHUNK)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._connection.receive_data(bytes(data))
        return bool(data)

    def _leave_taking(self) -> float:
        if self._is_leaving:
            return self._host.config.timeouts.write_timeout or math.inf
        return self._say_farewell(idle_farewell())

    async def _take(self, event: Received | Malformed | Ignored) -> None:
        if isinstance(event, Ignored):
            return
        version, body_format = event.version, event.format
        if isinstance(event, Malformed):
            answer: Body | None = event.answer()
        elif isinstance(event.body, Request):
            await self._wait_for_room()
            self._requests.take(event.body, version, body_format)
            return
        else:
            answer = self._answer_to(event.body)
        if answer is not None:
            self._send(answer, version, body_format)

    async def _wait_for_room(self) -> None:
        """Wait until one more request may be taken."""
        if self._requests.has_room:
            return
        async with trio.open_nursery() as nursery:
            name = "ipc connection: watching while full"
            nursery.start_soon(self._watch_for_the_end, name=name)
            await self._requests.wait_room()
            nursery.cancel_scope.cancel(reason="there is room for a request")

    async def _watch_for_the_end(self) -> None:
        """Read on, to see whether the peer leaves, but no more than is worth keeping."""
        while self._connection.buffered < _CHUNK:
            if not await self._receive_some():
                self._requests.give_up()
                return

    def _answer_to(self, body: Body) -> Body | None:
        match body:
            case Heartbeat():
                return HEARTBEAT
            case Discover():
                return self._host.discovered(body)
            case Subscribe() | Unsubscribe():
                return Response(
                    body.correlation_id,
                    success=False,
                    error=_NO_SUBSCRIPTIONS,
                    subscribed_types=(),
                )
            case Cancel():
                self._requests.cancel(body.correlation_id)
                return None
            case _:
                raise AssertionError("unreachable")  # noqa: EM101 - for coverage
