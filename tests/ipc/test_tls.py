"""Peers that come over TCP and speak TLS, or were expected to.

The sockets are real ones, so is the time: no test waits for more of it than it
takes for something to happen.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, final

import attrs
import pytest
import trio
import trio.testing
import trustme
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._ipc import reception
from acton_trio.ipc import IpcConfig, IpcLimits, IpcTimeouts

from .peers import REQUEST, UNLIMITED, Echo, GetValue, Nap, Peer, Service, Value, frame

LOCALHOST: Final = "127.0.0.1"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

both_versions = pytest.mark.parametrize(
    "version", [pytest.param(each, id=each.name) for each in (TLS_1_2, TLS_1_3)]
)

# The first record of a client, which would be 16000 bytes long.
HALF_A_HELLO: Final = bytes.fromhex("1603013e80010000")


class Papers(NamedTuple):
    """Who signs certificates, and whom nobody has asked to."""

    authority: trustme.CA
    impostor: trustme.CA

    def of_server(self) -> ssl.SSLContext:
        """Return how the server speaks TLS: it wants to see a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = TLS_1_2
        context.verify_mode = ssl.CERT_REQUIRED
        self.authority.configure_trust(context)
        self.authority.issue_cert(LOCALHOST).configure_cert(context)
        return context

    def of_client(
        self,
        signer: trustme.CA | None,
        trusted: trustme.CA | None = None,
        version: ssl.TLSVersion = TLS_1_3,
    ) -> ssl.SSLContext:
        """Return how a client speaks TLS whose certificate *signer* has signed."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        context.minimum_version = context.maximum_version = version
        (trusted or self.authority).configure_trust(context)
        if signer is not None:
            signer.issue_cert("client@example.org").configure_cert(context)
        return context


@pytest.fixture(scope="module")
def papers() -> Papers:
    """Make certificates for the tests of this module."""
    return Papers(trustme.CA(), trustme.CA())


@final
@attrs.define
class Inn:
    """A runtime with the service, and a listener for TLS over TCP."""

    runtime: acton.Runtime
    service: Service
    listener: acton.ipc.IpcListener
    port: int
    papers: Papers

    async def connect(self) -> trio.SocketStream:
        """Return a new connection over which nothing was said yet."""
        return await trio.open_tcp_stream(LOCALHOST, self.port)

    async def speak(
        self, context: ssl.SSLContext | None = None
    ) -> trio.SSLStream[trio.SocketStream]:
        """Return a new connection over which TLS is to be spoken."""
        context = context or self.papers.of_client(self.papers.authority)
        stream = await self.connect()
        return trio.SSLStream(stream, context, server_hostname=LOCALHOST)

    async def is_open(self) -> bool:
        """Return whether a client is served that has done nothing wrong."""
        async with acton.ipc.open_client(await self.speak()) as client:
            return await client.actor("service").ask(GetValue()) == Value(0)

    async def wait_for_guests(self, number: int) -> None:
        """Wait until so many connections are open."""
        await until(lambda: self.listener.statistics().connections_active == number)


@asynccontextmanager
async def open_inn(
    papers: Papers, config: IpcConfig | None = None, authorize: Any = None
) -> AsyncGenerator[Inn, None]:
    """Open a runtime with the service, and a listener for TLS over TCP."""
    service = Service()
    (tcp,) = await trio.open_tcp_listeners(0, host=LOCALHOST)
    # Those that are accepted have it as well: little fits on the way.
    tcp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    door = trio.SSLListener(tcp, papers.of_server())
    port: int = tcp.socket.getsockname()[1]
    async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
        await runtime.start(lambda: service, name="service", expose=True)
        serve = partial(
            acton.ipc.serve, runtime, [door], config=config, authorize=authorize
        )
        listener: acton.ipc.IpcListener = await nursery.start(serve)
        yield Inn(runtime, service, listener, port, papers)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    while not condition():  # noqa: ASYNC110 - see above
        await trio.lowlevel.checkpoint()


async def read_to_the_end(stream: trio.abc.ReceiveStream) -> bytes:
    """Return all that comes; a connection that breaks has ended, too."""
    data = b""
    with suppress(trio.BrokenResourceError):
        async for chunk in stream:
            data += chunk
    return data


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let those who are turned away take their time for the handshake."""
    monkeypatch.setattr(reception, "FAREWELL_SECONDS", 60)


@pytest.fixture(autouse=True)
def _nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # Whatever a peer does, it is not the server's failure.
    yield
    logged = caplog.get_records("call")
    assert [each for each in logged if each.levelno >= logging.ERROR] == []


@both_versions
async def test_client_with_a_certificate_is_served(
    papers: Papers, version: ssl.TLSVersion
) -> None:
    """The calls are those of any other client."""
    context = papers.of_client(papers.authority, version=version)
    async with (
        open_inn(papers) as inn,
        acton.ipc.open_client(await inn.speak(context)) as client,
    ):
        service = client.actor("service")

        assert await service.ask(GetValue()) == Value(0)
        assert await service.ask(Echo("x", 100_000)) == "x" * 100_000


@both_versions
@pytest.mark.parametrize(
    "has_one",
    [pytest.param(False, id="none"), pytest.param(True, id="an impostor's")],
)
async def test_client_without_a_certificate_that_counts_reaches_nobody(
    papers: Papers, version: ssl.TLSVersion, *, has_one: bool
) -> None:
    """Nothing that it says is looked at, and what it asks for is not pending."""
    signer = papers.impostor if has_one else None
    context = papers.of_client(signer, version=version)
    async with open_inn(papers) as inn:
        # In TLS 1.3 a client hears of the judgement when it first listens.
        with pytest.raises((acton.PeerLostError, trio.BrokenResourceError)):
            async with acton.ipc.open_client(await inn.speak(context)) as client:
                await client.actor("service").ask(GetValue())

        await inn.wait_for_guests(0)
        assert inn.listener.statistics().messages_received == 0
        assert await inn.is_open()


async def test_client_does_not_speak_to_a_server_that_it_does_not_trust(
    papers: Papers,
) -> None:
    """The error says what was wrong, and there is no client."""
    context = papers.of_client(papers.authority, trusted=papers.impostor)
    async with open_inn(papers) as inn:
        with pytest.raises(trio.BrokenResourceError) as caught:
            async with acton.ipc.open_client(await inn.speak(context)):
                raise AssertionError

        cause = caught.value.__cause__
        assert isinstance(cause, ssl.SSLCertVerificationError)
        await inn.wait_for_guests(0)
        assert inn.listener.statistics().messages_received == 0


# --- handshakes that come to nothing


async def test_client_gives_a_server_up_that_says_nothing() -> None:
    """Its own patience decides, or in the end the client's."""
    (silent,) = await trio.open_tcp_listeners(0, host=LOCALHOST)
    async with silent:
        port = silent.socket.getsockname()[1]
        stream = await trio.open_ssl_over_tcp_stream(LOCALHOST, port)
        with trio.move_on_after(0.05) as patience:
            async with acton.ipc.open_client(stream):
                raise AssertionError

        assert patience.cancelled_caught
        with pytest.raises(trio.ClosedResourceError):
            await stream.transport_stream.send_all(b"x")


async def test_handshake_with_a_mute_server_ends(autojump_clock: MockClock) -> None:
    """Also for a client that has all the time in the world."""
    ours, theirs = trio.testing.memory_stream_pair()
    context = ssl.create_default_context()
    stream = trio.SSLStream(ours, context, server_hostname=LOCALHOST)
    async with theirs:
        with pytest.raises(trio.BrokenResourceError, match="30 seconds"):
            async with acton.ipc.open_client(stream):
                raise AssertionError

    assert trio.current_time() == pytest.approx(30)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HALF_A_HELLO, id="half a hello"),
    ],
)
async def test_handshake_has_to_be_over_in_its_time(
    papers: Papers, beginning: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Who never finishes it has his place for no longer, and was not let in."""
    config = IpcConfig(timeouts=IpcTimeouts(handshake_timeout=0.05))
    async with open_inn(papers, config) as inn, await inn.connect() as stream:
        await stream.send_all(beginning)

        assert await read_to_the_end(stream) == b""
        await inn.wait_for_guests(0)
        counted = inn.listener.statistics()
        assert (counted.errors, counted.connections_accepted) == (1, 0)
        assert "it took longer than 0.05 seconds" in caplog.text


async def test_failed_handshake_is_told_to_the_owner_of_the_server(
    papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer learns little, the log says what was wrong."""
    async with open_inn(papers) as inn:
        stranger = await inn.speak(papers.of_client(None))
        async with stranger:
            with pytest.raises(trio.BrokenResourceError):
                await stranger.do_handshake()
                await stranger.receive_some(1)
        await until(lambda: inn.listener.statistics().errors == 1)

        assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in caplog.text


async def test_peer_is_told_that_this_is_the_end(papers: Papers) -> None:
    """An end without a goodbye could be the work of somebody in between."""
    async with open_inn(papers) as inn:
        context = papers.of_client(papers.authority)
        transport = await inn.connect()
        async with trio.SSLStream(
            transport, context, server_hostname=LOCALHOST, https_compatible=False
        ) as stream:
            await stream.do_handshake()
            await until(lambda: inn.listener.statistics().connections_accepted == 1)
            await inn.listener.shutdown_gracefully()

            assert await stream.receive_some(1) == b""


async def test_handshake_that_trickles_in_gains_no_time(papers: Papers) -> None:
    """The time is for all of it: a byte now and then does not start it anew."""
    config = IpcConfig(timeouts=IpcTimeouts(handshake_timeout=0.05))
    async with open_inn(papers, config) as inn, await inn.connect() as stream:
        await stream.send_all(HALF_A_HELLO)
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"\0")
                await trio.sleep(0.01)

        await inn.wait_for_guests(0)


@pytest.mark.usefixtures("unhurried")
async def test_unfinished_handshake_takes_a_place(papers: Papers) -> None:
    """It counts among the connections, of which there are only so many."""
    config = IpcConfig(limits=IpcLimits(max_connections=1))
    async with open_inn(papers, config) as inn:
        async with await inn.connect():
            await inn.wait_for_guests(1)
            with pytest.raises(acton.ConnectionRefusedByPeerError, match="limit"):
                await inn.is_open()
        await inn.wait_for_guests(0)

        assert await inn.is_open()


async def test_unfinished_handshake_does_not_hold_the_end_up(papers: Papers) -> None:
    """There is nothing in flight on a connection that has not begun."""
    config = IpcConfig(shutdown=acton.ipc.IpcShutdown(drain_timeout=10_000))
    async with open_inn(papers, config) as inn, await inn.connect() as stream:
        await stream.send_all(HALF_A_HELLO)
        await inn.wait_for_guests(1)
        result = await inn.listener.shutdown_gracefully()

        assert result.drained_gracefully
        assert await read_to_the_end(stream) == b""


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(frame(REQUEST, b"{}"), id="our protocol, in clear"),
        pytest.param(HALF_A_HELLO + bytes(16000), id="a hello that is none"),
        pytest.param(bytes(range(256)) * 999, id="much"),
    ],
)
async def test_who_speaks_no_tls_is_hung_up_on(papers: Papers, nonsense: bytes) -> None:
    """At once, and nobody else notices."""
    async with open_inn(papers) as inn:
        async with await inn.connect() as stream, trio.open_nursery() as nursery:
            nursery.start_soon(write, stream, nonsense)
            # An alert of TLS, at most.
            assert len(await read_to_the_end(stream)) < 100
        await inn.wait_for_guests(0)

        assert inn.listener.statistics().messages_received == 0
        assert await inn.is_open()


async def write(stream: trio.abc.SendStream, data: bytes) -> None:
    """Write *data*, as far as anybody reads it."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)


# --- ends


@pytest.mark.parametrize("manner", ["a farewell", "an end", "a reset"])
async def test_loss_of_a_peer_ends_what_it_asked_for(
    papers: Papers, manner: str
) -> None:
    """However it goes: without TLS's farewell is no fault of the protocol's."""
    async with open_inn(papers) as inn:
        stream = await inn.speak()
        below = stream.transport_stream
        await Peer(stream).request("n", "Nap", {"seconds": 10_000})
        await until(lambda: inn.service.log == ["nap began"])
        if manner == "a reset":
            linger = struct.pack("ii", 1, 0)
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await (stream if manner == "a farewell" else below).aclose()
        await inn.wait_for_guests(0)
        counted = inn.listener.statistics()

        assert inn.service.log == ["nap began", "nap cancelled"]
        assert (counted.errors, counted.in_flight_requests) == (0, 0)


async def test_answers_are_read_before_the_listener_has_drained(
    papers: Papers,
) -> None:
    """What is in flight is answered, and then the connection ends."""
    async with open_inn(papers) as inn, await inn.speak() as stream:
        peer = Peer(stream)
        await peer.request("n", "Nap", {"seconds": 0.05})
        await until(lambda: inn.service.log == ["nap began"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inn.listener.shutdown_gracefully)

            assert (await peer.answer())["success"]
            assert await read_to_the_end(stream) == b""


async def test_peer_that_does_not_read_is_not_waited_for_at_the_end(
    papers: Papers,
) -> None:
    """A listener that is stopped closes by force: no farewell of TLS is owed."""
    async with open_inn(papers) as inn, await inn.speak() as stream:
        await ask_for_more_than_fits(Peer(stream))
        await until(lambda: inn.listener.statistics().in_flight_requests == 1)
        await inn.listener.stop()

        assert inn.listener.statistics().connections_active == 0


async def ask_for_more_than_fits(peer: Peer) -> None:
    """Ask for a reply that is larger than what anybody keeps on its way."""
    await peer.request("e", "Echo", {"text": "x" * 1000, "times": 15_000})


# --- both ways


async def test_peer_that_does_not_read_is_disconnected(papers: Papers) -> None:
    """The write timeout is that of all streams, and does not wait for a farewell."""
    config = IpcConfig(timeouts=IpcTimeouts(write_timeout=0.05))
    async with open_inn(papers, config) as inn, await inn.speak() as stream:
        await ask_for_more_than_fits(Peer(stream))
        await until(lambda: inn.listener.statistics().messages_received == 1)
        await inn.wait_for_guests(0)


async def test_much_goes_both_ways_at_once(papers: Papers) -> None:
    """Reading does not wait for writing, nor the other way round."""
    texts = [f"{number}" * 100_000 for number in range(10)]
    echoes: dict[str, str] = {}

    async def echo(service: acton.ipc.RemoteActorHandle, text: str) -> None:
        echoes[text] = await service.ask(Echo(text))

    async with (
        open_inn(papers, IpcConfig(rate_limit=UNLIMITED)) as inn,
        acton.ipc.open_client(await inn.speak()) as client,
        trio.open_nursery() as nursery,
    ):
        for text in texts:
            nursery.start_soon(echo, client.actor("service"), text)

    assert echoes == {text: text for text in texts}


async def test_cancelled_ask_leaves_the_connection_whole(papers: Papers) -> None:
    """A record of TLS is never half written: others go on over it."""
    async with (
        open_inn(papers) as inn,
        acton.ipc.open_client(await inn.speak()) as client,
    ):
        service = client.actor("service")
        for seconds in (0, 0.01):
            with trio.move_on_after(seconds):
                await service.ask(Echo("x" * 100_000))
        with trio.move_on_after(0.05):
            await service.ask(Nap(10_000))

        assert await service.ask(Echo("x", 10)) == "x" * 10


# --- who is there


@pytest.mark.usefixtures("unhurried")
async def test_nobody_who_comes_over_tls_is_on_a_list(papers: Papers) -> None:
    """There is no user at the other end, whatever the certificate says."""
    config = IpcConfig(access=acton.ipc.IpcAccess(allow_uids=(os.getuid(),)))
    async with open_inn(papers, config) as inn:
        with pytest.raises(acton.ConnectionRefusedByPeerError, match="access denied"):
            await inn.is_open()


async def test_authorize_is_told_nothing_of_who_comes_over_tls(
    papers: Papers,
) -> None:
    """It may still refuse; who it is, is between the certificate and TLS."""
    seen: list[acton.ipc.PeerCredentials] = []

    def authorize(peer: acton.ipc.PeerCredentials) -> bool:
        seen.append(peer)
        return True

    async with open_inn(papers, authorize=authorize) as inn:
        assert await inn.is_open()

    assert seen == [acton.ipc.PeerCredentials()]
