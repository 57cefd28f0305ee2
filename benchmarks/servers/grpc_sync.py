"""gRPC with its threads; messages as msgspec writes them."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from servers.desk import Confirmation, Order, confirm, report_ready, socket_path
from servers.grpc_desk import handlers

grpc = importlib.import_module("grpc")

# As in gRPC's own examples.
WORKERS: Final = 10


def handle(order: Order, context: object) -> Confirmation:
    """Handle an order."""
    del context
    return confirm(order)


def main() -> None:
    """Serve until killed."""
    server = grpc.server(ThreadPoolExecutor(WORKERS))
    server.add_generic_rpc_handlers(handlers(handle))
    server.add_insecure_port(f"unix:{socket_path()}")
    server.start()
    report_ready()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
