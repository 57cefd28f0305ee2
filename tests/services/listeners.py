"""Actors that hear what is broadcast, and have no room for it."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton


@acton.message
class Note:
    """Is broadcast."""

    number: int


@acton.message
class Hold:
    """Takes a while, alone."""

    seconds: float


@acton.message
class Shout:
    """Makes the actor broadcast a note of that number."""

    number: int


@acton.actor
class Listener:
    """Writes down the notes that it hears."""

    heard: list[int]

    @acton.mutate_on
    def hear(self, note: Note) -> None:
        """Write it down."""
        self.heard.append(note.number)

    @acton.mutate_on
    async def hold(self, message: Hold) -> None:
        """Take a while, alone."""
        await trio.sleep(message.seconds)


@acton.actor
class Idle:
    """Does nothing."""


async def start_busy(
    runtime: acton.Runtime, seconds: float, heard: list[int] | None = None
) -> acton.ActorHandle:
    """Start a listener that holds twice, so that its mailbox of one is full."""
    listener = await runtime.start(
        Listener, [] if heard is None else heard, mailbox_capacity=1
    )
    await keep_busy(listener, seconds)
    return listener


async def keep_busy(listener: acton.ActorHandle, seconds: float) -> None:
    """Have *listener* hold, and hold once more."""
    for _ in range(2):
        await listener.send(Hold(seconds))
        await wait_all_tasks_blocked()


async def start_broadcasts(
    nursery: trio.Nursery, runtime: acton.Runtime, count: int
) -> None:
    """Begin with so many broadcasts, each of which may have to wait."""
    for number in range(count):
        nursery.start_soon(runtime.broker.broadcast, Note(number))
        await wait_all_tasks_blocked()
