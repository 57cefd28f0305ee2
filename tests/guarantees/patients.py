"""Actors that fail in every way there is, and what to expect of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton

Moment = Literal[
    "lifespan in",
    "lifespan out",
    "before_start",
    "after_start",
    "before_stop",
    "after_stop",
    "background",
]
NEVER = acton.RestartLimit(max_restarts=0)


class Several(ExceptionGroup[Exception]):
    """A group of the user's own."""

    def derive(self, excs: Sequence[Exception], /) -> Several:  # type: ignore[override]
        return Several(self.message, excs)


@acton.message(ipc=True)
class Sorry(acton.Rejection):
    """An expected failure."""

    why: str = ""


@acton.message
class ReadFail(acton.Request[int]):
    """Makes a reading handler raise."""

    error: BaseException


@acton.message
class WriteFail(acton.Request[int]):
    """Makes a writing handler raise."""

    error: BaseException


@acton.message
class ReadForgiven(acton.Request[int]):
    """The same; `LookupError`s have an `on_error`."""

    error: BaseException


@acton.message
class WriteForgiven(acton.Request[int]):
    """The same; `LookupError`s have an `on_error`."""

    error: BaseException


@acton.message
class Linger:
    """Keeps the actor busy for a while, alone."""


@acton.message
class ReadWorse(acton.Request[int]):
    """Makes a reading handler raise, and then its `on_error`."""

    first: Exception
    second: Exception


@acton.message
class WriteWorse(acton.Request[int]):
    """Makes a writing handler raise, and then its `on_error`."""

    first: Exception
    second: Exception


@acton.message
class ReadLate(acton.Request[int]):
    """Makes a reading handler raise when its asker has gone."""

    error: Exception


@acton.message(ipc=True)
class ReadOverIpc:
    """Makes a reading handler raise."""


@acton.message(ipc=True)
class ReadLateOverIpc(acton.Request[int]):
    """Makes a reading handler raise when its asker has gone."""


@acton.message
class AnswerWrongly(acton.Request[int]):
    """Is answered with what it did not ask for."""

    exclusive: bool = False


@acton.message
class AskFor(acton.Request[int]):
    """Makes the handler ask somebody else, and let pass what comes."""

    other: acton.ActorHandle
    request: acton.Request[int]


@acton.message
class FailSoon:
    """Starts a background task that raises."""

    error: BaseException


@acton.message
class FailInTwo(acton.Request[int]):
    """Makes a reading handler fail with a group."""

    errors: tuple[Exception, ...]


@acton.message
class Ping(acton.Request[int]):
    """Asks how many messages were handled before."""


@attrs.define
class Plan:
    """Which hook raises what, in which generation; and what was seen."""

    moment: Moment | None = None
    error: BaseException = attrs.field(factory=RuntimeError)
    generation: int = 0
    log: list[str] = attrs.field(factory=list[str])


@acton.actor
class Patient:
    """Fails wherever it is told to."""

    plan: Plan = attrs.field(factory=Plan)

    def reach(self, moment: Moment, ctx: acton.Context) -> None:
        """Raise if this is the moment."""
        self.plan.log.append(moment)
        if self.plan.moment == moment and ctx.generation == self.plan.generation:
            self.plan.moment = None
            raise self.plan.error

    @acton.lifespan
    async def life(self, ctx: acton.Context) -> AsyncIterator[None]:
        """Reach both ends."""
        self.reach("lifespan in", ctx)
        yield
        self.reach("lifespan out", ctx)

    @acton.before_start
    def before_start(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("before_start", ctx)

    @acton.after_start
    def after_start(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("after_start", ctx)

    @acton.before_stop
    def before_stop(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("before_stop", ctx)

    @acton.after_stop
    def after_stop(self, ctx: acton.Context) -> None:
        """Reach it."""
        self.reach("after_stop", ctx)

    @acton.act_on
    async def read_fail(self, request: ReadFail) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    async def write_fail(self, request: WriteFail) -> int:
        """Raise."""
        raise request.error

    @acton.act_on
    async def read_forgiven(self, request: ReadForgiven) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    async def write_forgiven(self, request: WriteForgiven) -> int:
        """Raise."""
        raise request.error

    @acton.on_error
    async def forgive(
        self, error: LookupError, message: ReadForgiven | WriteForgiven
    ) -> int:
        """Answer for it."""
        self.plan.log.append("on_error begins")
        await trio.sleep(1)
        self.plan.log.append("on_error ends")
        return 42

    @acton.mutate_on
    async def linger(self, _command: Linger) -> None:
        """Take a while."""
        await trio.sleep(1)

    @acton.act_on
    def read_worse(self, request: ReadWorse) -> int:
        """Raise."""
        raise request.first

    @acton.mutate_on
    def write_worse(self, request: WriteWorse) -> int:
        """Raise."""
        raise request.first

    @acton.on_error
    def worsen(self, error: LookupError, message: ReadWorse | WriteWorse) -> int:
        """Raise, too."""
        raise message.second

    @acton.act_on
    async def read_late(self, request: ReadLate) -> int:
        """Raise instead of being cancelled."""
        try:
            await trio.sleep_forever()
        finally:
            raise request.error

    @acton.act_on
    async def read_late_over_ipc(self, _request: ReadLateOverIpc) -> int:
        """Raise instead of being cancelled."""
        try:
            await trio.sleep_forever()
        finally:
            raise self.plan.error

    @acton.act_on
    def read_over_ipc(self, _command: ReadOverIpc) -> None:
        """Raise."""
        raise self.plan.error

    @acton.act_on
    def answer_wrongly(self, _request: AnswerWrongly) -> int:
        """Answer with another type."""
        wrong: Any = "a string"
        return wrong  # type: ignore[no-any-return]

    @acton.act_on
    async def ask_for(self, request: AskFor) -> int:
        """Ask somebody else."""
        return await request.other.ask(request.request)

    @acton.mutate_on
    def fail_soon(self, command: FailSoon, ctx: acton.Context) -> None:
        """Fail beside the messages."""
        ctx.start_soon(self.fail, command.error)

    async def fail(self, error: BaseException) -> None:
        """Raise, in the background."""
        raise error

    @acton.act_on
    async def fail_in_two(self, request: FailInTwo) -> int:
        """Raise a group."""
        text = "several"
        raise Several(text, list(request.errors))

    @acton.mutate_on
    def ping(self, _request: Ping) -> int:
        """Say that it is there."""
        self.plan.log.append("ping")
        return len(self.plan.log)


async def expect_unharmed(handle: acton.ActorHandle) -> None:
    """Check that the first incarnation still answers."""
    await wait_all_tasks_blocked()
    await handle.ask(Ping())
    assert handle.status.generation == 0
    assert handle.status.last_failure is None


async def expect_failed(handle: acton.ActorHandle, error: BaseException) -> None:
    """Check that the supervisor got *error* and started another incarnation."""
    await handle.wait_generation(1)
    assert handle.status.last_failure is error
