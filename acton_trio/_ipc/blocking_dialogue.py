"""Questions to one peer from threads, each matched with its answer.

What `Dialogue` is to trio.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from os import PathLike, fspath
from typing import Final, TypeAlias, TypeVar, final

import attrs
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
    Unsubscribe,
)
from .._wire.events import NEED_DATA, ConnectionClosed, Received
from .._wire.frames import FrameType
from .._wire.malformed import Malformed
from .._wire.states import Role
from .addresses import address_of
from .backlog import Backlog
from .exchange import Answer, fresh, no_sense
from .pump import Pump
from .recall import Recall
from .replies import Replies
from .results import last_words_in, refusal_in

__all__ = ["BlockingDialogue", "connected"]

T = TypeVar("T")

Question: TypeAlias = Request | Discover | Subscribe

# How soon to try again where too many want to connect, in seconds.
_SOON: Final = 0.01


@attrs.define(eq=False)
class _Slot:
    """Where the answer to one question is put."""

    answer: Answer | ActonError | None = None


def connected(path: str | PathLike[str], seconds: float) -> socket.socket:
    """Return a socket that is connected to the one at *path*.

    Raises:
        OSError: If nobody listens there, or has no time for so many.
        ConfigError: If no socket can be there.
    """
    deadline = time.monotonic() + seconds
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # One that is waited for would wait for ever if the queue is full, and
        # one with a timeout not at all.
        link.setblocking(False)  # noqa: FBT003 - positional in the library
        with address_of(path) as address:
            while not _has_connected(link, address):
                _check_patience(path, deadline)
                time.sleep(_SOON)
    except BaseException:
        link.close()
        raise
    return link


def _check_patience(path: str | PathLike[str], deadline: float) -> None:
    if time.monotonic() >= deadline:
        msg = f"{fspath(path)} has too many who want to connect"
        raise TimeoutError(msg)


def _has_connected(link: socket.socket, address: str | bytes) -> bool:
    try:
        link.connect(address)
    except BlockingIOError:
        return False
    return True


@final
class BlockingDialogue:
    """One side's questions to a peer; lives as long as the connection.

    Any number of threads may ask, read replies and wait for pushes.
    """

    def __init__(self, link: socket.socket) -> None:
        self._connection: Final = Connection(Role.CLIENT)
        self._pump: Final = Pump(link, self._hear, partial(self._say, HEARTBEAT))
        self._recall: Final = Recall(self._say)
        self._ids: Final = count(1)
        self._slots: Final[dict[str, _Slot]] = {}
        self._readers: Final[dict[str, Replies]] = {}
        self._backlogs: Final[list[Backlog]] = []
        self._lost: ActonError | None = None

    def new_id(self, prefix: str) -> str:
        """Return an id that no other question on this connection has."""
        return f"{prefix}_{next(self._ids)}"

    def ask(self, question: Question, deadline: float) -> Answer:
        """Write *question* and wait for its answer.

        Raises:
            TimeoutError: If there is none by then; a peer that can gives the
                request up.
            PeerLostError: If the connection broke, or is closed.
            ConnectionRefusedByPeerError: If the peer refused it.
            ProtocolError: If the peer speaks another protocol.
        """
        correlation_id = question.correlation_id
        with self._pump.lock:
            data = self._ready(question)
            slot = self._slots[correlation_id] = _Slot()
            try:
                self._pump.put(data, correlation_id)
                return self._pump.wait(partial(self._answer_in, slot), deadline)
            finally:
                del self._slots[correlation_id]
                is_asked = isinstance(question, Request) and question.expects_reply
                if slot.answer is None and self._lost is None:
                    self._call_back(correlation_id, is_asked=is_asked)

    def open(self, request: Request, replies: Replies) -> None:
        """Write *request*, and put what comes of it into *replies* until it is closed.

        Raises:
            PeerLostError, ConnectionRefusedByPeerError, ProtocolError: As `ask`.
        """
        with self._pump.lock:
            data = self._ready(request)
            # Who leaves a stream early may never read anything again, so that it
            # has to be known by then whether the peer can cancel.
            self._recall.find_out()
            self._readers[request.correlation_id] = replies
            self._pump.put(data, request.correlation_id)

    def close_stream(self, request: Request, replies: Replies) -> None:
        """Take nothing more in; have the peer give *request* up if it goes on."""
        with self._pump.lock:
            replies.forget()
            if self._readers.pop(request.correlation_id, None) is not None:
                self._call_back(request.correlation_id, is_asked=True)
            self._pump.stir()

    def wait(self, look: Callable[[], T | None], deadline: float) -> T:
        """Return what *look* finds, as soon as it finds anything.

        Raises:
            TimeoutError: If that takes longer than until *deadline*.
        """
        with self._pump.lock:
            return self._pump.wait(look, deadline)

    def attend(self, backlog: Backlog, deadline: float) -> None:
        """Have *backlog* hear what the peer pushes.

        Raises:
            PeerRejectedError: If the peer refuses.
            TimeoutError, PeerLostError, ConnectionRefusedByPeerError, ProtocolError:
                As `ask`.
        """
        with self._pump.lock:
            self._backlogs.append(backlog)
        wish = Subscribe(self.new_id("sub"), tuple(sorted(backlog.codecs)))
        answer = self.ask(wish, deadline)
        if not answer.response.success:
            raise refusal_in(answer.response)

    def leave(self, backlog: Backlog) -> None:
        """Have it hear nothing more, nor the peer push what nobody else wants."""
        with self._pump.lock:
            if backlog not in self._backlogs:
                return
            self._backlogs.remove(backlog)
            wanted = {name for each in self._backlogs for name in each.codecs}
            unwanted = set(backlog.codecs) - wanted
            # Of no names it would mean: of all.
            if unwanted:
                names = tuple(sorted(unwanted))
                self._say(Unsubscribe(self.new_id("unsub"), names))
            self._pump.stir()

    def close(self) -> None:
        """Leave; whoever waits hears of it.  Doing so twice is allowed."""
        with self._pump.lock:
            self._lose(PeerLostError("this client was closed"))
            self._pump.close()

    # --- what is said

    def _ready(self, question: Question) -> bytes:
        if self._lost is None:
            # Who knows that the peer has left says nothing that is lost.
            self._pump.catch_up()
        if self._lost is not None:
            raise fresh(self._lost)
        return self._connection.send(question)

    def _say(self, body: Body) -> None:
        if self._lost is None:
            self._pump.put(self._connection.send(body))

    def _call_back(self, correlation_id: str, *, is_asked: bool) -> None:
        # What the peer has seen nothing of is taken back.
        if not self._pump.withdraw(correlation_id) and is_asked:
            self._recall.call_back(correlation_id)

    def _answer_in(self, slot: _Slot) -> Answer | None:
        if isinstance(slot.answer, ActonError):
            raise slot.answer
        if slot.answer is None and self._lost is not None:
            raise fresh(self._lost)
        return slot.answer

    # --- what the peer says

    def _hear(self, data: bytes) -> None:
        self._connection.receive_data(data)
        try:
            while self._lost is None:
                event = self._connection.next_event()
                if event is NEED_DATA:
                    return
                # To ask a struct what it is an instance of costs as much as to make one.
                if type(event) is Received:
                    self._take(event)
                elif type(event) is ConnectionClosed:
                    self._lose(PeerLostError("the peer closed the connection"))
                elif isinstance(event, Malformed):
                    self._take_malformed(event)
        except ProtocolError as error:
            self._lose(error)

    def _take(self, event: Received) -> None:
        body = event.body
        if isinstance(body, Response):
            last_words = last_words_in(body)
            if last_words is not None:
                self._lose(last_words)
            else:
                self._answered(body, event.format)
        elif isinstance(body, StreamItem):
            self._take_item(body, event.format)
        elif isinstance(body, Push):
            for each in self._backlogs:
                each.hear(body, event.format)

    def _answered(self, body: Response, body_format: Format) -> None:
        if body.protocol_version is not UNSET:
            self._recall.learn(can_cancel=body.protocol_version.capabilities.cancel)
        answer = Answer(body, body_format)
        if not self._settle(body.correlation_id, answer):
            replies = self._readers.pop(body.correlation_id, None)
            if replies is not None:
                replies.answer(answer)

    def _take_item(self, item: StreamItem, body_format: Format) -> None:
        replies = self._readers.get(item.correlation_id)
        if replies is None or replies.put(item, body_format):
            return
        del self._readers[item.correlation_id]
        if not item.is_final:
            self._recall.call_back(item.correlation_id)

    def _take_malformed(self, event: Malformed) -> None:
        if event.frame_type is FrameType.PUSH:
            for each in self._backlogs:
                each.mishear()
            return
        error = no_sense(event)
        if not self._settle(event.correlation_id, error):
            replies = self._readers.pop(event.correlation_id, None)
            if replies is not None:
                replies.lose(error)
                self._recall.call_back(event.correlation_id)

    def _settle(self, correlation_id: str, answer: Answer | ActonError) -> bool:
        """Put *answer* where it is waited for; return whether anybody does."""
        slot = self._slots.get(correlation_id)
        if slot is None or slot.answer is not None:
            return False
        slot.answer = answer
        return True

    def _lose(self, why: ActonError) -> None:
        """Note why there will be no more answers; the first reason counts."""
        if self._lost is not None:
            return
        self._lost = why
        for replies in self._readers.values():
            replies.lose(fresh(why))
        self._readers.clear()
        for each in self._backlogs:
            each.end(why)
        self._pump.shut()
