"""A client on asyncio, of the single-file library, through the loss of its peer.

    python -m outage.client_asyncio SOCKET

It goes on until its standard input ends.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what this is about
import sys

from acton_ipc import AsyncActonClient, PeerLost

from .diary import new_id, noted

NAME = "asyncio"


async def ask_on(path: str, stop: asyncio.Event) -> None:
    """Ask one thing after another, over one connection after another."""
    while not stop.is_set():
        try:
            async with AsyncActonClient(path) as client:
                await ask_until_lost(client, stop)
        except OSError:
            await asyncio.sleep(0.05)


async def ask_until_lost(client: AsyncActonClient, stop: asyncio.Event) -> None:
    """Ask one thing after another, over one connection."""
    is_lost = False
    while not is_lost and not stop.is_set():
        request_id, is_lost = new_id(NAME), True
        with noted(request_id, PeerLost):
            answer = await client.send("ledger", "Record", {"id": request_id})
            assert answer == request_id
            is_lost = False


async def main(path: str) -> None:
    """Go on until told to stop."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(ask_on(path, stop)) for _ in range(3)]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
