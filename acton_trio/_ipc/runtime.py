"""`Runtime` and `open_runtime`: what users enter, with a door to the outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import final

import attrs
import trio

from .._base.blocks import async_block
from .._base.teaching import lesson
from .._base.util import publish_names, shown
from .._runtime.config import Config
from .._runtime.runtime import RuntimeCore
from .._runtime.scope import open_scope
from .access import Authorize
from .config import IpcConfig
from .introspection import start_introspection
from .listener import IpcListener
from .server import start_listener

__all__ = ["Runtime", "open_runtime"]


@final
@attrs.define(eq=False, repr=False)
class Runtime(RuntimeCore):
    """What actors are started in; lives as long as its `open_runtime` block."""

    def __repr__(self) -> str:
        return f"<Runtime with {len(self.actors())} actors>"

    async def start_ipc_listener(
        self, config: IpcConfig | None = None, *, authorize: Authorize | None = None
    ) -> IpcListener:
        """Let peers reach the exposed actors over a Unix socket.

        The door stays open until it is shut or the runtime ends, which drains
        it before the actors.  `acton_trio.ipc.open_listener` is the same with
        a block of its own.

        Args:
            config: Path and permissions of the socket, limits, timeouts.
            authorize: Asked who may connect, as for `open_listener`.

        Raises:
            ActorStoppedError: If the runtime is stopping.
            ProtocolError: If another server listens there.
            ConfigError: If the path or its folder cannot be used, or what
                systemd has passed.
            TypeError: If *authorize* cannot be called.

        Cancellation:
            The door is not open.
        """
        return await start_listener(self, config, authorize=authorize)


@async_block("open_runtime()", "runtime")
@asynccontextmanager
async def open_runtime(
    config: Config | None = None, *, instruments: Iterable[object] = ()
) -> AsyncGenerator[Runtime, None]:
    """Open the scope that actors live in.

    Leaving the block drains the listeners, then stops the actors, the last
    started first: each handles what it has queued.  ``timeouts`` bounds it.
    When the block is left, no task, timer or socket is.

    Args:
        config: Timeouts and limits; the reference's defaults if not given.
            No file is read for it: `Config.load` does that.
        instruments: Who looks in from the start; see `acton_trio.instruments`.

    Raises:
        TypeError: If *config* is no `Config`, or one of *instruments* is none.
        RuntimeError: Outside of `trio.run`.
        BaseExceptionGroup: If actors failed and nobody handled it.  Its
            members are the exceptions as they were raised, each with a note
            of the actor and the message; the block's own joins them.

    Cancellation:
        Handlers are cancelled at once; then stop hooks run, shielded, within
        ``timeouts.actor_shutdown``.
    """
    if not isinstance(config, Config | None):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
        raise TypeError(_not_a_config(config))
    if not trio.lowlevel.in_trio_run():
        msg = lesson(
            "acton_trio runs on trio.", "asyncio.run(main())", "trio.run(main)"
        )
        raise RuntimeError(msg)
    config = config or Config()
    async with open_scope(Runtime, config, instruments) as runtime:
        if config.introspection:
            await start_introspection(runtime)
        yield runtime


def _not_a_config(thing: object) -> str:
    correct = "open_runtime(Config(timeouts=Timeouts(ask=5)))"
    if thing is Config:
        return lesson(
            "open_runtime takes a Config, not its class.",
            "open_runtime(Config)",
            "open_runtime(Config())",
        )
    fault = f"open_runtime takes a Config, not {shown(thing)}."
    return lesson(fault, f"open_runtime({shown(thing, 60)})", correct)


publish_names(globals(), __all__)
