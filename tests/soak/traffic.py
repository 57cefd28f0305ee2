"""Clients that use the server in every way there is, as a process.

    python -m tests.soak.traffic SOCKET SEED

They go on until the standard input ends.  Then each finishes what it does, and
what became of all requests is printed as one line of JSON.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeAlias, final

import attrs
import trio

import acton_trio as acton
from acton_trio.ipc import Client, open_client

from ..ipc.hostiles import GetNumber, Hold, Hostile, News, Repeat
from ..ipc.peers import CANCEL, HEARTBEAT, REQUEST, Peer, Seen, frame
from .service import CHILDREN, Add, Fail

PUSH: Final = 5
SUBSCRIBE: Final = 6
UNSUBSCRIBE: Final = 7
STREAM: Final = 9

VISITORS: Final = 4
"""Of each of the two sorts, in one process."""

# Those that never end what they do; each rests for so long, in seconds.
HOSTILE: Final = ("vanishing", "stalled", "slow", "garbage bodies", "bad headers")
REST: Final = 0.1

# What may become of a request here, beside an answer.
KNOWN: Final = frozenset(
    {
        # What the package's own client raises.
        "ActorStoppedError",
        "AskTimeoutError",
        "HandlerFailedError",
        "PeerLostError",
        # Codes of the server.
        "ACTOR_NOT_FOUND",
        "CANCELLED",
        "HANDLER_FAILED",
        "IO_ERROR",
        "SERIALIZATION_ERROR",
        "TARGET_BUSY",
        "TIMEOUT",
        # What the asker has done itself.
        "given up",
        "the connection was cut",
    }
)


@final
@attrs.define
class Account:
    """What became of all requests; lives as long as the process."""

    asked: Counter[str] = attrs.field(factory=Counter[str], init=False)
    """How many there were, by what they were."""

    ends: Counter[str] = attrs.field(factory=Counter[str], init=False)
    """How they ended: ``answered``, or the name of why not."""

    async def ask(self, name: str, asking: Callable[[], Awaitable[object]]) -> None:
        """Note one request, and how it ends.

        Cancellation:
            It was given up.
        """
        self.asked[name] += 1
        try:
            await asking()
        except acton.PeerRejectedError as error:
            self.ends[error.code] += 1
        except (acton.ActonError, trio.TooSlowError) as error:
            self.ends[type(error).__name__] += 1
        except trio.Cancelled:
            self.ends["given up"] += 1
            raise
        else:
            self.ends["answered"] += 1


Doing: TypeAlias = Callable[[], Awaitable[None]]


@final
@attrs.define(eq=False)
class Visitor:
    """Uses the package's own client; lives until the traffic ends."""

    path: str
    chance: random.Random
    account: Account
    is_over: trio.Event

    async def visit(self) -> None:
        """Connect, do many things, leave; and come again."""
        while not self.is_over.is_set():
            try:
                async with open_client(self.path) as client:
                    await self._stay(client)
            except OSError:
                # More connect at once than the kernel lets wait.
                await trio.sleep(0.01)

    async def _stay(self, client: Client) -> None:
        leaves_abruptly = self.chance.random() < 0.5
        for _ in range(self.chance.randrange(100)):
            if self.is_over.is_set():
                return
            await self._do(client)
            await trio.sleep(self.chance.random() * 0.01)
        if leaves_abruptly:
            with trio.move_on_after(self.chance.random() * 0.05):
                await self._ask_much(client)

    async def _do(self, client: Client) -> None:
        ways = [self._ask, self._ask_a_child, self._send, self._ask_the_fickle]
        ways += [self._make_fail, self._discover, self._give_up, self._ask_much]
        await self.chance.choices(ways, (9, 9, 5, 5, 2, 1, 3, 1))[0](client)

    async def _ask(self, client: Client) -> None:
        size = self.chance.choice((0, 10, 1000, 50_000))
        asking = partial(client.actor("prey").ask, Repeat(size))
        await self.account.ask("ask", asking)

    async def _ask_a_child(self, client: Client) -> None:
        await self.account.ask("ask", partial(self._child(client).ask, Add(1)))

    async def _ask_much(self, client: Client) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(self._ask_a_child, client)

    async def _send(self, client: Client) -> None:
        sending = partial(client.actor("prey").send, News("y"))
        await self.account.ask("send", sending)

    async def _ask_the_fickle(self, client: Client) -> None:
        asking = partial(client.actor("fickle").ask, GetNumber())
        await self.account.ask("ask", asking)

    async def _make_fail(self, client: Client) -> None:
        await self.account.ask("ask", partial(self._child(client).ask, Fail()))

    async def _discover(self, client: Client) -> None:
        schemas = self.chance.random() < 0.2
        discovering = partial(client.discover, include_schemas=schemas)
        await self.account.ask("discovery", discovering)

    async def _give_up(self, client: Client) -> None:
        with trio.move_on_after(self.chance.random() * 0.05):
            asking = partial(client.actor("quiet").ask, Hold(20))
            await self.account.ask("ask", asking)

    def _child(self, client: Client) -> acton.ipc.RemoteActorHandle:
        return client.actor(f"child-{self.chance.randrange(CHILDREN)}")


@final
@attrs.define(eq=False)
class Writer:
    """Writes its own frames: streams, subscriptions, and nonsense; lives as long."""

    path: str
    chance: random.Random
    account: Account
    is_over: trio.Event

    async def visit(self) -> None:
        """Connect, do many things, leave in some way; and come again."""
        while not self.is_over.is_set():
            try:
                stream = await trio.open_unix_socket(self.path)
            except OSError:
                await trio.sleep(0.01)
                continue
            peer = Peer(stream)
            for _ in range(self.chance.randrange(50)):
                if not self.is_over.is_set():
                    await self._do(peer)
            await self._leave(peer)

    async def _do(self, peer: Peer) -> None:
        ways = [self._read_all, self._read_some, self._listen, self._beat]
        ways += [self._talk_nonsense]
        await self.chance.choices(ways, (4, 4, 1, 2, 1))[0](peer)

    async def _leave(self, peer: Peer) -> None:
        match self.chance.randrange(3):
            case 0:
                await peer.say_no_more()
            case 1:
                await self._ask_for_numbers(peer)
                self.account.ends["the connection was cut"] += 1
            case _:
                await peer.write(frame(REQUEST, b"{}" * 100)[:50])
        await trio.aclose_forcefully(peer.stream)

    async def _ask_for_numbers(self, peer: Peer) -> None:
        self.account.asked["stream"] += 1
        await peer.request(
            "t",
            "Count",
            {"upto": self.chance.choice((0, 10, 1000))},
            target=f"child-{self.chance.randrange(CHILDREN)}",
            expects_stream=True,
            expects_reply=False,
        )

    async def _read_all(self, peer: Peer) -> None:
        await self._ask_for_numbers(peer)
        await self._read_to_the_end(peer, 0)

    async def _read_some(self, peer: Peer) -> None:
        await self._ask_for_numbers(peer)
        number = 0
        for _ in range(5):
            seen = await next_but_pushes(peer)
            if seen.body["is_final"]:
                self._note_the_end(seen)
                return
            assert seen.body["sequence"] == number, seen
            number += 1
        await peer.say(CANCEL, {"correlation_id": "t"})
        await self._read_to_the_end(peer, number)

    async def _read_to_the_end(self, peer: Peer, number: int) -> None:
        while not (seen := await next_but_pushes(peer)).body["is_final"]:
            assert (seen.kind, seen.body["sequence"]) == (STREAM, number), seen
            number += 1
        assert seen.body["sequence"] == number, seen
        self._note_the_end(seen)

    def _note_the_end(self, seen: Seen) -> None:
        self.account.ends[seen.body.get("error_code", "answered")] += 1

    async def _listen(self, peer: Peer) -> None:
        """Subscribe, hear something, and unsubscribe."""
        wish = {"correlation_id": "s", "message_types": ["News"]}
        await peer.say(SUBSCRIBE, wish)
        assert (await next_but_pushes(peer)).body["success"]
        for _ in range(self.chance.randrange(5)):
            assert (await peer.read_frame()).kind == PUSH
        await peer.say(UNSUBSCRIBE, wish)
        assert (await next_but_pushes(peer)).body["success"]

    async def _beat(self, peer: Peer) -> None:
        await peer.say(HEARTBEAT, {})
        assert (await next_but_pushes(peer)).kind == HEARTBEAT

    async def _talk_nonsense(self, peer: Peer) -> None:
        self.account.asked["nonsense"] += 1
        await peer.write(frame(REQUEST, b"{no body"))
        self._note_the_end(await next_but_pushes(peer))


async def next_but_pushes(peer: Peer) -> Seen:
    """Return the next frame that is an answer."""
    while (seen := await peer.read_frame()).kind == PUSH:
        pass
    assert seen.kind != 0, "the connection has ended"
    return seen


@asynccontextmanager
async def disturbed(path: str, seed: int) -> AsyncGenerator[None]:
    """Have some hostile clients around, as long as the block."""
    async with trio.open_nursery() as nursery:
        for number, kind in enumerate(HOSTILE):
            dial: Any = partial(trio.open_unix_socket, path)
            chance = random.Random(seed + number)
            nursery.start_soon(Hostile(dial, chance, pause=REST).harm, kind)
        yield
        nursery.cancel_scope.cancel()


async def main(path: str, seed: int) -> None:
    """Make traffic until the input ends, and tell what became of it."""
    account, is_over = Account(), trio.Event()
    async with disturbed(path, seed), trio.open_nursery() as nursery:
        for number in range(VISITORS):
            for sort in (Visitor, Writer):
                chance = random.Random(f"{sort.__name__} {seed} {number}")
                nursery.start_soon(sort(path, chance, account, is_over).visit)
        await trio.to_thread.run_sync(sys.stdin.read)
        is_over.set()
    print(json.dumps(attrs.asdict(account)))  # noqa: T201 - for who has started it


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
