"""What a stream over TLS needs besides what every stream does."""

from __future__ import annotations

import trio

__all__ = ["is_encrypted", "shake_hands"]


def is_encrypted(stream: trio.abc.Stream) -> bool:
    """Return whether *stream* begins with a handshake, and ends with a goodbye."""
    return isinstance(stream, trio.SSLStream)


async def shake_hands(stream: trio.abc.Stream, seconds: float) -> str | None:
    """Have a peer show what it has to, and return why it failed, or ``None``.

    Any other stream needs nothing of the kind.

    Args:
        stream: The connection; what is sent over it later needs no handshake.
        seconds: How long the peer may take.

    Cancellation:
        The handshake is not done: close the stream.
    """
    if not isinstance(stream, trio.SSLStream):
        return None
    try:
        with trio.fail_after(seconds):
            await stream.do_handshake()
    except trio.TooSlowError:
        return f"it took longer than {seconds:g} seconds"
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        return str(error.__cause__ or "the peer has gone")
    return None
