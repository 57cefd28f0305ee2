"""Ours, in trio."""

from __future__ import annotations

from functools import partial

import trio
from clients.driver import IN_FLIGHT, Window, drive, wait_calls
from clients.frames import ORDER
from servers.desk import socket_path
from servers.trading import Order

from acton_trio.ipc import Client, open_client


async def ask(client: Client) -> int:
    """Ask once.

    Cancellation:
        The request is withdrawn.
    """
    order = Order(ORDER.symbol, ORDER.quantity, ORDER.note)
    return (await client.actor("desk").ask(order)).quantity


async def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other.

    Cancellation:
        The connection is closed.
    """
    async with open_client(socket_path()) as client:
        return await wait_calls(partial(ask, client), seconds)


async def flight(seconds: float) -> Window:
    """Ask many things at a time.

    Cancellation:
        The connection is closed.
    """
    window = Window(seconds)

    async def go_on(client: Client) -> None:
        while window.count(await ask(client)):
            pass

    async with open_client(socket_path()) as client, trio.open_nursery() as nursery:
        for _ in range(IN_FLIGHT):
            nursery.start_soon(go_on, client)
    return window


if __name__ == "__main__":
    drive(
        lambda seconds: trio.run(sequential, seconds),
        lambda seconds: trio.run(flight, seconds),
    )
