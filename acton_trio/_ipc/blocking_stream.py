"""`BlockingStream`: the replies of another process, one by one, for code that blocks."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Generic, Self, TypeVar, final

import attrs

from .._base.errors import ActonError
from .._base.util import publish_names
from .._wire.envelopes import Request
from .blocking_dialogue import BlockingDialogue
from .replies import End, Replies, Reply
from .results import decoded, timed_out

__all__ = ["BlockingStream"]

R = TypeVar("R")


@final
@attrs.define(eq=False, repr=False)
class BlockingStream(Generic[R]):
    """The replies to one request, one after another; a context manager over them.

    It lives as long as its block, and sends the request when that is entered.
    Leaving it before the stream has ended has a peer that can give the rest up.

    The peer's handler waits for a slow reader, unless other threads wait for
    something that comes over the same connection.  A stream that gets 16 MiB ahead
    of its reader in that way is given up.
    """

    _request: Request
    _message_type: type
    _after: float
    """How long there may be replies, in seconds."""

    _dialogue: BlockingDialogue
    _deadline: float = attrs.field(default=0.0, init=False)
    _replies: Replies | None = attrs.field(default=None, init=False)

    def __enter__(self) -> Self:
        replies = Replies()
        self._deadline = time.monotonic() + self._after
        self._dialogue.open(self._request, replies)
        self._replies = replies
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        replies, self._replies = self._replies, None
        if replies is not None:
            self._dialogue.close_stream(self._request, replies)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        """Return the next reply, waiting for it.

        Raises:
            StopIteration: If the handler has returned.
            AskTimeoutError: If it has not, and the time is up.
            AskError: If the stream broke; see `BlockingActorHandle.stream`.
            Rejection: If the handler raised one.
            ValueError: If the block was left.
        """
        request, replies = self._request, self._replies
        if replies is None:
            msg = (
                "a stream is read in its block: with actor.stream(...) as replies: ..."
            )
            raise ValueError(msg)
        try:
            found = self._dialogue.wait(replies.take, self._deadline)
        except TimeoutError:
            self._dialogue.close_stream(request, replies)
            where = "the peer has not ended its stream"
            raise timed_out(
                request.target, request.message_type, self._after, where
            ) from None
        if isinstance(found, End):
            found.raise_it(request, self._after)
        assert isinstance(found, Reply)
        try:
            reply: R = decoded(found.payload, found.format, request, self._message_type)
        except ActonError:
            self._dialogue.close_stream(request, replies)
            raise
        return reply


publish_names(globals(), __all__, "acton_trio.ipc")
