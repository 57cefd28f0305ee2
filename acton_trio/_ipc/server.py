"""`serve` and `open_listener`: the doors through which peers come in."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final, final

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import publish_names
from .._runtime.runtime import RuntimeCore
from .._wire.connection import Connection
from .._wire.refusals import connection_limit_refusal
from .._wire.states import Role
from .config import IpcConfig
from .host import Host
from .paths import bind_socket
from .session import FAREWELL_SECONDS, Session
from .statistics import ListenerStatistics, ShutdownResult

__all__ = ["IpcListener", "open_listener", "serve", "start_listener"]

_log = logging.getLogger("acton_trio.ipc")

# Connections that may wait to be accepted, in a burst; the kernel caps it.
_BACKLOG: Final = 4096


@final
@attrs.define(eq=False, repr=False)
class IpcListener:
    """A door through which peers come in; lives until it is shut.

    Made by `open_listener`, `serve` and ``runtime.start_ipc_listener``.
    """

    _host: Host
    socket_path: Path | None = None
    """Where the socket is; ``None`` for listeners of another kind."""

    _sessions: set[Session] = attrs.field(factory=set[Session], init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _is_down: trio.Event = attrs.field(factory=trio.Event, init=False)
    _cut_off: int | None = attrs.field(default=None, init=False)
    """How many requests were unanswered when the time for answers was over."""

    def __repr__(self) -> str:
        return f"<IpcListener {self.socket_path or 'without a path'}>"

    def statistics(self) -> ListenerStatistics:
        """Return what was counted so far."""
        return self._host.counters.snapshot(self._host.config.limits.max_connections)

    async def shutdown_gracefully(self) -> ShutdownResult:
        """Refuse new requests, answer those in flight, and shut the door.

        It takes ``shutdown.drain_timeout`` at most.  The actors live on.

        Cancellation:
            The door is shut all the same, at once.
        """
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
        self._end_answering()
        self._scope.cancel(reason=reason)

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
            for session in self._sessions:
                session.leave()
            while self._sessions:
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
            with self._scope:
                async with trio.open_nursery() as nursery:
                    welcoming = partial(
                        trio.serve_listeners, self._welcome, list(listeners)
                    )
                    await nursery.start(welcoming, name="ipc listener: accepting")
                    ready()
        finally:
            self._is_down.set()

    async def _welcome(self, stream: trio.abc.Stream) -> None:
        counters = self._host.counters
        limit = self._host.config.limits.max_connections
        if counters.connections_active >= limit:
            counters.errors += 1
            await _turn_away(stream, limit)
            return
        counters.connections_accepted += 1
        counters.connections_active += 1
        session = Session(stream, self._host)
        self._sessions.add(session)
        try:
            await session.run()
        except Exception:  # noqa: BLE001 - one connection's: the others go on
            _log.exception("a connection failed")
        finally:
            self._sessions.remove(session)
            counters.connections_active -= 1
            self._host.progress.unpark_all()


async def _turn_away(stream: trio.abc.Stream, limit: int) -> None:
    words = Connection(Role.SERVER).send(connection_limit_refusal(limit))
    try:
        with trio.move_on_after(FAREWELL_SECONDS):
            await stream.send_all(words)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)


async def serve(
    runtime: RuntimeCore,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    config: IpcConfig | None = None,
    task_status: trio.TaskStatus[IpcListener] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let peers reach the exposed actors of *runtime*, until shut or cancelled.

    Args:
        runtime: Where the actors are.
        listeners: Any of trio's: memory streams in tests, TLS over TCP.
        config: Limits and timeouts.
        task_status: Tells, once peers can come in, the `IpcListener`.

    Cancellation:
        Connections are closed at once; what is in flight is given up.
    """
    listener = IpcListener(_host_of(runtime, config or IpcConfig()))
    with _doorkeeping(runtime, listener):
        await listener.run(listeners, lambda: task_status.started(listener))


def _host_of(runtime: RuntimeCore, config: IpcConfig) -> Host:
    return Host(runtime.exposure, runtime.surroundings.patience, config)


async def _serve_path(
    runtime: RuntimeCore,
    config: IpcConfig,
    path: Path,
    *,
    task_status: trio.TaskStatus[IpcListener] = trio.TASK_STATUS_IGNORED,
) -> None:
    with bind_socket(path, config.socket.mode, _BACKLOG) as bound:
        door = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
        listener = IpcListener(_host_of(runtime, config), path)
        with _doorkeeping(runtime, listener):
            await listener.run([door], lambda: task_status.started(listener))


@contextmanager
def _doorkeeping(
    runtime: RuntimeCore, listener: IpcListener
) -> Generator[None, None, None]:
    """Have the runtime drain *listener* before its actors, as long as it is open."""
    runtime.doors.append(listener)
    try:
        yield
    finally:
        runtime.doors.remove(listener)


async def start_listener(
    runtime: RuntimeCore,
    config: IpcConfig | None = None,
    *,
    path: str | PathLike[str] | None = None,
) -> IpcListener:
    """Open a door at a Unix socket; see `Runtime.start_ipc_listener`."""
    if runtime.overseer.is_ending:
        detail = "cannot open a listener: the runtime is stopping"
        raise ActorStoppedError(runtime.root.name, detail)
    config = config or IpcConfig()
    where = Path(path) if path is not None else config.socket_path
    listener: IpcListener = await runtime.services.start(
        partial(_serve_path, runtime, config, where), name=f"listener {where}"
    )
    return listener


@asynccontextmanager
async def open_listener(
    runtime: RuntimeCore,
    config: IpcConfig | None = None,
    *,
    path: str | PathLike[str] | None = None,
) -> AsyncGenerator[IpcListener, None]:
    """Let peers reach the exposed actors of *runtime* over a Unix socket.

    The door is open as long as the block; leaving it drains what is in
    flight, leaving it by an exception does not.

    Args:
        runtime: Where the actors are.
        config: Path and permissions of the socket, limits, timeouts.
        path: The socket's path, if not the one in *config*.

    Raises:
        ProtocolError: If another server listens there.
        ConfigError: If the path or its folder cannot be used.

    Cancellation:
        Connections are closed at once; what is in flight is given up.
    """
    listener = await start_listener(runtime, config, path=path)
    try:
        yield listener
    except BaseException:
        await listener.stop()  # noqa: ASYNC102 - it shields itself
        raise
    await listener.shutdown_gracefully()


publish_names(globals(), ["IpcListener", "open_listener", "serve"], "acton_trio.ipc")
