"""`Replies`: what has come of a stream and was not read yet, without any I/O."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, NoReturn, TypeAlias, final

import attrs
from msgspec import UNSET, Raw

from .._base.errors import ActonError, PeerLostError, RemoteProtocolError
from .._base.formats import Format
from .._wire.envelopes import Request, Response, StreamItem
from .exchange import Answer
from .results import failure_in

__all__ = ["End", "Replies", "Reply"]

# Replies that may wait for their reader before the peer is no longer read, if
# nobody waits for anything else: as many as in the reference's client.
_MANY: Final = 64

# The same in bytes, for replies that are large.
_MUCH: Final = 1024 * 1024

# What a stream may be ahead of its reader while others wait for what comes after
# it, in bytes: as much as the largest frame.
_TOO_MUCH: Final = 16 * 1024 * 1024

# What a reply takes beside its payload, about, in bytes.
_OVERHEAD: Final = 256

_TOO_FAR_BEHIND: Final = (
    f"this stream was given up: it was more than {_TOO_MUCH} bytes ahead of its "
    "reader, and others waited for what came after it. "
    "Read it with a client of its own"
)


class Reply(NamedTuple):
    """A reply as it was read."""

    payload: Raw
    format: Format

    @property
    def cost(self) -> int:
        """What it takes, about, in bytes."""
        return len(self.payload) + _OVERHEAD


class End(NamedTuple):
    """There are no more replies."""

    failure: Answer | ActonError | None
    """Why, if not because all is said."""

    def raise_it(self, request: Request, after: float) -> NoReturn:
        """Raise what the reader of the replies to *request* is told.

        Raises:
            StopIteration: If the handler has returned.
            AskError: If the stream broke.
            Rejection: If the handler raised one.
        """
        if self.failure is None:
            raise StopIteration
        if isinstance(self.failure, Answer):
            raise failure_in(self.failure, request, after)
        raise self.failure


Found: TypeAlias = Reply | End


@final
@attrs.define(eq=False)
class Replies:
    """What has come of a stream and was not read yet; lives as long as the stream."""

    _unread: deque[Reply] = attrs.field(factory=deque[Reply], init=False)
    _size: int = attrs.field(default=0, init=False)
    _next: int = attrs.field(default=0, init=False)
    """Number of the reply that comes next."""

    _end: End | None = attrs.field(default=None, init=False)

    @property
    def is_behind(self) -> bool:
        """Whether there is as much to read as there may be while nobody else waits."""
        return len(self._unread) >= _MANY or self._size >= _MUCH

    def take(self) -> Found | None:
        """Return the next reply, or the end; nothing if there is neither yet."""
        if self._unread:
            reply = self._unread.popleft()
            self._size -= reply.cost
            return reply
        if self._end is None:
            return None
        # Told once, as by a generator: after its error a stream is at its end.
        end, self._end = self._end, End(None)
        return end

    def put(self, item: StreamItem, body_format: Format) -> bool:
        """Take the next frame of the stream in; return whether there may be more."""
        if item.error is not UNSET or item.error_code is not UNSET:
            self._finish(Answer(_failure_of(item), body_format))
        elif item.sequence != self._next:
            self._finish(_out_of_sequence(item, self._next))
        elif item.payload is UNSET and not item.is_final:
            msg = f"reply {item.sequence} of a stream has nothing in it"
            self._finish(RemoteProtocolError(msg))
        elif self._size > _TOO_MUCH:
            self._finish(PeerLostError(_TOO_FAR_BEHIND))
        else:
            if item.payload is not UNSET:
                # A view would keep all of its frame.
                self._keep(Reply(item.payload.copy(), body_format))
            if item.is_final:
                self._finish(None)
        return self._end is None

    def answer(self, answer: Answer) -> None:
        """Take in an answer that is not part of the stream, and ends it.

        It is an error as a rule: the peer had no time for streams.
        """
        if answer.response.success:
            self.put(answer.response.as_final_item(), answer.format)
        else:
            self._finish(answer)

    def lose(self, why: ActonError) -> None:
        """Take note that no more will come, and what was the matter."""
        self._finish(why)

    def forget(self) -> None:
        """Keep nothing: its reader wants no more."""
        self._unread.clear()
        self._size = 0
        self._end = End(None)

    def _keep(self, reply: Reply) -> None:
        self._unread.append(reply)
        self._size += reply.cost
        self._next += 1

    def _finish(self, failure: Answer | ActonError | None) -> None:
        if self._end is None:
            self._end = End(failure)


def _failure_of(item: StreamItem) -> Response:
    return Response(
        item.correlation_id,
        success=False,
        error=item.error,
        error_code=item.error_code,
        payload=item.payload,
        message_type=item.message_type,
    )


def _out_of_sequence(item: StreamItem, due: int) -> RemoteProtocolError:
    what = "the end" if item.is_final else "a reply"
    msg = f"{what} of a stream has the number {item.sequence}, due was {due}"
    return RemoteProtocolError(msg)
