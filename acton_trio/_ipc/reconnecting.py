"""`Line`: the way to a peer, over one connection or over one after another."""

from __future__ import annotations

import random
from typing import Any, final

import attrs
import trio

from .._base.errors import (
    ActonError,
    ConnectionRefusedByPeerError,
    PeerLostError,
)
from .._policy.backoff import Backoff
from .._wire.codes import ErrorCode
from .dialogue import Dialogue
from .exchange import fresh
from .interests import Interests, resume
from .remote_subscription import RemoteSubscription
from .ways import Connect

__all__ = ["Line"]


@final
@attrs.define(eq=False)
class Line:
    """The way to a peer; lives as long as the client.

    A connection that ends is replaced by another one if there is a *backoff*,
    unless it ended for a reason that the next one would end for as well.
    """

    dialogue: Dialogue
    """What is said over the connection that there is, or was last."""

    interests: Interests
    _connect: Connect | None = None
    _backoff: Backoff | None = None
    _over: ActonError | None = attrs.field(default=None, init=False)
    _to_resume: tuple[RemoteSubscription[Any], ...] = attrs.field(
        default=(), init=False
    )
    """What is to be taken up again over this connection."""

    _failure: OSError | trio.BrokenResourceError | None = attrs.field(
        default=None, init=False
    )
    """Why the last try to connect again was none."""

    _news: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    async def ready(self) -> Dialogue:
        """Return what questions are asked in, waiting for it between connections.

        It may have ended for good, and raises then what that was for.

        Raises:
            PeerLostError: If the client was closed meanwhile.

        Cancellation:
            Only the waiting ends.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._is_between:
            await self._news.park()
        if self._over is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise fresh(self._over)
        return self.dialogue

    @property
    def _is_between(self) -> bool:
        """Whether the connection has ended, and there will be another one."""
        if self._over is not None or self._backoff is None:
            return False
        lost = self.dialogue.lost
        return lost is not None and _may_pass(lost)

    def whereabouts(self) -> str:
        """Say where a question is that has waited too long for its answer."""
        if not self._is_between:
            return "the peer has not answered"
        reason = self._failure or self.dialogue.lost
        return f"it was not sent, as there is no connection: {reason}"

    def read_on(self) -> None:
        """Look again whether the peer may be listened to."""
        self.dialogue.read_on()

    async def run(self) -> None:
        """Keep the connection going, and make others after it, as long as it is worth it.

        Cancellation:
            The connection is closed, and whoever waits gets `PeerLostError`.
        """
        try:
            attempt = 0
            while True:
                await self._talk()
                if not self._is_between:
                    break
                attempt = 1 if self.dialogue.has_heard else attempt + 1
                attempt = await self._connect_again(attempt)
        finally:
            self._end(self.dialogue.lost or PeerLostError("this client was closed"))

    async def _talk(self) -> None:
        dialogue = self.dialogue
        try:
            async with trio.open_nursery() as nursery:
                if self._to_resume:
                    nursery.start_soon(resume, dialogue, self._to_resume)
                await dialogue.run()
                nursery.cancel_scope.cancel(reason="the connection has ended")
        finally:
            # Forcefully: a peer that does not read could hold up a farewell.
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(dialogue.stream)

    async def _connect_again(self, attempt: int) -> int:
        """Connect, trying until it works; return the number of the try that did."""
        assert self._connect is not None
        assert self._backoff is not None
        while True:
            chance = random.random()  # noqa: S311 - jitter
            await trio.sleep(self._backoff.delay(attempt, chance))
            try:
                stream = await self._connect()
            except (OSError, trio.BrokenResourceError) as error:
                self._failure = error
                attempt += 1
            else:
                self._failure = None
                # Whoever subscribes from now on does so over the new one.
                self._to_resume = self.interests.note_gap()
                self.dialogue = Dialogue(stream, self.interests)
                self._news.unpark_all()
                return attempt

    def _end(self, why: ActonError) -> None:
        if self._is_between:
            why = PeerLostError("this client was closed")
        self._over = why
        self.interests.end(why)
        self._news.unpark_all()


def _may_pass(reason: ActonError) -> bool:
    """Return whether the next connection may fare better than one lost for *reason*."""
    if isinstance(reason, ConnectionRefusedByPeerError):
        return reason.reason == ErrorCode.CONNECTION_LIMIT_REACHED
    return isinstance(reason, PeerLostError)
