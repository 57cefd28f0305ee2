"""Probes: handles that a test holds both ends of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Final, TypeVar, cast, final

import attrs
import trio

from .._base.blocks import async_block
from .._base.ids import check_name
from .._base.util import name_of, publish_names, shown
from .._kernel.activity import Activity, current_activity
from .._kernel.actor import Behaviour
from .._kernel.handle import ActorHandle
from .._kernel.recipe import Recipe
from .._kernel.seat import Seat
from .._messages.declare import Rejection, is_message, is_question
from .._runtime.builder import Plan
from .._runtime.runtime import RuntimeCore, place
from .desk import Desk, EveryType, Failure, ProbeError, Receipt, Script
from .idle import find_within
from .leaks import Leak, LeakError
from .ledger import ledger_of

__all__ = ["Probe", "open_probe"]

T = TypeVar("T")

# A probe is never full, and never keeps others waiting.
_NO_LIMIT: Final = 2**63 - 1


@final
@attrs.frozen(eq=False, repr=False)
class Probe(ActorHandle):
    """A handle whose other end the test holds; lives as long as its `open_probe`.

    It is of a real actor, which takes messages of every type, keeps them for
    `expect`, and leaves requests unanswered until the test replies.
    """

    _desk: Desk

    def __repr__(self) -> str:
        return f"<Probe {self.name}>"

    # --- what came

    @property
    def received(self) -> tuple[object, ...]:
        """All messages that have come, in their order, read or not."""
        return tuple(receipt.message for receipt in self._desk.receipts)

    async def expect(
        self,
        message_type: type[T],
        *,
        where: Callable[[T], bool] | None = None,
        within: float = 1.0,
    ) -> T:
        """Return the first unread message of that type, waiting for it.

        Others that have come before it stay unread, for another `expect`.

        Args:
            message_type: Its class, or a class that it derives from.
            where: Says whether it is the one; called with each of that type.
            within: How long to wait, in seconds on trio's clock.

        Raises:
            ProbeError: If it has not come by then; says what has, and when.

        Cancellation:
            No message was read.
        """
        desk = self._desk
        message = await find_within(
            within, lambda: desk.read(message_type, where), desk.news.park
        )
        if message is None:
            which = name_of(message_type) + (" that fits" if where is not None else "")
            text = f"{self.name} expected {which} within {within:g} s, and none came."
            msg = f"{text}\n{self._desk.tell()}"
            raise ProbeError(msg)
        return message

    async def expect_nothing(self, *, within: float = 1.0) -> None:
        """Wait, and see that nothing comes and nothing was left unread.

        Args:
            within: How long, in seconds on trio's clock.

        Raises:
            ProbeError: As soon as there is something; says what, and when.

        Cancellation:
            Only the waiting ends.
        """
        desk = self._desk
        if await find_within(within, lambda: desk.unread() or None, desk.news.park):
            msg = f"{self.name} expected nothing within {within:g} s.\n{self._desk.tell()}"
            raise ProbeError(msg)

    def must_read(self, *message_types: type) -> None:
        """Have messages of these types fail the test if they are left unread."""
        for each in message_types:
            if not is_message(each):
                msg = f"{name_of(each)} is not a message class"
                raise TypeError(msg)
        self._desk.must_read.update(message_types)

    # --- answering

    def reply(self, value: object, *, to: object = None) -> None:
        """Answer a request with *value*; for a stream, with its next item.

        If the asker has gone meanwhile the reply goes nowhere.

        Args:
            value: The reply; the asker gets `UnexpectedReplyError` if the
                request does not declare it.
            to: The request; by default the message that `expect` returned last.

        Raises:
            ProbeError: If that is no request, or was answered.
        """
        receipt = self._unanswered(to)
        if receipt.items is not None:
            receipt.items.send_nowait(value)
            return
        address, receipt.address = receipt.address, None
        assert address is not None
        address.send_nowait(value)

    def end(self, *, to: object = None) -> None:
        """End a stream, after the items that it was given.

        Args:
            to: The request; by default the message that `expect` returned last.

        Raises:
            ProbeError: If the message is no stream request, or has ended.
        """
        receipt = self._unanswered(to)
        if receipt.items is None:
            msg = f"{shown(receipt.message)} asks for no stream: reply() to it"
            raise ProbeError(msg)
        receipt.items.close()
        receipt.items = None

    def reject(self, rejection: Rejection, *, to: object = None) -> None:
        """Answer a request with a rejection, which its asker gets as it is.

        Args:
            rejection: The rejection.
            to: The request; by default the message that `expect` returned last.

        Raises:
            ProbeError: If the message is no request, or was answered.
            TypeError: If it is no `Rejection`.
        """
        if not isinstance(cast("object", rejection), Rejection):
            msg = f"{shown(rejection)} is not a Rejection: fail() with it"
            raise TypeError(msg)
        self.fail(rejection, to=to)

    def fail(self, error: Exception, *, to: object = None) -> None:
        """Have a request fail with *error*: its asker gets `HandlerFailedError`.

        Args:
            error: What it gets that from.
            to: The request; by default the message that `expect` returned last.

        Raises:
            ProbeError: If the message is no request, or was answered.
        """
        receipt = self._unanswered(to)
        if receipt.items is not None:
            receipt.items.send_nowait(Failure(error))
            receipt.items = None
            return
        address, receipt.address = receipt.address, None
        assert address is not None
        address.fail(error)

    def script(self, message_type: type[T], respond: Callable[[T], object]) -> None:
        """Answer every request of *message_type* from now on as soon as it comes.

        Args:
            message_type: The requests; exactly this type.
            respond: Returns the reply to one, for a stream all its replies, or
                raises what the asker gets.

        Raises:
            TypeError: If it is not a class of requests.
        """
        if not is_message(message_type) or not is_question(message_type):
            msg = f"{name_of(message_type)} is not a Request: nobody waits for a reply"
            raise TypeError(msg)
        self._desk.scripts[message_type] = cast("Script", respond)

    def _unanswered(self, message: object) -> Receipt:
        receipt = self._receipt_of(message)
        if receipt.address is None and receipt.items is None:
            reason = (
                "was answered" if is_question(type(receipt.message)) else "asks nothing"
            )
            msg = f"{shown(receipt.message)} {reason}: there is nothing to reply to"
            raise ProbeError(msg)
        return receipt

    def _receipt_of(self, message: object) -> Receipt:
        desk = self._desk
        receipt = desk.last_read if message is None else desk.find(message)
        if receipt is not None:
            return receipt
        if message is None:
            msg = f"{self.name} has nothing to reply to yet: expect() a request first"
            raise ProbeError(msg)
        msg = f"{self.name} has not received this very {shown(message)}.\n{desk.tell()}"
        raise ProbeError(msg)

    # --- acting

    @contextmanager
    def as_sender(self) -> Generator[None, None, None]:
        """Have what is sent and asked in this block come from the probe."""
        activity = Activity(self.name, self, is_background=True)
        token = current_activity.set(activity)
        try:
            yield
        finally:
            current_activity.reset(token)


@async_block("open_probe(runtime)", "probe")
@asynccontextmanager
async def open_probe(
    runtime: RuntimeCore, name: str | None = None
) -> AsyncGenerator[Probe, None]:
    """Open a probe in *runtime*: an actor that keeps what it is sent for the test.

    When the block is left, asks that it has not answered end with
    `NoReplyError`, and so do those that come later.  Its actor stays as long as
    the runtime: others may have something to tell it when they stop.

    Args:
        runtime: Where it is.
        name: Its name; by default ``probe-0``, ``probe-1`` and so on.

    Raises:
        DuplicateNameError: If a running actor has the name.
        LeakError: At the end of the block, if messages that must be read
            were not, and the runtime is not one for tests, which tells then.

    Cancellation:
        As when the block is left.
    """
    desk = Desk(trio.current_time())
    name = check_name(name or _free_name(runtime))
    plan = Plan(name, "probe", _NO_LIMIT, _NO_LIMIT)
    behaviour = Behaviour(handlers=EveryType())

    def make_handle(seat: Seat) -> Probe:
        return Probe(seat, desk)

    probe = await place(
        runtime, None, plan, Recipe(lambda: desk, lambda _: behaviour), make_handle
    )
    ledger = ledger_of(runtime)
    try:
        yield probe
        if ledger is not None:
            await ledger.close_asks(to=probe.name)
            ledger.note_timers(to=probe.name)
    finally:
        desk.close()
    unread = [each for each in desk.unread() if type(each.message) in desk.must_read]
    texts = [f"{shown(each.message)} to {probe.name}" for each in unread]
    if ledger is not None:
        lines = [ledger.origin_of(each.message) for each in unread]
        texts = [
            f"{text}, sent {line}" for text, line in zip(texts, lines, strict=True)
        ]
        ledger.add([Leak("unread message", text) for text in texts])
    elif texts:
        raise LeakError([Leak("unread message", text) for text in texts])


def _free_name(runtime: RuntimeCore) -> str:
    names = (f"probe-{number}" for number in count())
    return next(name for name in names if not runtime.root.has(name))


publish_names(globals(), ["Probe"], "acton_trio.testing")
