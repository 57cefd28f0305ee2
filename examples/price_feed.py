"""Prices that are pushed, over a socket, to whoever has subscribed to them.

The market broadcasts each price in its process; it knows of no subscriber.  One
sees what three of them get from another: a ticker all prices, a display the
newest only, and how many it has missed; and somebody without the classes, for
whom a price is plain data.
"""

from __future__ import annotations

import tempfile

import trio

import acton_trio as acton


@acton.message(ipc=True)
class Price:
    """What something was sold for; is broadcast."""

    symbol: str
    cents: int


@acton.message(ipc=True)
class Trade(acton.Request[int]):
    """Sells something; answered with how many trades there were."""

    symbol: str
    cents: int


@acton.actor
class Market:
    """Makes prices."""

    trades: int = 0

    @acton.mutate_on
    async def trade(self, request: Trade, ctx: acton.Context) -> int:
        """Tell everybody what was paid."""
        self.trades += 1
        await ctx.broker.broadcast(Price(request.symbol, request.cents))
        return self.trades


async def trade(path: str) -> None:
    """Sell three things, over a connection of one's own."""
    async with acton.ipc.open_client(path) as client:
        market = client.actor("market")
        for symbol, cents in (("ACME", 120), ("ACME", 125), ("INIT", 80)):
            count = await market.ask(Trade(symbol, cents))
        print("trades:", count)


async def watch(path: str) -> None:
    """Subscribe in three ways, and see what has come when there were trades."""
    latest = acton.Delivery.LATEST
    async with (
        acton.ipc.open_client(path) as client,
        client.subscribe(Price) as ticker,
        client.subscribe(Price, delivery=latest) as display,
        client.subscribe("Price") as plain,
    ):
        # All of them are subscribed now: who subscribes later has missed it.
        await trade(path)
        for _ in range(3):
            print("ticker:", await anext(ticker))
        print("display:", await anext(display), "and missed", display.missed)
        note = await anext(plain)
        print("plain data:", note.message_type, note.payload)


async def main() -> None:
    """Let a market be watched over a socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/market.sock"
        async with acton.open_runtime() as runtime:
            await runtime.start(Market, name="market", expose=True)
            # Exposing the market registers what it handles and replies, but no
            # one can tell what it will broadcast.
            runtime.ipc_registry.register(Price)
            async with acton.ipc.open_listener(runtime, path=path):
                await watch(path)


if __name__ == "__main__":
    trio.run(main)
