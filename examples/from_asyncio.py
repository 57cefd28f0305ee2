"""Calls the service of `my_service.py` from a program that runs on asyncio.

::

    python examples/from_asyncio.py /tmp/my-service.sock

The client blocks, so each call is made in a thread of `asyncio.to_thread`, while
the event loop goes on.  One client serves all threads at once.  A thread cannot be
cancelled: what bounds a call is its timeout, of which the service hears as well.

A program without this package takes `ipc_client_libraries/python`, which has a
client for asyncio.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - the program that calls is not on trio
import sys

from my_service import GetValue, SetValue

import acton_trio as acton


async def main(path: str) -> None:
    """Set the value, and ask for it several times at once."""
    with await asyncio.to_thread(acton.ipc.BlockingClient, path, timeout=5) as client:
        service = client.actor("my-service")
        await asyncio.to_thread(service.send, SetValue(42))
        answers = await asyncio.gather(
            *(asyncio.to_thread(service.ask, GetValue()) for _ in range(3))
        )
        print("three answers at once:", *(answer.value for answer in answers))
        try:
            await asyncio.to_thread(client.actor("nobody").ask, GetValue(), timeout=1)
        except acton.PeerRejectedError as error:
            print("nobody:", error.code)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
