"""Where connections come in, and some of them are turned away."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

import attrs
import trio

from .._wire.connection import Connection
from .._wire.envelopes import Response
from .._wire.refusals import access_refusal, connection_limit_refusal
from .._wire.states import Role
from .access import Access
from .credentials import PeerCredentials, credentials_of, is_through_abstract_name
from .encryption import shake_hands
from .host import Host
from .session import FAREWELL_SECONDS, Session

__all__ = ["Reception"]

_log = logging.getLogger("acton_trio.ipc")


@final
@attrs.define(eq=False)
class Reception:
    """Where connections come in; lives as long as its listener."""

    _host: Host
    _access: Access
    sessions: set[Session] = attrs.field(factory=set[Session], init=False)
    """The connections that were let in."""

    peers: dict[int, PeerCredentials] = attrs.field(
        factory=dict[int, PeerCredentials], init=False
    )
    """Who they are, by their numbers."""

    async def welcome(self, stream: trio.abc.Stream) -> None:
        """Serve a peer until it leaves, or say why not; whoever calls closes *stream*.

        Cancellation:
            What is in flight is given up.
        """
        peer = credentials_of(stream)
        refusal = self._limit_refusal(peer)
        if refusal is None:
            with self._place():
                refusal = await self._receive(stream, peer)
        if refusal is not None:
            self._host.counters.errors += 1
            await _turn_away(stream, refusal)

    def _limit_refusal(self, peer: PeerCredentials) -> Response | None:
        limit = self._host.config.limits.max_connections
        if self._host.counters.connections_active < limit:
            return None
        _log.warning("refused the peer %s: %d connections are open", peer, limit)
        return connection_limit_refusal(limit)

    @contextmanager
    def _place(self) -> Generator[None, None, None]:
        self._host.counters.connections_active += 1
        try:
            yield
        finally:
            self._host.counters.connections_active -= 1
            self._host.progress.unpark_all()

    async def _receive(
        self, stream: trio.abc.Stream, peer: PeerCredentials
    ) -> Response | None:
        """Serve *peer*, or return what it is told instead."""
        objection = self._access.objection(
            peer, is_unprotected=is_through_abstract_name(stream)
        )
        objection = objection or await self._access.second_objection(peer)
        if objection is not None:
            _log.warning("refused the peer %s: %s", peer, objection)
            # Not why: who may not connect need not learn who may.
            words = f"Server refused the connection: access denied ({peer})"
            return access_refusal(words)
        patience = self._host.config.timeouts.handshake_timeout or math.inf
        fault = await shake_hands(stream, patience)
        if fault is not None:
            self._host.counters.errors += 1
            _log.warning("the TLS handshake of a peer failed: %s", fault)
            return None
        with self._number(peer):
            await self._serve(stream)
        return None

    @contextmanager
    def _number(self, peer: PeerCredentials) -> Generator[None, None, None]:
        """Give *peer* the next number: how many were let in, itself included."""
        self._host.counters.connections_accepted += 1
        number = self._host.counters.connections_accepted
        self.peers[number] = peer
        _log.debug("connection %d is that of %s", number, peer)
        try:
            yield
        finally:
            del self.peers[number]

    async def _serve(self, stream: trio.abc.Stream) -> None:
        session = Session(stream, self._host)
        self.sessions.add(session)
        try:
            await session.run()
        except Exception:  # noqa: BLE001 - one connection's: the others go on
            _log.exception("a connection failed")
        finally:
            self.sessions.remove(session)


async def _turn_away(stream: trio.abc.Stream, refusal: Response) -> None:
    words = Connection(Role.SERVER).send(refusal)
    try:
        with trio.move_on_after(FAREWELL_SECONDS):
            await stream.send_all(words)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
