"""Ours, without an event loop."""

from __future__ import annotations

from clients.driver import drive, time_calls
from clients.frames import ORDER
from servers.desk import socket_path
from servers.trading import Order

from acton_trio.ipc import BlockingClient


def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    with BlockingClient(socket_path()) as client:
        desk = client.actor("desk")

        def ask() -> int:
            return desk.ask(Order(ORDER.symbol, ORDER.quantity, ORDER.note)).quantity

        return time_calls(ask, seconds)


if __name__ == "__main__":
    drive(sequential)
