"""Calls the service of `my_service.py` from another process, in three ways.

::

    python examples/my_client.py /tmp/my-service.sock
"""

from __future__ import annotations

import sys

import trio
from my_service import GetValue, SetValue

import acton_trio as acton


async def with_types(path: str) -> None:
    """Make the same calls as inside the service's own process."""
    async with acton.ipc.open_client(path) as client:
        service = client.actor("my-service")
        await service.send(SetValue(42))
        print("typed:", await service.ask(GetValue()))


async def with_frames(path: str) -> None:
    """Write one envelope and read one answer, with nothing around them."""
    stream = await trio.open_unix_socket(path)
    async with stream:
        envelope = acton.ipc.IpcEnvelope("my-service", "GetValue", {})
        await acton.ipc.protocol.write_envelope(stream, envelope)
        response = await acton.ipc.protocol.read_response(stream, 1024 * 1024)
        print("by hand:", response.payload)


def without_trio(path: str) -> None:
    """Make the same calls from code that blocks."""
    with acton.ipc.BlockingClient(path) as client:
        service = client.actor("my-service")
        service.send(SetValue(43))
        print("blocking:", service.ask(GetValue()))


def main(path: str) -> None:
    """Call the service in all three ways."""
    trio.run(with_types, path)
    trio.run(with_frames, path)
    without_trio(path)


if __name__ == "__main__":
    main(sys.argv[1])
