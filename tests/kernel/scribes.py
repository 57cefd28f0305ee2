"""An actor that does all an actor can, and writes down what it did."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator
from typing import Any

import attrs
import trio

import acton_trio as acton


@acton.message
class Note:
    """Is written down."""

    text: str


@acton.message
class GetLog(acton.Request[tuple[str, ...]]):
    """Asks for what was written down."""


@acton.message
class Read(acton.Request[str]):
    """Reads for some time."""

    name: str
    seconds: float = 1


@acton.message
class Write(acton.Request[str]):
    """Writes for some time, alone."""

    name: str
    seconds: float = 1


@acton.message
class ReadFail(acton.Request[int]):
    """Makes a reading handler raise."""

    error: BaseException


@acton.message
class WriteFail(acton.Request[int]):
    """Makes a writing handler raise."""

    error: BaseException


@acton.message
class Silent(acton.Request[int]):
    """Is not answered."""


@acton.message
class Maybe(acton.Request[int | None]):
    """Is answered with nothing."""


@acton.message
class Wrong(acton.Request[int]):
    """Is answered wrongly."""


@acton.message
class Defer(acton.Request[int]):
    """Is answered later, or never."""

    seconds: float
    keep: bool = True


@acton.message
class Direct(acton.Request[int]):
    """Is answered through the context."""


@acton.message
class Count(acton.StreamRequest[int]):
    """Is answered with numbers."""

    upto: int
    wrong: bool = False
    fails: bool = False


@acton.message
class Leave:
    """Makes the actor end itself."""


@acton.message
class Behind(acton.Request[float]):
    """Asks somebody else, from a reading or a writing handler."""

    handle: acton.ActorHandle
    request: acton.Request[Any]
    exclusive: bool = False


@acton.message
class BehindAlone(acton.Request[float]):
    """The same from a writing handler."""

    handle: acton.ActorHandle
    request: acton.Request[Any]


@acton.message
class Spawn:
    """Starts a background task that fails after a second."""


@acton.message
class Unknown(acton.Request[int]):
    """Has no handler."""


@acton.message
class Sorry(acton.Rejection):
    """An expected failure."""

    why: str


@acton.actor
class Scribe:
    """Does all that an actor can, and writes down what it did."""

    log: list[str] = attrs.field(factory=list[str])
    kept: Any = None

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Note both ends."""
        self.log.append("in")
        try:
            yield
        finally:
            self.log.append("out")

    @acton.before_start
    def before_start(self) -> None:
        """Note it."""
        self.log.append("before_start")

    @acton.after_start
    async def after_start(self, ctx: acton.Context) -> None:
        """Note it, and send to oneself."""
        self.log.append("after_start")
        await ctx.handle.send(Note("to myself"))

    @acton.before_stop
    async def before_stop(self) -> None:
        """Note it."""
        self.log.append("before_stop")

    @acton.after_stop
    def after_stop(self) -> None:
        """Note it."""
        self.log.append("after_stop")

    @acton.mutate_on
    def note(self, message: Note) -> None:
        """Write it down."""
        self.log.append(message.text)

    @acton.act_on
    def get_log(self, _request: GetLog) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.log)

    @acton.act_on
    async def read(self, request: Read) -> str:
        """Take a while."""
        self.log.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.log.append(f"x{request.name}")
            raise
        self.log.append(f"-{request.name}")
        return request.name

    @acton.mutate_on
    async def write(self, request: Write) -> str:
        """Take a while, alone."""
        self.log.append(f"+{request.name}")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.log.append(f"x{request.name}")
            raise
        self.log.append(f"-{request.name}")
        return request.name

    @acton.act_on
    async def read_fail(self, request: ReadFail) -> int:
        """Raise."""
        raise request.error

    @acton.mutate_on
    def write_fail(self, request: WriteFail) -> int:
        """Raise."""
        raise request.error

    @acton.on_error
    async def excuse(self, error: LookupError, request: ReadFail | WriteFail) -> int:
        """Answer all the same."""
        if error.args == ("twice",):
            msg = "again"
            raise ValueError(msg)
        return 7

    @acton.act_on
    def silent(self, request: Silent) -> None:
        """Do not answer."""

    @acton.act_on
    def maybe(self, request: Maybe) -> None:
        """Answer with nothing."""

    @acton.act_on
    def wrong(self, request: Wrong) -> Any:
        """Answer with something else."""
        return "no number"

    @acton.act_on
    def direct(self, request: Direct, ctx: acton.Context) -> int:
        """Answer twice: the first one counts."""
        assert ctx.message is request
        ctx.reply(1)
        return 2

    @acton.mutate_on
    def defer(self, request: Defer, ctx: acton.Context) -> None:
        """Answer later."""
        address = ctx.reply_address
        assert ctx.reply_address is address
        self.kept = address
        if request.keep:
            ctx.start_soon(self._answer, request.seconds)
        else:
            ctx.start_soon(self._forget, request.seconds)

    async def _answer(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.log.append(repr(self.kept))
        await self.kept.send(9)
        self.log.append(repr(self.kept))

    async def _forget(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.kept = None

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count."""
        try:
            for number in range(request.upto):
                yield typing.cast("int", "x") if request.wrong else number
                if request.fails:
                    msg = "stream"
                    raise ValueError(msg)
        finally:
            self.log.append("stream over")

    @acton.mutate_on
    def leave(self, message: Leave, ctx: acton.Context) -> None:
        """End this incarnation."""
        self.log.append(f"leave {ctx.generation}")
        ctx.stop()

    @acton.act_on
    async def behind(self, request: Behind) -> float:
        """Ask somebody else."""
        await request.handle.ask(request.request)
        return trio.current_time()

    @acton.mutate_on
    async def behind_alone(self, request: BehindAlone) -> float:
        """Ask somebody else, alone."""
        await request.handle.ask(request.request)
        return trio.current_time()

    @acton.mutate_on
    def spawn(self, message: Spawn, ctx: acton.Context) -> None:
        """Start a task that fails."""

        async def fail() -> None:
            await trio.sleep(1)
            msg = "background"
            raise RuntimeError(msg)

        ctx.start_soon(fail)


async def opened(runtime: acton.Runtime, name: str = "scribe", **more: Any) -> Any:
    """Start a scribe; return its handle, and the list that all of it write to."""
    log: list[str] = []
    handle = await runtime.start(lambda: Scribe(log), name=name, **more)
    return handle, log


ONCE = acton.RestartLimit(max_restarts=1, initial_backoff=0.1)
