"""`Outlet`: where the replies of one stream go on their way to a peer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

import attrs
import trio

__all__ = ["Outlet"]


@final
@attrs.frozen(eq=False)
class Outlet:
    """Where the replies of one stream go; lives as long as the stream."""

    _write: Callable[[object], bool]
    """Writes a reply, and returns whether the stream goes on."""

    _wait_calm: Callable[[], Awaitable[None]]

    async def put(self, item: object) -> None:
        """Have *item* written, once the peer has read enough of what came before.

        Cancellation:
            The item was not written, and will not be.
        """
        # A switch for each: many streams must not be gone on with all at once.
        await trio.lowlevel.checkpoint()
        await self._wait_calm()
        if not self._write(item):
            # Nobody waits for it any more, and the handler is being told so in
            # trio's way: this returns by being cancelled.
            await trio.sleep_forever()
