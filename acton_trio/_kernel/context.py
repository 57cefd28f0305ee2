"""`Context`: what a handler or hook may ask about, and do."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVarTuple, Unpack, final

import attrs
import trio

from .._base.util import publish_names
from .activity import NO_HEADERS
from .handle import ActorHandle
from .options import StartOptions
from .spawner import Idle, Spawner
from .turn import ReplyAddress, Turn

__all__ = ["Context", "Incarnation"]

Ts = TypeVarTuple("Ts")


class Incarnation(Protocol):
    """What a context may have the incarnation do that it belongs to."""

    @property
    def handle(self) -> ActorHandle:
        """The actor's handle."""
        ...

    @property
    def generation(self) -> int:
        """How many incarnations there were before this one."""
        ...

    @property
    def runtime(self) -> Any:
        """The `Runtime` it runs in."""
        ...

    @property
    def spawner(self) -> Spawner:
        """Who runs its children."""
        ...

    def start_soon(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        args: tuple[*Ts],
        headers: Mapping[str, str],
    ) -> None:
        """Start a task that dies with the incarnation."""
        ...

    def stop(self) -> None:
        """End normally, as soon as no handler runs."""
        ...


@final
@attrs.frozen(eq=False, repr=False)
class Context:
    """What a handler or hook may ask about, and do; lives until it returns."""

    _incarnation: Incarnation
    _turn: Turn | None = None

    @property
    def handle(self) -> ActorHandle:
        """The actor itself."""
        return self._incarnation.handle

    @property
    def runtime(self) -> Any:
        """The `Runtime` it runs in."""
        return self._incarnation.runtime

    @property
    def broker(self) -> Any:
        """The runtime's `Broker`."""
        return self.runtime.broker

    @property
    def generation(self) -> int:
        """How many incarnations of the actor there were before this one."""
        return self._incarnation.generation

    @property
    def message(self) -> object:
        """The message being handled; ``None`` in a hook."""
        return self._turn.envelope.message if self._turn else None

    @property
    def sender(self) -> ActorHandle | None:
        """The actor that sent the message; ``None`` for plain code and peers."""
        sender = self._turn.envelope.sender if self._turn else None
        assert sender is None or isinstance(sender, ActorHandle)
        return sender

    @property
    def deadline(self) -> float:
        """When the message loses its point, on trio's clock; else infinity."""
        return self._turn.envelope.deadline if self._turn else math.inf

    @property
    def headers(self) -> Mapping[str, str]:
        """What travels with the message, and on with what the handler sends."""
        return self._turn.envelope.headers if self._turn else NO_HEADERS

    def reply(self, value: object) -> None:
        """Answer the request now; what the handler returns then is dropped.

        Only the first reply counts.  A message that was sent has no asker:
        its reply goes nowhere.

        Raises:
            RuntimeError: In a hook, which has nothing to answer.
        """
        self._need_turn().reply(value)

    @property
    def reply_address(self) -> ReplyAddress:
        """Where the reply can be sent to later, from anywhere in this process.

        Taking it leaves the answer to whoever keeps it: returning ``None`` is
        no reply then.  If nobody keeps it the ask ends with `NoReplyError`.

        Raises:
            RuntimeError: In a hook, which has nothing to answer.
        """
        return self._need_turn().take_address()

    @property
    def children(self) -> tuple[ActorHandle, ...]:
        """The actors that this incarnation supervises and that run, in order."""
        return self._incarnation.spawner.handles()

    async def supervise(
        self,
        factory: Callable[..., object] | Idle,
        *args: object,
        **options: Unpack[StartOptions],
    ) -> ActorHandle:
        """Start a child of this incarnation, and return its handle once it runs.

        As `ActorHandle.supervise` of the actor itself, with the same *factory*,
        *args* and *options*.  A handler that has no time to wait for it leaves
        that to a background task::

            ctx.start_soon(ctx.supervise, Worker)

        Raises:
            DuplicateNameError: If another child has the name.
            SupervisionDepthError: If the child would be further down than 10.
            ActorStoppedError: If the incarnation has ended, or ends before
                the child has started.
            Exception: Whatever the factory or a start hook raised.

        Cancellation:
            The half-started child is down before this leaves.
        """
        await trio.lowlevel.checkpoint()
        spawner = self._incarnation.spawner
        child: ActorHandle = await spawner.supervise(factory, args, options)
        return child

    def start_soon(
        self, async_fn: Callable[[*Ts], Awaitable[object]], *args: *Ts
    ) -> None:
        """Start a background task of this incarnation: *async_fn*, with *args*.

        It dies with the incarnation, and its failure is the actor's.  It has
        neither the message's deadline nor its asker; `headers` stay.

        Raises:
            ActorStoppedError: If the incarnation has ended.
        """
        self._incarnation.start_soon(async_fn, args, self.headers)

    def stop(self) -> None:
        """End this incarnation normally, as soon as no handler runs.

        A permanent actor comes back, with what is queued.  ``handle.stop()``
        is for good.
        """
        self._incarnation.stop()

    def _need_turn(self) -> Turn:
        if self._turn is None:
            msg = "a hook has no message to reply to"
            raise RuntimeError(msg)
        return self._turn


publish_names(globals(), ["Context"])
