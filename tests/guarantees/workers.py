"""Actors that write down what they handle, and what became of a call to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton

NEVER = acton.RestartLimit(max_restarts=0)
SHORT = acton.Config(timeouts=acton.Timeouts(actor_shutdown=2, system_shutdown=3))


@acton.message
class Work(acton.Request[str]):
    """Takes a while, alone."""

    name: str
    seconds: float = 0


@acton.message
class Read(acton.Request[str]):
    """Takes a while."""

    name: str
    seconds: float = 0


@acton.message
class Fail(acton.Request[str]):
    """Makes the handler raise, after a while."""

    error: Exception
    seconds: float = 0


@acton.message
class Leave(acton.Request[str]):
    """Makes the actor end itself, and the handler go on for a while."""

    seconds: float = 0


@acton.message
class SendToOneself(acton.Request[str]):
    """Makes the handler send to its own actor until that is full."""


@acton.message(ipc=True)
class Unknown(acton.Request[str]):
    """Has no handler."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers, one a second."""


@attrs.define
class Diary:
    """What an actor did, over all of its incarnations."""

    lines: list[str] = attrs.field(factory=list[str])
    clean_up: float = 0
    name: str = ""

    def write(self, line: str) -> None:
        """Write down *line*, and when it was."""
        self.lines.append(f"{line} at {trio.current_time():g}")


@acton.actor
class Worker:
    """Writes down what it does."""

    diary: Diary = attrs.field(factory=Diary)

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Clean up for a while."""
        yield
        await trio.sleep(self.diary.clean_up)
        self.diary.write(f"{self.diary.name}lifespan out")

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it."""
        self.diary.write("before_stop")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Clean up for a while."""
        await trio.sleep(self.diary.clean_up)
        self.diary.write(f"{self.diary.name}after_stop")

    @acton.mutate_on
    async def work(self, request: Work) -> str:
        """Take a while, alone."""
        return await self.take_time(request)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        return await self.take_time(request)

    async def take_time(self, request: Work | Read) -> str:
        """Take a while, and write down how that went."""
        self.diary.write(f"{request.name} began")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.diary.write(f"{request.name} cancelled")
            raise
        self.diary.write(f"{request.name} ended")
        return request.name

    @acton.mutate_on
    async def fail(self, request: Fail) -> str:
        """Raise."""
        self.diary.write("failing")
        await trio.sleep(request.seconds)
        raise request.error

    @acton.mutate_on
    async def leave(self, request: Leave, ctx: acton.Context) -> str:
        """Stop, and take a while."""
        ctx.stop()
        await trio.sleep(request.seconds)
        self.diary.write("left")
        return "left"

    @acton.mutate_on
    async def send_to_oneself(self, _request: SendToOneself, ctx: acton.Context) -> str:
        """Fill the mailbox, and more."""
        try:
            for _ in range(10):
                await ctx.handle.send(Work("to myself"))
        except acton.MailboxFullError as error:
            return type(error).__name__
        return "room for all"

    @acton.act_on
    async def count(self, _request: Count) -> AsyncIterator[int]:
        """Count the seconds."""
        for number in range(10):
            await trio.sleep(1)
            yield number


@acton.actor
class Reader:
    """Reads only."""

    diary: Diary = attrs.field(factory=Diary)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        await trio.sleep(request.seconds)
        return request.name


@attrs.define
class Fate:
    """What became of one call, and when."""

    result: object = None
    error: acton.ActonError | None = None
    at: float = -1

    @property
    def kind(self) -> type[object]:
        """The type of what it ended with."""
        return type(self.error or self.result)


async def ask(
    handle: acton.ActorHandle, request: acton.Request[str], fate: Fate
) -> None:
    """Ask, and keep what becomes of it; nobody's cancellation gets in here."""
    with trio.CancelScope(shield=True):
        try:
            fate.result = await handle.ask(request)
        except acton.ActonError as error:
            fate.error = error
    fate.at = trio.current_time()


async def send(handle: acton.ActorHandle, message: object, fate: Fate) -> None:
    """Send, and keep what becomes of it; nobody's cancellation gets in here."""
    with trio.CancelScope(shield=True):
        try:
            await handle.send(message)
        except acton.ActonError as error:
            fate.error = error
    fate.at = trio.current_time()


async def fill(
    handle: acton.ActorHandle, first: object, nursery: trio.Nursery
) -> tuple[Fate, Fate, Fate]:
    """Have *first* in flight, two messages queued, a sender and an asker waiting.

    The actor's mailbox has room for two.  Returned are the fates of the queued
    ask, of the waiting send, and of the one in flight.
    """
    queued, waiting, running = Fate(), Fate(), Fate()
    if isinstance(first, (Work, Read, Fail, Leave)):
        nursery.start_soon(ask, handle, first, running)
    await wait_all_tasks_blocked()
    handle.send_nowait(Work("queued send"))
    nursery.start_soon(ask, handle, Work("queued ask"), queued)
    await wait_all_tasks_blocked()
    nursery.start_soon(send, handle, Work("waiting send"), waiting)
    await wait_all_tasks_blocked()
    assert waiting.at == -1
    return queued, waiting, running


def begun(diary: Diary) -> list[str]:
    """Return the names of the messages that were begun."""
    return [line.split(" began")[0] for line in diary.lines if " began" in line]
