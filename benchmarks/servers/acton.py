"""Ours: one actor behind a listener, as configured by default.

One limit has to be lifted: a hundred requests per second, on each connection, is
what a server allows by default.  Its 1,024 connections, its 64 requests in flight
and its time limits stay as they are.
"""

from __future__ import annotations

import trio
from servers.desk import report_ready, socket_path
from servers.trading import Desk

import acton_trio as acton
from acton_trio.ipc import IpcConfig, IpcRateLimit, open_listener


async def main() -> None:
    """Serve until killed."""
    config = IpcConfig(rate_limit=IpcRateLimit(enabled=False))
    async with acton.open_runtime() as runtime:
        await runtime.start(Desk, name="desk", expose=True)
        async with open_listener(runtime, path=socket_path(), config=config):
            report_ready()
            await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main)
