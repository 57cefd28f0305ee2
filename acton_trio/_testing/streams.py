"""Streams and listeners in memory, and streams that treat bytes badly."""

from __future__ import annotations

import math
import random
from typing import TypeVar, final, overload

import attrs
import trio
import trio.testing

from .._base.util import publish_names

__all__ = ["CloggedStream", "MemoryListener", "chop", "clog", "memory_listener"]

StreamT = TypeVar("StreamT", bound=trio.abc.Stream)


@final
@attrs.define(eq=False, repr=False)
class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts one end of each pair of memory streams that it makes, until closed."""

    _inlet: trio.MemorySendChannel[trio.abc.Stream] = attrs.field(init=False)
    _outlet: trio.MemoryReceiveChannel[trio.abc.Stream] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # A backlog without end: connecting waits for nobody.
        self._inlet, self._outlet = trio.open_memory_channel[trio.abc.Stream](math.inf)

    def connect(self) -> trio.abc.HalfCloseableStream:
        """Return the client's end of a new connection.

        Raises:
            ConnectionRefusedError: If nobody listens any more.
        """
        ours, theirs = trio.testing.memory_stream_pair()
        self.admit(theirs)
        return ours

    def connect_in_lockstep(self) -> trio.abc.HalfCloseableStream:
        """Return the client's end of a connection that holds no byte by itself.

        Raises:
            ConnectionRefusedError: If nobody listens any more.
        """
        ours, theirs = trio.testing.lockstep_stream_pair()
        self.admit(theirs)
        return ours

    def admit(self, stream: trio.abc.Stream) -> None:
        """Have *stream* be the server's end of a connection made elsewhere.

        Raises:
            ConnectionRefusedError: If nobody listens any more.
        """
        try:
            self._inlet.send_nowait(stream)
        except trio.BrokenResourceError:
            msg = "the listener is closed"
            raise ConnectionRefusedError(msg) from None

    async def accept(self) -> trio.abc.Stream:
        """Wait for the server's end of a connection.

        Cancellation:
            The connection is still there to be accepted.
        """
        return await self._outlet.receive()

    async def aclose(self) -> None:
        """Accept no more.

        Cancellation:
            It is closed all the same.
        """
        self._outlet.close()
        await trio.lowlevel.checkpoint()


def memory_listener() -> MemoryListener:
    """Return a listener whose connections are in memory: ``connect()`` makes them."""
    return MemoryListener()


@final
@attrs.define(eq=False)
class _Alone:
    """Lets one task at a time send: two at once would get their bytes mixed up."""

    _is_taken: bool = attrs.field(default=False, init=False)

    def __enter__(self) -> None:
        if self._is_taken:
            msg = "another task is sending on this stream"
            raise trio.BusyResourceError(msg)
        self._is_taken = True

    def __exit__(self, *_: object) -> None:
        self._is_taken = False


@attrs.define(eq=False, repr=False)
class _Chopped(trio.abc.Stream):
    """A stream that passes bytes on in small pieces; lives as long as the inner one."""

    inner: trio.abc.Stream
    most: int
    chance: random.Random
    _alone: _Alone = attrs.field(factory=_Alone, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, piece by piece.

        Cancellation:
            Some of it was sent, and nobody knows how much.
        """
        with self._alone, memoryview(data) as view:
            await self.inner.send_all(b"")
            sent = 0
            while sent < len(view):
                piece = view[sent : sent + self.chance.randint(1, self.most)]
                await self.inner.send_all(bytes(piece))
                sent += len(piece)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending might not block.

        Cancellation:
            Only the waiting ends.
        """
        with self._alone:
            await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return a piece of what was sent.

        Cancellation:
            No byte is lost.
        """
        piece = self.chance.randint(1, self.most)
        if max_bytes is not None and max_bytes < piece:
            # Also what is no size at all, which the inner stream refuses.
            piece = max_bytes
        return await self.inner.receive_some(piece)

    async def aclose(self) -> None:
        """Close the stream.

        Cancellation:
            It is closed all the same.
        """
        await self.inner.aclose()


@final
class _HalfCloseableChopped(_Chopped, trio.abc.HalfCloseableStream):
    """The same of a stream one half of which can be closed."""

    async def send_eof(self) -> None:
        """Close this side's half of the connection.

        Cancellation:
            The stream may be closed, or not.
        """
        assert isinstance(self.inner, trio.abc.HalfCloseableStream)
        with self._alone:
            await self.inner.send_eof()


@overload
def chop(
    stream: trio.abc.HalfCloseableStream, *, most: int = 1, seed: int = 0
) -> trio.abc.HalfCloseableStream: ...
@overload
def chop(
    stream: trio.abc.Stream, *, most: int = 1, seed: int = 0
) -> trio.abc.Stream: ...
def chop(stream: trio.abc.Stream, *, most: int = 1, seed: int = 0) -> trio.abc.Stream:
    """Return *stream*, made to cut what is sent and received into small pieces.

    By default into single bytes: there it is cut at every possible place.

    Args:
        stream: Any stream; closed with what is returned.
        most: The largest piece, in bytes; each is of any size up to that.
        seed: Decides the sizes, the same one always the same.
    """
    if most < 1:
        msg = f"a piece has at least one byte, not {most}"
        raise ValueError(msg)
    halves = isinstance(stream, trio.abc.HalfCloseableStream)
    kind = _HalfCloseableChopped if halves else _Chopped
    return kind(stream, most, random.Random(seed))  # noqa: S311 - not for secrets


@attrs.define(eq=False, repr=False)
class CloggedStream(trio.abc.Stream):
    """A stream that sends nothing until it is released; made by `clog`.

    It receives all the while, and can be closed, which ends who waits to send.
    """

    _inner: trio.abc.Stream
    _is_free: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)
    _alone: _Alone = attrs.field(factory=_Alone, init=False)

    def release(self) -> None:
        """Let what waits be sent, and all that follows."""
        self._is_free.set()

    def clog(self) -> None:
        """Stall what is sent from now on, until released again."""
        if not self._is_closed:
            self._is_free = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, once released.

        Cancellation:
            Nothing was sent, if it was not released.
        """
        with self._alone:
            await self._wait_free()
            await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until released, and until sending might not block.

        Cancellation:
            Only the waiting ends.
        """
        with self._alone:
            await self._wait_free()
            await self._inner.wait_send_all_might_not_block()

    async def _wait_free(self) -> None:
        while not self._is_free.is_set():
            await self._is_free.wait()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what was sent to this end, clogged or not: *max_bytes* bytes at most.

        Cancellation:
            No byte is lost.
        """
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the stream; who waits to send gets `trio.ClosedResourceError`.

        Cancellation:
            It is closed all the same.
        """
        self._is_closed = True
        # The inner stream, closed by then, tells them.
        self._is_free.set()
        await self._inner.aclose()


@final
class _HalfCloseableClogged(CloggedStream, trio.abc.HalfCloseableStream):
    """The same of a stream one half of which can be closed."""

    async def send_eof(self) -> None:
        """Close this side's half of the connection, once released.

        Cancellation:
            The half is open, if it was not released.
        """
        assert isinstance(self._inner, trio.abc.HalfCloseableStream)
        with self._alone:
            await self._wait_free()
            await self._inner.send_eof()


def clog(stream: trio.abc.Stream) -> CloggedStream:
    """Return *stream*, made to stall what is sent until ``release()`` is called.

    Args:
        stream: Any stream; closed with what is returned.
    """
    halves = isinstance(stream, trio.abc.HalfCloseableStream)
    return _HalfCloseableClogged(stream) if halves else CloggedStream(stream)


publish_names(globals(), ["CloggedStream", "MemoryListener"], "acton_trio.testing")
