"""A stream of replies over a socket: one read to its end, and one that is left.

The handler is an async generator, and each value that it yields is a reply.  It
waits while its reader is behind, so it may go on for ever.  One sees a short
stream end by itself, and an endless one be left at its fourth reply: its handler
is cancelled where it is, and cleans up.  The actor goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from itertools import count

import trio

import acton_trio as acton


@acton.message(ipc=True)
class Squares(acton.StreamRequest[int]):
    """Asks for the squares of 0, 1, 2 and so on."""

    how_many: int | None = None


@acton.message
class Ended:
    """Tells how a stream has ended; for this process alone."""

    how: str


@acton.actor
class Calculator:
    """Has an endless supply of squares."""

    @acton.act_on
    async def squares(
        self, request: Squares, ctx: acton.Context
    ) -> AsyncGenerator[int, None]:
        """Yield one after another."""
        numbers = count() if request.how_many is None else range(request.how_many)
        how = "was cancelled"
        try:
            for number in numbers:
                yield number * number
            how = "came to its end"
        finally:
            # Told by the actor to itself, later: here nothing can be awaited
            # any more when the reader has gone.
            ctx.handle.send_nowait(Ended(how))

    @acton.mutate_on
    async def tell(self, ended: Ended, ctx: acton.Context) -> None:
        """Pass it on to whoever wants to know."""
        await ctx.broker.broadcast(ended)


async def main() -> None:
    """Read two streams over a socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/streaming.sock"
        async with acton.open_runtime() as runtime:
            await runtime.start(Calculator, name="calculator", expose=True)
            async with (
                acton.ipc.open_listener(runtime, path=path),
                acton.ipc.open_client(path) as client,
                runtime.broker.subscribe(Ended) as ends,
            ):
                calculator = client.actor("calculator")
                async with calculator.stream(Squares(4)) as squares:
                    print("squares:", [each async for each in squares])
                print("its handler", (await anext(ends)).how)
                async with calculator.stream(Squares()) as squares:
                    async for square in squares:
                        print("square:", square)
                        if square == 9:
                            break
                print("its handler", (await anext(ends)).how)


if __name__ == "__main__":
    trio.run(main)
