"""`IpcListener`: a door through which peers come in, and how it is shut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import final

import attrs
import trio

from .._base.util import publish_names
from .credentials import PeerCredentials
from .doors import door_of
from .host import Host
from .own_loop import serving
from .poller import Poller, open_poller
from .reception import Reception
from .session import FAREWELL_SECONDS
from .statistics import ListenerStatistics, ShutdownResult
from .systemd import notify_systemd

__all__ = ["IpcListener"]


@final
@attrs.define(eq=False, repr=False)
class IpcListener:
    """A door through which peers come in; lives until it is shut.

    Made by `open_listener`, `serve` and ``runtime.start_ipc_listener``.
    """

    _host: Host
    _reception: Reception
    socket_path: Path | None = None
    """Where the socket is; ``None`` for listeners of another kind."""

    _tells_systemd: bool = False
    """Whether systemd hears that the door is open, and that it will be shut."""

    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _is_down: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_ending: bool = attrs.field(default=False, init=False)
    _cut_off: int | None = attrs.field(default=None, init=False)
    """How many requests were unanswered when the time for answers was over."""

    def __repr__(self) -> str:
        return f"<IpcListener {self.socket_path or 'without a path'}>"

    def statistics(self) -> ListenerStatistics:
        """Return what was counted so far."""
        return self._host.counters.snapshot(self._host.config.limits.max_connections)

    def peer_credentials(self, connection_id: int) -> PeerCredentials | None:
        """Return who is at the other end of a connection, as long as it is open.

        Args:
            connection_id: Its number: the first that was let in is 1.

        Returns:
            ``None`` if there is no such connection, or not any more.  What the
            kernel does not tell is ``None`` in the credentials.
        """
        return self._reception.peers.get(connection_id)

    def peer_pid(self, connection_id: int) -> int | None:
        """Return the process at the other end of a connection, if that is known."""
        peer = self.peer_credentials(connection_id)
        return None if peer is None else peer.pid

    async def shutdown_gracefully(self) -> ShutdownResult:
        """Refuse new requests, answer those in flight, and shut the door.

        It takes ``shutdown.drain_timeout`` at most.  The actors live on.

        Cancellation:
            The door is shut all the same, at once.
        """
        self._announce_the_end()
        counters = self._host.counters
        at_start = counters.in_flight_requests
        self._host.is_draining = True
        try:
            with trio.move_on_after(self._host.config.shutdown.drain_timeout):
                while counters.in_flight_requests:
                    await self._host.progress.park()
            self._end_answering()
            await self._let_them_leave()
        finally:
            await self._shut("the listener has drained")  # noqa: ASYNC102 - it shields itself
        cut_off = self._end_answering()
        return ShutdownResult(at_start, cut_off == 0, cut_off)

    async def stop(self) -> None:
        """Shut the door now: what is in flight is given up.

        Cancellation:
            The door is shut all the same.
        """
        await self._shut("the listener was stopped")
        await trio.lowlevel.checkpoint()

    def cancel(self, reason: str) -> None:
        """Have the door shut now, without waiting for it."""
        self._announce_the_end()
        self._end_answering()
        self._scope.cancel(reason=reason)

    def _announce_the_end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if self._tells_systemd:
            notify_systemd(state)

    def _end_answering(self) -> int:
        """Return how many requests are cut off; the first call decides.

        Somebody may stop the listener while others drain it, and what is cut
        off is not in flight any more either.
        """
        if self._cut_off is None:
            self._cut_off = self._host.counters.in_flight_requests
        return self._cut_off

    async def _let_them_leave(self) -> None:
        with trio.move_on_after(FAREWELL_SECONDS):
            for session in self._reception.sessions:
                session.leave()
            while self._reception.sessions:
                await self._host.progress.park()

    async def _shut(self, reason: str) -> None:
        self.cancel(reason)
        with trio.CancelScope(shield=True):
            await self._is_down.wait()

    async def run(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        ready: Callable[[], None],
    ) -> None:
        """Let peers in through *listeners* until the door is shut.

        Args:
            listeners: Where they come from.
            ready: Called once they can.

        Cancellation:
            Connections are closed at once; what is in flight is given up.
        """
        try:
            here = serving(trio.lowlevel.current_trio_token())
            with here, self._scope, open_poller(self._host.turns) as poller:
                async with trio.open_nursery() as nursery:
                    self._start_helpers(nursery, poller)
                    welcoming = partial(
                        trio.serve_listeners,
                        self._reception.welcome,
                        [door_of(each) for each in listeners],
                    )
                    await nursery.start(welcoming, name="ipc listener: accepting")
                    self._tell("READY=1")
                    ready()
        finally:
            self._announce_the_end()
            self._is_down.set()

    def _start_helpers(self, nursery: trio.Nursery, poller: Poller | None) -> None:
        host = self._host
        nursery.start_soon(host.turns.run, name="ipc listener: turns")
        if poller is not None:
            host.poller = poller
            nursery.start_soon(poller.run, name="ipc listener: listening")
            nursery.start_soon(host.flusher.run, name="ipc listener: writing")


publish_names(globals(), __all__, "acton_trio.ipc")
