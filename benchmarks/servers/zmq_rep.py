"""ZeroMQ, REP: one request after the other."""

from __future__ import annotations

import importlib

from servers.desk import report_ready, socket_path, work

zmq = importlib.import_module("zmq")


def main() -> None:
    """Serve until killed."""
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind(f"ipc://{socket_path()}")
        report_ready()
        while True:
            socket.send(work(socket.recv()))


if __name__ == "__main__":
    main()
