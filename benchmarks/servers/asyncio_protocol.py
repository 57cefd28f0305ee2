"""asyncio without its streams: callbacks, and one write for all that was read.

As ``python -m servers.asyncio_protocol SOCKET uvloop`` the loop is uvloop's,
and this is the fastest that asyncio in Python gets.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
from typing import cast

from servers.desk import BACKLOG, answers, report_ready, socket_path
from servers.loops import run


class Connection(asyncio.Protocol):
    """One connection, until the peer hangs up."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what has come whole."""
        replies, self.rest = answers(self.rest + data if self.rest else data)
        if replies and self.transport is not None:
            self.transport.write(b"".join(replies))


async def main() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(Connection, socket_path(), backlog=BACKLOG)
    async with server:
        report_ready()
        await server.serve_forever()


if __name__ == "__main__":
    run(main())
