"""A service over TCP, for clients that show a certificate: mutual TLS.

Without arguments it shows itself, with certificates that are thrown away
afterwards; for those it needs ``pip install trustme``::

    python examples/tls_service.py

One sees a client served that shows a certificate, and two turned away: one that
has none, and one whose own nobody here has signed.  A fourth turns away by
itself, from a server that it has no reason to trust.

With real certificates it is the service, or a client of it::

    python examples/tls_service.py serve HOST PORT AUTHORITY SERVER
    python examples/tls_service.py call HOST PORT AUTHORITY [CLIENT]

These are files of PEM: AUTHORITY has the certificate that has signed the others,
SERVER and CLIENT a private key each, and its certificate.
"""

from __future__ import annotations

import ssl
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from my_service import GetValue, MyService, SetValue, ValueResponse

import acton_trio as acton


def context_of_server(authority: Path, own: Path) -> ssl.SSLContext:
    """Return how a server speaks TLS that wants to see a certificate, too."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(own)
    return context


def context_of_client(authority: Path, own: Path | None = None) -> ssl.SSLContext:
    """Return how a client speaks TLS, with a certificate of its own or without."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if own is not None:
        context.load_cert_chain(own)
    return context


@asynccontextmanager
async def open_service(
    host: str, port: int, context: ssl.SSLContext
) -> AsyncGenerator[tuple[acton.Runtime, int], None]:
    """Serve as long as the block; give the runtime and the port."""
    tcp = await trio.open_tcp_listeners(port, host=host)
    tls = [trio.SSLListener(each, context) for each in tcp]
    # The nursery is around the runtime, which shuts the door when it is left.
    async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
        await runtime.start(MyService, name="my-service", expose=True)
        serve_tls = partial(acton.ipc.serve, runtime, tls)
        await nursery.start(serve_tls)
        yield runtime, tcp[0].socket.getsockname()[1]


async def call(host: str, port: int, context: ssl.SSLContext) -> ValueResponse:
    """Make the same calls as over a Unix socket."""
    stream = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=context)
    async with stream:
        # Whether the server can be trusted shows here.
        await stream.do_handshake()
        async with acton.ipc.open_client(stream) as client:
            service = client.actor("my-service")
            await service.send(SetValue(42))
            return await service.ask(GetValue())


async def show(title: str, host: str, port: int, context: ssl.SSLContext) -> bool:
    """Show what becomes of a call; return whether it was answered."""
    try:
        value = await call(host, port, context)
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        reason = cause.reason if isinstance(cause, ssl.SSLError) else error
        print(f"{title}: does not trust the server: {reason}")
    except acton.PeerLostError as error:
        # A server of TLS 1.3 looks at certificates last.  All that one hears
        # of its judgement is that it hangs up.
        print(f"{title}: the server wants no such client: {error.detail}")
    else:
        print(f"{title}: {value}")
        return True
    return False


async def serve(host: str, port: int, context: ssl.SSLContext) -> None:
    """Serve until a signal comes."""
    async with open_service(host, port, context) as (runtime, bound):
        print("listening at port", bound, flush=True)
        await runtime.wait_for_signal()


async def demonstrate(folder: Path) -> None:
    """Serve, and be called by those who may and by those who may not."""
    ours, foreign = folder / "ours.pem", folder / "foreign.pem"
    server = context_of_server(ours, folder / "server.pem")
    client, stranger = folder / "client.pem", folder / "stranger.pem"
    async with open_service("127.0.0.1", 0, server) as (_, port):
        for title, context in {
            "with a certificate": context_of_client(ours, client),
            "without one": context_of_client(ours),
            "with a stranger's": context_of_client(ours, stranger),
            "with other friends": context_of_client(foreign, client),
        }.items():
            await show(title, "127.0.0.1", port, context)


def make_certificates(folder: Path) -> None:
    """Write what a demonstration needs, and nobody should use for anything else."""
    try:
        import trustme  # noqa: PLC0415 - real certificates do without
    except ImportError:
        sys.exit("certificates to throw away are made by: pip install trustme")
    ours, foreign = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ours.pem"))
    foreign.cert_pem.write_to_path(str(folder / "foreign.pem"))
    for name, leaf in {
        "server.pem": ours.issue_cert("127.0.0.1"),
        "client.pem": ours.issue_cert("client@example.org"),
        "stranger.pem": foreign.issue_cert("client@example.org"),
    }.items():
        leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / name))


def main(*arguments: str) -> int:
    """Do what the arguments say; return the exit code."""
    match arguments:
        case ["serve", host, port, authority, own]:
            context = context_of_server(Path(authority), Path(own))
            trio.run(serve, host, int(port), context)
            return 0
        case ["call", host, port, authority, *own]:
            context = context_of_client(Path(authority), *map(Path, own))
            return 1 - trio.run(show, "the service", host, int(port), context)
        case []:
            with tempfile.TemporaryDirectory() as folder:
                make_certificates(Path(folder))
                trio.run(demonstrate, Path(folder))
            return 0
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
