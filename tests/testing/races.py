"""Programs with a race, and without it, and one that shows all that happens.

In both races everything hangs on a sender's being interrupted between two of its
messages, which happens at one of 64 and at no other.
"""

from __future__ import annotations

import random

import attrs
import trio

import acton_trio as acton
from acton_trio.testing import Exploration, Probe, explore, wait_idle

from .shops import Ping

CUSTOMERS = ("ann", "bob")


@acton.message
class Select:
    """Says whose account is meant from now on."""

    customer: str


@acton.message
class Deposit:
    """Puts money into the account that was selected, or into this one's."""

    amount: int
    customer: str | None = None


@acton.actor
class Bank:
    """Keeps accounts; that it remembers whose is meant is the bug."""

    accounts: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(CUSTOMERS, 0))
    selected: str | None = None

    @acton.mutate_on
    def select(self, command: Select) -> None:
        """Remember whose account is meant."""
        self.selected = command.customer

    @acton.mutate_on
    def deposit(self, command: Deposit) -> None:
        """Put money in."""
        customer = command.customer or self.selected
        assert customer is not None
        self.accounts[customer] += command.amount


async def deposit_by_selecting(runtime: acton.Runtime) -> None:
    """Two customers, each with two messages for what is one thing."""
    bank = Bank()
    handle = await runtime.start(lambda: bank)

    async def visit(customer: str) -> None:
        await handle.send(Select(customer))
        await handle.send(Deposit(1))

    async with trio.open_nursery() as nursery:
        for customer in CUSTOMERS:
            nursery.start_soon(visit, customer)
    await wait_idle(runtime)

    assert bank.accounts == {"ann": 1, "bob": 1}


async def deposit_at_once(runtime: acton.Runtime) -> None:
    """The same with one message each: there is nothing to be interrupted."""
    bank = Bank()
    handle = await runtime.start(lambda: bank)
    async with trio.open_nursery() as nursery:
        for customer in CUSTOMERS:
            nursery.start_soon(handle.send, Deposit(1, customer))
    await wait_idle(runtime)

    assert bank.accounts == {"ann": 1, "bob": 1}


@acton.actor
class Courier:
    """Passes messages on."""

    to: acton.ActorHandle

    @acton.mutate_on
    async def ping(self, message: Ping) -> None:
        """Pass it on."""
        await self.to.send(message)


async def overtake(runtime: acton.Runtime, probe: Probe) -> None:
    """Three parties: what goes around must not be there before what goes straight."""
    courier = await runtime.start(Courier, probe)
    await courier.send(Ping(2))
    await probe.send(Ping(1))
    await wait_idle(runtime)

    assert probe.received == (Ping(1), Ping(2))


async def write_log(runtime: acton.Runtime, log: list[str]) -> None:
    """Do many things at once, and write down in which order they happen."""
    runtime_log = log.append

    @acton.actor
    class Scribe:
        name: str
        next: acton.ActorHandle | None = None

        @acton.mutate_on
        async def ping(self, message: Ping) -> None:
            runtime_log(f"{trio.current_time():g} {self.name} {message.number}")
            if random.random() < 0.3:
                await trio.sleep(random.random())
            if self.next is not None:
                await self.next.send(Ping(message.number * 10))

    last = await runtime.start(Scribe, "last")
    others = [await runtime.start(Scribe, f"scribe-{n}", last) for n in range(3)]

    async def write(number: int) -> None:
        for count in range(4):
            await others[count % 3].send(Ping(number + count))

    async with trio.open_nursery() as nursery:
        for number in range(1, 40, 10):
            nursery.start_soon(write, number)
    await wait_idle(runtime)


def logs(seeds: range) -> list[list[str]]:
    """Return what happens in the order of each seed."""
    found = list[list[str]]()
    for seed in seeds:
        log = list[str]()
        Exploration(write_log, 1, 0).run(seed, log=log)
        found.append(log)
    return found


selecting = explore(runs=200)(deposit_by_selecting)
at_once = explore(runs=200)(deposit_at_once)
overtaking = explore(runs=200)(overtake)
