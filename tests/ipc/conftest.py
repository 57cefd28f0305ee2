"""A service to talk to, in virtual time, and a peer that writes its own bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, final

import attrs
import pytest
import trio

import acton_trio as acton


@acton.message(ipc=True)
class Value:
    """A reply."""

    value: int


@acton.message(ipc=True)
class GetValue(acton.Request[Value]):
    """Asks for the value."""


@acton.message(ipc=True)
class SetValue:
    """Sets the value."""

    value: int


@acton.message(ipc=True)
class Nap(acton.Request[int]):
    """Sleeps, and tells how long."""

    seconds: float


@acton.message(ipc=True)
class Grind(acton.Request[int]):
    """Works alone, and tells how long."""

    seconds: float


@acton.message(ipc=True)
class Break(acton.Request[int]):
    """Makes the handler raise, in some way."""

    how: str


@acton.message(ipc=True)
class OutOfStock(acton.Rejection):
    """An expected failure."""

    left: int


@acton.message
class Private:
    """A message that does not travel."""


@acton.message(ipc=True)
class GetPrivate(acton.Request[object]):
    """Is answered with what cannot travel."""


@acton.actor
class Service:
    """Answers in every way there is."""

    value: int = 0
    log: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    def get_value(self, _request: GetValue) -> Value:
        """Answer at once."""
        return Value(self.value)

    @acton.mutate_on
    def set_value(self, command: SetValue) -> None:
        """Change the value."""
        self.value = command.value

    @acton.act_on
    async def nap(self, request: Nap) -> int:
        """Answer later."""
        self.log.append("nap began")
        try:
            await trio.sleep(request.seconds)
        except trio.Cancelled:
            self.log.append("nap cancelled")
            raise
        return round(request.seconds)

    @acton.mutate_on
    async def grind(self, request: Grind) -> int:
        """Answer later, alone."""
        self.log.append("grind began")
        await trio.sleep(request.seconds)
        self.log.append("grind ended")
        return round(request.seconds)

    @acton.act_on
    def break_(self, request: Break) -> int | None:
        """Do not answer."""
        match request.how:
            case "reject":
                raise OutOfStock(3)
            case "silence":
                return None
            case "nonsense":
                return "nonsense"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
            case _:
                msg = "secret text"
                raise ValueError(msg)

    @acton.act_on
    def get_private(self, _request: GetPrivate) -> object:
        """Answer with what cannot travel."""
        return Private()


@final
@attrs.define
class Peer:
    """A client that writes its own bytes, and reads whole frames."""

    stream: trio.abc.Stream
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    async def write(self, data: bytes) -> None:
        """Write *data*, whatever it is."""
        await self.stream.send_all(data)

    async def say(self, frame_type: int, body: Any, version: int = 2) -> None:
        """Write a frame with *body* in JSON."""
        await self.write(frame(frame_type, json.dumps(body).encode(), version))

    async def request(
        self, cid: str, message_type: str, payload: Any, **more: Any
    ) -> None:
        """Write a request that expects a reply."""
        body = {
            "correlation_id": cid,
            "target": "service",
            "message_type": message_type,
            "payload": payload,
            "expects_reply": True,
        }
        await self.say(1, body | more)

    async def read(self) -> tuple[int, Any]:
        """Return the next frame's type and body; ``(0, None)`` at the end."""
        head = await self._exactly(6)
        if head is None:
            return 0, None
        size, version, kind = int.from_bytes(head[:4], "big"), head[4], head[5]
        if version == 2:
            await self._exactly(1)
        body = await self._exactly(size)
        return kind, json.loads(body or b"null")

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def frame(frame_type: int, payload: bytes, version: int = 2, form: int = 1) -> bytes:
    """Return *payload* behind a header written by hand."""
    head = len(payload).to_bytes(4, "big") + bytes([version, frame_type])
    return head + (bytes([form]) if version == 2 else b"") + payload


@final
@attrs.define
class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts one end of each pair of memory streams that it makes."""

    _inlet: trio.MemorySendChannel[trio.abc.Stream] = attrs.field(init=False)
    _outlet: trio.MemoryReceiveChannel[trio.abc.Stream] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._inlet, self._outlet = trio.open_memory_channel[trio.abc.Stream](100)

    def connect(self) -> trio.abc.Stream:
        """Return the client's end of a new connection."""
        ours, theirs = trio.testing.memory_stream_pair()
        self._inlet.send_nowait(theirs)
        return ours

    async def accept(self) -> trio.abc.Stream:
        """Wait for the server's end of a connection."""
        return await self._outlet.receive()

    async def aclose(self) -> None:
        """Accept no more."""
        self._outlet.close()
        await trio.lowlevel.checkpoint()


@final
@attrs.define
class World:
    """A runtime with the service, and a listener in memory."""

    runtime: acton.Runtime
    handle: acton.ActorHandle
    service: Service
    listener: acton.ipc.IpcListener
    door: MemoryListener

    def peer(self) -> Peer:
        """Return a new connection."""
        return Peer(self.door.connect())


Opener = Callable[..., Any]


@asynccontextmanager
async def open_world(
    config: acton.ipc.IpcConfig | None = None, **options: Any
) -> AsyncGenerator[World, None]:
    """Open a runtime with the service, and a listener in memory."""
    service = Service()
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(
            lambda: service, name="service", expose=True, **options
        )
        door = MemoryListener()
        serve = partial(acton.ipc.serve, runtime, [door], config=config)
        listener: acton.ipc.IpcListener = await runtime.services.start(serve)
        yield World(runtime, handle, service, listener, door)


@pytest.fixture
def world() -> Opener:
    """Return what opens a world."""
    return open_world
