"""Two actors behind two doors: a socket without limits, and a port with many.

The socket is for this user alone.  Whoever comes in through the port may send
few requests, and small ones.  One sees that both reach the same actors, what the
port does not let through, and that the socket stays open when the port is shut.

What is exposed is exposed by the runtime, so at every door: they differ in who
may come in and how much he may ask for, not in whom he can reach.  An actor that
is for the socket alone would need a runtime of its own.

The port is a plain one, which is good for this machine only; `tls_service.py`
has one for a network.
"""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Final

import trio

import acton_trio as acton

INSIDE: Final = acton.ipc.IpcConfig(
    # The default, and the narrowest that is of use.
    socket=acton.ipc.IpcSocket(mode=0o600),
    rate_limit=acton.ipc.IpcRateLimit(enabled=False),
)

OUTSIDE: Final = acton.ipc.IpcConfig(
    # Three at once and then one in 20 minutes: too few, but sure to be seen.
    rate_limit=acton.ipc.IpcRateLimit(requests_per_second=1 / 1200, burst_size=3),
    limits=acton.ipc.IpcLimits(max_message_size=1000, max_connections=10),
)


@acton.message(ipc=True)
class Add(acton.Request[int]):
    """Adds to the sum; answered with it."""

    number: int


@acton.message(ipc=True)
class Shout(acton.Request[str]):
    """Asks for its own text in capitals."""

    text: str


@acton.actor
class Adder:
    """Keeps a sum."""

    total: int = 0

    @acton.mutate_on
    def add(self, request: Add) -> int:
        """Add, and tell the sum."""
        self.total += request.number
        return self.total


@acton.actor
class Shouter:
    """Keeps nothing."""

    @acton.act_on
    def shout(self, request: Shout) -> str:
        """Say it again, louder."""
        return request.text.upper()


async def call_from_inside(path: str) -> None:
    """Call both actors over the socket, as much as one likes."""
    async with acton.ipc.open_client(path) as client:
        adder, shouter = client.actor("adder"), client.actor("shouter")
        for _ in range(99):
            await adder.ask(Add(1))
        print("socket: the sum is", await adder.ask(Add(1)))
        print("socket: shouted", len(await shouter.ask(Shout("x" * 5000))), "letters")


async def call_from_outside(port: int) -> None:
    """Call both actors over the port, as far as one may."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with acton.ipc.open_client(stream) as client:
        found = await client.discover()
        print("port: there are", *sorted(each.name for each in found.actors))
        print("port: the sum is", await client.actor("adder").ask(Add(1)))
        print("port: shouted", await client.actor("shouter").ask(Shout("hello")))
        print("port: the sum is", await client.actor("adder").ask(Add(1)))
        try:
            await client.actor("adder").ask(Add(1))
        except acton.PeerRejectedError as error:
            print("port:", error.code)


async def shout_from_outside(port: int) -> None:
    """Say more at once over the port than one may."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with acton.ipc.open_client(stream) as client:
        try:
            await client.actor("shouter").ask(Shout("x" * 5000))
        except acton.PeerLostError as error:
            print("port:", error.detail)


async def find_it_shut(port: int) -> None:
    """Knock in vain."""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port):
            print("port: is still open")
    except OSError:
        print("port: is shut")


async def main() -> None:
    """Open both doors, and shut one of them."""
    (tcp,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = tcp.socket.getsockname()[1]
    # The nursery is around the runtime, which shuts its doors when it is left.
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/inside.sock"
        async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
            await runtime.start(Adder, name="adder", expose=True)
            await runtime.start(Shouter, name="shouter", expose=True)
            serve = partial(acton.ipc.serve, runtime, [tcp], config=OUTSIDE)
            outer: acton.ipc.IpcListener = await nursery.start(serve)
            async with acton.ipc.open_listener(runtime, INSIDE, path=path) as inner:
                await call_from_inside(path)
                await call_from_outside(port)
                await shout_from_outside(port)
                await outer.shutdown_gracefully()
                await find_it_shut(port)
                await call_from_inside(path)
            print("requests through the port:", outer.statistics().messages_received)
            print("requests through the socket:", inner.statistics().messages_received)


if __name__ == "__main__":
    trio.run(main)
