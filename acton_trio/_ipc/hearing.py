"""`Hearing`: what one peer says is dealt with here, and answered.

As a rule nothing has to wait: then it is done where it was read, whoever reads.
Where something has to, this connection's own task does the waiting, and listens
again afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeGuard, final

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
    Response,
    Subscribe,
    Unsubscribe,
    is_request,
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
from .admission import Admission
from .ears import Heard
from .host import Host
from .inlet import Inlet, Next, Told
from .outbox import Outbox
from .pushes import PushSubscriptions
from .requests import Requests
from .turns import Share
from .voice import Voice

__all__ = ["FAREWELL_SECONDS", "Hearing"]

# How long a peer that is shown the door may take to read why.
FAREWELL_SECONDS: Final = 0.25

Obstacle: TypeAlias = Callable[[], Awaitable[None]]
"""Waits until what is in the way is so no more."""


@final
@attrs.define(eq=False)
class Hearing:
    """Deals with what one peer says; lives as long as its connection."""

    _host: Host
    _connection: Connection
    _inlet: Inlet
    _share: Share
    _outbox: Outbox
    _voice: Voice
    _requests: Requests
    _subscriptions: PushSubscriptions
    _admission: Admission = attrs.field(init=False)
    _has_ended: bool = attrs.field(default=False, init=False)
    """Whether the peer has said its last."""

    _turn: Obstacle = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._admission = self._requests.admission
        self._turn = self._share.wait

    async def run(self) -> float:
        """Take what the peer says, and return how long its last answers may take.

        Cancellation:
            What was not taken by then never is.
        """
        self._inlet.expect_frame()
        try:
            while True:
                obstacle = self._take_all()
                if self._has_ended:
                    break
                if obstacle is not None:
                    await obstacle()
                elif not await self._inlet.listen(self._hear):
                    return self._leave_taking()
        except BadHeaderError as fault:
            return self._say_farewell(fault.hint, fault.hint_version)
        # Who has gone cannot hear the answers.
        self._requests.give_up()
        return FAREWELL_SECONDS

    def _leave_taking(self) -> float:
        if self._outbox.is_broken:
            return 0
        if self._inlet.is_leaving:
            return self._host.config.timeouts.write_timeout or math.inf
        return self._say_farewell(idle_farewell())

    def _say_farewell(self, words: Response, version: int = 2) -> float:
        self._host.counters.errors += 1
        self._requests.give_up()
        self._voice.send(words, version, Format.JSON)
        return FAREWELL_SECONDS

    # --- as long as nothing has to wait

    def _hear(self, data: bytes | None) -> Heard:
        """Take what comes with *data*; see `Hear`."""
        if data is not None:
            self._inlet.take_in(data)
        try:
            obstacle = self._take_all()
        except BadHeaderError:
            # The task of this connection gets it as well.
            return Heard.ENOUGH
        if obstacle is self._turn:
            return Heard.SOME
        if obstacle is not None or self._has_ended or self._outbox.is_broken:
            return Heard.ENOUGH
        self._inlet.note_beginning()
        return Heard.ALL

    def _take_all(self) -> Obstacle | None:
        """Take what has come, up to what has to wait; return what it waits for."""
        inlet, voice, share = self._inlet, self._voice, self._share
        has_taken = False
        voice.gathers = True
        try:
            while share.is_due or not inlet.has_any:
                event = inlet.next_event()
                if type(event) is ConnectionClosed:
                    self._has_ended = True
                    return None
                obstacle = self._take(event)
                if obstacle is not None or event is NEED_DATA:
                    return obstacle
                has_taken = True
                if not inlet.has_more:
                    has_room = self._outbox.has_room or self._make_room()
                    return None if has_room else self._wait_for_reader
            return self._turn
        finally:
            if has_taken:
                inlet.expect_frame()
            voice.gathers = False
            if self._outbox.size:
                voice.flush()

    def _take(self, event: Next) -> Obstacle | None:
        """Take *event*, or return what it has to wait for."""
        has_room = self._outbox.has_room or self._make_room()
        if not _is_told(event):
            return None if has_room else self._wait_for_reader
        if not has_room:
            obstacle = self._wait_for_reader
        elif not _is_request(event):
            self._take_other(event)
            return None
        elif self._requests.has_room or self._is_unheard():
            self._take_request(event)
            return None
        else:
            obstacle = self._wait_for_room
        self._inlet.put_back(event)
        return obstacle

    def _make_room(self) -> bool:
        """Write what has gathered; return whether that was enough."""
        self._outbox.flush()
        return self._outbox.has_room

    def _is_unheard(self) -> bool:
        """Give up what nobody hears the answers of, so that nothing waits for them."""
        if self._outbox.is_broken:
            self._requests.give_up()
        return self._outbox.is_broken

    def _take_request(self, event: Told) -> None:
        """Hand a request on, or answer why not."""
        version, body_format = event.version, event.format
        if type(event) is Malformed:
            answer = self._admission.refusal(event.correlation_id) or event.answer()
            assert answer is not None
            self._requests.turn_away(answer, version, body_format)
            return
        assert type(event) is Received
        assert is_request(event.body)
        refusal = self._admission.refusal(event.body.correlation_id)
        if refusal is None:
            self._requests.take(event.body, version, body_format)
        else:
            self._requests.turn_away(refusal, version, body_format)

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
            self._voice.send(answer, version, body_format)
        except (LocalProtocolError, SerializationError) as error:
            # There may be more to discover than fits a frame.
            self._voice.send(_unwritable(answer, error), version, body_format)
        # A short question may have a long answer.
        self._share.charge(0, self._outbox.size - size)

    # --- when something has to wait

    async def _wait_for_reader(self) -> None:
        """Have a peer wait that asks and does not read: its answers pile up."""
        since = trio.current_time()
        await self._outbox.wait_room()
        self._inlet.excuse(trio.current_time() - since)

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
            if self._connection.buffered:
                await self._share.wait()
            try:
                event, size = self._inlet.next_frame()
            except BadHeaderError:
                # The main loop gets it as well, once nothing is in its way.
                self._inlet.forget()
                self._requests.give_up()
                return
            if isinstance(event, ConnectionClosed):
                self._requests.give_up()
                return
            if event is NEED_DATA:
                await self._inlet.receive()
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
            assert is_request(event.body)
            self._requests.never_mind(event.body, event.version, event.format)


def _is_told(event: Next) -> TypeGuard[Told]:
    # With isinstance() it would cost as much as making a struct.
    return type(event) is Received or type(event) is Malformed


def _is_request(event: Told) -> bool:
    if type(event) is Received:
        return is_request(event.body)
    assert type(event) is Malformed
    return event.frame_type is FrameType.REQUEST


def _unwritable(answer: Body, error: Exception) -> Response:
    assert isinstance(answer, Response)
    text = f"Serialization error: {error}"
    code = ErrorCode.SERIALIZATION_ERROR
    return Response(answer.correlation_id, success=False, error=text, error_code=code)
