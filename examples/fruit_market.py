"""A stall at a market, and two clients of it that never meet.

The farmer sets prices, over his connection; each is pushed to the cook, over hers, who
buys what is cheap until there is none.  That there is none is no fault: it is a
`Rejection`, which comes out of the ask as itself, with what was left.
"""

from __future__ import annotations

import tempfile

import attrs
import trio

import acton_trio as acton


@acton.message(ipc=True)
class SetPrice(acton.Request[int]):
    """Offers some pieces of fruit; answered with how many there are now."""

    fruit: str
    cents: int
    pieces: int


@acton.message(ipc=True)
class PriceOfFruit:
    """What a piece costs now; is broadcast."""

    fruit: str
    cents: int


@acton.message(ipc=True)
class Buy(acton.Request[int]):
    """Buys some pieces; answered with what they cost together."""

    fruit: str
    pieces: int


@acton.message(ipc=True)
class NotEnoughFruit(acton.Rejection):
    """There are not as many."""

    fruit: str
    left: int


@acton.actor
class Stall:
    """Sells fruit."""

    prices: dict[str, int] = attrs.field(factory=dict[str, int])
    pieces: dict[str, int] = attrs.field(factory=dict[str, int])

    @acton.mutate_on
    async def set_price(self, request: SetPrice, ctx: acton.Context) -> int:
        """Offer it, and tell everybody."""
        self.prices[request.fruit] = request.cents
        left = self.pieces.get(request.fruit, 0) + request.pieces
        self.pieces[request.fruit] = left
        await ctx.broker.broadcast(PriceOfFruit(request.fruit, request.cents))
        return left

    @acton.mutate_on
    def buy(self, request: Buy) -> int:
        """Sell it, if there is enough."""
        left = self.pieces.get(request.fruit, 0)
        if request.pieces > left:
            raise NotEnoughFruit(request.fruit, left)
        self.pieces[request.fruit] = left - request.pieces
        return self.prices[request.fruit] * request.pieces


async def farm(path: str) -> None:
    """Offer apples, cheaper each time, and pears."""
    async with acton.ipc.open_client(path) as client:
        stall = client.actor("stall")
        for fruit, cents in (("apple", 90), ("pear", 70), ("apple", 40)):
            left = await stall.ask(SetPrice(fruit, cents, pieces=4))
            print(f"farmer: {left} of {fruit} for {cents} each")


async def cook(path: str, is_listening: trio.Event) -> None:
    """Buy apples when they are cheap, five at a time."""
    async with (
        acton.ipc.open_client(path) as client,
        client.subscribe(PriceOfFruit) as prices,
    ):
        is_listening.set()
        async for price in prices:
            if price.fruit == "apple" and price.cents < 50:
                await buy_all(client.actor("stall"))
                return


async def buy_all(stall: acton.Ref) -> None:
    """Buy apples until there are too few."""
    try:
        while True:
            cents = await stall.ask(Buy("apple", pieces=5))
            print(f"cook: five apples for {cents}")
    except NotEnoughFruit as rejection:
        print(f"cook: only {rejection.left} of {rejection.fruit} left")


async def main() -> None:
    """Open the market."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/market.sock"
        async with acton.open_runtime() as runtime:
            await runtime.start(Stall, name="stall", expose=True)
            runtime.ipc_registry.register(PriceOfFruit)
            async with (
                acton.ipc.open_listener(runtime, path=path),
                trio.open_nursery() as nursery,
            ):
                is_listening = trio.Event()
                nursery.start_soon(cook, path, is_listening)
                await is_listening.wait()
                await farm(path)


if __name__ == "__main__":
    trio.run(main)
