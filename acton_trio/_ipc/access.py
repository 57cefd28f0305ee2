"""Who may connect, beside what the permissions of a socket say."""

from __future__ import annotations

import inspect
import logging
import math
import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias, final

import attrs
import trio

from .._base.util import name_of, shown
from .config import IpcAccess
from .credentials import PeerCredentials

__all__ = ["Access", "Authorize", "is_listed"]

_log = logging.getLogger("acton_trio.ipc")

Authorize: TypeAlias = Callable[[PeerCredentials], bool | Awaitable[bool]]
"""Says whether a peer may connect, at once or later."""


def is_listed(lists: IpcAccess, peer: PeerCredentials) -> bool:
    """Return whether *lists* let *peer* in, by its user or else by its group.

    Who is not known is on no list.
    """
    users, groups = lists.allow_uids, lists.allow_gids
    if users is None and groups is None:
        return True
    return peer.uid in (users or ()) or peer.gid in (groups or ())


@final
@attrs.frozen
class Access:
    """Decides who may connect; lives as long as its listener."""

    lists: IpcAccess
    authorize: Authorize | None
    patience: float
    """How long `authorize` may take, in seconds; 0: for ever."""

    def __attrs_post_init__(self) -> None:
        if self.authorize is not None and not callable(self.authorize):
            msg = f"authorize is a function, or None, not {shown(self.authorize)}"
            raise TypeError(msg)

    def objection(self, peer: PeerCredentials, *, is_unprotected: bool) -> str | None:
        """Return why *peer* may not connect by what is set, or ``None``.

        Args:
            peer: Who it is.
            is_unprotected: Whether no permissions were in its way.
        """
        lists = self.lists
        if not is_listed(lists, peer):
            return "it is on none of the lists"
        is_set = (lists.allow_uids, lists.allow_gids, self.authorize) != (None,) * 3
        if is_unprotected and not is_set and peer.uid != os.geteuid():
            return "without a list an abstract name is for our own user only"
        return None

    async def second_objection(self, peer: PeerCredentials) -> str | None:
        """Return why *peer* may not connect as `authorize` has it, or ``None``.

        It is not asked for ever, and what it raises is no consent.

        Cancellation:
            Nobody knows.
        """
        if self.authorize is None:
            return None
        try:
            with trio.move_on_after(self.patience or math.inf):
                is_welcome = await _verdict_of(self.authorize, peer)
                return None if is_welcome else "authorize said no"
        except Exception:  # noqa: BLE001 - the user's: the others go on
            _log.exception("authorize failed for the peer %s", peer)
            return "authorize failed"
        return f"authorize took longer than {self.patience:g} seconds"


async def _verdict_of(authorize: Authorize, peer: PeerCredentials) -> bool:
    found = authorize(peer)
    if not inspect.isawaitable(found):
        return _checked(found, authorize)
    return _checked(await found, authorize)


def _checked(verdict: object, authorize: Authorize) -> bool:
    # A text that is meant as a no would be true.
    if isinstance(verdict, bool):
        return verdict
    msg = f"{name_of(authorize)} returned {shown(verdict)}, which is no bool"
    raise TypeError(msg)
