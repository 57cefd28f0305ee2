"""Asks that would come back to the handler that waits for them, across processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, final

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import MemoryListener

from .answers import answer_frame, next_request
from .peers import GetValue, Peer

DONE = "done"


@acton.message(ipc=True)
class Change(acton.Request[str]):
    """Asks the next on the way, alone; ``b!`` is asked to change, ``b?`` to look."""

    way: tuple[str, ...] = ()


@acton.message(ipc=True)
class Look(acton.Request[str]):
    """Asks the next on the way, beside others."""

    way: tuple[str, ...] = ()


@acton.message(ipc=True)
class Start(acton.Request[str]):
    """Has what follows asked by a task that nobody waits for, or by none: sent."""

    how: str
    way: tuple[str, ...] = ()


@acton.message(ipc=True)
class ByName(acton.Request[str]):
    """Asks the next on the way without its type."""

    way: tuple[str, ...]


@final
@acton.actor
class Relay:
    """Asks on, and says what became of it."""

    others: Mapping[str, acton.Ref]
    client: acton.ipc.Client | None = None
    heard: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    async def change(self, request: Change) -> str:
        """Ask on, alone."""
        return await self._go(request.way)

    @acton.act_on
    async def look(self, request: Look) -> str:
        """Ask on, beside others."""
        return await self._go(request.way)

    @acton.mutate_on
    async def change_by_name(self, request: ByName) -> str:
        """Ask on with names and plain data."""
        name, message = next_of(request.way)
        assert self.client is not None
        kind, way = type(message).__name__, message.way
        answer = await self.client.request(name, kind, {"way": way})
        return str(answer.payload)

    @acton.mutate_on
    async def start(self, request: Start, ctx: acton.Context) -> str:
        """Do not wait."""
        if request.how == "send":
            name, message = next_of(request.way)
            await self.others[name].send(message)
        else:
            ctx.start_soon(self._note, request.way)
        return DONE

    async def _note(self, way: tuple[str, ...]) -> None:
        self.heard.append(await self._go(way))

    async def _go(self, way: tuple[str, ...]) -> str:
        if not way:
            return DONE
        name, message = next_of(way)
        try:
            return await self.others[name].ask(message)
        except acton.AskCycleError as error:
            return "cycle: " + " ".join(error.path)


def next_of(way: tuple[str, ...]) -> tuple[str, Change | Look]:
    """Return who is next, and what it is asked."""
    kind = Change if way[0].endswith("!") else Look
    return way[0][:-1], kind(way[1:])


@asynccontextmanager
async def open_processes(
    *places: str,
) -> AsyncGenerator[tuple[dict[str, acton.ActorHandle], dict[str, Relay]], None]:
    """Open a runtime for each string, with an actor for each letter in it.

    Every actor knows all others: those of its own runtime by their handles,
    the others over connections.
    """
    handles: dict[str, acton.ActorHandle] = {}
    relays = {name: Relay({}) for place in places for name in place}
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        doors: dict[str, MemoryListener] = {}
        for place in places:
            runtime = await stack.enter_async_context(acton.open_runtime())
            for name in place:
                relay = relays[name]
                handles[name] = await runtime.start(
                    partial(lambda relay: relay, relay), name=name, expose=True
                )
            doors[place] = MemoryListener()
            serve = partial(acton.ipc.serve, runtime, [doors[place]])
            await nursery.start(serve)
        for place in places:
            others: dict[str, acton.Ref] = {name: handles[name] for name in place}
            for there, door in doors.items():
                if there != place:
                    client = await stack.enter_async_context(
                        acton.ipc.open_client(door.connect())
                    )
                    for name in place:
                        relays[name].client = client
                    others |= {name: client.actor(name) for name in there}
            for name in place:
                relays[name].others = others
        yield handles, relays
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("places", "way", "answer"),
    [
        pytest.param(["a", "b"], "a! b! a!", "cycle: a a", id="there and back"),
        pytest.param(["a", "b"], "a! b! a?", "cycle: a a", id="a look at a change"),
        pytest.param(["a", "b"], "a! b? a!", "cycle: a a", id="by way of a look"),
        pytest.param(["a", "b"], "a? b! a!", "cycle: a a", id="a change under a look"),
        pytest.param(["a", "b"], "a? b? a?", DONE, id="looks alone"),
        pytest.param(["a", "b"], "a? b! a? b?", "cycle: b b", id="back to the other"),
        pytest.param(["a", "b"], "a? b? a? b? a?", DONE, id="looks, again and again"),
        pytest.param(["a", "b", "c"], "a! b! c! a!", "cycle: a a", id="three"),
        pytest.param(["a", "b", "c"], "a? b! c? b?", "cycle: b b", id="not the first"),
        pytest.param(["a", "b", "c"], "a! b! c!", DONE, id="no circle"),
        pytest.param(
            ["a", "bc"], "a! b! c! a!", "cycle: a a", id="a local ask between"
        ),
        pytest.param(["ac", "b"], "a! b! c! a!", "cycle: a a", id="a local ask last"),
        pytest.param(
            ["ac", "b"], "a! c! b! a!", "cycle: a c a", id="a local ask first"
        ),
        pytest.param(["ac", "b"], "a! c! b! c!", "cycle: c c", id="back to the second"),
        pytest.param(["ac", "b"], "a? b! c? a?", DONE, id="looks, with a local one"),
        pytest.param(["ac", "b"], "c! b! a!", DONE, id="to a neighbour"),
        pytest.param(
            ["abc", "d"], "a! b! d! c! a!", "cycle: a b a", id="two waits between"
        ),
    ],
)
async def test_ask_that_comes_back_is_refused_at_once(
    autojump_clock: MockClock, places: list[str], way: str, answer: str
) -> None:
    """The last asker is told, with the path as far as its process knows it."""
    async with open_processes(*places) as (handles, _):
        first, message = next_of(tuple(way.split()))
        got = await handles[first].ask(message)
        since = trio.current_time()
        again = await handles[first].ask(Look())

    assert got == answer
    assert again == DONE
    assert since == 0


async def test_ask_without_types_counts_as_well(autojump_clock: MockClock) -> None:
    """It waits for its answer like any other."""
    async with open_processes("a", "b") as (handles, _):
        assert await handles["a"].ask(ByName(("b!", "a!"))) == "cycle: a a"


@pytest.mark.parametrize("how", ["send", "background"])
async def test_what_nobody_waits_for_never_counts(
    autojump_clock: MockClock, how: str
) -> None:
    """What was sent, and what a background task asks, may come back."""
    async with open_processes("a", "b") as (handles, relays):
        assert await handles["a"].ask(Start(how, ("b!", "a!"))) == DONE
        await trio.sleep(1)

        assert await handles["a"].ask(Change(("b!",))) == DONE
    assert relays["a"].heard == ([DONE] if how == "background" else [])
    assert trio.current_time() == 1


async def test_asker_that_has_gone_counts_no_more(autojump_clock: MockClock) -> None:
    """Who waits for nothing any more is in nobody's way."""

    @acton.message(ipc=True)
    class Dawdle(acton.Request[str]):
        pass

    @final
    @acton.actor
    class Slow:
        back: acton.Ref
        answers: list[str] = attrs.field(factory=list[str])

        @acton.mutate_on
        async def dawdle(self, _request: Dawdle) -> str:
            await trio.sleep(5)
            self.answers.append(await self.back.ask(Change()))
            return DONE

    @final
    @acton.actor
    class Hasty:
        slow: acton.Ref

        @acton.mutate_on
        async def change(self, _request: Change) -> str:
            if trio.current_time() > 0:
                return DONE
            with trio.move_on_after(2):
                await self.slow.ask(Dawdle())
            return "gave up"

    doors = MemoryListener(), MemoryListener()
    async with (
        acton.open_runtime() as one,
        acton.open_runtime() as two,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(partial(acton.ipc.serve, one, [doors[0]]))
        await nursery.start(partial(acton.ipc.serve, two, [doors[1]]))
        async with (
            acton.ipc.open_client(doors[0].connect()) as to_one,
            acton.ipc.open_client(doors[1].connect()) as to_two,
        ):
            slow = Slow(to_one.actor("hasty"))
            await two.start(lambda: slow, name="slow", expose=True)
            hasty = await one.start(
                Hasty, to_two.actor("slow"), name="hasty", expose=True
            )

            assert await hasty.ask(Change()) == "gave up"
            await trio.sleep(10)
            assert slow.answers == [DONE]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        pytest.param({"path": ["a", "b", "a"]}, ("a", "b", "a"), id="told"),
        pytest.param({}, ("a", "a"), id="not told"),
        pytest.param({"path": "a"}, ("a", "a"), id="told badly"),
        pytest.param(None, ("a", "a"), id="nothing"),
    ],
)
async def test_cycle_that_a_peer_finds_is_raised_as_one(
    autojump_clock: MockClock, payload: Any, path: tuple[str, ...]
) -> None:
    """With the path that it tells; it begins and ends with who was asked."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def refuse() -> None:
            cid = (await next_request(server))["correlation_id"]
            body = {"success": False, "error": "e", "error_code": "ASK_CYCLE"}
            await server.write(answer_frame(cid, body | {"payload": payload}))

        nursery.start_soon(refuse)
        with pytest.raises(acton.AskCycleError) as caught:
            await client.actor("a").ask(GetValue())

    assert caught.value.path == path


async def test_plain_code_and_what_it_sends_has_no_chain(
    autojump_clock: MockClock,
) -> None:
    """Nobody can ask it back."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client:
        with trio.move_on_after(1):
            await client.actor("a").ask(GetValue())

    assert "headers" not in await next_request(server)
