"""ZeroMQ, DEALER: it may ask again before it has heard."""

from __future__ import annotations

import importlib

from clients.driver import IN_FLIGHT, Window, drive, time_calls
from clients.frames import confirmed, order
from servers.desk import socket_path

zmq = importlib.import_module("zmq")


def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.connect(f"ipc://{socket_path()}")

        def ask() -> int:
            socket.send(order())
            return confirmed(socket.recv())

        return time_calls(ask, seconds)


def flight(seconds: float) -> Window:
    """Ask many things at a time."""
    window = Window(seconds)
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(f"ipc://{socket_path()}")
        for _ in range(IN_FLIGHT):
            socket.send(order())
        while window.count(confirmed(socket.recv())):
            socket.send(order())
    return window


if __name__ == "__main__":
    drive(sequential, flight)
