"""A client without trio, of two threads, through the loss of its peer.

    python -m outage.client_blocking SOCKET

It goes on until its standard input ends.
"""

from __future__ import annotations

import sys
import threading
import time

import acton_trio as acton

from .diary import new_id, noted
from .service import Record

NAME = "blocking"


def ask_on(path: str, stop: threading.Event) -> None:
    """Ask one thing after another, over one connection after another."""
    while not stop.is_set():
        try:
            with acton.ipc.BlockingClient(path) as client:
                ask_until_lost(client, stop)
        except OSError:
            time.sleep(0.05)


def ask_until_lost(client: acton.ipc.BlockingClient, stop: threading.Event) -> None:
    """Ask one thing after another, over one connection."""
    is_lost = False
    while not is_lost and not stop.is_set():
        request_id, is_lost = new_id(NAME), True
        with noted(request_id, acton.PeerLostError):
            answer = client.actor("ledger").ask(Record(request_id))
            assert answer == request_id
            is_lost = False


def main(path: str) -> None:
    """Go on until told to stop."""
    stop = threading.Event()
    threads = [threading.Thread(target=ask_on, args=(path, stop)) for _ in range(2)]
    for each in threads:
        each.start()
    sys.stdin.read()
    stop.set()
    for each in threads:
        each.join()


if __name__ == "__main__":
    main(sys.argv[1])
