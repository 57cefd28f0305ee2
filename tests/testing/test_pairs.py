"""`open_ipc_pair`: real frames, limits and deadlines, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import (
    CloggedStream,
    IpcPair,
    Probe,
    chop,
    clog,
    open_ipc_pair,
    open_probe,
    wait_idle,
)

from .shops import GetPrice, Ping, Shop, Work


async def test_pair_is_a_client_and_a_server(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The client reaches what the runtime exposes, and the server counts it."""
    await runtime.start(Shop, name="shop", expose=True)
    async with open_ipc_pair(runtime) as pair:
        assert await pair.client.actor("shop").ask(GetPrice("rice")) == 4
        statistics = pair.server.statistics()
    client, server = pair

    assert isinstance(pair, IpcPair)
    assert (client, server) == (pair.client, pair.server)
    assert statistics.connections_active == 1
    assert server.statistics().connections_active == 0


async def test_deadlines_cross_in_virtual_time(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """An hour's wait over the connection takes no time at all."""
    await runtime.start(Shop, name="shop", expose=True)
    async with open_ipc_pair(runtime) as (client, _):
        with trio.move_on_after(7200):
            assert await client.actor("shop").ask(Work(3600)) == 1

    assert trio.current_time() == 3600


async def test_limits_are_those_of_the_config(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The server is a real one, and held to what it is configured with."""
    limits = acton.ipc.IpcLimits(max_message_size=200)
    config = acton.ipc.IpcConfig(limits=limits)
    await runtime.start(Shop, name="shop", expose=True)
    async with open_ipc_pair(runtime, config=config) as (client, _):
        with pytest.raises((acton.PeerLostError, acton.PeerRejectedError)):
            await client.actor("shop").ask(GetPrice("x" * 500))


@pytest.mark.parametrize(
    "open_pair",
    [
        pytest.param(partial(open_ipc_pair, wrap_client=chop), id="client"),
        pytest.param(partial(open_ipc_pair, wrap_server=chop), id="server"),
    ],
)
async def test_chopped_ends_carry_every_frame(
    runtime: acton.Runtime,
    autojump_clock: MockClock,
    open_pair: Callable[[acton.Runtime], AbstractAsyncContextManager[IpcPair]],
) -> None:
    """Wherever bytes are cut, the same questions and answers come."""
    await runtime.start(Shop, name="shop", expose=True)
    async with open_pair(runtime) as (client, _):
        for item in ("tea", "rice", "x" * 2000):
            assert await client.actor("shop").ask(GetPrice(item)) == len(item)


async def test_clogged_end_stalls_until_released(
    runtime: acton.Runtime, probe: Probe, autojump_clock: MockClock
) -> None:
    """What the client sends waits in the stream, and goes on then."""
    ends = list[CloggedStream]()

    def clogged(stream: trio.abc.Stream) -> trio.abc.Stream:
        ends.append(clog(stream))
        return ends[0]

    runtime.ipc_registry.register(Ping, "Ping")
    runtime.ipc_expose("probe", probe)
    async with (
        open_ipc_pair(runtime, wrap_client=clogged) as (client, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.actor("probe").send, Ping(1))
        await probe.expect_nothing(within=10)
        ends[0].release()
        assert await probe.expect(Ping) == Ping(1)


async def test_block_that_raises_does_so_unwrapped(autojump_clock: MockClock) -> None:
    """A failing assertion in it is that assertion, outside of any group."""
    async with acton.open_runtime() as runtime:
        with pytest.raises(ZeroDivisionError):
            async with open_ipc_pair(runtime):
                _ = 1 / 0
        async with open_probe(runtime):
            await wait_idle(runtime)
