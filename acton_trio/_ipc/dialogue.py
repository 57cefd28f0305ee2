"""Questions to one peer over one stream, each matched with its answer.

Three tasks: one reads, one writes what cannot be written at once, and one looks
at the clock.  Whoever asks waits without a task of its own, and without a cancel
scope: these would cost more than all the rest of it.  If it is alone with that,
and the stream is a plain socket, it reads as well: its answer, and what else
comes until that is there.

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

from .._base.errors import ActonError, PeerLostError
from .._wire.connection import Connection
from .._wire.envelopes import HEARTBEAT, Body, Discover, Request, Subscribe
from .._wire.states import Role
from .asker import Asker
from .direct import DirectSocket, direct
from .exchange import Answer, fresh
from .hearers import Audience, Reader
from .matching import Matching
from .outgoing import Outgoing
from .recall import Recall

__all__ = ["Dialogue"]

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

# While fewer wait than this, and fewer were answered at a time, a question is
# written at once.  What more of them ask in one go is written in one go, which is
# later, but cheaper.
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
    _connection: Connection = attrs.field(init=False)
    _direct: DirectSocket | None = attrs.field(init=False)
    _outgoing: Outgoing = attrs.field(init=False)
    _recall: Recall = attrs.field(init=False)
    _matching: Matching = attrs.field(init=False)
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _spoke_at: float = attrs.field(factory=trio.current_time, init=False)
    _next_number: Callable[[], int] = attrs.field(
        factory=lambda: count(1).__next__, init=False
    )
    _is_led: bool = attrs.field(default=False, init=False)
    """Whether somebody who waits for an answer reads, for all."""

    _pausing: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(Role.CLIENT)
        self._direct = direct(self.stream)
        self._outgoing = Outgoing(self._direct or self.stream)
        self._recall = Recall(self.say)
        self._matching = Matching(
            self._connection, self._audience, self._recall, self._end
        )

    @property
    def lost(self) -> ActonError | None:
        """Why there will be no more answers, once there will be none."""
        return self._matching.lost

    @property
    def has_heard(self) -> bool:
        """Whether the peer has said anything but why it does not listen."""
        return self._matching.has_heard

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

    # Ctrl-C comes while it waits, and not amid what it has read for others as well.
    @trio.lowlevel.enable_ki_protection
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
        frame = self._connection.send(question)
        askers = self._matching.askers
        is_quiet = len(askers) < _FEW and self._matching.told < _FEW
        if is_quiet:
            # Before all else: that is done while the peer is at work.
            self._outgoing.put_now(frame)
        else:
            self._outgoing.put(frame)
        self._spoke_at = trio.current_time()
        correlation_id = question.correlation_id
        is_request = type(question) is Request and question.expects_reply
        leads = is_quiet and self._may_lead()
        asker = Asker(
            frame, self._spoke_at + patience, is_recallable=is_request, is_leading=leads
        )
        askers[correlation_id] = asker
        if leads:
            await self._lead(correlation_id, asker)
        else:
            self.read_on()
            await self._follow(correlation_id)
        return asker.answer()

    def _may_lead(self) -> bool:
        """Return whether nobody waits for anything, so that whoever asks may read."""
        return not (
            self._direct is None
            or self._matching.askers
            or self._is_led
            or self._pausing
        )

    async def _lead(self, correlation_id: str, asker: Asker) -> None:
        """Wait for an answer, and read it: for others as well, should they ask."""
        socket = self._direct
        assert socket is not None
        self._is_led = True
        socket.hush()
        try:
            while asker.is_waiting:
                await socket.wait()
                self._hear(socket.read())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._matching.lose(PeerLostError("the connection broke"))
        finally:
            self._is_led = False
            socket.unhush()
            self.read_on()
            if asker.is_waiting:
                self._give_up(correlation_id)

    async def _follow(self, correlation_id: str) -> None:
        """Wait for an answer that somebody else reads."""

        def leave(_: object) -> trio.lowlevel.Abort:
            self._give_up(correlation_id)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def open(self, request: Request, reader: Reader) -> None:
        """Write *request*, and hand its replies to *reader* until it is closed.

        Raises:
            PeerLostError, ConnectionRefusedByPeerError, ProtocolError: As `ask`.
        """
        if self.lost is not None:
            raise fresh(self.lost)
        self.say(request)
        self._matching.readers[request.correlation_id] = reader

    def close(self, correlation_id: str) -> None:
        """Hand nothing more on; have the peer give the request up if it goes on."""
        self._matching.drop(correlation_id)
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
            self._matching.lose(PeerLostError("this client was closed"))
            if self._direct is not None:
                self._direct.close()

    # --- the connection's own tasks

    async def _read(self) -> None:
        try:
            while self.lost is None:
                await self._pause()
                self._matching.receive(await self._receive())
                while self._matching.take_next():
                    if self._matching.readers:
                        await self._pause()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._matching.lose(PeerLostError("the connection broke"))

    async def _pause(self) -> None:
        while self._is_led or self._matching.is_held_up:
            await self._pausing.park()

    async def _receive(self) -> bytes:
        socket = self._direct
        if socket is None:
            return bytes(await self.stream.receive_some(_CHUNK))
        while True:
            await socket.wait_idle()
            await self._pause()
            data = socket.read()
            if data is not None:
                return data

    def _hear(self, data: bytes | None) -> None:
        if data is not None:
            self._matching.receive(data)
            while self._matching.take_next():
                pass

    def read_on(self) -> None:
        """Look again whether the peer may be listened to: somebody has read, or waits."""
        if self._pausing:
            self._pausing.unpark_all()

    async def _write(self) -> None:
        try:
            await self._outgoing.run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader sees the end as well, after the peer's last words; but a peer
            # that has only stopped to read may leave its own end open.
            self._outgoing.break_off()
            await trio.sleep(_LAST_WORDS)
            self._matching.lose(PeerLostError("the connection broke"))

    async def _keep_time(self) -> None:
        """Say something before the silence gets too long, and end what takes too long."""
        while True:
            # Nobody waits for less than this takes, so nobody need wake this.
            askers = self._matching.askers
            due = min((each.due for each in askers.values()), default=math.inf)
            await trio.sleep_until(min(due, self._spoke_at + _KEEPALIVE))
            self._time_out(trio.current_time())
            if trio.current_time() >= self._spoke_at + _KEEPALIVE:
                self.say(HEARTBEAT)

    def _time_out(self, now: float) -> None:
        for correlation_id, asker in [*self._matching.askers.items()]:
            if asker.due <= now:
                self._give_up(correlation_id)
                asker.settle(TimeoutError())
                self._call_off()

    def _give_up(self, correlation_id: str) -> None:
        asker = self._matching.askers.pop(correlation_id)
        # What the peer has seen nothing of is taken back.
        if not self._outgoing.withdraw(asker.frame) and asker.is_recallable:
            self._recall.call_back(correlation_id)

    def _call_off(self) -> None:
        """Have whoever reads for all look whether it still waits."""
        if self._is_led and self._direct is not None:
            self._direct.call_off()

    def _end(self) -> None:
        self._call_off()
        self._life.cancel(reason="the connection has ended")
