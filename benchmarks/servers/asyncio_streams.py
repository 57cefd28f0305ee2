"""asyncio as its documentation shows it: exact reads, a write and a drain.

As ``python -m servers.asyncio_streams SOCKET uvloop`` the loop is uvloop's.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
from contextlib import suppress

from servers.desk import BACKLOG, HEADER, answer, report_ready, socket_path
from servers.loops import run


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one request after the other until the peer hangs up."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            header = await reader.readexactly(HEADER.size)
            body = await reader.readexactly(HEADER.unpack(header)[0])
            writer.write(answer(body))
            await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_unix_server(
        serve_connection, socket_path(), backlog=BACKLOG
    )
    async with server:
        report_ready()
        await server.serve_forever()


if __name__ == "__main__":
    run(main())
