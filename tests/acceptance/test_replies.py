"""How a handler may be written that answers later, and how it may answer."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Work(acton.Request[int]):
    """Asks for twice the number, after as many seconds."""

    number: int


@attrs.define
class Plain:
    """A class whose methods become handlers one by one."""

    done: list[int] = attrs.field(factory=list[int])

    async def work(self, request: Work) -> int:
        """Work without the context."""
        await trio.sleep(request.number)
        self.done.append(request.number)
        return 2 * request.number

    async def work_in_context(self, request: Work, ctx: acton.Context) -> int:
        """Work with it."""
        assert ctx.message is request
        return await self.work(request)

    async def work_and_reply(self, request: Work, ctx: acton.Context) -> None:
        """Work, and answer by the context."""
        ctx.reply(await self.work(request))

    async def work_and_send(self, request: Work, ctx: acton.Context) -> None:
        """Work, and answer by the address."""
        address = ctx.reply_address
        await address.send(await self.work(request))

    def return_at_once(self, request: Work) -> int:
        """Do not wait for anything."""
        self.done.append(request.number)
        return 2 * request.number


@acton.actor
class Declared(Plain):
    """The same, as a class that says what it handles."""

    @acton.mutate_on
    async def handle(self, request: Work) -> int:
        """Work."""
        return await self.work(request)


@acton.actor
class DeclaredInContext(Plain):
    """The same, and the handler takes the context."""

    @acton.mutate_on
    async def handle(self, request: Work, ctx: acton.Context) -> int:
        """Work."""
        return await self.work_in_context(request, ctx)


@covers(33, 34)
@pytest.mark.parametrize("model", [Declared, DeclaredInContext])
async def test_async_handler_is_awaited_each_time(
    model: type[Declared | DeclaredInContext], autojump_clock: MockClock
) -> None:
    """An async method is a handler, with or without the context: run to its end."""
    worker = model()

    async with open_test_runtime() as runtime:
        handle = await runtime.start(lambda: worker)
        for number in (3, 2, 1):
            await handle.send(Work(number))

    assert worker.done == [3, 2, 1]
    assert trio.current_time() == 6


@covers(35)
@pytest.mark.parametrize(
    "handler",
    [
        Plain.work,
        Plain.work_in_context,
        Plain.work_and_reply,
        Plain.work_and_send,
        Plain.return_at_once,
    ],
)
@pytest.mark.parametrize("kind", ["act_on", "mutate_on"])
async def test_styles_of_replying_are_equivalent(
    kind: str, handler: object, autojump_clock: MockClock
) -> None:
    """Returned, given to the context or to the address: it is the same reply."""
    worker = Plain()

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(lambda: worker)
        handle = await getattr(idle, kind)(Work, handler).start()

        assert [await handle.ask(Work(number)) for number in (1, 2, 3)] == [2, 4, 6]
        assert worker.done == [1, 2, 3]
