"""asyncio's streams: a task that reads the answers, and a future for each call."""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Self

from clients.driver import IN_FLIGHT, Window, drive, wait_calls
from clients.frames import request, response
from servers.desk import HEADER, Response, socket_path


class Client:
    """A connection with many calls at a time."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Response]] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> AsyncGenerator[Self]:
        """Connect to the server until the block is left."""
        reader, writer = await asyncio.open_unix_connection(socket_path())
        client = cls(reader, writer)
        reading = asyncio.create_task(client._read())
        try:
            yield client
        finally:
            reading.cancel()
            writer.close()

    async def _read(self) -> None:
        while True:
            header = await self._reader.readexactly(HEADER.size)
            body = await self._reader.readexactly(HEADER.unpack(header)[0])
            answer = response(body)
            self._waiting.pop(answer.correlation_id).set_result(answer)

    async def ask(self) -> int:
        """Ask once."""
        number = next(self._numbers)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[f"c{number}"] = future
        self._writer.write(request(number))
        await self._writer.drain()
        return (await future).payload.quantity


async def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    async with Client.connect() as client:
        return await wait_calls(client.ask, seconds)


async def flight(seconds: float) -> Window:
    """Ask many things at a time."""
    window = Window(seconds)

    async def go_on(client: Client) -> None:
        while window.count(await client.ask()):
            pass

    async with Client.connect() as client, asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(go_on(client))
    return window


if __name__ == "__main__":
    drive(
        lambda seconds: asyncio.run(sequential(seconds)),
        lambda seconds: asyncio.run(flight(seconds)),
    )
