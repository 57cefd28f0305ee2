"""trio as its tutorial shows it: a task per connection, a send for each answer."""

from __future__ import annotations

import trio
from servers.desk import HEADER, answer, listening_socket, report_ready


async def receive_exactly(stream: trio.SocketStream, count: int) -> bytes:
    """Return the next *count* bytes.

    Raises:
        EOFError: If the peer has hung up.

    Cancellation:
        What was read is lost.
    """
    data = await stream.receive_some(count)
    while data and len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            raise EOFError
        data += more
    if not data:
        raise EOFError
    return bytes(data)


async def serve_connection(stream: trio.SocketStream) -> None:
    """Answer one request after the other until the peer hangs up.

    Cancellation:
        The connection is closed.
    """
    async with stream:
        try:
            while True:
                header = await receive_exactly(stream, HEADER.size)
                body = await receive_exactly(stream, HEADER.unpack(header)[0])
                await stream.send_all(answer(body))
        except (EOFError, trio.BrokenResourceError):
            pass


async def main() -> None:
    """Serve until killed."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening_socket()))
    report_ready()
    await trio.serve_listeners(serve_connection, [listener])


if __name__ == "__main__":
    trio.run(main)
