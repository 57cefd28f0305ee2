"""What type checkers make of a call: read by both, never run."""

from __future__ import annotations

from typing import assert_type

import acton_trio as acton


@acton.message(ipc=True)
class Value:
    """A reply."""

    number: int


@acton.message(ipc=True)
class GetValue(acton.Request[Value]):
    """A request with a class for its reply."""

    key: str


@acton.message(ipc=True)
class GetCount(acton.Request[int]):
    """A request with a plain reply."""


@acton.message
class Tail(acton.StreamRequest[str]):
    """A request with many replies."""


async def local(handle: acton.ActorHandle) -> None:
    """Ask an actor of this process."""
    assert_type(await handle.ask(GetValue("a")), Value)
    assert_type(await handle.ask(GetCount()), int)
    async with handle.stream(Tail()) as lines:
        async for line in lines:
            assert_type(line, str)
    await handle.ask(Value(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    GetValue(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def remote(client: acton.ipc.Client) -> None:
    """Ask an actor of another process."""
    assert_type(await client.actor("x").ask(GetValue("a")), Value)


def blocking(client: acton.ipc.BlockingClient) -> None:
    """Ask from code that blocks."""
    assert_type(client.actor("x").ask(GetCount()), int)
