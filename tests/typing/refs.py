"""What type checkers make of code that does not care where an actor is: never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, assert_type

import acton_trio as acton
from acton_trio.testing import Probe


@acton.message(ipc=True)
class GetCount(acton.Request[int]):
    """A request."""


@acton.message(ipc=True)
class Tail(acton.StreamRequest[str]):
    """A request with many replies."""


@acton.message(ipc=True)
class SetValue:
    """A message without a reply."""

    value: int


async def use(ref: acton.Ref) -> int:
    """Speak to an actor, wherever it is."""
    await ref.send(SetValue(1))
    assert_type(ref.name, str)
    assert_type(await ref.ask(GetCount()), int)
    assert_type(ref.stream(Tail()), AbstractAsyncContextManager[AsyncIterator[str]])
    async with ref.stream(Tail()) as lines:
        async for line in lines:
            assert_type(line, str)
    return await ref.ask(GetCount())


async def used(
    handle: acton.ActorHandle, probe: Probe, client: acton.ipc.Client
) -> None:
    """Every kind of handle will do."""
    await use(handle)
    await use(probe)
    await use(client.actor("x"))
    refs: list[acton.Ref] = [handle, probe, client.actor("x")]
    for each in refs:
        await use(each)


async def misused(client: acton.ipc.Client, blocking: acton.ipc.BlockingClient) -> None:
    """What waits for nothing is none, and a name cannot be changed."""
    await use(client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await use(blocking.actor("x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ref: acton.Ref = client.actor("x")
    ref.name = "y"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    await ref.ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def remote_stream(client: acton.ipc.Client) -> None:
    """Read a stream of replies of another process."""
    async with client.actor("x").stream(Tail()) as lines:
        assert_type(lines, acton.ipc.RemoteStream[str])
        async for line in lines:
            assert_type(line, str)
    client.actor("x").stream(GetCount())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def remote_broadcasts(client: acton.ipc.Client) -> None:
    """Read what is broadcast in another process."""
    async with client.subscribe(SetValue) as events:
        assert_type(events, acton.ipc.RemoteSubscription[SetValue])
        async for event in events:
            assert_type(event, SetValue)
            assert_type(events.missed, int)
    async with client.subscribe("A", "B", capacity=5) as named:
        assert_type(await anext(named), acton.ipc.Notification)
    async with client.subscribe(SetValue, "A") as mixed:
        assert_type(await anext(mixed), SetValue | acton.ipc.Notification)
    client.subscribe()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.subscribe(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def opened(connect: Any) -> None:
    """Open clients that outlive their connections."""
    backoff = acton.ipc.Backoff(initial=0.5, jitter=0.1)
    async with acton.ipc.open_client("/path", reconnect=backoff) as client:
        assert_type(client, acton.ipc.Client)
    async with acton.ipc.open_client(connect, reconnect=acton.ipc.Backoff()):
        pass
