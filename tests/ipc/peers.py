"""A service to talk to, in virtual time, and a peer that writes its own bytes.

Nothing here uses the package's own framing: a peer that shared its mistakes
would not see them.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, final

import attrs
import msgspec
import trio

import acton_trio as acton
from acton_trio.testing import MemoryListener

REQUEST: Final = 0x01
RESPONSE: Final = 0x02
ERROR: Final = 0x03
HEARTBEAT: Final = 0x04
DISCOVER: Final = 0x08
CANCEL: Final = 0x0A
JSON: Final = 1
MESSAGEPACK: Final = 2

UNLIMITED: Final = acton.ipc.IpcRateLimit(enabled=False)
"""For peers that send more at once than is allowed by default."""


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
class Done:
    """A reply without fields."""


@acton.message(ipc=True)
class Flush(acton.Request[Done]):
    """Asks for a reply without fields."""


@acton.message(ipc=True)
class Echo(acton.Request[str]):
    """Asks for its own text, many times."""

    text: str
    times: int = 1


@acton.message(ipc=True)
class GetHeaders(acton.Request[dict[str, str]]):
    """Asks what came beside the message."""


@acton.message(ipc=True)
class Nap(acton.Request[int]):
    """Sleeps, and tells how long."""

    seconds: float


@acton.message(ipc=True)
class Grind(acton.Request[int]):
    """Works alone, and tells how long."""

    seconds: float


@acton.message(ipc=True)
class Spoil(acton.Request[int]):
    """Makes the actor itself fail."""


@acton.message(ipc=True)
class Break(acton.Request[int]):
    """Makes the handler raise, in some way."""

    how: str


@acton.message(ipc=True)
class OutOfStock(acton.Rejection):
    """An expected failure."""

    left: int


@acton.message(ipc=True)
class NotThere(acton.Rejection):
    """An expected failure that names a file."""

    path: str


@acton.message
class Unlisted(acton.Rejection):
    """An expected failure that does not travel."""

    left: int


@acton.message
class Private:
    """A message that does not travel."""


@acton.message(ipc=True)
class GetPrivate(acton.Request[object]):
    """Is answered with what cannot travel."""


class UnspeakableError(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@acton.actor
class Service:
    """Answers in every way there is."""

    value: int = 0
    log: list[str] = attrs.field(factory=list[str])
    values: list[int] = attrs.field(factory=list[int])

    @acton.act_on
    def get_value(self, _request: GetValue) -> Value:
        """Answer at once."""
        return Value(self.value)

    @acton.mutate_on
    def set_value(self, command: SetValue) -> None:
        """Change the value."""
        self.value = command.value
        self.values.append(command.value)

    @acton.act_on
    def flush(self, _request: Flush) -> Done:
        """Answer with nothing to say."""
        return Done()

    @acton.act_on
    def echo(self, request: Echo) -> str:
        """Repeat."""
        return request.text * request.times

    @acton.act_on
    def get_headers(self, _request: GetHeaders, ctx: acton.Context) -> dict[str, str]:
        """Tell what came beside the message."""
        return dict(ctx.headers)

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

    @acton.mutate_on
    def spoil(self, _request: Spoil) -> int:
        """Fail amid a change."""
        msg = "secret text"
        raise LookupError(msg)

    @acton.mutate_on
    def handle_private(self, _message: Private) -> None:
        """Handle what only this process can send."""

    @acton.act_on
    def break_(self, request: Break) -> int | None:
        """Do not answer."""
        match request.how:
            case "reject":
                raise OutOfStock(3)
            case "reject in private":
                raise Unlisted(4)
            case "reject unwritably":
                path = "a file named \udcff"
                raise NotThere(path)
            case "silence":
                return None
            case "nonsense":
                return "nonsense"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
            case "unspeakable":
                raise UnspeakableError
            case "no text":
                msg = "a file named \udcff"
                raise ValueError(msg)
            case _:
                msg = "secret text"
                raise ValueError(msg)

    @acton.act_on
    def get_private(self, _request: GetPrivate) -> object:
        """Answer with what cannot travel."""
        return Private()


def frame(frame_type: int, payload: bytes, version: int = 2, form: int = JSON) -> bytes:
    """Return *payload* behind a header written by hand."""
    head = len(payload).to_bytes(4, "big") + bytes([version, frame_type])
    return head + (bytes([form]) if version == 2 else b"") + payload


class Seen(NamedTuple):
    """A frame as it was read."""

    version: int
    kind: int
    form: int
    body: Any


END: Final = Seen(0, 0, 0, None)
"""What is read where a connection ends."""


@final
@attrs.define
class Peer:
    """A client that writes its own bytes, and reads whole frames."""

    stream: trio.abc.Stream
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    async def write(self, data: bytes) -> None:
        """Write *data*, whatever it is."""
        await self.stream.send_all(data)

    async def say(
        self, frame_type: int, body: Any, version: int = 2, form: int = JSON
    ) -> None:
        """Write a frame with *body* in JSON or MessagePack."""
        packed = form == MESSAGEPACK
        data = msgspec.msgpack.encode(body) if packed else json.dumps(body).encode()
        await self.write(frame(frame_type, data, version, form))

    async def request(
        self,
        cid: str,
        message_type: str,
        payload: Any,
        *,
        version: int = 2,
        form: int = JSON,
        **more: Any,
    ) -> None:
        """Write a request that expects a reply."""
        body = {
            "correlation_id": cid,
            "target": "service",
            "message_type": message_type,
            "payload": payload,
            "expects_reply": True,
        }
        await self.say(REQUEST, body | more, version, form)

    async def read(self) -> tuple[int, Any]:
        """Return the next frame's type and body; ``(0, None)`` at the end."""
        seen = await self.read_frame()
        return seen.kind, seen.body

    async def answer(self) -> Any:
        """Return the next frame's body."""
        return (await self.read_frame()).body

    async def ask(self, message_type: str, payload: Any = None, **more: Any) -> Any:
        """Write a request and return the body of what comes next."""
        await self.request("r", message_type, payload, **more)
        return await self.answer()

    async def read_frame(self) -> Seen:
        """Return the next frame, or `END`."""
        head = await self._exactly(6)
        if head is None:
            return END
        size, version, kind = int.from_bytes(head[:4], "big"), head[4], head[5]
        form = JSON
        if version == 2:
            form = (await self._exactly(1) or b"\0")[0]
        body = await self._exactly(size)
        if form == MESSAGEPACK:
            return Seen(version, kind, form, msgspec.msgpack.decode(body or b""))
        return Seen(version, kind, form, json.loads(body or b"null"))

    async def read_bytes(self) -> bytes:
        """Return the next frame as it came; nothing at the end."""
        head = await self._exactly(6) or b""
        head += (await self._exactly(1) or b"") if head[4:5] == b"\x02" else b""
        return head + (await self._exactly(int.from_bytes(head[:4], "big")) or b"")

    async def say_no_more(self) -> None:
        """End this side's half of the connection."""
        assert isinstance(self.stream, trio.abc.HalfCloseableStream)
        await self.stream.send_eof()

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


@final
class SocketDoor(trio.abc.Listener[trio.abc.Stream]):
    """Accepts one end of each pair of sockets that it makes; in virtual time, too."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self._memory = MemoryListener()
        self.connect_in_lockstep = self._memory.connect_in_lockstep
        self.admit = self._memory.admit

    def connect(self) -> trio.abc.HalfCloseableStream:
        """Return the client's end of a new connection; it is closed with what is held."""
        ours, theirs = socket.socketpair()
        self._held.enter_context(ours)
        self.admit(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def accept(self) -> trio.abc.Stream:
        """Wait for the server's end of a connection."""
        return await self._memory.accept()

    async def aclose(self) -> None:
        """Accept no more."""
        await self._memory.aclose()


Door: TypeAlias = MemoryListener | SocketDoor


@final
@attrs.define
class Transport:
    """What connections are made of; in memory, if nothing else is said."""

    new_door: Callable[[], Door] = MemoryListener


TRANSPORT: Final = Transport()


@final
@attrs.define
class World:
    """A runtime with the service, and a listener in memory."""

    runtime: acton.Runtime
    handle: acton.ActorHandle
    service: Service
    listener: acton.ipc.IpcListener
    door: Door

    def peer(self) -> Peer:
        """Return a new connection."""
        return Peer(self.door.connect())


@asynccontextmanager
async def open_world(
    config: acton.ipc.IpcConfig | None = None,
    *,
    runtime_config: acton.Config | None = None,
    authorize: Any = None,
    **options: Any,
) -> AsyncGenerator[World, None]:
    """Open a runtime with the service, and a listener in memory."""
    service = Service()
    # The nursery is not the runtime's: leaving the runtime has to end what
    # serves it wherever that runs.
    async with trio.open_nursery() as watch:
        watch.start_soon(_bark)
        async with (
            trio.open_nursery() as nursery,
            acton.open_runtime(runtime_config) as runtime,
        ):
            handle = await runtime.start(
                lambda: service, name="service", expose=True, **options
            )
            door = TRANSPORT.new_door()
            serve = partial(
                acton.ipc.serve, runtime, [door], config=config, authorize=authorize
            )
            listener: acton.ipc.IpcListener = await nursery.start(serve)
            yield World(runtime, handle, service, listener, door)
        watch.cancel_scope.cancel()


async def _bark() -> None:
    # On the virtual clock this time comes when nothing else ever would.  A
    # deadline around the test would be one for its asks, too.
    await trio.sleep(10**9)
    msg = "nothing happens any more"
    raise AssertionError(msg)
