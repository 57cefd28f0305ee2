"""The least that a client on trio can do: whoever asks reads the socket, no promise kept.

With many calls in flight, one task asks anew for all that was read at once.
"""

from __future__ import annotations

import socket
from itertools import count, islice

import trio
from clients.blocking import connected
from clients.driver import IN_FLIGHT, Window, drive, wait_calls
from clients.frames import Replies, request


async def receive(connection: socket.socket) -> bytes:
    """Return what comes next.

    Cancellation:
        Nothing was read.
    """
    await trio.lowlevel.wait_readable(connection)
    return connection.recv(65536)


async def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other.

    Cancellation:
        The connection is closed.
    """
    replies, numbers = Replies(), count()
    with connected() as connection:

        async def ask() -> int:
            connection.sendall(request(next(numbers)))
            while not (found := replies.feed(await receive(connection))):
                pass
            return found[0].payload.quantity

        return await wait_calls(ask, seconds)


async def flight(seconds: float) -> Window:
    """Ask many things at a time.

    Cancellation:
        The connection is closed.
    """
    window, replies, requests = Window(seconds), Replies(), map(request, count())
    with connected() as connection:
        found = IN_FLIGHT
        while True:
            connection.sendall(b"".join(islice(requests, found)))
            answers = replies.feed(await receive(connection))
            goes_on = [window.count(each.payload.quantity) for each in answers]
            if not all(goes_on):
                return window
            found = len(answers)


if __name__ == "__main__":
    drive(
        lambda seconds: trio.run(sequential, seconds),
        lambda seconds: trio.run(flight, seconds),
    )
