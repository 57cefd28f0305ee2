"""ZeroMQ, ROUTER: whoever has asked is named in front of the request."""

from __future__ import annotations

import importlib

from servers.desk import report_ready, socket_path, work

zmq = importlib.import_module("zmq")


def main() -> None:
    """Serve until killed."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(f"ipc://{socket_path()}")
        report_ready()
        while True:
            peer, data = socket.recv_multipart()
            socket.send_multipart([peer, work(data)])


if __name__ == "__main__":
    main()
