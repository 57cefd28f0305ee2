"""`SocketDoor`: lets in at once those who wait at a socket."""

from __future__ import annotations

import socket
from collections import deque
from typing import Final, final

import attrs
import trio

__all__ = ["SocketDoor", "door_of"]

# So many are let in before all other tasks have their turn; each of them takes
# about a tenth of a millisecond until it is settled.
_MOST: Final = 16


@final
@attrs.define(eq=False)
class SocketDoor(trio.abc.Listener[trio.abc.Stream]):
    """Accepts those who wait at a socket; lives as long as it is listened to.

    trio accepts one of them each time that all tasks have had their turn: of a
    crowd, the last would wait until the first had been served for long.
    """

    _listener: trio.SocketListener
    _twin: socket.socket
    """The same socket, where one can look without waiting."""

    _accepted: deque[trio.SocketStream] = attrs.field(
        factory=deque["trio.SocketStream"], init=False
    )

    async def accept(self) -> trio.SocketStream:
        """Return the next of those who wait, or wait for one.

        It waits only when nobody is left of those who came together.

        Cancellation:
            Nobody is lost.
        """
        if not self._accepted:
            self._accepted.append(await self._listener.accept())
            self._accept_more()
        return self._accepted.popleft()

    def _accept_more(self) -> None:
        while len(self._accepted) < _MOST:
            try:
                accepted, _ = self._twin.accept()
            except OSError:
                # Nobody is left; or else whoever waits next learns what is wrong.
                return
            self._accepted.append(
                trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
            )

    async def aclose(self) -> None:
        """Accept no more.

        Cancellation:
            It is closed all the same.
        """
        self._twin.close()
        for stream in self._accepted:
            stream.socket.close()
        await self._listener.aclose()


def door_of(
    listener: trio.abc.Listener[trio.abc.Stream],
) -> trio.abc.Listener[trio.abc.Stream]:
    """Return what lets in those who come to *listener*, and closes it in the end."""
    if not isinstance(listener, trio.SocketListener):
        return listener
    original = listener.socket
    try:
        twin = socket.fromfd(original.fileno(), original.family, original.type)
    except OSError:
        # No more descriptors, or closed already: trio does what can be done.
        return listener
    twin.settimeout(0)
    return SocketDoor(listener, twin)
