"""What the connections of a test are made of."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from acton_trio.testing import MemoryListener

from .peers import TRANSPORT, SocketDoor


@pytest.fixture(params=["memory", "sockets"])
def each_transport(request: pytest.FixtureRequest) -> Generator[None]:
    """Have the connections of a world be streams in memory, and then sockets.

    A server listens to sockets in another way than to all other streams.
    """
    with ExitStack() as held:
        if request.param == "sockets":
            TRANSPORT.new_door = lambda: SocketDoor(held)
        try:
            yield
        finally:
            TRANSPORT.new_door = MemoryListener
