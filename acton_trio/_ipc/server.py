"""`serve` and `open_listener`: the doors through which peers come in."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final

import trio

from .._base.blocks import async_block
from .._base.errors import ActorStoppedError
from .._base.util import publish_names
from .._runtime.runtime import RuntimeCore
from .access import Access, Authorize
from .addresses import path_of
from .config import IpcConfig
from .host import Host
from .listener import IpcListener
from .paths import bind_socket
from .pushes import Pushes
from .reception import Reception
from .statistics import Counters
from .systemd import path_of_socket, take_sockets

__all__ = ["open_listener", "serve", "start_listener"]

# Connections that may wait to be accepted, in a burst; the kernel caps it.
_BACKLOG: Final = 4096


async def serve(
    runtime: RuntimeCore,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    config: IpcConfig | None = None,
    authorize: Authorize | None = None,
    task_status: trio.TaskStatus[IpcListener] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let peers reach the exposed actors of *runtime*, until shut or cancelled.

    Args:
        runtime: Where the actors are.
        listeners: Any of trio's: memory streams in tests, TLS over TCP.
        config: Limits and timeouts, and who may connect.
        authorize: Asked who may connect, as for `open_listener`.
        task_status: Tells, once peers can come in, the `IpcListener`.

    Raises:
        TypeError: If *authorize* cannot be called.

    Cancellation:
        Connections are closed at once; what is in flight is given up.
    """
    listener = IpcListener(*_inside_of(runtime, config or IpcConfig(), authorize))
    with _doorkeeping(runtime, listener):
        await listener.run(listeners, lambda: task_status.started(listener))


def _inside_of(
    runtime: RuntimeCore, config: IpcConfig, authorize: Authorize | None
) -> tuple[Host, Reception]:
    host = _host_of(runtime, config)
    access = Access(config.access, authorize, config.timeouts.read_timeout)
    return host, Reception(host, access)


def _host_of(runtime: RuntimeCore, config: IpcConfig) -> Host:
    counters = Counters()
    return Host(
        runtime.exposure,
        runtime.surroundings.patience,
        Pushes(runtime.broker, runtime.ipc_registry, counters),
        config,
        counters,
        runtime.surroundings.commons,
    )


async def _serve_path(
    runtime: RuntimeCore,
    config: IpcConfig,
    path: Path,
    authorize: Authorize | None,
    *,
    task_status: trio.TaskStatus[IpcListener] = trio.TASK_STATUS_IGNORED,
) -> None:
    inside = _inside_of(runtime, config, authorize)
    with _bound(config, path) as (sockets, where):
        doors = [
            trio.SocketListener(trio.socket.from_stdlib_socket(each))
            for each in sockets
        ]
        listener = IpcListener(*inside, where, config.socket.systemd)
        with _doorkeeping(runtime, listener):
            await listener.run(doors, lambda: task_status.started(listener))


@contextmanager
def _bound(
    config: IpcConfig, path: Path
) -> Generator[tuple[list[socket.socket], Path | None], None, None]:
    """Hold what systemd has passed, if it may, or else a socket at *path*."""
    passed = take_sockets() if config.socket.systemd else []
    if not passed:
        with bind_socket(path, config.socket.mode, _BACKLOG) as bound:
            yield [bound], path
        return
    with ExitStack() as held:
        for each in passed:
            held.enter_context(each)
        paths = filter(None, map(path_of_socket, passed))
        yield passed, next(paths, None)


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
    authorize: Authorize | None = None,
) -> IpcListener:
    """Open a door at a Unix socket; see `Runtime.start_ipc_listener`."""
    if runtime.overseer.is_ending:
        detail = "cannot open a listener: the runtime is stopping"
        raise ActorStoppedError(runtime.root.name, detail)
    config = config or IpcConfig()
    where = path_of(path) if path is not None else config.socket_path
    listener: IpcListener = await runtime.services.start(
        partial(_serve_path, runtime, config, where, authorize),
        name=f"listener {where}",
    )
    return listener


@async_block("open_listener(runtime)", "listener")
@asynccontextmanager
async def open_listener(
    runtime: RuntimeCore,
    config: IpcConfig | None = None,
    *,
    path: str | PathLike[str] | None = None,
    authorize: Authorize | None = None,
) -> AsyncGenerator[IpcListener, None]:
    """Let peers reach the exposed actors of *runtime* over a Unix socket.

    The door is open as long as the block; leaving it drains what is in
    flight, leaving it by an exception does not.

    Args:
        runtime: Where the actors are.
        config: Path and permissions of the socket, who may connect, limits,
            timeouts.
        path: The socket's path, if not the one in *config*.  What begins with
            ``@`` is an abstract name.
        authorize: Called with the `PeerCredentials` of whoever connects, and
            returns whether it may: a bool, at once or, if it is async, within
            ``timeouts.read_timeout``.  If it raises, the peer may not.

    Raises:
        ProtocolError: If another server listens there.
        ConfigError: If the path or its folder cannot be used, or what systemd
            has passed.
        TypeError: If *authorize* cannot be called.

    Cancellation:
        Connections are closed at once; what is in flight is given up.
    """
    listener = await start_listener(runtime, config, path=path, authorize=authorize)
    try:
        yield listener
    except BaseException:
        await listener.stop()  # noqa: ASYNC102 - it shields itself
        raise
    await listener.shutdown_gracefully()


publish_names(globals(), ["open_listener", "serve"], "acton_trio.ipc")
