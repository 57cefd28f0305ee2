"""Handlers that are wrong: their error shows what was meant."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .lessons import (
    GetValue,
    Ping,
    Service,
    lines,
    said,
)


@acton.message
class Go(acton.Request[int]):
    """Has a handler do what is wrong."""


@acton.actor
class Doer:
    """Does what is wrong."""

    constant = 0
    deed: Callable[[Any, acton.Context], Awaitable[int]]

    @acton.mutate_on
    async def go(self, _request: Go, ctx: acton.Context) -> int:
        """Do it."""
        return await self.deed(self, ctx)

    @acton.act_on
    def get_value(self, _request: GetValue) -> int:
        """Tell a number."""
        return 1


async def ask_oneself(_self: object, ctx: acton.Context) -> int:
    """Wait for the own end."""
    return await ctx.handle.ask(GetValue())


async def ask_oneself_the_same(_self: object, ctx: acton.Context) -> int:
    """Wait for the own end, which would be waited for."""
    return await ctx.handle.ask(Go())


async def ask_oneself_something_else(_self: object, ctx: acton.Context) -> int:
    """Wait for the own end, and then to hear that nothing is done."""
    return await ctx.handle.ask(Ping())


async def stop_oneself(_self: object, ctx: acton.Context) -> int:
    """Wait for the own end, in so many words."""
    await ctx.handle.stop()
    return 1


async def wait_for_oneself(_self: object, ctx: acton.Context) -> int:
    """Wait for the own end, without bringing it about."""
    await ctx.handle.wait_stopped()
    return 1


async def miss_the_context(self: Any, _ctx: acton.Context) -> int:
    """Look for the handle where it is not."""
    await self.handle.send(Ping())
    return 1


async def change_a_constant(self: Any, _ctx: acton.Context) -> int:  # noqa: ASYNC124 - as users write it
    """Change what is no state."""
    self.constant = 1
    return 1


async def change_what_is_not_there(self: Any, _ctx: acton.Context) -> int:  # noqa: ASYNC124 - as users write it
    """Change what was not declared."""
    self.total = 1
    return 1


DEEDS: dict[str, tuple[Any, str]] = {
    "ask oneself": (
        ask_oneself,
        """
        an actor does not ask itself: it calls its own methods.
          incorrect: await ctx.handle.ask(GetValue(...))
          correct:   self.get_value(GetValue(...))
        """,
    ),
    "ask oneself the same": (
        ask_oneself_the_same,
        """
        an actor does not ask itself: it calls its own methods.
          incorrect: await ctx.handle.ask(Go(...))
          correct:   await self.go(Go(...), ctx)
        """,
    ),
    "ask oneself what is not handled": (
        ask_oneself_something_else,
        """
        an actor does not ask itself: it calls its own methods.
          incorrect: await ctx.handle.ask(Ping(...))
          correct:   await ctx.handle.send(Ping(...))
        """,
    ),
    "stop oneself": (
        stop_oneself,
        """
        an actor does not wait for its own end: it ends itself.
          incorrect: await ctx.handle.stop()
          correct:   ctx.stop()
        """,
    ),
    "wait for oneself": (
        wait_for_oneself,
        """
        an actor does not wait for its own end: it ends itself.
          incorrect: await ctx.handle.wait_stopped()
          correct:   ctx.stop()
        """,
    ),
    "self.handle": (
        miss_the_context,
        """
        Doer holds its own state; the rest is the context's.
          incorrect: def handler(self, message: MyMessage):
                         self.handle
          correct:   def handler(self, message: MyMessage, ctx: Context):
                         ctx.handle
        """,
    ),
    "change a constant": (
        change_a_constant,
        """
        Doer declares no field 'constant': those that have an annotation are state.
          incorrect: class Doer:
                         constant = 0
          correct:   class Doer:
                         constant: int = 0
        """,
    ),
    "change what is not there": (
        change_what_is_not_there,
        """
        Doer declares no field 'total': those that have an annotation are state.
          incorrect: class Doer:
                         ...
          correct:   class Doer:
                         total: int = 0
        """,
    ),
}


@pytest.mark.parametrize(
    ("deed", "text"), [pytest.param(*DEEDS[name], id=name) for name in DEEDS]
)
async def test_wrong_handler_gets_a_note(
    autojump_clock: MockClock, deed: Any, text: str
) -> None:
    """The exception that its owner gets shows the wrong line and the right one."""
    async with acton.open_runtime() as runtime:
        never = acton.RestartPolicy.TEMPORARY
        doer = await runtime.start(Doer, deed, name="doer", restart_policy=never)
        with pytest.raises(acton.HandlerFailedError) as caught:
            await doer.ask(Go())

    cause: Any = caught.value.__cause__
    assert cause.__notes__ == [lines(text), "in doer, handling Go from plain code"]


async def test_reply_that_was_not_awaited_is_told_as_that(
    autojump_clock: MockClock,
) -> None:
    """The asker gets no coroutine, and Python has nothing to warn of."""

    @acton.actor
    class Hasty:
        service: acton.ActorHandle

        @acton.act_on
        async def get_value(self, request: GetValue) -> int:
            reply: Any = self.service.ask(request)
            return reply  # type: ignore[no-any-return]

    async with open_test_runtime() as runtime:
        service = await runtime.start(Service)
        hasty = await runtime.start(Hasty, service, name="hasty")
        with pytest.raises(acton.UnexpectedReplyError) as caught:
            await hasty.ask(GetValue())

    assert caught.value.__notes__[0].replace("<locals>.", "") == lines("""
        Hasty.get_value has returned what it did not await.
          incorrect: return handle.ask(...)
          correct:   return await handle.ask(...)
    """)


async def test_coroutine_that_is_sent_was_not_awaited(
    autojump_clock: MockClock,
) -> None:
    """It is no message, and the line says where the ``await`` is missing."""
    async with open_test_runtime() as runtime:
        service = await runtime.start(Service)
        with (
            contextlib.closing(service.ask(GetValue())) as reply,
            pytest.raises(TypeError) as caught,
        ):
            await service.send(reply)

    assert said(caught.value) == lines("""
        handle.ask(...) was not awaited, and what it gives until then is not a message.
          incorrect: await handle.send(handle.ask(...))
          correct:   await handle.send(await handle.ask(...))
    """)


async def test_method_that_is_not_decorated_is_named_to_the_asker(
    autojump_clock: MockClock,
) -> None:
    """A handler without its decorator is a method like any other, and is found."""

    @acton.actor
    class Forgetful:
        def get_value(self, request: GetValue) -> int:
            return 1

    async with acton.open_runtime() as runtime:
        forgetful = await runtime.start(Forgetful, name="forgetful")
        with pytest.raises(acton.UnhandledMessageError) as caught:
            await forgetful.ask(GetValue())
        with pytest.raises(acton.UnhandledMessageError) as other:
            await forgetful.ask(Ping())

    assert said(caught.value) == lines("""
        forgetful has no handler for GetValue; it handles no message at all
        Forgetful.get_value takes a GetValue, but is not decorated.
          incorrect: def get_value(self, request: GetValue): ...
          correct:   @act_on
                     def get_value(self, request: GetValue): ...
          or:        @mutate_on
                     def get_value(self, request: GetValue): ...
    """)
    assert not hasattr(other.value, "__notes__")
