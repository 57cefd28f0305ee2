"""ZeroMQ, REQ: one request after the other."""

from __future__ import annotations

import importlib

from clients.driver import drive, time_calls
from clients.frames import confirmed, order
from servers.desk import socket_path

zmq = importlib.import_module("zmq")


def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(f"ipc://{socket_path()}")

        def ask() -> int:
            socket.send(order())
            return confirmed(socket.recv())

        return time_calls(ask, seconds)


if __name__ == "__main__":
    drive(sequential)
