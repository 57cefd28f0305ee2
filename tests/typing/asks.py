"""What type checkers make of a call: read by both, never run."""

from __future__ import annotations

from typing import Generic, TypeVar, assert_type

import acton_trio as acton

T = TypeVar("T")


@acton.message(ipc=True)
class ValueResponse:
    """A reply."""

    value: int


@acton.message(ipc=True)
class GetValue(acton.Request[ValueResponse]):
    """A request with a class for its reply, and nothing to say."""


@acton.message(ipc=True)
class GetPrice(acton.Request[float | None]):
    """A request with a field, and a union for its reply."""

    key: str


@acton.message(ipc="Count")
class GetCount(acton.Request[int]):
    """A request with a plain reply, under another name."""


@acton.message
class Page(acton.Request[tuple[T, ...]], Generic[T]):
    """A request whose reply depends on what it is a page of."""

    number: int


@acton.message(ipc=True)
class IntPage(Page[int]):
    """A concrete request: its reply is found through its base."""


class Query(acton.Request[T]):
    """A base of requests that is no message itself."""


@acton.message(ipc=True)
class GetNames(Query[list[str]]):
    """A request whose reply is named by the class above the base."""


@acton.message
class Tail(acton.StreamRequest[str]):
    """A request with many replies."""


@acton.message
class SoldOut(acton.Rejection):
    """An expected failure."""

    left: int


@acton.message(ipc=True)
class SetValue:
    """A message without a reply."""

    value: int


async def local(handle: acton.ActorHandle) -> None:
    """Ask an actor of this process."""
    assert_type(await handle.ask(GetValue()), ValueResponse)
    assert_type((await handle.ask(GetValue())).value, int)
    assert_type(await handle.ask(GetPrice("a")), float | None)
    assert_type(await handle.ask(GetCount()), int)
    assert_type(await handle.ask(IntPage(1)), tuple[int, ...])
    assert_type(await handle.ask(Page[str](1)), tuple[str, ...])
    assert_type(await handle.ask(GetNames()), list[str])
    await handle.send(SetValue(1))
    handle.send_nowait(SetValue(value=1))


async def local_stream(handle: acton.ActorHandle) -> None:
    """Read a stream of replies."""
    async with handle.stream(Tail()) as lines:
        assert_type(lines, acton.Stream[str])
        async for line in lines:
            assert_type(line, str)


async def remote(client: acton.ipc.Client) -> None:
    """Ask an actor of another process."""
    service = client.actor("x")
    assert_type(await service.ask(GetValue()), ValueResponse)
    assert_type(await service.ask(GetCount()), int)
    assert_type(await service.ask(IntPage(1)), tuple[int, ...])
    assert_type(await service.ask(GetNames()), list[str])
    assert_type(await client.request("x", "Count", {}), acton.ipc.IpcResponse)
    await service.send(SetValue(1))


def blocking(client: acton.ipc.BlockingClient) -> None:
    """Ask from code that blocks."""
    service = client.actor("x")
    assert_type(service.ask(GetValue()), ValueResponse)
    assert_type(service.ask(GetCount(), timeout=3), int)
    assert_type(service.ask(IntPage(1)), tuple[int, ...])
    assert_type(service.ask(GetNames()), list[str])
    assert_type(client.request("x", "Count", {}), acton.ipc.IpcResponse)
    service.send(SetValue(1))


async def opened() -> None:
    """Enter what the package opens."""
    async with acton.open_runtime() as runtime:
        assert_type(runtime, acton.Runtime)
        assert_type(await runtime.start(Counter, name="counter"), acton.ActorHandle)
        assert_type(runtime.find("counter"), acton.ActorHandle | None)
        async with acton.ipc.open_listener(runtime) as listener:
            assert_type(listener, acton.ipc.IpcListener)
        async with acton.ipc.open_client("/path") as client:
            assert_type(client, acton.ipc.Client)
    with acton.ipc.BlockingClient("/path") as blocker:
        assert_type(blocker, acton.ipc.BlockingClient)


@acton.actor
class Counter:
    """An actor: its decorators leave the types as they were written."""

    count: int = 0

    @acton.act_on
    def get_count(self, _request: GetCount) -> int:
        """Answer."""
        return self.count

    @acton.mutate_on
    async def set_value(self, command: SetValue, ctx: acton.Context) -> None:
        """Change it."""
        self.count = command.value
        assert_type(ctx.sender, acton.ActorHandle | None)
        assert_type(ctx.handle, acton.ActorHandle)
        assert_type(ctx.reply_address, acton.ReplyAddress)


def declared() -> None:
    """Build actors and messages as the classes that they are."""
    counter = Counter(count=3)
    assert_type(counter, Counter)
    assert_type(counter.get_count(GetCount()), int)
    assert_type(GetPrice("a").key, str)
    assert_type(SoldOut(3).left, int)


async def misused(handle: acton.ActorHandle) -> None:
    """Ask what is no request, and build what is no message."""
    await handle.ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await handle.ask(GetValue)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await handle.ask(Tail())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    handle.stream(GetCount())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await handle.ask(GetCount(), timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    text: str = await handle.ask(GetCount())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    GetPrice(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    GetPrice()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SetValue(1).value = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert text


async def misused_remotely(client: acton.ipc.Client) -> None:
    """Ask another process what is no request."""
    service = client.actor("x")
    await service.ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await service.ask(GetCount(), timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    text: str = await service.ask(GetCount())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    assert text


def misused_in_blocking_code(client: acton.ipc.BlockingClient) -> None:
    """Ask, from code that blocks, what is no request."""
    service = client.actor("x")
    service.ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: str = service.ask(GetCount())  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    assert text
