"""`Interests`: what all subscriptions of one client want to hear."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, final

import attrs
import trio

from .._base.errors import ActonError, PeerRejectedError
from .._base.formats import Format
from .._wire.envelopes import Push, Subscribe
from .dialogue import Dialogue
from .exchange import DEFAULT_TIMEOUT
from .remote_subscription import RemoteSubscription
from .results import refusal_in, timed_out

__all__ = ["Interests", "resume", "subscribe"]


@final
@attrs.define(eq=False)
class Interests:
    """What all subscriptions of one client want to hear; lives as long as it."""

    _subscriptions: dict[RemoteSubscription[Any], None] = attrs.field(
        factory=dict[RemoteSubscription[Any], None], init=False
    )

    def add(self, subscription: RemoteSubscription[Any]) -> None:
        """Have *subscription* hear what is pushed from now on."""
        self._subscriptions[subscription] = None

    def remove(self, subscription: RemoteSubscription[Any]) -> Collection[str]:
        """Have it hear nothing more; return the names that nobody else wants."""
        if subscription not in self._subscriptions:
            return ()
        del self._subscriptions[subscription]
        return set(subscription.names).difference(*self._names())

    def _names(self) -> list[tuple[str, ...]]:
        return [each.names for each in self._subscriptions]

    # --- what comes

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for what is pushed."""
        return any(each.is_waiting for each in self._subscriptions)

    def hear(self, push: Push, body_format: Format) -> None:
        """Give a push to all who want it; what the peer dropped concerns them all."""
        for each in self._subscriptions:
            each.hear(push, body_format)

    def mishear(self) -> None:
        """Tell all of a push that makes no sense: nobody knows whose it was."""
        for each in self._subscriptions:
            each.mishear()

    def end(self, why: ActonError) -> None:
        """Tell all that nothing more will come."""
        for each in self._subscriptions:
            each.end(why)

    def note_gap(self) -> tuple[RemoteSubscription[Any], ...]:
        """Tell all that there is another connection; return who is to be heard of there."""
        for each in self._subscriptions:
            each.note_gap()
        return tuple(self._subscriptions)


async def resume(
    dialogue: Dialogue, subscriptions: Collection[RemoteSubscription[Any]]
) -> None:
    """Subscribe anew, over another connection.

    Cancellation:
        Nobody knows whether the peer has heard of it.
    """
    # One whose block was left meanwhile wants nothing any more.
    wanted = [each.names for each in subscriptions if not each.is_over]
    names = set[str]().union(*wanted)
    if not names:
        return
    try:
        with trio.move_on_after(DEFAULT_TIMEOUT):
            await subscribe(dialogue, names)
            return
    except PeerRejectedError as error:
        why: ActonError = error
    except ActonError:
        # This connection is lost as well, and whoever made it knows.
        return
    else:
        where = "the peer has not answered"
        why = timed_out("the peer", "Subscribe", DEFAULT_TIMEOUT, where)
    for each in subscriptions:
        each.end(why)


async def subscribe(dialogue: Dialogue, names: Collection[str]) -> None:
    """Have the peer push what is broadcast under *names*, as well.

    Raises:
        PeerRejectedError: If it refuses to.
        PeerLostError: If the connection broke.

    Cancellation:
        Nobody knows whether the peer has heard of it.
    """
    wish = Subscribe(dialogue.new_id("sub"), tuple(sorted(names)))
    answer = await dialogue.ask(wish)
    if not answer.response.success:
        raise refusal_in(answer.response)
