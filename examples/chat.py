"""A chat: a room that passes on what is said, and people in other processes.

    python chat.py                     a short talk of two, to see it work
    python chat.py serve SOCKET        the room
    python chat.py join SOCKET NAME    one person: says what is typed, shows what is said

The room is an actor, and what is said in it is broadcast; whoever is connected has
subscribed to that.  A connection that is lost is taken up again.
"""

from __future__ import annotations

import sys
import tempfile

import trio

import acton_trio as acton


@acton.message(ipc=True)
class Say(acton.Request[int]):
    """Says something in the room; answered with its number."""

    who: str
    text: str


@acton.message(ipc=True)
class Said:
    """Something that was said; is broadcast."""

    number: int
    who: str
    text: str


@acton.actor
class Room:
    """Passes on what is said, in one order for all."""

    count: int = 0

    @acton.mutate_on
    async def say(self, request: Say, ctx: acton.Context) -> int:
        """Have everybody hear it."""
        self.count += 1
        await ctx.broker.broadcast(Said(self.count, request.who, request.text))
        return self.count


async def serve(
    path: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Open the room until a signal comes."""
    async with acton.open_runtime() as runtime:
        await runtime.start(Room, name="room", expose=True)
        runtime.ipc_registry.register(Said)
        async with acton.ipc.open_listener(runtime, path=path):
            task_status.started()
            await runtime.wait_for_signal()


async def join(path: str, name: str) -> None:
    """Say what is typed, and show what others say, until there is no more to type."""
    async with (
        acton.ipc.open_client(path, reconnect=acton.ipc.Backoff()) as client,
        client.subscribe(Said) as said,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(show, said, name)
        async for line in trio.wrap_file(sys.stdin):
            await client.actor("room").ask(Say(name, line.rstrip("\n")))
        nursery.cancel_scope.cancel()


async def show(said: acton.ipc.RemoteSubscription[Said], name: str) -> None:
    """Show what others say."""
    async for each in said:
        if each.who != name:
            print(f"{each.who}: {each.text}", flush=True)


async def talk(path: str) -> None:
    """Have two people say something to each other, and show what each heard."""
    async with (
        acton.ipc.open_client(path) as ann,
        acton.ipc.open_client(path) as bob,
        ann.subscribe(Said) as heard_by_ann,
        bob.subscribe(Said) as heard_by_bob,
    ):
        await ann.actor("room").ask(Say("Ann", "Is anybody there?"))
        await bob.actor("room").ask(Say("Bob", "I am."))
        for name, heard in (("Ann", heard_by_ann), ("Bob", heard_by_bob)):
            for _ in range(2):
                each = await anext(heard)
                print(f"{name} hears {each.number}. {each.who}: {each.text}")


async def main(*arguments: str) -> None:
    """Do what the command line says."""
    match arguments:
        case ["serve", path]:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve, path)
                print("the room is open", flush=True)
        case ["join", path, name]:
            await join(path, name)
        case _:
            with tempfile.TemporaryDirectory() as folder:
                async with trio.open_nursery() as nursery:
                    path = f"{folder}/chat.sock"
                    await nursery.start(serve, path)
                    await talk(path)
                    nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
