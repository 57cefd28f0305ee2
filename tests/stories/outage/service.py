"""A service that writes down what it handles, until somebody pulls the plug.

    python -m outage.service SOCKET LOG

A line of LOG is the id of a request whose handler has begun.  It prints
``ready`` when it listens.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import AsyncGenerator

import trio

import acton_trio as acton


@acton.message(ipc=True)
class Record(acton.Request[str]):
    """Is written down; answered with its own id."""

    id: str


@acton.message(ipc=True)
class Feed(acton.StreamRequest[int]):
    """Is written down; answered with numbers."""

    id: str
    upto: int


@acton.message(ipc=True)
class Tick:
    """Is broadcast again and again."""

    number: int


@acton.actor
class Ledger:
    """Writes down what it is asked, past all buffers of the process."""

    log: int

    @acton.mutate_on
    async def record(self, request: Record) -> str:
        """Write it down, and take a little time."""
        os.write(self.log, f"{request.id}\n".encode())
        await trio.sleep(0.001)
        return request.id

    @acton.act_on
    async def feed(self, request: Feed) -> AsyncGenerator[int, None]:
        """Write it down, and count."""
        os.write(self.log, f"{request.id}\n".encode())
        for number in range(request.upto):
            yield number
            await trio.sleep(0.001)

    @acton.after_start
    def begin(self, ctx: acton.Context) -> None:
        """Have the ticks begin."""
        ctx.start_soon(tick, ctx.broker)


async def tick(broker: acton.Broker) -> None:
    """Broadcast ticks for ever."""
    for number in itertools.count():
        await broker.broadcast(Tick(number))
        await trio.sleep(0.01)


async def main(path: str, log: str) -> None:
    """Serve until killed."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    config = acton.ipc.IpcConfig(rate_limit=acton.ipc.IpcRateLimit(enabled=False))
    async with acton.open_runtime() as runtime:
        runtime.ipc_registry.register(Tick)
        await runtime.start(Ledger, descriptor, name="ledger", expose=True)
        async with acton.ipc.open_listener(runtime, config, path=path):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2])
