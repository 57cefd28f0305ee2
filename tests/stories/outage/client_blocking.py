"""A client without trio, of several threads, through the loss of its peer.

    python -m outage.client_blocking SOCKET

It goes on until its standard input ends.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import acton_trio as acton

from .diary import new_id, noted
from .service import Feed, Record

NAME = "blocking"


def ask(client: acton.ipc.BlockingClient, request_id: str) -> None:
    """Ask one thing."""
    answer = client.actor("ledger").ask(Record(request_id))
    assert answer == request_id


def stream(client: acton.ipc.BlockingClient, request_id: str) -> None:
    """Read one stream to its end."""
    with client.actor("ledger").stream(Feed(request_id, 20)) as numbers:
        assert list(numbers) == list(range(20))


def go_on(
    path: str,
    stop: threading.Event,
    do: Callable[[acton.ipc.BlockingClient, str], None],
) -> None:
    """Do one thing after another, over one connection after another."""
    while not stop.is_set():
        try:
            with acton.ipc.BlockingClient(path) as client:
                go_on_until_lost(client, stop, do)
        except OSError:
            time.sleep(0.05)


def go_on_until_lost(
    client: acton.ipc.BlockingClient,
    stop: threading.Event,
    do: Callable[[acton.ipc.BlockingClient, str], None],
) -> None:
    """Do one thing after another, over one connection."""
    is_lost = False
    while not is_lost and not stop.is_set():
        request_id, is_lost = new_id(NAME), True
        with noted(request_id, acton.PeerLostError):
            do(client, request_id)
            is_lost = False


def main(path: str) -> None:
    """Go on until told to stop."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=go_on, args=(path, stop, do))
        for do in (ask, ask, stream)
    ]
    for each in threads:
        each.start()
    sys.stdin.read()
    stop.set()
    for each in threads:
        each.join()


if __name__ == "__main__":
    main(sys.argv[1])
