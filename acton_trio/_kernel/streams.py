"""`Stream`: the replies to one `StreamRequest`, as they come."""

from __future__ import annotations

import math
import typing
from collections.abc import Collection
from typing import Generic, NoReturn, Self, TypeVar, final

import attrs
import outcome
import trio

from .._base.blocks import AsyncOnly
from .._base.util import publish_names
from .activity import Activity, waiting
from .envelope import Envelope, Result

__all__ = ["Stream"]

R = TypeVar("R")


@final
@attrs.define(eq=False, repr=False)
class Stream(AsyncOnly, Generic[R]):
    """The replies to one request, one after another; lives as long as its block.

    The handler is at most one reply ahead of who reads.
    """

    request: Envelope | None = attrs.field(default=None, init=False)
    """What it was opened with."""

    _end: Result | None = attrs.field(default=None, init=False)
    _items: trio.MemoryReceiveChannel[R] = attrs.field(init=False)
    _inlet: trio.MemorySendChannel[R] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._inlet, self._items = trio.open_memory_channel[R](0)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        """Return the next reply.

        Raises:
            StopAsyncIteration: If the handler has returned.
            AskError: If the stream broke; see ``handle.stream``.
            Rejection: If the handler raised one.

        Cancellation:
            No reply is lost: the next call returns it.
        """
        try:
            with waiting(self):
                return await self._items.receive()
        except trio.EndOfChannel:
            self._raise_end()

    def blockers(self) -> Collection[Activity]:
        """Return the code that has to return before there can be a reply."""
        return self.request.blockers() if self.request is not None else ()

    def _raise_end(self) -> NoReturn:
        # Told once, as by a generator: after its error a stream is at its end.
        end, self._end = self._end, None
        if isinstance(end, outcome.Error):
            raise end.error
        raise StopAsyncIteration

    async def put(self, item: object) -> None:
        """Hand *item* to who reads, and wait until it is taken.

        Cancellation:
            The item was not taken, and will not be.
        """
        try:
            await self._inlet.send(typing.cast("R", item))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Nobody reads any more, and the handler is being told so in
            # trio's way: this returns by being cancelled.
            await trio.sleep_until(math.inf)

    def end(self, result: Result) -> None:
        """Let who reads know that there will be no more, and why."""
        self._end = result
        self._inlet.close()

    def close(self) -> None:
        """Take no more: nobody reads."""
        self._items.close()
        self._inlet.close()


publish_names(globals(), ["Stream"])
