"""Questions to one peer over one stream, each matched with its answer.

Three tasks: one reads, one writes what cannot be written at once, and one looks
at the clock.  Whoever asks waits without a task of its own, and without a cancel
scope: these would cost more than all the rest of it.

All that the peer says comes through one stream, in one order, and nothing in
the protocol lets the peer be told to send less of one thing.  So there is one
way to slow a stream of replies down: to read nothing at all.  That is done
while a reader of replies is behind, but only as long as nobody waits for
anything else, which may be behind those very replies: what waits for an answer
while it has replies to read would wait for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import Final, final

import attrs
import trio
from msgspec import UNSET

from .._base.errors import ActonError, PeerLostError, ProtocolError
from .._base.formats import Format
from .._wire.connection import Connection
from .._wire.envelopes import (
    HEARTBEAT,
    Body,
    Discover,
    Push,
    Request,
    Response,
    StreamItem,
    Subscribe,
)
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.frames import FrameType
from .._wire.malformed import Malformed
from .._wire.states import Role
from .asker import Asker
from .direct import DirectSocket, direct
from .exchange import Answer, fresh, no_sense
from .hearers import Audience, Reader
from .outgoing import Outgoing
from .recall import Recall
from .results import last_words_in

__all__ = ["Dialogue"]

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

# While fewer wait than this, a question is written at once.  With more of them,
# those that ask in one go are written in one go, which is later, but cheaper.
_FEW: Final = 4

# Half of the time after which a server cuts a silent peer, in seconds.
_KEEPALIVE: Final = 30.0

# How long a peer that reads nothing any more may take for its last words, in seconds.
_LAST_WORDS: Final = 1.0


@final
@attrs.define(eq=False)
class Dialogue:
    """One side's questions to a peer; lives as long as the connection."""

    stream: trio.abc.Stream
    _audience: Audience
    lost: ActonError | None = attrs.field(default=None, init=False)
    """Why there will be no more answers, once there will be none."""

    has_heard: bool = attrs.field(default=False, init=False)
    """Whether the peer has said anything but why it does not listen."""

    _connection: Connection = attrs.field(init=False)
    _source: trio.abc.ReceiveStream | DirectSocket = attrs.field(init=False)
    _outgoing: Outgoing = attrs.field(init=False)
    _recall: Recall = attrs.field(init=False)
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _spoke_at: float = attrs.field(factory=trio.current_time, init=False)
    _next_number: Callable[[], int] = attrs.field(
        factory=lambda: count(1).__next__, init=False
    )
    _askers: dict[str, Asker] = attrs.field(factory=dict[str, Asker], init=False)
    _readers: dict[str, Reader] = attrs.field(factory=dict[str, Reader], init=False)
    _held_up: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(Role.CLIENT)
        ends = direct(self.stream) or self.stream
        self._source = ends
        self._outgoing = Outgoing(ends)
        self._recall = Recall(self.say)

    def new_id(self, prefix: str) -> str:
        """Return an id that no other question on this connection has."""
        return f"{prefix}_{self._next_number()}"

    def say(self, body: Body) -> None:
        """Have *body* written, and wait for nothing.

        Raises:
            LocalProtocolError: If no peer accepts so much.
        """
        if self.lost is None:
            self._outgoing.put_now(self._connection.send(body))
            self._spoke_at = trio.current_time()

    async def ask(
        self, question: Request | Discover | Subscribe, patience: float = math.inf
    ) -> Answer:
        """Write *question* and wait for its answer, as long as it takes.

        Args:
            question: What to ask.
            patience: How long to wait, in seconds; at least `DEFAULT_TIMEOUT`.

        Raises:
            TimeoutError: If there is none by then; a peer that can gives the
                request up.
            PeerLostError: If the connection broke, or is closed.
            ConnectionRefusedByPeerError: If the peer refused it.
            ProtocolError: If the peer speaks another protocol.

        Cancellation:
            The answer is dropped when it comes, and the peer is told to give
            the request up if it can.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.lost is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise fresh(self.lost)
        correlation_id = question.correlation_id
        frame = self._connection.send(question)
        is_request = isinstance(question, Request) and question.expects_reply
        now = self._spoke_at = trio.current_time()
        asker = Asker(frame, now + patience, is_recallable=is_request)
        if len(self._askers) < _FEW:
            self._outgoing.put_now(frame)
        else:
            self._outgoing.put(frame)
        self._askers[correlation_id] = asker
        self.read_on()

        def leave(_: object) -> trio.lowlevel.Abort:
            self._give_up(correlation_id)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        return asker.answer()

    def open(self, request: Request, reader: Reader) -> None:
        """Write *request*, and hand its replies to *reader* until it is closed.

        Raises:
            PeerLostError, ConnectionRefusedByPeerError, ProtocolError: As `ask`.
        """
        if self.lost is not None:
            raise fresh(self.lost)
        self.say(request)
        self._readers[request.correlation_id] = reader

    def close(self, correlation_id: str) -> None:
        """Hand nothing more on; have the peer give the request up if it goes on."""
        if self._readers.pop(correlation_id, None) is not None:
            self._recall.call_back(correlation_id)
        self.read_on()

    async def run(self) -> None:
        """Read answers and write questions until cancelled or disconnected.

        Cancellation:
            Whoever waits for an answer gets `PeerLostError`.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._life = nursery.cancel_scope
                nursery.start_soon(self._write, name="ipc client: writing")
                nursery.start_soon(self._keep_time, name="ipc client: heartbeats")
                await self._read()
        finally:
            self._lose(PeerLostError("this client was closed"))

    # --- the connection's own tasks

    async def _read(self) -> None:
        try:
            while self.lost is None:
                data = await self._source.receive_some(_CHUNK)
                self._connection.receive_data(bytes(data))
                while self._take_next():
                    while self._is_held_up():
                        await self._held_up.park()
        except ProtocolError as error:
            self._lose(error)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._lose(PeerLostError("the connection broke"))

    def read_on(self) -> None:
        """Look again whether the peer may be listened to: somebody has read, or waits."""
        if self._held_up:
            self._held_up.unpark_all()

    def _is_held_up(self) -> bool:
        """Whether a reader is behind, and nobody waits for anything else."""
        if not self._readers:
            return False
        readers = self._readers.values()
        return any(each.is_behind for each in readers) and not (
            self._askers
            or self._audience.is_waiting
            or any(each.is_waiting for each in readers)
        )

    async def _write(self) -> None:
        try:
            await self._outgoing.run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader sees the end as well, after the peer's last words; but a peer
            # that has only stopped to read may leave its own end open.
            self._outgoing.break_off()
            await trio.sleep(_LAST_WORDS)
            self._lose(PeerLostError("the connection broke"))

    async def _keep_time(self) -> None:
        """Say something before the silence gets too long, and end what takes too long."""
        while True:
            # Nobody waits for less than this takes, so nobody need wake this.
            due = min((each.due for each in self._askers.values()), default=math.inf)
            await trio.sleep_until(min(due, self._spoke_at + _KEEPALIVE))
            now = trio.current_time()
            for correlation_id, asker in [*self._askers.items()]:
                if asker.due <= now:
                    self._give_up(correlation_id)
                    asker.settle(TimeoutError())
            if now >= self._spoke_at + _KEEPALIVE:
                self.say(HEARTBEAT)

    def _give_up(self, correlation_id: str) -> None:
        asker = self._askers.pop(correlation_id)
        # What the peer has seen nothing of is taken back.
        if not self._outgoing.withdraw(asker.frame) and asker.is_recallable:
            self._recall.call_back(correlation_id)

    # --- what the peer says

    def _take_next(self) -> bool:
        """Take in what comes next of what was read; return whether there was any."""
        event = self._connection.next_event()
        if isinstance(event, Received):
            self._take(event)
        elif event is NEED_DATA:
            return False
        elif isinstance(event, ConnectionClosed):
            self._lose(PeerLostError("the peer closed the connection"))
        elif isinstance(event, Malformed):
            self._take_malformed(event)
        return self.lost is None

    def _take(self, event: Received) -> None:
        body = event.body
        if isinstance(body, Response):
            asker = self._askers.pop(body.correlation_id, None)
            if asker is not None:
                self._learn(body)
                asker.settle(Answer(body, event.format))
            elif (last_words := last_words_in(body)) is not None:
                self._lose(last_words)
                return
            else:
                self._learn(body)
                self._answer_reader(Answer(body, event.format))
        elif isinstance(body, StreamItem):
            self._take_item(body, event.format)
        elif isinstance(body, Push):
            self._audience.hear(body, event.format)
        self.has_heard = True

    def _learn(self, body: Response) -> None:
        if body.protocol_version is not UNSET:
            self._recall.learn(can_cancel=body.protocol_version.capabilities.cancel)

    def _answer_reader(self, answer: Answer) -> None:
        reader = self._readers.pop(answer.response.correlation_id, None)
        if reader is not None:
            reader.answer(answer)

    def _take_item(self, item: StreamItem, body_format: Format) -> None:
        reader = self._readers.get(item.correlation_id)
        if reader is None or reader.put(item, body_format):
            return
        if item.is_final:
            del self._readers[item.correlation_id]
        else:
            self.close(item.correlation_id)

    def _take_malformed(self, event: Malformed) -> None:
        if event.frame_type is FrameType.PUSH:
            self._audience.mishear()
            return
        correlation_id, error = event.correlation_id, no_sense(event)
        asker = self._askers.pop(correlation_id, None)
        if asker is not None:
            asker.settle(error)
            return
        reader = self._readers.get(correlation_id)
        if reader is not None:
            reader.lose(error)
            self.close(correlation_id)

    def _lose(self, why: ActonError) -> None:
        """Answer everybody that there will be no more answers, and end it all."""
        if self.lost is None:
            self.lost = why
        askers, self._askers = self._askers, {}
        for asker in askers.values():
            asker.settle(fresh(self.lost))
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            reader.lose(fresh(self.lost))
        self._life.cancel(reason="the connection has ended")
