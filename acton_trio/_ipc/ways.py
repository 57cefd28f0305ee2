"""How a client gets its connection: by a path, or by what makes a stream."""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Awaitable, Callable
from functools import partial
from os import PathLike
from typing import Final, TypeAlias, cast

import trio

from .._base.util import shown
from .._policy.backoff import Backoff
from .addresses import address_of

__all__ = ["Connect", "Where", "opened", "way_to"]

# How long a client tries to get into the line of a server that is behind with
# accepting, and how long it waits between two tries; in seconds.
_PATIENCE: Final = 30.0
_PAUSE: Final = 0.01

Where: TypeAlias = (
    str
    | PathLike[str]
    | trio.abc.Stream
    | Callable[[], trio.abc.Stream | Awaitable[trio.abc.Stream]]
)
"""A path, a stream, or what makes one."""

Connect: TypeAlias = Callable[[], Awaitable[trio.abc.Stream]]
"""Makes a new connection to the peer."""


def way_to(where: Where, backoff: object) -> Connect | None:
    """Return how to connect to what is at *where*; ``None``: that is done.

    Args:
        where: What the user has given.
        backoff: How to connect again, if that is wanted.

    Raises:
        TypeError: If that is no `Backoff`, or cannot be done.
    """
    way = _way_to(where)
    _check_backoff(backoff, where, way)
    return way


async def opened(where: Where, way: Connect | None) -> trio.abc.Stream:
    """Return a connection to what is at *where*; over TLS with its handshake done.

    Raises:
        OSError: If nobody listens there.
        trio.BrokenResourceError: If the two do not trust each other; from what TLS
            says of it.

    Cancellation:
        There is none, and *where* is closed if it is a stream.
    """
    if isinstance(where, trio.abc.Stream):
        return await _introduced(where)
    assert way is not None
    return await way()


async def _introduced(stream: trio.abc.Stream) -> trio.abc.Stream:
    """Do what comes before all else on *stream*, so that its failure is told."""
    if not isinstance(stream, trio.SSLStream):
        return stream
    over_tls = cast("trio.SSLStream[trio.abc.Stream]", stream)
    is_over = False
    try:
        with trio.fail_after(_PATIENCE):
            await over_tls.do_handshake()
        is_over = True
    except trio.TooSlowError:
        msg = f"the handshake of TLS was not over in {_PATIENCE:g} seconds"
        raise trio.BrokenResourceError(msg) from None
    finally:
        if not is_over:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(over_tls)
    return over_tls


def _way_to(where: Where) -> Connect | None:
    if isinstance(where, trio.abc.Stream):
        return None
    if isinstance(where, (str, PathLike)):
        return partial(_connect, where)
    if not callable(where):
        msg = (
            "where is a path, a stream, or a function that returns one, not "
            f"{shown(where)}"
        )
        raise TypeError(msg)
    return partial(_call, where)


async def _connect(where: str | PathLike[str]) -> trio.abc.Stream:
    with address_of(where) as address, trio.move_on_after(_PATIENCE):
        while True:
            try:
                stream = await trio.open_unix_socket(address)
            except OSError as error:
                if error.filename is None:
                    error.filename = os.fspath(where)
                raise
            try:
                stream.socket.getpeername()
            except OSError:
                # There were too many others in line, which trio does not tell.
                await stream.aclose()
                await trio.sleep(_PAUSE)
            else:
                return stream
    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(where))


async def _call(
    make: Callable[[], trio.abc.Stream | Awaitable[trio.abc.Stream]],
) -> trio.abc.Stream:
    made = make()
    return await _introduced(await made if inspect.isawaitable(made) else made)


def _check_backoff(backoff: object, where: object, way: Connect | None) -> None:
    if backoff is None:
        return
    if not isinstance(backoff, Backoff):
        msg = f"reconnect is a Backoff, not {shown(backoff)}"
        raise TypeError(msg)
    if way is None:
        msg = (
            f"{shown(where)} cannot be opened again: to reconnect, give a path, or a "
            "function that returns a stream"
        )
        raise TypeError(msg)
