"""The programs that are compared: servers of our framing, and whole stacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import attrs
from processes import HERE

__all__ = ["ACTON", "ECHO", "SERVERS", "STACKS", "Program", "Stack", "python"]


@attrs.frozen
class Program:
    """Something that listens at a socket, or talks to it; a value."""

    start: tuple[str | Path, ...]
    """The words that start it; the path of a socket comes behind them."""

    words: tuple[str, ...] = ()
    """What comes behind the path."""

    tree: str = ""
    """The folder that Python looks into first; by default what ours looks into."""

    def command(self, path: Path) -> list[str | Path]:
        """Return how it is started with the socket at *path*."""
        return [*self.start, path, *self.words]

    def in_tree(self, folder: str) -> Program:
        """Return the same with the library as it is in another folder."""
        return attrs.evolve(self, tree=folder)


def python(module: str, *words: str) -> Program:
    """Return a module of this folder as a program."""
    return Program((sys.executable, "-m", module), words)


@attrs.frozen
class Peer:
    """A server that is put under load; a value."""

    name: str
    program: Program
    modules: tuple[str, ...] = ()
    """Those of others without which it is skipped."""

    programs: tuple[str, ...] = ()
    """Those without which it is skipped."""


@attrs.frozen
class Stack:
    """Both ends of a conversation, each a process of its own; a value."""

    name: str
    server: Program
    client: Program
    modules: tuple[str, ...] = ()
    """Those of others without which it is skipped."""

    sequential: bool = True
    """Whether it is measured with one call after the other."""

    flight: bool = True
    """Whether it is measured with many calls in flight."""


ACTON: Final = Peer("acton_trio", python("servers.acton"))

# Compiled where it is needed.
ECHO: Final = "C echo"

SERVERS: Final = (
    ACTON,
    Peer("asyncio streams", python("servers.asyncio_streams")),
    Peer("Node", Program(("node", HERE / "servers" / "node.js")), programs=("node",)),
    Peer("uvloop Protocol", python("servers.asyncio_protocol", "uvloop"), ("uvloop",)),
    Peer("uvloop streams", python("servers.asyncio_streams", "uvloop"), ("uvloop",)),
    Peer("trio naive", python("servers.trio_naive")),
    Peer("trio pump", python("servers.trio_pump")),
    Peer("trio pump, actor", python("servers.actor_pump")),
    Peer(ECHO, Program(("echo",)), programs=("cc",)),
)

STACKS: Final = (
    Stack("acton_trio", python("servers.acton"), python("clients.acton")),
    Stack(
        "acton_trio BlockingClient",
        python("servers.acton"),
        python("clients.acton_blocking"),
        flight=False,
    ),
    Stack("blocking sockets", python("servers.blocking"), python("clients.blocking")),
    Stack("trio pump", python("servers.trio_pump"), python("clients.trio_direct")),
    Stack(
        "trio pump, actor",
        python("servers.actor_pump"),
        python("clients.trio_direct"),
    ),
    Stack(
        "asyncio streams",
        python("servers.asyncio_streams"),
        python("clients.asyncio_streams"),
    ),
    Stack(
        "zmq REQ/REP",
        python("servers.zmq_rep"),
        python("clients.zmq_req"),
        ("zmq",),
        flight=False,
    ),
    Stack(
        "zmq DEALER",
        python("servers.zmq_router"),
        python("clients.zmq_dealer"),
        ("zmq",),
    ),
    Stack("gRPC", python("servers.grpc_sync"), python("clients.grpc_sync"), ("grpc",)),
    Stack(
        "gRPC aio", python("servers.grpc_aio"), python("clients.grpc_aio"), ("grpc",)
    ),
)
