"""gRPC in asyncio."""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
import importlib

from clients.driver import IN_FLIGHT, Window, drive, wait_calls
from clients.frames import ORDER
from servers.desk import socket_path
from servers.grpc_desk import stub_of

aio = importlib.import_module("grpc.aio")


async def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    async with aio.insecure_channel(f"unix:{socket_path()}") as channel:
        stub = stub_of(channel)

        async def ask() -> int:
            quantity: int = (await stub(ORDER)).quantity
            return quantity

        return await wait_calls(ask, seconds)


async def flight(seconds: float) -> Window:
    """Ask many things at a time."""
    window = Window(seconds)
    async with aio.insecure_channel(f"unix:{socket_path()}") as channel:
        stub = stub_of(channel)

        async def go_on() -> None:
            while window.count((await stub(ORDER)).quantity):
                pass

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(go_on())
    return window


if __name__ == "__main__":
    drive(
        lambda seconds: asyncio.run(sequential(seconds)),
        lambda seconds: asyncio.run(flight(seconds)),
    )
