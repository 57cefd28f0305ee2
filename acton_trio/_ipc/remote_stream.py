"""`RemoteStream`: the replies of another process to one `StreamRequest`."""

from __future__ import annotations

from typing import Generic, NoReturn, Protocol, Self, TypeVar, final

import attrs
import trio

from .._base.blocks import AsyncOnly
from .._base.errors import ActonError
from .._base.formats import Format
from .._base.util import publish_names
from .._wire.envelopes import Request, StreamItem
from .exchange import Answer
from .replies import End, Found, Replies
from .results import decoded

__all__ = ["RemoteStream", "Source"]

R = TypeVar("R")


class Source(Protocol):
    """Where the replies come from."""

    def read_on(self) -> None:
        """Look again whether the peer may be listened to."""
        ...

    def close(self, correlation_id: str) -> None:
        """Send no more replies to the request of that id."""
        ...


@final
@attrs.define(eq=False, repr=False)
class RemoteStream(AsyncOnly, Generic[R]):
    """The replies to one request, one after another; lives as long as its block.

    While 64 replies or 1 MiB of them are unread, the connection is read only if
    somebody waits for something else that comes over it: so the peer's handler
    waits for a slow reader, and an answer never waits for one.  A stream that
    gets 16 MiB ahead of its reader in that way is given up.
    """

    _request: Request
    _message_type: type
    _after: float
    """How long there may be replies, in seconds."""

    _source: Source
    _replies: Replies = attrs.field(factory=Replies, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)
    _readers: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        """Return the next reply.

        Raises:
            StopAsyncIteration: If the handler has returned.
            AskError: If the stream broke; see `RemoteActorHandle.stream`.
            Rejection: If the handler raised one.

        Cancellation:
            No reply is lost: the next call returns it.
        """
        await trio.lowlevel.checkpoint()
        while (found := self._take()) is None:
            self._source.read_on()
            await self._readers.park()
        if isinstance(found, End):
            self._raise(found)
        try:
            reply: R = decoded(
                found.payload, found.format, self._request, self._message_type
            )
        except ActonError:
            self._replies.forget()
            self._source.close(self._request.correlation_id)
            raise
        return reply

    def _take(self) -> Found | None:
        if self._is_closed:
            msg = "the block of the stream was left"
            raise trio.ClosedResourceError(msg)
        was_behind = self.is_behind
        found = self._replies.take()
        if was_behind:
            self._source.read_on()
        return found

    def _raise(self, end: End) -> NoReturn:
        if end.failure is None:
            raise StopAsyncIteration
        end.raise_it(self._request, self._after)

    def close(self) -> None:
        """Keep nothing, and nobody waiting: the block is left."""
        self._is_closed = True
        self._replies.forget()
        self._readers.unpark_all()

    # --- what comes

    @property
    def is_behind(self) -> bool:
        """Whether there is as much to read as there may be."""
        return self._replies.is_behind

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to read, and somebody waits for that."""
        return bool(self._readers)

    def put(self, item: StreamItem, body_format: Format) -> bool:
        """Take *item*, in *body_format*, in; return whether there may be more."""
        goes_on = self._replies.put(item, body_format)
        self._wake(to_the_end=not goes_on)
        return goes_on

    def answer(self, answer: Answer) -> None:
        """Take in an answer that is not part of the stream, and ends it."""
        self._replies.answer(answer)
        self._wake(to_the_end=True)

    def lose(self, why: ActonError) -> None:
        """Take note that no more will come, and what was the matter."""
        self._replies.lose(why)
        self._wake(to_the_end=True)

    def _wake(self, *, to_the_end: bool) -> None:
        if to_the_end:
            self._readers.unpark_all()
        else:
            self._readers.unpark()


publish_names(globals(), ["RemoteStream"], "acton_trio.ipc")
