"""One peer's connection: what it says is dealt with here, and answered.

Two tasks: the reader, which this one is, and the outbox, which alone writes.
While a request waits for room, a third reads on: one before it may be cancelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import attrs
import trio

from .._base.errors import LocalProtocolError, SerializationError
from .._base.formats import Format
from .._wire.codes import ErrorCode
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
from .._wire.events import (
    NEED_DATA,
    ConnectionClosed,
    Ignored,
    Received,
)
from .._wire.faults import BadHeaderError
from .._wire.frames import FrameType
from .._wire.malformed import Malformed
from .._wire.refusals import idle_farewell
from .._wire.states import Role, State
from .admission import Admission
from .encryption import is_encrypted
from .host import Host
from .inlet import Inlet, Told
from .outbox import Outbox
from .pushes import PushSubscriptions
from .requests import Requests
from .turns import Share

__all__ = ["FAREWELL_SECONDS", "Session"]

# How long a peer that is shown the door may take to read why.
FAREWELL_SECONDS: Final = 0.25


@final
@attrs.define(eq=False)
class Session:
    """One peer's connection, from this side; lives until either closes it."""

    _stream: trio.abc.Stream
    _host: Host
    _connection: Connection = attrs.field(init=False)
    _inlet: Inlet = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _admission: Admission = attrs.field(init=False)
    _requests: Requests = attrs.field(init=False)
    _subscriptions: PushSubscriptions = attrs.field(init=False)
    _share: Share = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        config = self._host.config
        size = config.limits.max_message_size
        self._connection = Connection(
            Role.SERVER, max_message_size=size, read_request=self._read_request
        )
        self._outbox = Outbox(self._stream, config.timeouts.write_timeout or math.inf)
        self._share = Share(self._host.turns)
        self._requests = requests = Requests(self._host, self)
        self._admission = requests.admission
        self._subscriptions = PushSubscriptions(
            self._host.pushes, config.limits.push_buffer_size, self._push
        )
        self._inlet = Inlet(
            self._stream,
            self._connection,
            self._share,
            self._silence,
            config.timeouts.read_timeout,
            lambda: math.inf if requests.in_flight else requests.answered_at,
        )

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
                self._subscriptions.close()
                self._outbox.close()
                nursery.cancel_scope.deadline = trio.current_time() + patience
        finally:
            self._subscriptions.close()
            self._requests.close()
            self._inlet.forget()
            self._connection.close()
            await self._hang_up()  # noqa: ASYNC102 - it shields what has to be done

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

    def send(
        self,
        body: Body,
        version: int,
        body_format: Format,
        written: Callable[[], None] | None = None,
    ) -> None:
        """Have *body* written in a version and a format, and be told when it is.

        Raises:
            LocalProtocolError: If it is larger than any peer accepts.
            SerializationError: If a string of it cannot be written.
        """
        frame = self._connection.send(body, version=version, format=body_format)
        self._outbox.put(frame, written)

    async def wait_calm(self) -> None:
        """Wait until what was put in leaves the peer time for one more item.

        Cancellation:
            Only the waiting ends.
        """
        await self._outbox.wait_calm()

    def _push(self, frame: bytes, written: Callable[[], None]) -> bool:
        if self._connection.state in {State.BROKEN, State.CLOSED}:
            return False
        self._outbox.put(frame, written)
        return True

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

    def _say_farewell(self, words: Response, version: int = 2) -> float:
        self._host.counters.errors += 1
        self._requests.give_up()
        self.send(words, version, Format.JSON)
        return FAREWELL_SECONDS

    # --- reading

    def _read_request(self, body: bytes, body_format: Format) -> Request | None:
        return self._requests.read(body, body_format)

    async def _read(self) -> float:
        """Take what the peer says; return how long the last words may take."""
        self._inlet.expect_frame()
        try:
            while True:
                event = await self._inlet.next_event()
                if isinstance(event, ConnectionClosed):
                    break
                if not self._outbox.has_room:
                    await self._wait_for_reader()
                if event is not NEED_DATA:
                    await self._take(event)
                    self._inlet.expect_frame()
                elif not await self._inlet.receive():
                    return self._leave_taking()
        except BadHeaderError as fault:
            return self._say_farewell(fault.hint, fault.hint_version)
        # Who has gone cannot hear the answers.
        self._requests.give_up()
        return FAREWELL_SECONDS

    async def _wait_for_reader(self) -> None:
        """Have a peer wait that asks and does not read: its answers pile up."""
        since = trio.current_time()
        await self._outbox.wait_room()
        self._inlet.excuse(trio.current_time() - since)

    def _leave_taking(self) -> float:
        if self._outbox.is_broken:
            return 0
        if self._inlet.is_leaving:
            return self._host.config.timeouts.write_timeout or math.inf
        return self._say_farewell(idle_farewell())

    async def _take(self, event: Told | Ignored) -> None:
        if isinstance(event, Ignored):
            return
        if not _is_request(event):
            self._take_other(event)
        elif self._requests.has_room:
            self._take_request(event)
        elif self._outbox.is_broken:
            # Nobody hears those answers, so nothing waits for them.
            self._requests.give_up()
            self._take_request(event)
        else:
            self._inlet.put_back(event)
            await self._wait_for_room()

    def _take_request(self, event: Told) -> None:
        """Hand a request on, or answer why not."""
        version, body_format = event.version, event.format
        answer: Body | None = self._admission.refusal(_correlation_id_of(event))
        if answer is None and isinstance(event, Malformed):
            answer = event.answer()
        if answer is not None:
            self._requests.turn_away(answer, version, body_format)
            return
        assert isinstance(event, Received)
        assert isinstance(event.body, Request)
        self._requests.take(event.body, version, body_format)

    def _take_other(self, event: Told) -> None:
        """Answer what is no request, if anything is due to it."""
        version, body_format = event.version, event.format
        if isinstance(event, Malformed):
            answer: Body | None = event.answer()
        else:
            answer = self._answer_to(event.body)
        if answer is None:
            return
        size = self._outbox.size
        try:
            self.send(answer, version, body_format)
        except (LocalProtocolError, SerializationError) as error:
            # There may be more to discover than fits a frame.
            self.send(_unwritable(answer, error), version, body_format)
        # A short question may have a long answer.
        self._share.charge(0, self._outbox.size - size)

    # --- while there is no room

    async def _wait_for_room(self) -> None:
        """Wait until one more request may be taken.

        The peer is listened to, but only for its giving up a request, or all by
        leaving: what else it says has to wait.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_on, name="ipc connection: reading on")
            await self._requests.wait_room()
            nursery.cancel_scope.cancel(reason="there is room for a request")

    async def _read_on(self) -> None:
        """Take what gives a request up, and keep the rest, but no more than a chunk."""
        may_keep = True
        while may_keep:
            try:
                event, size = await self._inlet.next_frame()
            except BadHeaderError:
                # The main loop gets it as well, once nothing is in its way.
                self._inlet.forget()
                self._requests.give_up()
                return
            if isinstance(event, ConnectionClosed):
                self._requests.give_up()
                return
            if event is NEED_DATA:
                await self._inlet.receive_some()
            elif isinstance(event, Received) and isinstance(event.body, Cancel):
                self._cancel(event.body.correlation_id)
                await self._outbox.wait_room()
            elif not isinstance(event, Ignored):
                may_keep = self._inlet.keep(event, size)

    # --- what is no request

    def _answer_to(self, body: Body) -> Body | None:
        match body:
            case Heartbeat():
                return HEARTBEAT
            case Discover():
                return self._host.discovered(body)
            case Subscribe() | Unsubscribe():
                return self._subscribe(body)
            case Cancel():
                self._cancel(body.correlation_id)
                return None
            case _:
                raise AssertionError("unreachable")  # noqa: EM101 - for coverage

    def _subscribe(self, wish: Subscribe | Unsubscribe) -> Response:
        subscriptions = self._subscriptions
        self._host.counters.subscriptions_processed += 1
        if isinstance(wish, Unsubscribe):
            subscriptions.remove(wish.message_types)
            return wish.response(subscriptions.names)
        try:
            subscriptions.add(wish.message_types)
        except LocalProtocolError as error:
            return wish.refusal(str(error), subscriptions.names)
        return wish.response(subscriptions.names)

    def _cancel(self, correlation_id: str) -> None:
        if self._requests.cancel(correlation_id):
            return
        event = self._inlet.withdraw(correlation_id)
        if event is not None:
            assert isinstance(event.body, Request)
            self._requests.never_mind(event.body, event.version, event.format)


def _is_request(event: Told) -> bool:
    if isinstance(event, Malformed):
        return event.frame_type is FrameType.REQUEST
    return isinstance(event.body, Request)


def _correlation_id_of(event: Told) -> str:
    if isinstance(event, Malformed):
        return event.correlation_id
    assert isinstance(event.body, Request)
    return event.body.correlation_id


def _unwritable(answer: Body, error: Exception) -> Response:
    assert isinstance(answer, Response)
    text = f"Serialization error: {error}"
    code = ErrorCode.SERIALIZATION_ERROR
    return Response(answer.correlation_id, success=False, error=text, error_code=code)
