"""The least that a server on trio can do: one task, one epoll, and no promise.

All connections are watched by one epoll, which trio awaits.  What was read at once is
answered with one write.  A peer that does not read is dropped.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Final

import trio
from servers.desk import answers, listening_socket, report_ready

_CHUNK: Final = 65536


class Pump:
    """Every connection of a listener; lives as long as it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._rests: dict[int, bytes] = {}
        listener.setblocking(False)  # noqa: FBT003 - positional in the library
        self._epoll.register(listener, select.EPOLLIN)

    async def run(self) -> None:
        """Serve until killed."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for number, _ in self._epoll.poll(0):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._serve(number)

    def answer(self, number: int, data: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002 - for others
        """Return what is to be written to a connection, and what is left of *data*."""
        replies, rest = answers(data)
        return b"".join(replies), rest

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)  # noqa: FBT003 - as above
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection, select.EPOLLIN)

    def _serve(self, number: int) -> None:
        try:
            data = os.read(number, _CHUNK)
        except OSError:
            data = b""
        reply, rest = self.answer(number, self._rests.pop(number, b"") + data)
        if rest:
            self._rests[number] = rest
        try:
            whole = not reply or os.write(number, reply) == len(reply)
        except OSError:
            whole = False
        if not data or not whole:
            self._connections.pop(number).close()


async def main() -> None:
    """Serve until killed."""
    with listening_socket() as listener:
        report_ready()
        await Pump(listener).run()


if __name__ == "__main__":
    trio.run(main)
