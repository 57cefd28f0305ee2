"""gRPC in asyncio; messages as msgspec writes them."""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is what we compare with
import importlib

from servers.desk import Confirmation, Order, confirm, report_ready, socket_path
from servers.grpc_desk import handlers

aio = importlib.import_module("grpc.aio")


async def handle(order: Order, context: object) -> Confirmation:  # noqa: ASYNC124 - called as async ones are
    """Handle an order."""
    del context
    return confirm(order)


async def main() -> None:
    """Serve until killed."""
    server = aio.server()
    server.add_generic_rpc_handlers(handlers(handle))
    server.add_insecure_port(f"unix:{socket_path()}")
    await server.start()
    report_ready()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
