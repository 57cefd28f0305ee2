"""Wrong calls of another process: the error shows the one that was meant."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair, open_test_runtime

from .lessons import (
    GetValue,
    Ping,
    Query,
    SetValue,
    Watch,
    await_it,
    enter,
    lines,
    loop,
    said,
)

ABROAD: dict[str, tuple[Any, str]] = {
    "ask what stays here": (
        lambda actor, _: actor.ask(GetValue()),
        """
        GetValue does not travel between processes.
          incorrect: @message
                     class GetValue(Request[int]): ...
          correct:   @message(ipc=True)
                     class GetValue(Request[int]): ...
        """,
    ),
    "ask what is not decorated": (
        lambda actor, _: actor.ask(Query()),
        """
        Query does not travel between processes.
          incorrect: class Query(Request[int]): ...
          correct:   @message(ipc=True)
                     class Query(Request[int]): ...
        """,
    ),
    "ask a class": (
        lambda actor, _: actor.ask(Ping),
        """
        a class does not travel between processes: a message of one that is declared with @message(ipc=True) does.
          incorrect: await actor.ask(MyRequest)
          correct:   await actor.ask(MyRequest(...))
        """,
    ),
    "send a text": (
        lambda actor, _: actor.send("hello"),
        """
        str does not travel between processes: a message does.
          incorrect: await actor.send(...)
          correct:   @message(ipc=True)
                     class MyMessage: ...
                     await actor.send(MyMessage(...))
        """,
    ),
    "ask what has no reply": (
        lambda actor, _: actor.ask(SetValue(1)),
        """
        SetValue is a message without a reply.
          incorrect: await actor.ask(SetValue(...))
          correct:   await actor.send(SetValue(...))
          or:        class SetValue(Request[int]): ...
        """,
    ),
    "loop over a stream": (
        lambda actor, _: loop(actor.stream(Watch())),
        """
        actor.stream(...) is entered with `async with`.
          incorrect: async for reply in actor.stream(...): ...
          correct:   async with actor.stream(...) as replies:
                         async for reply in replies: ...
        """,
    ),
    "await a subscription": (
        lambda _, client: await_it(client.subscribe(Ping)),
        """
        client.subscribe(...) is entered with `async with`.
          incorrect: events = await client.subscribe(...)
          correct:   async with client.subscribe(...) as events: ...
        """,
    ),
    "subscribe to what stays here": (
        lambda _, client: enter(client.subscribe(GetValue)),
        """
        GetValue does not travel between processes.
          incorrect: @message
                     class GetValue(Request[int]): ...
          correct:   @message(ipc=True)
                     class GetValue(Request[int]): ...
          or:        client.subscribe("GetValue")
        """,
    ),
}


@pytest.mark.parametrize(
    ("use", "text"), [pytest.param(*ABROAD[name], id=name) for name in ABROAD]
)
async def test_wrong_call_of_another_process_shows_the_right_one(
    autojump_clock: MockClock, use: Any, text: str
) -> None:
    """The mistake is a `TypeError` before anything is sent."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        with pytest.raises(TypeError) as caught:
            await use(pair.client.actor("service"), pair.client)

    assert said(caught.value) == lines(text)


async def test_blocking_client_refuses_to_wait_for_its_own_tasks(
    tmp_path: Path,
) -> None:
    """In a trio task of the process that it asks nobody could answer it."""
    path = tmp_path / "s"

    def ask() -> int:
        with acton.ipc.BlockingClient(path) as client:
            return client.actor("service").ask(Ping())

    @acton.actor
    class Answering:
        @acton.act_on
        def ping(self, request: Ping) -> int:
            return 3

    async with open_test_runtime() as runtime:
        await runtime.start(Answering, name="service", expose=True)
        async with acton.ipc.open_listener(runtime, path=path):
            with pytest.raises(RuntimeError) as caught:
                ask()

            assert await trio.to_thread.run_sync(ask) == 3

    assert said(caught.value) == lines("""
        a blocking client in a trio task of the process that it asks would wait for ever.
          incorrect: with BlockingClient(path) as client: ...
          correct:   async with open_client(path) as client: ...
    """)


async def test_blocking_client_asks_another_run_of_trio_in_its_process(  # noqa: ASYNC124 - it is to be in a task
    tmp_path: Path,
) -> None:
    """It waits for tasks that go on meanwhile."""
    path, is_up, done = tmp_path / "s", threading.Event(), threading.Event()

    @acton.actor
    class Answering:
        @acton.act_on
        def ping(self, request: Ping) -> int:
            return 3

    async def serve() -> None:
        async with acton.open_runtime() as runtime:
            await runtime.start(Answering, name="service", expose=True)
            async with acton.ipc.open_listener(runtime, path=path):
                is_up.set()
                await trio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        assert is_up.wait(60)
        with acton.ipc.BlockingClient(path) as client:
            assert client.actor("service").ask(Ping()) == 3
    finally:
        done.set()
        thread.join()


async def test_blocking_client_is_not_entered_with_async(tmp_path: Path) -> None:
    """What blocks has nothing to do with trio, and its connection is closed."""
    path = str(tmp_path / "s")
    with trio.socket.socket(trio.socket.AF_UNIX) as listening:
        await listening.bind(path)
        listening.listen()
        # As one that another process listens to.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.getpid", lambda: -1)
            client: Any = acton.ipc.BlockingClient(path)
        with pytest.raises(TypeError) as caught:
            await enter(client)

    assert said(caught.value) == lines("""
        a BlockingClient has nothing to do with trio.
          incorrect: async with BlockingClient(path) as client: ...
          correct:   async with open_client(path) as client: ...
          or:        with BlockingClient(path) as client: ...
    """)
