"""`open_ipc_pair`: client and server joined in memory, so that time is virtual."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple, TypeAlias

import trio
import trio.testing

from .._base.blocks import async_block
from .._base.util import publish_names
from .._ipc.client import Client, open_client
from .._ipc.config import IpcConfig
from .._ipc.listener import IpcListener
from .._ipc.server import serve
from .._runtime.runtime import RuntimeCore
from .streams import memory_listener

__all__ = ["IpcPair", "Wrap", "open_ipc_pair"]

Wrap: TypeAlias = Callable[[trio.abc.Stream], trio.abc.Stream]
"""Returns a stream that passes on what goes through another one."""


class IpcPair(NamedTuple):
    """Both ends of a connection; they live as long as `open_ipc_pair`."""

    client: Client
    server: IpcListener


def _as_it_is(stream: trio.abc.Stream) -> trio.abc.Stream:
    return stream


@async_block("open_ipc_pair(runtime)", "pair")
@asynccontextmanager
async def open_ipc_pair(
    runtime: RuntimeCore,
    *,
    config: IpcConfig | None = None,
    wrap_client: Wrap = _as_it_is,
    wrap_server: Wrap = _as_it_is,
    instruments: Iterable[object] = (),
) -> AsyncGenerator[IpcPair, None]:
    """Open a client of *runtime*, joined with a server of it by memory streams.

    Frames, limits, heartbeats and deadlines are the real ones; there is no
    socket, so a clock may jump.

    Args:
        runtime: Whose exposed actors the client can reach.
        config: Limits and timeouts of the server.
        wrap_client: Put around the client's end, for example `chop`.
        wrap_server: Put around the server's end, for example `clog`.
        instruments: Who hears of what the client sends, as for `open_client`.

    Cancellation:
        The connection is closed; what is in flight is given up.
    """
    door = memory_listener()
    ours, theirs = trio.testing.memory_stream_pair()
    # In the runtime, as every listener: a nursery here would wrap what the block
    # raises in a group.
    server: IpcListener = await runtime.services.start(
        partial(serve, runtime, [door], config=config), name="listener in memory"
    )
    try:
        door.admit(wrap_server(theirs))
        async with open_client(wrap_client(ours), instruments=instruments) as client:
            yield IpcPair(client, server)
    finally:
        await server.stop()  # noqa: ASYNC102 - it shields itself


publish_names(globals(), ["IpcPair"], "acton_trio.testing")
