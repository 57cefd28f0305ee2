"""Actors for trees: any of them may supervise others, and be supervised."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

import attrs
import trio

import acton_trio as acton

T = TypeVar("T")

Turn: TypeAlias = acton.ChildRestarted | acton.ChildTerminated
"""What becomes of a child whose incarnation has ended."""


@acton.message
class Fail:
    """Makes an actor fail."""

    text: str = "broken"


@acton.message
class Leave:
    """Makes an actor end normally, of its own accord."""


@acton.message
class GetGeneration(acton.Request[int]):
    """Asks how often the actor was restarted."""


@acton.actor
class Worker:
    """Writes down when it comes and goes; each may take a while."""

    log: list[str] = attrs.field(factory=list[str])
    start_takes: float = 0
    stop_takes: float = 0

    @acton.before_start
    def begin(self, ctx: acton.Context) -> None:
        """Note it."""
        self.log.append(f"{ctx.handle.name} starts")

    @acton.after_start
    async def come(self, ctx: acton.Context) -> None:
        """Take the time, and note it."""
        await trio.sleep(self.start_takes)
        self.log.append(f"{ctx.handle.name} is up")

    @acton.act_on
    def get_generation(self, _request: GetGeneration, ctx: acton.Context) -> int:
        """Tell which one this is."""
        return ctx.generation

    @acton.mutate_on
    def fail(self, message: Fail) -> None:
        """Fail."""
        raise RuntimeError(message.text)

    @acton.mutate_on
    def leave(self, _message: Leave, ctx: acton.Context) -> None:
        """End."""
        ctx.stop()

    @acton.before_stop
    async def end(self) -> None:
        """Take the time."""
        await trio.sleep(self.stop_takes)

    @acton.after_stop
    def go(self, ctx: acton.Context) -> None:
        """Note it."""
        self.log.append(f"{ctx.handle.name} is down")


class Builder:
    """Makes workers, and counts them."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> Worker:
        """Make one."""
        self.built += 1
        return Worker()


@acton.actor
class Witness(Worker):
    """Writes down besides what it hears of its own children."""

    heard: list[object] = attrs.field(factory=list[object])

    @acton.mutate_on
    def hear(
        self,
        event: acton.ChildSupervised
        | acton.ChildRestarted
        | acton.ChildTerminated
        | acton.SupervisionEscalated,
    ) -> None:
        """Note it."""
        self.heard.append(event)


def state_of(actor: acton.ActorHandle) -> acton.ActorState:
    """Return its state; a type checker would think that it stays the same."""
    return actor.status.state


async def fail_and_return(worker: acton.ActorHandle, times: int = 1) -> None:
    """Have *worker* fail so often, and wait each time until it is back."""
    for _ in range(times):
        generation = worker.status.generation + 1
        await worker.send(Fail())
        await worker.wait_generation(generation)


async def supervise_all(
    boss: acton.ActorHandle, names: str, log: list[str]
) -> list[acton.ActorHandle]:
    """Have *boss* supervise a worker for each letter of *names*, in that order."""
    return [await boss.supervise(Worker, log, name=name) for name in names]


def turns(
    runtime: acton.Runtime,
) -> AbstractAsyncContextManager[acton.Subscription[Turn]]:
    """Read what becomes of all actors whose incarnations end."""
    return runtime.broker.subscribe(acton.ChildRestarted, acton.ChildTerminated)


def told(events: acton.Subscription[T]) -> list[T]:
    """Return what was broadcast since the last look."""
    received: list[T] = []
    while True:
        try:
            received.append(events.receive_nowait())
        except trio.WouldBlock:
            return received


def waits(events: acton.Subscription[Turn]) -> list[float]:
    """Return how long the restarts were waited for, since the last look."""
    restarts = [each for each in told(events) if isinstance(each, acton.ChildRestarted)]
    return [each.backoff for each in restarts]
