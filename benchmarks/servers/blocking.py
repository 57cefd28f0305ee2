"""Blocking sockets, and a thread for each connection."""

from __future__ import annotations

import socket
from threading import Thread

from servers.desk import answers, listening_socket, report_ready


def serve_connection(connection: socket.socket) -> None:
    """Answer all that was read at once with one write, until the peer hangs up."""
    rest = b""
    with connection:
        while data := connection.recv(65536):
            replies, rest = answers(rest + data)
            connection.sendall(b"".join(replies))


def main() -> None:
    """Serve until killed."""
    with listening_socket() as listener:
        report_ready()
        while True:
            connection, _ = listener.accept()
            Thread(target=serve_connection, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
