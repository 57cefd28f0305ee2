"""Questions to one peer over one stream, each matched with its answer.

Three tasks: one reads, the outbox writes, and one keeps the connection from
falling silent.  Whoever asks waits without a task of its own.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

import attrs
import outcome
import trio
from msgspec import UNSET

from .._base.errors import ActonError, PeerLostError, ProtocolError
from .._wire.codes import ErrorCode
from .._wire.connection import Connection
from .._wire.envelopes import HEARTBEAT, Cancel, Discover, Request, Response
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.malformed import Malformed
from .._wire.refusals import UNKNOWN_CORRELATION_ID, refusal_of
from .._wire.states import Role
from .exchange import Answer, fresh, no_sense
from .outbox import Outbox

__all__ = ["Dialogue"]

# As much as one wake-up may bring, in bytes.
_CHUNK: Final = 65536

# Half of the time after which a server cuts a silent peer, in seconds.
_KEEPALIVE: Final = 30.0

# Whether the peer can cancel is asked when there is something to cancel.
_CAN_YOU_CANCEL: Final = Discover(
    "disc_cancel", include_actors=False, include_message_types=False
)

# Requests to be called back, should the peer turn out to be able to: as many
# as a server works on at once for one connection.
_MOST_ABANDONED: Final = 64


@final
@attrs.define(eq=False)
class Dialogue:
    """One side's questions to a peer; lives as long as the connection."""

    stream: trio.abc.Stream
    _connection: Connection = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _waiting: dict[str, trio.lowlevel.Task] = attrs.field(
        factory=dict[str, trio.lowlevel.Task], init=False
    )
    _lost: ActonError | None = attrs.field(default=None, init=False)
    """Why there will be no more answers, once there will be none."""

    _can_cancel: bool | None = attrs.field(default=None, init=False)
    """Whether the peer knows what CANCEL is, once it has told."""

    _abandoned: deque[str] = attrs.field(
        factory=lambda: deque[str](maxlen=_MOST_ABANDONED), init=False
    )
    """What nobody waits for any more, until the peer has told that."""

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(Role.CLIENT)
        self._outbox = Outbox(self.stream)

    async def ask(self, question: Request | Discover) -> Answer:
        """Write *question* and wait for its answer, as long as it takes.

        Raises:
            PeerLostError: If the connection broke, or is closed.
            ConnectionRefusedByPeerError: If the peer refused it.
            ProtocolError: If the peer speaks another protocol.

        Cancellation:
            The answer is dropped when it comes, and the peer is told to give
            the request up if it can.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._lost is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise fresh(self._lost)
        correlation_id = question.correlation_id
        self._outbox.put(self._connection.send(question))
        self._waiting[correlation_id] = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[correlation_id]
            if isinstance(question, Request) and question.expects_reply:
                self._call_back(correlation_id)
            return trio.lowlevel.Abort.SUCCEEDED

        answer: Answer = await trio.lowlevel.wait_task_rescheduled(leave)
        return answer

    async def run(self) -> None:
        """Read answers and write questions until cancelled or disconnected.

        Cancellation:
            Whoever waits for an answer gets `PeerLostError`.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, name="ipc client: writing")
                nursery.start_soon(self._keep_alive, name="ipc client: heartbeats")
                await self._read()
                nursery.cancel_scope.cancel(reason="the peer has gone")
        finally:
            self._lose(PeerLostError("this client was closed"))

    # --- giving up

    def _call_back(self, correlation_id: str) -> None:
        """Have the peer give a request up, as soon as it is known to be able to."""
        if self._can_cancel:
            self._outbox.put(self._connection.send(Cancel(correlation_id)))
        elif self._can_cancel is None:
            if not self._abandoned:
                self._outbox.put(self._connection.send(_CAN_YOU_CANCEL))
            self._abandoned.append(correlation_id)

    def _learn(self, *, can_cancel: bool) -> None:
        self._can_cancel = can_cancel
        while self._abandoned:
            self._call_back(self._abandoned.popleft())

    # --- the connection's own tasks

    async def _read(self) -> None:
        try:
            while True:
                event = self._connection.next_event()
                if event is NEED_DATA:
                    data = await self.stream.receive_some(_CHUNK)
                    self._connection.receive_data(bytes(data))
                elif isinstance(event, ConnectionClosed):
                    self._lose(PeerLostError("the peer closed the connection"))
                    return
                elif isinstance(event, Received):
                    self._take(event)
                elif isinstance(event, Malformed):
                    self._settle(event.correlation_id, outcome.Error(no_sense(event)))
        except ProtocolError as error:
            self._lose(error)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._lose(PeerLostError("the connection broke"))

    def _take(self, event: Received) -> None:
        body = event.body
        if not isinstance(body, Response):
            return
        refusal = refusal_of(body)
        if refusal is not None:
            self._lose(refusal)
            return
        if body.protocol_version is not UNSET:
            self._learn(can_cancel=body.protocol_version.capabilities.cancel)
        answer = outcome.Value(Answer(body, event.format))
        if self._settle(body.correlation_id, answer):
            return
        if body.correlation_id == UNKNOWN_CORRELATION_ID and not body.success:
            # What a peer says before it closes; a late answer has an id.
            code = body.error_code or ErrorCode.CONNECTION_CLOSED
            self._lose(PeerLostError(f"the peer says {code}: {body.error}"))

    def _settle(
        self, correlation_id: str, result: outcome.Value[Answer] | outcome.Error
    ) -> bool:
        """Hand *result* to the one who waits for it; return whether anybody did."""
        task = self._waiting.pop(correlation_id, None)
        if task is not None:
            trio.lowlevel.reschedule(task, result)
        return task is not None

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
