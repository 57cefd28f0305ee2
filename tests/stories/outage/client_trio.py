"""A client on trio that asks, streams and listens, through the loss of its peer.

    python -m outage.client_trio SOCKET

It goes on until its standard input ends.
"""

from __future__ import annotations

import sys

import trio

import acton_trio as acton

from .diary import new_id, noted, say
from .service import Feed, Record, Tick

NAME = "trio"


async def ask_on(client: acton.ipc.Client, stop: trio.Event) -> None:
    """Ask one thing after another."""
    ledger = client.actor("ledger")
    while not stop.is_set():
        request_id = new_id(NAME)
        with noted(request_id, acton.AskError):
            assert await ledger.ask(Record(request_id)) == request_id


async def stream_on(client: acton.ipc.Client, stop: trio.Event) -> None:
    """Read one stream after another."""
    ledger = client.actor("ledger")
    while not stop.is_set():
        request_id = new_id(NAME)
        with noted(request_id, acton.AskError):
            async with ledger.stream(Feed(request_id, 20)) as numbers:
                assert [each async for each in numbers] == list(range(20))


async def listen(client: acton.ipc.Client) -> None:
    """Read ticks, from the one peer and from the next."""
    async with client.subscribe(Tick) as ticks:
        async for each in ticks:
            say(f"! {ticks.gaps} {each.number}")


async def main(path: str) -> None:
    """Go on until told to stop."""
    stop = trio.Event()
    backoff = acton.ipc.Backoff(initial=0.05, maximum=0.2)
    async with (
        acton.ipc.open_client(path, reconnect=backoff) as client,
        trio.open_nursery() as listening,
    ):
        listening.start_soon(listen, client)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask_on, client, stop)
            nursery.start_soon(stream_on, client, stop)
            await trio.to_thread.run_sync(sys.stdin.read)
            stop.set()
        listening.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
