"""What a probe has received, and how it answers."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar, cast, final

import attrs
import trio

from .._base.util import name_of, publish_names, shown
from .._kernel.context import Context
from .._kernel.handle import ActorHandle
from .._kernel.handlers import Handler, make_handler
from .._kernel.turn import ReplyAddress
from .._messages.declare import StreamRequest, is_question

__all__ = ["Desk", "EveryType", "Failure", "ProbeError", "Receipt", "Script"]

T = TypeVar("T")

Script: TypeAlias = Callable[[object], object]
"""Returns the reply to a request, or the replies to one for a stream."""


class ProbeError(AssertionError):
    """A probe has not seen what the test expected of others, or cannot answer it."""


@final
@attrs.frozen
class Failure:
    """What ends a stream in place of an item; a value."""

    error: Exception


@final
@attrs.define(eq=False)
class Receipt:
    """One message as it came in; lives as long as the probe."""

    message: object
    at: float
    """When it came, on trio's clock."""

    sender: ActorHandle | None
    address: ReplyAddress | None = None
    """Where its reply goes, if it is a request that nobody has answered."""

    items: trio.MemorySendChannel[object] | None = None
    """Where its replies go, if it asks for a stream that has not ended."""

    is_read: bool = False

    def describe(self, since: float) -> str:
        """Return a line on it, with the seconds since *since*."""
        sender = "plain code" if self.sender is None else self.sender.name
        read = ", read" if self.is_read else ""
        after = self.at - since
        return f"\n  {after:g} s: {shown(self.message)} from {sender}{read}"


@final
@attrs.define(eq=False)
class Desk:
    """What a probe has received, and how it answers; lives as long as the probe."""

    opened: float
    """When the probe was opened, on trio's clock."""

    receipts: list[Receipt] = attrs.field(factory=list[Receipt], init=False)
    last_read: Receipt | None = attrs.field(default=None, init=False)
    scripts: dict[type, Script] = attrs.field(factory=dict[type, Script], init=False)
    must_read: set[type] = attrs.field(factory=set[type], init=False)
    is_closed: bool = attrs.field(default=False, init=False)
    """Whether there is no test any more that could answer."""

    news: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    # --- as an actor

    def receive(self, message: object, ctx: Context) -> None:
        """Take a message in, and answer it if there is a script for it."""
        receipt = self._note(message, ctx)
        if not is_question(type(message)):
            return
        address = ctx.reply_address
        script = self.scripts.get(type(message))
        if script is None:
            receipt.address = None if self.is_closed else address
        elif not address.is_closed:
            try:
                address.send_nowait(script(message))
            except Exception as error:  # noqa: BLE001 - the asker's, whatever it is
                address.fail(error)

    async def stream(
        self, message: object, ctx: Context
    ) -> AsyncGenerator[object, None]:
        """Take a stream request in, and pass on what the test replies."""
        receipt = self._note(message, ctx)
        script = self.scripts.get(type(message))
        if script is not None:
            for item in cast("Iterable[object]", script(message)):
                yield item
            return
        if self.is_closed:
            return
        receipt.items, items = trio.open_memory_channel[object](math.inf)
        async for item in items:
            if isinstance(item, Failure):
                raise item.error
            yield item

    def _note(self, message: object, ctx: Context) -> Receipt:
        receipt = Receipt(message, trio.current_time(), ctx.sender)
        self.receipts.append(receipt)
        self.news.unpark_all()
        return receipt

    # --- for the test

    def read(
        self, message_type: type[T], where: Callable[[T], bool] | None
    ) -> T | None:
        """Return the first unread message of that kind, which is read then."""
        for receipt in self.unread():
            message = receipt.message
            if not isinstance(message, message_type):
                continue
            if where is None or where(message):
                receipt.is_read = True
                self.last_read = receipt
                return message
        return None

    def unread(self) -> list[Receipt]:
        """Return what came and was not read."""
        return [receipt for receipt in self.receipts if not receipt.is_read]

    def find(self, message: object) -> Receipt | None:
        """Return how that very message came in, if it did."""
        for receipt in self.receipts:
            if receipt.message is message:
                return receipt
        return None

    def tell(self) -> str:
        """Say what came, and when, for an error."""
        if not self.receipts:
            return "It has received nothing."
        lines = [receipt.describe(self.opened) for receipt in self.receipts]
        return "It has received, since it was opened:" + "".join(lines)

    def close(self) -> None:
        """Let go of all that was to be answered, and will be: nobody does it."""
        self.is_closed = True
        for receipt in self.receipts:
            receipt.address = receipt.items = None


@final
class EveryType(Mapping[type, Handler]):
    """A table with a handler of a desk for whatever message is looked up in it."""

    def __init__(self) -> None:
        self._made: dict[type, Handler] = {}

    def __getitem__(self, message_type: type) -> Handler:
        if message_type not in self._made:
            streams = issubclass(message_type, StreamRequest)
            self._made[message_type] = make_handler(
                message_type,
                Desk.stream if streams else Desk.receive,
                exclusive=False,
                where=f"a probe, for {name_of(message_type)}",
            )
        return self._made[message_type]

    def __iter__(self) -> Iterator[type]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


publish_names(globals(), ["ProbeError"], "acton_trio.testing")
