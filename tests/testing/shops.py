"""Messages and actors that the kit is tried on."""

from __future__ import annotations

import attrs
import trio

import acton_trio as acton


@acton.message(ipc=True)
class Ping:
    """Asks nothing."""

    number: int = 0


@acton.message(ipc=True)
class GetPrice(acton.Request[int]):
    """Asks for a price."""

    item: str = "tea"


@acton.message(ipc=True)
class ListItems(acton.StreamRequest[str]):
    """Asks for all items, one after another."""


@acton.message(ipc=True)
class Work(acton.Request[int]):
    """Asks for work that takes so long."""

    seconds: float = 0


@acton.message
class Break:
    """Has the actor fail."""


@acton.message
class Unknown:
    """Is for nobody."""


@acton.message
class SoldOut(acton.Rejection):
    """An expected failure."""

    left: int


@acton.actor
class Shop:
    """Answers, works and fails."""

    log: list[object] = attrs.field(factory=list[object])

    @acton.mutate_on
    def ping(self, message: Ping) -> None:
        """Write it down."""
        self.log.append(message.number)

    @acton.act_on
    async def work(self, request: Work) -> int:
        """Take time."""
        await trio.sleep(request.seconds)
        self.log.append(request)
        return 1

    @acton.act_on
    def get_price(self, request: GetPrice) -> int:
        """Answer."""
        return len(request.item)

    @acton.mutate_on
    def break_(self, _message: Break) -> None:
        """Fail."""
        msg = "a bug"
        raise ValueError(msg)


@acton.actor
class Clerk:
    """Asks another actor, whoever that is."""

    other: acton.ActorHandle

    @acton.act_on
    async def get_price(self, request: GetPrice) -> int:
        """Pass the question on."""
        return await self.other.ask(request)

    @acton.mutate_on
    async def ping(self, message: Ping) -> None:
        """Pass the message on."""
        await self.other.send(message)
