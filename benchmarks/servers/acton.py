"""Ours: one actor behind a listener, as configured by default.

Two limits have to be lifted.  A server allows each connection a hundred requests
per second by default.  An actor queues 512 messages, and more are refused: here
64 connections with 16 requests each have 1,024 in flight, all to the same actor.
The 1,024 connections of a server, 64 requests in flight on each of them, and all
limits of time stay as they are.
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
        await runtime.start(Desk, name="desk", expose=True, mailbox_capacity=1024)
        async with open_listener(runtime, path=socket_path(), config=config):
            report_ready()
            await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main)
