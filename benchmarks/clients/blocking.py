"""Blocking sockets; with many calls in flight, all that was read at once is asked anew."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count, islice

from clients.driver import IN_FLIGHT, Window, drive, time_calls
from clients.frames import Replies, request
from servers.desk import socket_path


@contextmanager
def connected() -> Generator[socket.socket]:
    """Connect to the server until the block is left."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(socket_path())
        yield connection


def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    replies = Replies()
    numbers = count()
    with connected() as connection:

        def ask() -> int:
            connection.sendall(request(next(numbers)))
            while not (found := replies.feed(connection.recv(65536))):
                pass
            return found[0].payload.quantity

        return time_calls(ask, seconds)


def flight(seconds: float) -> Window:
    """Ask many things at a time."""
    window = Window(seconds)
    replies = Replies()
    requests = map(request, count())
    with connected() as connection:
        found = IN_FLIGHT
        while True:
            connection.sendall(b"".join(islice(requests, found)))
            answers = replies.feed(connection.recv(65536))
            goes_on = [window.count(each.payload.quantity) for each in answers]
            if not all(goes_on):
                return window
            found = len(answers)


if __name__ == "__main__":
    drive(sequential, flight)
