"""gRPC with its threads; many calls in flight are futures."""

from __future__ import annotations

import importlib
from collections import deque

from clients.driver import IN_FLIGHT, Window, drive, time_calls
from clients.frames import ORDER
from servers.desk import socket_path
from servers.grpc_desk import stub_of

grpc = importlib.import_module("grpc")


def sequential(seconds: float) -> list[float]:
    """Ask one thing after the other."""
    with grpc.insecure_channel(f"unix:{socket_path()}") as channel:
        stub = stub_of(channel)
        return time_calls(lambda: stub(ORDER).quantity, seconds)


def flight(seconds: float) -> Window:
    """Ask many things at a time."""
    window = Window(seconds)
    with grpc.insecure_channel(f"unix:{socket_path()}") as channel:
        stub = stub_of(channel)
        calls = deque(stub.future(ORDER) for _ in range(IN_FLIGHT))
        while window.count(calls.popleft().result().quantity):
            calls.append(stub.future(ORDER))
    return window


if __name__ == "__main__":
    drive(sequential, flight)
