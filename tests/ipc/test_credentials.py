"""Who is at the other end of a connection, as far as the kernel tells."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
from collections.abc import Callable

import pytest
import trio
import trio.testing

from acton_trio._ipc import credentials
from acton_trio._ipc.credentials import (
    credentials_of,
    is_through_abstract_name,
    of_ucred,
    of_xucred,
)
from acton_trio.ipc import PeerCredentials

US = PeerCredentials(os.getpid(), os.geteuid(), os.getegid())
NOBODY = PeerCredentials()


def unix_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both ends of a connection over the operating system."""
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


def in_tls(stream: trio.abc.Stream) -> trio.abc.Stream:
    """Return *stream* as it is under TLS, which it has not spoken yet."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    return trio.SSLStream(stream, context, server_side=True)


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (PeerCredentials(7, 1000, 20), "pid=7 uid=1000 gid=20"),
        (PeerCredentials(None, 0, 0), "pid=unknown uid=0 gid=0"),
        (PeerCredentials(), "pid=unknown uid=unknown gid=unknown"),
    ],
)
def test_credentials_are_written_in_a_line(peer: PeerCredentials, text: str) -> None:
    """As logs have them."""
    assert str(peer) == text


@pytest.mark.parametrize(
    ("said", "peer"),
    [
        pytest.param((7, 1000, 20), PeerCredentials(7, 1000, 20), id="all"),
        pytest.param((0, 1000, 20), PeerCredentials(None, 1000, 20), id="no process"),
        pytest.param((-1, 0, 0), PeerCredentials(None, 0, 0), id="a strange process"),
        pytest.param((0, 2**32 - 1, 2**32 - 1), NOBODY, id="nobody"),
    ],
)
def test_linux_is_understood(said: tuple[int, int, int], peer: PeerCredentials) -> None:
    """A process that cannot be seen from here has no number, and is no failure."""
    assert of_ucred(struct.pack("iII", *said)) == peer


@pytest.mark.parametrize(
    ("number", "gid"),
    [pytest.param(3, 20, id="some"), pytest.param(0, None, id="none")],
)
def test_bsd_is_understood(number: int, gid: int | None) -> None:
    """Of the groups the first is the process's own."""
    said = struct.pack("IIh2x16I", 0, 501, number, 20, 12, *[0] * 14)

    assert of_xucred(said + bytes(8)) == PeerCredentials(None, 501, gid)


async def test_peer_of_a_unix_socket_is_known() -> None:
    """By the end that asks."""
    ours, theirs = unix_pair()
    async with ours, theirs:
        assert credentials_of(ours) == US


async def test_peer_below_tls_is_known() -> None:
    """TLS is spoken with whoever holds the socket."""
    ours, theirs = unix_pair()
    async with ours, theirs:
        assert credentials_of(in_tls(in_tls(ours))) == US


async def test_peer_of_another_stream_is_unknown() -> None:
    """In memory, or at another machine."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with ours, theirs:
        assert credentials_of(ours) == NOBODY
        assert credentials_of(in_tls(ours)) == NOBODY
        assert not is_through_abstract_name(ours)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with (
        listener,
        await trio.testing.open_stream_to_socket_listener(listener) as client,
        await listener.accept() as server,
    ):
        assert credentials_of(client) == NOBODY
        assert credentials_of(server) == NOBODY
        assert not is_through_abstract_name(server)


async def test_peer_of_a_closed_socket_is_unknown() -> None:
    """There is nobody to ask, nothing fails, and nothing is taken as safe."""
    ours, theirs = unix_pair()
    async with ours, theirs:
        pass

    assert credentials_of(ours) == NOBODY
    assert is_through_abstract_name(ours)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda: 1 / 0, id="an option that there is not"),
        pytest.param(lambda: b"short", id="an answer of another shape"),
    ],
)
async def test_kernel_that_does_not_tell_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[], bytes]
) -> None:
    """Who it is, is unknown then."""

    def read(_socket: object) -> PeerCredentials:
        try:
            return of_ucred(fault())
        except ZeroDivisionError:
            raise OSError from None

    monkeypatch.setattr(credentials, "_read", read)
    ours, theirs = unix_pair()
    async with ours, theirs:
        assert credentials_of(ours) == NOBODY


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
async def test_connection_through_an_abstract_name_is_told_from_others() -> None:
    """By its own end's name, which is that of its listener."""
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as far:
        bound.bind("")
        bound.listen()
        far.connect(bound.getsockname())
        near, _ = bound.accept()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(near))
        other = trio.SocketStream(trio.socket.from_stdlib_socket(far.dup()))
        async with stream, other:
            assert is_through_abstract_name(stream)
            assert is_through_abstract_name(in_tls(stream))
            assert not is_through_abstract_name(other)
