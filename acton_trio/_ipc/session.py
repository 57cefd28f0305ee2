"""One peer's connection: its parts, and how long they live.

One task listens, which this one is; what it hears is dealt with by `Hearing`.
A second one writes, as soon as something cannot be written at once.  While a
request waits for room, a third reads on: one before it may be cancelled.
"""

from __future__ import annotations

import math
from functools import partial
from typing import final

import attrs
import trio

from .._kernel.envelope import Envelope
from .._wire.connection import Connection
from .._wire.states import Role
from .ears import Ear, SocketEar, ear_at
from .encryption import is_encrypted
from .flusher import send_nowait
from .hearing import FAREWELL_SECONDS, Hearing
from .host import Host
from .inlet import Inlet
from .outbox import Outbox, Shortcut
from .pushes import PushSubscriptions
from .questions import Question
from .requests import Requests
from .turns import Share
from .voice import Voice

__all__ = ["FAREWELL_SECONDS", "Session"]


@final
@attrs.define(eq=False)
class Session:
    """One peer's connection, from this side; lives until either closes it."""

    _stream: trio.abc.Stream
    _host: Host
    _connection: Connection = attrs.field(init=False)
    _ear: Ear = attrs.field(init=False)
    _inlet: Inlet = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _requests: Requests = attrs.field(init=False)
    _subscriptions: PushSubscriptions = attrs.field(init=False)
    _hearing: Hearing = attrs.field(init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    """Where the writer's task belongs, until it has been started."""

    def __attrs_post_init__(self) -> None:
        host, limits = self._host, self._host.config.limits
        timeouts = host.config.timeouts
        connection = Connection(
            Role.SERVER,
            max_message_size=limits.max_message_size,
        )
        share = Share(host.turns)
        self._ear = ear = ear_at(self._stream, host.poller, share)
        shortcut = None
        if isinstance(ear, SocketEar):
            send = partial(send_nowait, ear.socket)
            flush_soon = host.flusher.flush_soon
            shortcut = Shortcut(send, flush_soon, self._start_writing)
        self._outbox = Outbox(
            self._stream, timeouts.write_timeout or math.inf, shortcut
        )
        pending = dict[Question, Envelope]()
        voice = Voice(connection, self._outbox, pending)
        self._requests = requests = Requests(host, voice, pending)
        connection.read_request = requests.read
        self._subscriptions = PushSubscriptions(
            host.pushes, limits.push_buffer_size, voice.push
        )
        self._inlet = Inlet(
            ear,
            connection,
            share,
            self._silence,
            timeouts.read_timeout,
            lambda: math.inf if requests.in_flight else requests.answered_at,
        )
        self._connection = connection
        self._hearing = Hearing(
            host,
            connection,
            self._inlet,
            share,
            self._outbox,
            voice,
            requests,
            self._subscriptions,
        )

    async def run(self) -> None:
        """Serve the peer until it leaves, misbehaves, or is told to go.

        Cancellation:
            The peer's queued requests are taken back and its running `act_on`
            handlers cancelled.  What was not written yet is lost.
        """
        try:
            async with trio.open_nursery() as nursery:
                patience = await self._listen(nursery)
                nursery.cancel_scope.deadline = trio.current_time() + patience
        finally:
            self._subscriptions.close()
            # The number of the socket will soon be that of another one.
            self._outbox.break_off()
            self._requests.close()
            self._inlet.forget()
            self._connection.close()
            self._ear.close()
            await self._hang_up()  # noqa: ASYNC102 - it shields what has to be done

    async def _listen(self, nursery: trio.Nursery) -> float:
        """Listen to the peer; return how long the last words may take."""
        self._nursery = nursery
        try:
            if not isinstance(self._ear, SocketEar):
                self._start_writing()
            patience = await self._hearing.run()
            self._subscriptions.close()
            self._outbox.close()
        finally:
            # It is about to be closed, and others may still have something written.
            self._nursery = None
        return patience

    async def _hang_up(self) -> None:
        if is_encrypted(self._stream):
            # Who is not told that this is the end has to take it for an attack.
            with trio.move_on_after(FAREWELL_SECONDS):
                await self._stream.aclose()
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(self._stream)

    def leave(self) -> None:
        """Read no more, and close once all that was answered is written."""
        self._inlet.leave()

    def _silence(self) -> float:
        timeouts = self._host.config.timeouts
        if self._subscriptions.names:
            return timeouts.subscription_read_timeout
        return timeouts.read_timeout

    # --- writing

    def _start_writing(self) -> None:
        """Have a task write what cannot be written at once, if none does."""
        if self._nursery is not None:
            nursery, self._nursery = self._nursery, None
            scope = nursery.cancel_scope
            nursery.start_soon(self._write, scope, name="ipc connection: writing")

    async def _write(self, connection_scope: trio.CancelScope) -> None:
        try:
            await self._outbox.run()
        except trio.TooSlowError:
            connection_scope.cancel(reason="the peer does not read")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # It reads no more, but what it wrote before is still to be handled.
            self._outbox.break_off()
            self._requests.give_up()
            self._inlet.hurry(FAREWELL_SECONDS)
