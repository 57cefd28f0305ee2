"""`BlockingSubscription`: what another process broadcasts, for code that blocks."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Generic, Self, TypeVar, cast, final

import attrs

from .._base.errors import ActonError
from .._base.util import publish_names
from .backlog import Backlog, Unread
from .blocking_dialogue import BlockingDialogue
from .exchange import fresh
from .notifications import RemoteSubscriptionStatistics
from .results import timed_out

__all__ = ["BlockingSubscription"]

T_co = TypeVar("T_co", covariant=True)


@final
@attrs.define(eq=False, repr=False)
class BlockingSubscription(Generic[T_co]):
    """What another process broadcasts of some types; a context manager over it.

    The block is entered when the peer has agreed.  Messages come while a thread
    waits for something of this connection, here or elsewhere; the peer keeps some
    until then, drops what is beyond, and tells how much.
    """

    _backlog: Backlog
    _after: float
    """How long the peer may take to agree, in seconds."""

    _dialogue: BlockingDialogue
    _is_open: bool = attrs.field(default=False, init=False)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self._after
        try:
            self._dialogue.attend(self._backlog, deadline)
        except TimeoutError:
            self._dialogue.leave(self._backlog)
            where = "the peer has not answered"
            raise self._timed_out(where, "Subscribe", self._after) from None
        except BaseException:
            self._dialogue.leave(self._backlog)
            raise
        self._is_open = True
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._dialogue.leave(self._backlog)

    @property
    def missed(self) -> int:
        """How many messages were lost before the one that was read last.

        If nothing is unread, up to now.  It grows where the loss was: between
        two messages that are in order otherwise.
        """
        return self._backlog.missed

    def statistics(self) -> RemoteSubscriptionStatistics:
        """Return what was counted so far."""
        return self._backlog.statistics()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T_co:
        """Return the next message, waiting for it as long as it takes.

        Raises:
            SerializationError: If it is not what its type declares; the next
                call returns the one after it.
            PeerLostError: If the connection broke.
            ValueError: If the block was left.
        """
        return self._next(math.inf)

    def receive(self, timeout: float) -> T_co:
        """Return the next message, waiting for it so many seconds at most.

        Raises:
            AskTimeoutError: If there was none.
            SerializationError, PeerLostError, ValueError: As by iteration.
        """
        try:
            return self._next(time.monotonic() + timeout)
        except TimeoutError:
            names = " or ".join(sorted(self._backlog.codecs))
            where = "nothing was broadcast"
            raise self._timed_out(where, names, timeout) from None

    def _next(self, deadline: float) -> T_co:
        found = self._dialogue.wait(self._look, deadline)
        if isinstance(found, ActonError):
            raise fresh(found)
        assert isinstance(found, Unread)
        return cast("T_co", self._backlog.message_in(found))

    def _timed_out(self, where: str, name: str, after: float) -> ActonError:
        return timed_out("the peer", name, after, where)

    def _look(self) -> Unread | ActonError | None:
        if not self._is_open:
            msg = (
                "a subscription is read in its block: "
                "with client.subscribe(...) as events: ..."
            )
            raise ValueError(msg)
        return self._backlog.take()


publish_names(globals(), __all__, "acton_trio.ipc")
