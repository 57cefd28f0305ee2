"""What calls the functions that a page shows and does not call itself.

A service that waits for a signal cannot be run by the page that shows it, and a client
has no service there.  Here they meet.  A caller is named after its page, gets the names
of the page's program, and may use the folder for whatever it needs.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import trio
import trustme
from trio.testing import MockClock

import acton_trio as acton

from .programs import REACHED

__all__ = ["CALLERS", "WRONG"]

Names = Mapping[str, Any]
Caller = Callable[[Names, Path], None]


@asynccontextmanager
async def running(
    main: Callable[..., Awaitable[object]], *arguments: object
) -> AsyncGenerator[None, None]:
    """Have *main* run, from when it waits for a signal until it has got it."""
    before = signal.getsignal(signal.SIGTERM)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(main, *arguments)
        while signal.getsignal(signal.SIGTERM) is before:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        yield
        signal.raise_signal(signal.SIGTERM)


def readme(names: Names, _folder: Path) -> None:
    """Call the service from what is another process there."""

    async def main() -> None:
        async with running(names["main"]):
            assert await names["call"](str(acton.ipc.IpcConfig().socket_path)) == 42

    trio.run(main)


def configuration(names: Names, _folder: Path) -> None:
    """Run the service, with no file there."""

    async def main() -> None:
        async with running(names["main"]):
            assert await acton.ipc.socket_is_alive(acton.ipc.IpcConfig().socket_path)

    trio.run(main)


def cli(names: Names, _folder: Path) -> None:
    """Run the shop as a process would, and use all that is exposed."""
    # What is counted for an hour is not waited for.
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("ACTON_TIMEOUTS_ACTOR_SHUTDOWN_MS", "10")
        trio.run(shop_with_its_customers, names)


async def shop_with_its_customers(names: Names) -> None:
    """Be `main` of the page, and those who come in."""
    path = acton.ipc.IpcConfig.load("shop").socket_path
    async with running(names["main"]), acton.ipc.open_client(path) as client:
        till = client.actor("till")
        assert await till.ask(names["Sell"](250)) == 250
        with pytest.raises(names["NotEnough"], match="150"):
            await till.ask(names["Refund"](400))
        async with till.stream(names["GetSales"]()) as sales:
            assert [each async for each in sales] == [250]
        await client.actor("attic").send(names["Count"]())


def ipc(names: Names, folder: Path) -> None:
    """Serve what is served, and be the peers."""

    async def main() -> None:
        path = str(folder / "s")
        async with (
            running(names["serve"], path),
            acton.ipc.open_client(path) as client,
        ):
            reply = await client.actor("echo").ask(names["Shout"]("hello"))
            assert reply == "HELLO"
        async with acton.open_runtime() as runtime:
            log = await runtime.start(partial(names["Log"], ("one", "two")))
            async with log.stream(names["Tail"]()) as lines:
                assert [each async for each in lines] == ["one", "two"]
            async with runtime.broker.subscribe(names["PriceChanged"]) as events:
                await names["tell_prices"](runtime)
                assert await anext(events) == names["PriceChanged"]("ACME", 125)
            await over_tls(names["serve_tls"], runtime)

    trio.run(main)


async def over_tls(
    serve: Callable[..., Awaitable[object]], runtime: acton.Runtime
) -> None:
    """Call what *serve* serves, with a certificate."""
    authority = trustme.CA()
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    outside = ssl.create_default_context()
    for context, name in (inside, "localhost"), (outside, "client@example.org"):
        authority.configure_trust(context)
        authority.issue_cert(name).configure_cert(context)
    with socket.create_server(("localhost", 0)) as unused:
        port = unused.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, runtime, port, inside)
        while True:
            try:
                stream = await trio.open_ssl_over_tcp_stream(
                    "localhost", port, ssl_context=outside
                )
                break
            except OSError:
                # It does not listen yet.
                await trio.sleep(0.01)
        async with acton.ipc.open_client(stream) as client:
            assert (await client.discover()).actors == ()
        nursery.cancel_scope.cancel()


def clients(names: Names, folder: Path) -> None:
    """Be the service that the clients call, and broadcast what they wait for."""

    async def tell(runtime: acton.Runtime) -> None:
        while True:
            await names["tell_prices"](runtime)
            await trio.sleep(0.01)

    async def main() -> None:
        path = str(folder / "s")
        call, in_thread = names["call"], trio.to_thread.run_sync
        async with acton.open_runtime() as runtime, trio.open_nursery() as nursery:
            await runtime.start(names["Echo"], name="echo", expose=True)
            async with acton.ipc.open_listener(runtime, path=path):
                assert await call(path) == "HELLO"
                assert await in_thread(names["call_and_wait"], path) == "HELLO"
                nursery.start_soon(tell, runtime)
                price = await in_thread(names["next_price"], path)
                assert price == names["PriceChanged"]("ACME", 125)
                # They print until they are stopped.
                for each in names["show_prices"], names["watch_prices"]:
                    with trio.move_on_after(0.1) as patience:
                        await each(path)
                    assert patience.cancelled_caught
                nursery.cancel_scope.cancel()

    trio.run(main)


def observability(names: Names, folder: Path) -> None:
    """Let the service be looked at, and traced where there is what that needs."""

    async def main() -> None:
        path = str(folder / "s")
        async with (
            acton.open_runtime(acton.Config(introspection=True)) as runtime,
            acton.ipc.open_listener(runtime, path=path),
        ):
            await names["looked_at_from_outside"](path)
        if find_spec("opentelemetry") is None:
            names[REACHED]("traced")
            return
        async with names["traced"]():
            pass

    trio.run(main)


def timers(names: Names, _folder: Path) -> None:
    """Start the beacon, for as long as it takes to be lit."""

    async def main() -> None:
        async with acton.open_runtime() as runtime:
            await runtime.start(names["Beacon"])
            await trio.sleep(60)

    trio.run(main, clock=MockClock(autojump_threshold=0))


def from_a_shell(names: Names, _folder: Path) -> None:
    """Run the service, and ask for what it has."""

    async def main() -> None:
        path = acton.ipc.IpcConfig.load("stock").socket_path
        async with running(names["main"]), acton.ipc.open_client(path) as client:
            stock = client.actor("stock")
            assert await stock.ask(names["Take"]("tea", 2)) == 10
            async with stock.stream(names["GetItems"]()) as items:
                assert [each.count async for each in items] == [10, 3]

    trio.run(main)


def pubsub(names: Names, folder: Path) -> None:
    """Follow a publisher that is not there yet, on a clock that stands still."""
    clock = MockClock()

    async def main() -> None:
        path, table = str(folder / "s"), names["Table"]()
        changed = table.changed
        async with trio.open_nursery() as nursery:
            nursery.start_soon(names["follow_from_the_beginning"], path, table)
            statistics = trio.lowlevel.current_statistics
            while statistics().seconds_to_next_deadline > 1:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()
            await nursery.start(names["publish"], path, {"tea": 300})
            clock.jump(1)
            await changed.wait()
            nursery.cancel_scope.cancel()
        assert table.cents == {"tea": 300}

    trio.run(main, clock=clock)


def systemd(names: Names, folder: Path) -> None:
    """Be systemd: start the program, which has two ends; and ask who is alive."""
    with (
        pytest.MonkeyPatch.context() as patches,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
    ):
        notified.bind(str(folder / "notify"))
        notified.settimeout(60)
        patches.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        patches.setenv("ACTON_IPC_SOCKET_SYSTEMD", "1")
        # What the program does about logs is its process's own business there.
        patches.setattr(logging.root, "handlers", [])
        patches.setattr(logging.root, "level", logging.WARNING)
        customer = Thread(target=place_and_stop, args=(names, notified), daemon=True)
        customer.start()
        assert names["main"]() == 0
        customer.join()
        patches.setitem(names, "serve", end_badly)
        assert names["main"]() == 1
    trio.run(ask_who_is_alive, names, clock=MockClock(autojump_threshold=0))


def place_and_stop(names: Names, notified: socket.socket) -> None:
    """Place an order when the service is ready, and stop it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert notified.recv(100) == b"READY=1"
        path = acton.ipc.IpcConfig.load("orders").socket_path
        with acton.ipc.BlockingClient(path) as client:
            assert client.actor("orders").ask(names["Place"]("tea")) == 1
    finally:
        while signal.getsignal(signal.SIGTERM) is before:
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGTERM)


async def end_badly(*_arguments: object) -> acton.ShutdownReport:
    """Be a service that was in a hurry to end, and did not end in time."""
    cut = acton.CutOff("orders", "Place", "Orders.place", "orders.py:25")
    late = acton.Overrun("orders", 1.5, "Orders.place", "orders.py:25")
    await trio.lowlevel.checkpoint()
    return acton.ShutdownReport((), (cut,), (late,), forced=True)


async def ask_who_is_alive(names: Names) -> None:
    """Ask one who is, one who is busy, and one who does not understand."""

    async def answer(seconds: float, _request: object) -> bool:
        await trio.sleep(seconds)
        return True

    async with acton.open_runtime() as runtime:
        request, is_alive = names["AreYouThere"], names["is_alive"]
        alive = await runtime.new_actor(lambda: 0.0).act_on(request, answer).start()
        busy = await runtime.new_actor(lambda: 60.0).act_on(request, answer).start()
        orders = await runtime.start(names["Orders"])

        assert await is_alive(alive, 5)
        assert not await is_alive(busy, 5)
        assert not await is_alive(orders, 5)
        assert trio.current_time() == 5


def mistakes(names: Names, _folder: Path) -> None:
    """Use the service as it should be."""

    async def main() -> None:
        async with acton.open_runtime() as runtime:
            service = await runtime.start(names["Service"])
            await service.send(names["SetValue"](3))
            assert await service.ask(names["GetValue"]()) == 3

    trio.run(main)


WRONG: Final[Mapping[str, list[str]]] = {
    "docs/mistakes.md": [
        "Forgetful.get_value",
        "Vague.get_value",
        "Lonely.get_value",
    ],
}
"""Functions that are shown because nothing ever calls them."""

CALLERS: Final[Mapping[str, Caller]] = {
    "README.md": readme,
    "docs/cli.md": cli,
    "docs/clients.md": clients,
    "docs/configuration.md": configuration,
    "docs/howto/from-a-shell.md": from_a_shell,
    "docs/howto/pubsub.md": pubsub,
    "docs/howto/systemd.md": systemd,
    "docs/ipc.md": ipc,
    "docs/mistakes.md": mistakes,
    "docs/observability.md": observability,
    "docs/timers.md": timers,
}
