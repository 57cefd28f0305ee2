"""What a send and an ask cost inside one process."""

from __future__ import annotations

import trio
from harness import Measure, bare, compare

import acton_trio as acton


@acton.message
class Add:
    """Adds to the sum."""

    number: int


@acton.message
class GetSum(acton.Request[int]):
    """Asks for the sum."""


@acton.actor
class Adder:
    """Keeps a sum."""

    total: int = 0

    @acton.mutate_on
    def add(self, command: Add) -> None:
        """Add."""
        self.total += command.number

    @acton.act_on
    def get_sum(self, _request: GetSum) -> int:
        """Tell."""
        return self.total


async def switches(operations: int) -> None:
    """Switch tasks twice for each operation, as any ask must."""
    for _ in range(operations):
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()


async def sends(operations: int) -> None:
    """Send, and wait for the last one to be handled."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        for number in range(operations):
            await adder.send(Add(number))
        await adder.ask(GetSum())


async def asks(operations: int) -> None:
    """Ask one question after the other."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder)
        for _ in range(operations):
            await adder.ask(GetSum())


if __name__ == "__main__":
    compare(
        Measure("bare: deque and call", 100_000, bare),
        [
            Measure("two switches of trio", 5_000, switches),
            Measure("send", 50_000, sends),
            Measure("ask", 5_000, asks),
        ],
    )
