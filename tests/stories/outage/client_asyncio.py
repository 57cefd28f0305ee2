"""A client on asyncio, of the single-file library, through the loss of its peer.

    python -m outage.client_asyncio SOCKET

It goes on until its standard input ends.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what this is about
import sys
from collections.abc import Awaitable, Callable

from acton_ipc import AsyncActonClient, PeerLost

from .diary import new_id, noted

NAME = "asyncio"


async def ask(client: AsyncActonClient, request_id: str) -> None:
    """Ask one thing."""
    answer = await client.send("ledger", "Record", {"id": request_id})
    assert answer == request_id


async def stream(client: AsyncActonClient, request_id: str) -> None:
    """Read one stream to its end."""
    feed = client.stream("ledger", "Feed", {"id": request_id, "upto": 20})
    assert [number async for number in feed] == list(range(20))


async def go_on(
    path: str,
    stop: asyncio.Event,
    do: Callable[[AsyncActonClient, str], Awaitable[None]],
) -> None:
    """Do one thing after another, over one connection after another."""
    while not stop.is_set():
        try:
            async with AsyncActonClient(path) as client:
                await go_on_until_lost(client, stop, do)
        except OSError:
            await asyncio.sleep(0.05)


async def go_on_until_lost(
    client: AsyncActonClient,
    stop: asyncio.Event,
    do: Callable[[AsyncActonClient, str], Awaitable[None]],
) -> None:
    """Do one thing after another, over one connection."""
    is_lost = False
    while not is_lost and not stop.is_set():
        request_id, is_lost = new_id(NAME), True
        with noted(request_id, PeerLost):
            await do(client, request_id)
            is_lost = False


async def main(path: str) -> None:
    """Go on until told to stop."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(go_on(path, stop, do)) for do in (ask, ask, stream)]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
